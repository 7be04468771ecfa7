"""A member of a pool for tests: Serf with its driver, and a diary of what it heard."""

import asyncio
import os
import random
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from proconsul.gossip.address import address_of
from proconsul.gossip.admission import Everybody
from proconsul.gossip.effects import (
    Change,
    JoinEnded,
    MemberChanged,
    MemberStatus,
    QueryHeard,
    UserEventHeard,
)
from proconsul.gossip.joining import JoinTarget
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.serf import Serf
from proconsul.gossip.settings import GossipSettings, SerfSettings
from proconsul.gossip.snapshot import Kept
from proconsul.runtime.disk import RealDisk
from proconsul.runtime.gossip_driver import GossipDriver
from proconsul.runtime.gossip_engine import Heard
from proconsul.runtime.gossip_files import GossipFiles
from proconsul.telemetry import Telemetry

PORT = 8301
LOOK_S = 0.02
PATIENCE_S = 60.0

# For pools of our own nodes alone: a stop is a failure after about half a second.
QUICK = GossipSettings(
    probe_interval_s=0.2,
    probe_timeout_s=0.1,
    suspicion_mult=2,
    gossip_interval_s=0.02,
    push_pull_interval_s=2.0,
)
QUICK_SERF = SerfSettings(leave_propagate_delay_s=0.2, reconnect_interval_s=0.5)


def place(last: int) -> str:
    """A loopback address that no other test worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"127.{worker}.41.{last}"


class PoolNode:
    """One process of a pool, for as long as it lives."""

    def __init__(
        self,
        name: str,
        host: str,
        *,
        tags: Mapping[str, str] = {},
        keys: Sequence[bytes] = (),
        folder: Path | None = None,
        gossip: GossipSettings = QUICK,
        settings: SerfSettings = QUICK_SERF,
        port: int = PORT,
        serf_type: type[Serf] = Serf,
    ) -> None:
        """`folder`: where it keeps its files, and what a former process of it has kept."""
        self.name = name
        self.host = host
        self.port = port
        self.heard: list[Heard] = []
        self.threads: set[str] = set()  # in which it heard
        self.failures: list[BaseException] = []
        self.telemetry = Telemetry()
        self.answer: Callable[[QueryHeard], bytes | None] = lambda query: None
        self._answering: set[asyncio.Task[None]] = set()
        files = GossipFiles(str(folder), RealDisk()) if folder is not None else None
        self.kept = Kept() if files is None else files.load_snapshot(rejoin_after_leave=False)
        ring = files.load_keyring() if files is not None else None
        if ring is None and keys:
            ring = Keyring(keys)
        self.serf = serf_type(
            name=name,
            address=address_of(host, port),
            tags=tags,
            gossip=gossip,
            settings=settings,
            ring=ring,
            admission=Everybody(),
            dice=random.Random(name).randrange,
            nonce=secrets.token_bytes,
            now_s=time.monotonic(),
            kept=self.kept,
        )
        self.driver = GossipDriver(
            self.serf,
            hear=self._hear,
            files=files,
            telemetry=self.telemetry,
            fail=self.failures.append,
            stream_patience_s=gossip.tcp_timeout_s,
        )

    async def start(self) -> None:
        """Begin to be a member."""
        await self.driver.listen(self.host, self.port)
        self.driver.start()

    async def stop(self) -> None:
        """End without a word, as a killed process does."""
        await self.driver.stop()
        for task in set(self._answering):
            await task

    def _hear(self, event: Heard) -> None:
        self.threads.add(threading.current_thread().name)
        self.heard.append(event)
        if isinstance(event, QueryHeard) and (payload := self.answer(event)) is not None:
            task = asyncio.ensure_future(self.driver.respond(event, payload))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    # ---------------------------------------------------------------- what the test asks

    async def join(self, host: str, port: int = PORT) -> JoinEnded:
        """Join who is there; it must answer."""
        ended = await self.try_join(host, port)
        assert ended.reached == 1, ended.failures
        return ended

    def status(self, name: str) -> MemberStatus | None:
        """How this member is, as far as this node knows."""
        member = self.driver.member(name)
        return None if member is None else member.status

    def statuses(self) -> dict[str, MemberStatus]:
        """The same of all."""
        return {member.name: member.status for member in self.driver.members()}

    async def until_status(self, name: str, status: MemberStatus) -> None:
        """Wait until a member is so."""
        await until(lambda: self.status(name) is status, lambda: f"{name}: {self.statuses()}")

    def telemetry_of(self, name: str) -> float:
        """What a counter says."""
        return self.telemetry.totals().counters.get((name, ()), 0.0)

    async def try_join(self, host: str, port: int = PORT) -> JoinEnded:
        """Join who is there, if it answers."""
        target = JoinTarget(address=address_of(host, port), name="", text=host)
        return await self.driver.join([target])

    def changes(self, name: str) -> list[Change]:
        """What happened to a member."""
        return [
            event.change
            for event in self.heard
            if isinstance(event, MemberChanged) and event.member.name == name
        ]

    def events(self) -> list[tuple[str, bytes]]:
        """The user events, in order."""
        return [
            (event.name, event.payload) for event in self.heard if isinstance(event, UserEventHeard)
        ]


async def until(
    holds: Callable[[], bool],
    told: Callable[[], object] = lambda: "",
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait until something is so; `told` says what is instead."""
    until_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < until_s, told()
        await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def pool(*nodes: PoolNode) -> AsyncIterator[None]:
    """Start them, and join all to the first."""
    try:
        for node in nodes:
            await node.start()
        for node in nodes[1:]:
            await node.join(nodes[0].host, nodes[0].port)
        yield
    finally:
        for node in nodes:
            await node.stop()
            assert node.failures == []
