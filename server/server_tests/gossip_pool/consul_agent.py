"""A real Consul agent, server or client, on loopback, asked over HTTP."""

import asyncio
import base64
import http.client
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proconsul.gossip.effects import MemberStatus
from server_tests.process import die_with_the_tests

START_S = 40.0
PATIENCE_S = 60.0
HERE = os.environ.get("CONSUL_REAL", "")

requires_real_consul = pytest.mark.skipif(not HERE, reason="CONSUL_REAL names no Consul 1.8.7")


class ConsulAgent:
    """One agent; its data stay where they are between a kill and a start."""

    def __init__(self, name: str, host: str, folder: Path, *flags: str, key: bytes = b"") -> None:
        self.name = name
        self.host = host
        self._log = folder / f"{name}.log"
        self._flags = [
            *(f"-node={name}", f"-bind={host}", f"-client={host}", f"-data-dir={folder / name}"),
            *("-dns-port=-1", "-log-level=debug", "-hcl=leave_on_terminate = false"),
            *([f"-encrypt={base64.b64encode(key).decode()}"] if key else []),
            *flags,
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *more: str) -> None:
        """Start it, and wait until it answers; a server, until it leads."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(HERE, "agent", *self._flags, *more),
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_tests,
            )
        ready = "/v1/status/leader" if "-server" in self._flags else "/v1/agent/self"
        await self.until(lambda: self.get(ready), START_S)

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Freeze it, thaw it."""
        assert self._process is not None
        self._process.send_signal(number)

    # ---------------------------------------------------------------- HTTP

    def get(self, path: str) -> Any:
        """The decoded answer; None while there is none. It blocks."""
        return self._call("GET", path)

    def put(self, path: str, body: bytes = b"") -> Any:
        """The same. The call must succeed."""
        status, answer = self._request("PUT", path, body)
        assert status == 200, f"{path}: {status} {answer!r}"
        return json.loads(answer) if answer else None

    def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """(status, answer)."""
        return self._request(method, path, body)

    def _call(self, method: str, path: str) -> Any:
        try:
            status, answer = self._request(method, path, b"")
        except OSError:
            return None
        return json.loads(answer) if status == 200 else None

    def _request(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.host, 8500, timeout=30)
        try:
            connection.request(method, path, body)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    async def until(self, holds: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
        """What `holds`, which may block, says once it says something true."""
        found: Any = None
        async with asyncio.timeout(patience_s):
            while not (found := await asyncio.to_thread(holds)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return found

    # ---------------------------------------------------------------- what it knows

    def members(self) -> dict[str, dict[str, Any]]:
        """Of the LAN, by name. It blocks."""
        return {member["Name"]: member for member in self.get("/v1/agent/members") or []}

    def status(self, name: str) -> MemberStatus | None:
        """How it takes a member to be. It blocks."""
        member = self.members().get(name)
        return None if member is None else MemberStatus(member["Status"])

    async def until_status(self, name: str, status: MemberStatus | None) -> None:
        """Wait until it takes a member to be so."""
        await self.until(lambda: self.status(name) is status)

    def health(self, name: str) -> str:
        """`passing`, `critical`, or "" for a node that is not in the catalog. It blocks."""
        checks = self.get(f"/v1/health/node/{name}") or []
        found = [check["Status"] for check in checks if check["CheckID"] == "serfHealth"]
        return found[0] if found else ""

    async def until_health(self, name: str, status: str) -> None:
        """Wait until the catalog says so of a node."""
        await self.until(lambda: self.health(name) == status)

    def events(self) -> list[tuple[str, bytes]]:
        """The user events that it keeps. It blocks."""
        found = self.get("/v1/event/list") or []
        return [(one["Name"], base64.b64decode(one["Payload"] or "")) for one in found]

    def log(self) -> str:
        """What it said."""
        return self._log.read_text(errors="replace")


@asynccontextmanager
async def consul_agents(*started: ConsulAgent) -> AsyncIterator[None]:
    """Start them, join all to the first, and end them at last."""
    try:
        for agent in started:
            first = agent is started[0]
            await agent.start(*([] if first else [f"-retry-join={started[0].host}"]))
        yield
    finally:
        for agent in started:
            await agent.kill()
