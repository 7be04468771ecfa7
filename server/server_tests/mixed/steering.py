"""A server process of either kind: started, killed, and steered over HTTP."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from server_tests.process import die_with_the_tests

RAFT_PEER = os.environ.get("RAFT_PEER", "")
SOURCES = Path(__file__).parents[2]  # where server_tests is found
PATIENCE_S = 60.0  # nothing here takes so long, on any machine
POLL_S = 0.03


class SteeringError(Exception):
    """The server said no, or said nothing."""


class Process:
    """`oursN` is a server of ours, `theirsN` one of HashiCorp's library."""

    def __init__(self, name: str, host: str, folder: Path, *flags: str) -> None:
        self.name = name
        self.is_ours = name.startswith("ours")
        self.host = host
        self.address = f"{host}:8300"
        self.bootstrap = ""  # the first configuration; none: it waits to be added
        self.is_frozen = False
        self.output = folder / f"{name}.log"  # of its present life
        self._data = folder / name
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it on what is on its disk, and wait until it can be steered."""
        program = (
            [sys.executable, "-m", "server_tests.mixed.chain_server"]
            if self.is_ours
            else [RAFT_PEER]
        )
        command = [
            *program,
            f"-id={self.name}",
            f"-bind={self.address}",
            f"-http={self.host}:8500",
            f"-dir={self._data}",
            f"-bootstrap={self.bootstrap}",
            *self._flags,
        ]
        with self.output.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it forks, no more
                command,
                cwd=SOURCES,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )
        async with asyncio.timeout(PATIENCE_S):
            while not await self._answers():
                assert self.is_running, self.output.read_text()
                await asyncio.sleep(POLL_S)

    async def _answers(self) -> bool:
        try:
            await self.ask("/stats")
        except SteeringError:
            return False
        return True

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Its sockets stay open, and fill."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        """It goes on, and no time has passed for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self.is_frozen = False

    def wipe(self) -> None:
        """Its disk is lost."""
        assert not self.is_running
        shutil.rmtree(self._data)

    async def ask(self, path: str, body: bytes = b"", **query: str) -> Any:
        """Its answer. Raises SteeringError with its words, or when there is no answer."""
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer = await self._request(target, body)
        except (OSError, TimeoutError) as failure:
            raise SteeringError(f"{self.name}{path}: {failure!r}") from failure
        head, _, text = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise SteeringError(f"{self.name}{path}: {text.decode().strip() or 'no answer'}")
        return json.loads(text)

    async def _request(self, target: str, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, 8500)
        try:
            head = f"POST {target} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            return await reader.read()
        finally:
            writer.close()

    async def number(self, name: str) -> int:
        """One of its statistics."""
        return int((await self.ask("/stats"))[name])

    async def leads(self) -> bool:
        """Whether a majority agrees that it does."""
        try:
            if (await self.ask("/stats"))["state"] != "Leader":
                return False
            await self.ask("/verify")
        except SteeringError:
            return False
        return True

    async def members(self) -> dict[str, bool]:
        """Who belongs to the cluster in its eyes: whether it is a voter, by name."""
        servers = (await self.ask("/config"))["Servers"] or ()  # nobody has told it yet
        return {one["ID"]: one["Suffrage"] == 0 for one in servers}
