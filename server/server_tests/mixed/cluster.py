"""Clusters of both kinds of servers, and what tests do with them."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Collection, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server_tests.loopback import address
from server_tests.mixed.ledger import Ledger, Log
from server_tests.mixed.relays import Relays
from server_tests.mixed.steering import PATIENCE_S, POLL_S, RAFT_PEER, Process, SteeringError

HOST_FIRST = 151  # the servers' loopback addresses, one each
RELAY_HOST = 150

TWO_OF_OURS = ("ours1", "ours2", "theirs1")
TWO_OF_THEIRS = ("ours1", "theirs1", "theirs2")
THREE_OF_OURS = ("ours1", "ours2", "ours3", "theirs1", "theirs2")
THREE_OF_THEIRS = ("ours1", "ours2", "theirs1", "theirs2", "theirs3")

log = logging.getLogger(__name__)

CANDIDACY = re.compile("entering (pre-)?candidate state")  # both kinds say it with these words

MIXED = [
    pytest.mark.skipif(not RAFT_PEER, reason="RAFT_PEER names no server of hashicorp/raft"),
    pytest.mark.real_clock,
]


class Cluster:
    """Its servers by name, the network between them, and what its clients were told."""

    def __init__(self, servers: dict[str, Process], relays: Relays | None) -> None:
        self.servers = servers
        self.ledger = Ledger()
        self._relays = relays
        self._sent = 0
        self.last_index = 0  # of what was acknowledged

    def __getitem__(self, name: str) -> Process:
        return self.servers[name]

    @property
    def running(self) -> list[Process]:
        """Those that live and are awake."""
        return [one for one in self.servers.values() if one.is_running and not one.is_frozen]

    @property
    def network(self) -> Relays:
        """Only where it was asked for."""
        assert self._relays is not None
        return self._relays

    # ------------------------------------------------------------ who leads

    async def leader(self, among: Iterable[str] | None = None) -> Process:
        """Whoever leads by a majority's word, once somebody does."""
        names = set(self.servers if among is None else among)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for server in self.running:
                    if server.name in names and await server.leads():
                        return server
                await asyncio.sleep(POLL_S)

    async def make_lead(self, name: str) -> Process:
        """Have that one lead, by a transfer if it does not."""
        target = self[name]
        async with asyncio.timeout(PATIENCE_S):
            while not await target.leads():
                leader = await self.leader()
                if leader is not target:
                    await _try(leader.ask("/transfer", id=name, addr=target.address))
        return target

    async def make_succeed(self, leader: str, *heirs: str) -> None:
        """Have one of the heirs elected: the leader dies, and they alone have the last write.

        The others were down when it was written and are back for the election.
        """
        others = [self[name] for name in self.servers if name not in (leader, *heirs)]
        written = False
        async with asyncio.timeout(PATIENCE_S):
            while not written:
                await self.make_lead(leader)
                for server in others:
                    server.kill()
                written = await _try(self.write_to(self[leader]))
                if written:
                    await self.caught_up(*heirs)
                    self[leader].kill()
                for server in others:
                    await server.start()
        elected = await self.leader()
        assert elected.name in heirs, f"{elected} leads without the last write"

    async def order(self, name: str, path: str, body: bytes = b"", **query: str) -> None:
        """Have that server, as the leader, do what may be done again."""
        async with asyncio.timeout(PATIENCE_S):
            while not await _try((await self.make_lead(name)).ask(path, body, **query)):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(POLL_S)

    # ------------------------------------------------------------ writing

    def command(self, size_bytes: int = 0) -> bytes:
        """Another one than all before, of that size or a few bytes."""
        self._sent += 1
        data = (b"command %d." % self._sent).ljust(size_bytes, b".")
        self.ledger.sent(data)
        return data

    async def write(self, count: int = 1) -> None:
        """Have commands acknowledged by whoever leads; one with another outcome is not repeated."""
        async with asyncio.timeout(PATIENCE_S):
            while count:
                leader = await self.leader()
                count -= await _try(self.write_to(leader))

    async def write_to(self, server: Process, size_bytes: int = 0) -> None:
        """Have one command acknowledged by that server. Raises SteeringError."""
        data = self.command(size_bytes)
        answer = await server.ask("/apply", data)
        self.last_index = max(self.last_index, answer["Index"])
        self.ledger.acknowledged(data, answer["Index"])

    async def write_in_vain(self, server: Process, count: int) -> list[bytes]:
        """Send commands to one that cannot commit them, all at once, and hear that it did not."""
        commands = [self.command() for _ in range(count)]
        answers = await asyncio.gather(
            *(server.ask("/apply", data) for data in commands), return_exceptions=True
        )
        assert all(isinstance(answer, SteeringError) for answer in answers), answers
        return commands

    async def write_at_once(self, name: str, count: int, size_bytes: int = 0) -> None:
        """Have that many acknowledged by that server, none waiting for another."""
        async with asyncio.timeout(PATIENCE_S):
            while count:
                server = await self.make_lead(name)
                writes = (_try(self.write_to(server, size_bytes)) for _ in range(count))
                count -= sum(await asyncio.gather(*writes))

    # ------------------------------------------------------------ agreement

    async def caught_up(self, *names: str) -> None:
        """Until these servers have applied everything that was acknowledged."""
        for name in names:
            await self.until(name, "applied_index", self.last_index)

    async def agree(self, without: Collection[str] = ()) -> list[bytes]:
        """Until all servers tell the same of one more write; then check what they tell.

        Returns the history. `without` are those that are no members.
        """
        await self.write()
        names = [name for name in self.servers if name not in without]
        assert all(self[name].is_running for name in names)
        async with asyncio.timeout(PATIENCE_S):
            await self.caught_up(*names)
            while True:
                logs = {name: Log.of(await self[name].ask("/log")) for name in names}
                # An unacknowledged command may still be on its way to some.
                if len({log.head for log in logs.values()}) == 1:
                    return self.ledger.check(logs)
                await asyncio.sleep(POLL_S)

    async def members_are(self, *voters: str, non_voters: Collection[str] = ()) -> None:
        """Until all members agree on who belongs to it, and who votes."""
        members = dict.fromkeys(voters, True) | dict.fromkeys(non_voters, False)
        async with asyncio.timeout(PATIENCE_S):
            for name in members:
                while await self[name].members() != members:  # noqa: ASYNC110 - other processes
                    await asyncio.sleep(POLL_S)

    async def stands_for_election(self, name: str) -> None:
        """Until it does, or asks whether it might; that can be over in no time."""
        output = self[name].output
        async with asyncio.timeout(PATIENCE_S):
            while CANDIDACY.search(output.read_text()) is None:  # noqa: ASYNC110 - other processes
                await asyncio.sleep(POLL_S)

    async def until(self, name: str, statistic: str, at_least: int) -> None:
        """Until a number of a server's has grown to that."""
        async with asyncio.timeout(PATIENCE_S):
            while await self[name].number(statistic) < at_least:  # noqa: ASYNC110 - other processes
                await asyncio.sleep(POLL_S)


