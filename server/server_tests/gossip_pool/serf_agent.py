"""A real serf agent on loopback, steered by its own command line."""

import asyncio
import base64
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proconsul.gossip.effects import MemberStatus
from server_tests.process import die_with_the_tests
from server_tests.runtime.gossip_node import until

PORT = 8301
START_S = 15.0
QUERY_ANSWER = "0.7"  # to `load`

NAMES = ("SERF_REAL", "SERF_REAL_NEW", "SERF_REAL_NEWEST")

every_serf = pytest.mark.parametrize(
    "binary",
    [
        pytest.param(
            os.environ.get(name, ""),
            id=name,
            marks=pytest.mark.skipif(name not in os.environ, reason=f"{name} names no serf agent"),
        )
        for name in NAMES
    ],
)


class SerfAgent:
    """One agent; `start` and `kill` as often as wanted."""

    def __init__(
        self, binary: str, name: str, host: str, folder: Path, *, key: bytes = b""
    ) -> None:
        self.binary = binary
        self.name = name
        self.host = host
        self._events = folder / f"{name}.events"
        self._log = folder / f"{name}.log"
        self._flags = [
            *(f"-node={name}", f"-bind={host}:{PORT}", f"-rpc-addr={host}:7373"),
            *("-log-level=debug", "-tag=role=node", "-tag=dc=dc1"),
            f'-event-handler=user=printf "%s %s\\n" "$SERF_USER_EVENT" "$(cat)" >> {self._events}',
            f"-event-handler=query:load=printf {QUERY_ANSWER}",
            *([f"-encrypt={base64.b64encode(key).decode()}"] if key else []),
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *more: str) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(self.binary, "agent", *self._flags, *more),
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_tests,
            )
        async with asyncio.timeout(START_S):
            while (await self._command("info"))[0]:
                assert self._process.returncode is None, self._log.read_text()
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """Let it stand still."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def run(self, *words: str) -> str:
        """A command that must succeed; what it prints."""
        code, output = await self._command(*words)
        assert code == 0, f"serf {' '.join(words)}: {output}"
        return output

    async def _command(self, *words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(self.binary, words[0], f"-rpc-addr={self.host}:7373", *words[1:]),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(errors="replace")

    async def members(self) -> dict[str, dict[str, Any]]:
        """All that it knows, by name."""
        found = json.loads(await self.run("members", "-format=json"))
        return {member["name"]: member for member in found["members"]}

    async def status(self, name: str) -> MemberStatus | None:
        """How it takes a member to be."""
        member = (await self.members()).get(name)
        return None if member is None else MemberStatus[member["status"].upper()]

    async def until_status(self, name: str, *wanted: MemberStatus | None) -> None:
        """Wait until it takes a member to be so."""
        found: MemberStatus | None = None
        async with asyncio.timeout(60):
            while (found := await self.status(name)) not in wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert found in wanted

    @property
    def events(self) -> list[str]:
        """The user events that it heard, `name payload` each."""
        return self._events.read_text().splitlines() if self._events.exists() else []

    async def until_event(self, text: str) -> None:
        """Wait until it has heard one."""
        await until(lambda: text in self.events, lambda: self.events)

    def log(self) -> str:
        """What it said."""
        return self._log.read_text(errors="replace")


@asynccontextmanager
async def agents(*started: SerfAgent) -> AsyncIterator[None]:
    """Start them, join all to the first, and end them at last."""
    try:
        for agent in started:
            await agent.start(
                *([f"-join={started[0].host}:{PORT}"] if agent is not started[0] else [])
            )
        yield
    finally:
        for agent in started:
            await agent.kill()


def alive(names: Sequence[str]) -> dict[str, MemberStatus]:
    """All of these are."""
    return dict.fromkeys(names, MemberStatus.ALIVE)