async def _try(work: Awaitable[object]) -> bool:
    try:
        await work
    except SteeringError as failure:
        log.warning("%s", failure)
        return False
    return True


@asynccontextmanager
async def cluster(
    folder: Path,
    *names: str,
    later: Iterable[str] = (),
    flags: Iterable[str] = (),
    their_flags: Iterable[str] = (),
    can_be_cut: bool = False,
) -> AsyncIterator[Cluster]:
    """Servers that were bootstrapped together; `later` ones have no cluster yet.

    Where it can be cut, each server has addresses of its own for the others in its first
    configuration. Raft compares entries by index and term, so nobody minds, as long as no
    change of the members and no snapshot carries one server's addresses to another.
    """
    servers = {}
    for place, name in enumerate([*names, *later]):
        own = () if name.startswith("ours") else tuple(their_flags)
        servers[name] = Process(name, address(HOST_FIRST + place), folder, *flags, *own)
    ports = {name: server.address for name, server in servers.items()}
    relays = Relays(ports) if can_be_cut else None
    if relays is not None:
        await relays.open(address(RELAY_HOST))
    for name in names:
        seen = {
            other: ports[other] if relays is None or other == name else relays.address(name, other)
            for other in names
        }
        servers[name].bootstrap = ",".join(f"{other}={at}" for other, at in seen.items())
    made = Cluster(servers, relays)
    try:
        await asyncio.gather(*(server.start() for server in servers.values()))
        yield made
    finally:
        for server in servers.values():
            server.kill()
        if relays is not None:
            await relays.close()
