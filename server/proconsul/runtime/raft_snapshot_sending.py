"""Snapshots to one server: the message, then the body in pieces, on a connection for each.

It is closed after the answer, as HashiCorp's senders do (wire/raft.md, 2).
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from msgspec import Struct

from proconsul.errors import ProconsulError
from proconsul.raft import codec
from proconsul.raft.codec import CodecError
from proconsul.raft.messages import InstallSnapshot, Lost, Message, Reply, Server, SnapshotMeta
from proconsul.raft.pairing import Asking, PreVotes
from proconsul.runtime.logs import logger
from proconsul.runtime.rpc_streams import SocketStream

WAITING_MAX = 4  # a leader asks for one at a time; after it, another leader of the same server
RATE_UNIT_BYTES = 256 * 1024  # raft: TimeoutScale; a timeout for each so many bytes

log = logger("raft")


class SnapshotBody(Struct, frozen=True):
    """A snapshot that is open for reading: its size, and all of it in pieces."""

    size_bytes: int
    pieces: AsyncGenerator[bytes, None]


class SnapshotSource(Protocol):
    """Has the snapshots of this server."""

    async def open(self, snapshot: SnapshotMeta) -> SnapshotBody:
        """The body of just this one. Raises ProconsulError or OSError when it is gone."""


class SnapshotSender:
    """One at a time; each has one outcome in `deliver`."""

    def __init__(
        self,
        server: Server,
        open_: Callable[[Server], Awaitable[SocketStream]],
        deliver: Callable[[Message], None],
        source: SnapshotSource,
        timeout_s: float,
    ) -> None:
        """`timeout_s` is for a piece to be taken, and for each 256 KiB to be restored."""
        self.server = server  # its address changes with the configuration
        self._open = open_
        self._deliver = deliver
        self._source = source
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[InstallSnapshot] = deque()
        self._told = ""  # why the last one failed
        self._task: asyncio.Task[None] | None = None

    def send(self, request: InstallSnapshot) -> None:
        """Take a request; its outcome never comes before this returns."""
        if len(self._waiting) >= WAITING_MAX:
            self._loop.call_soon(self._deliver, Lost(token=request.token))
            return
        self._waiting.append(request)
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """Break off; no outcome is delivered any more."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while self._waiting:
            request = self._waiting.popleft()
            outcome: Reply | Lost = Lost(token=request.token)
            try:
                outcome = await self._install(request)
                self._told = ""
            except (OSError, ProconsulError, CodecError) as failure:
                self._tell(str(failure) or "i/o timeout")
            except Exception as failure:
                log.error("an error in the server itself", exc_info=failure)
            self._deliver(outcome)
        self._task = None

    def _tell(self, reason: str) -> None:
        """Once: who is away for a day is tried every second."""
        level = logging.DEBUG if reason == self._told else logging.WARNING
        self._told = reason
        log.log(level, "cannot send a snapshot to %s, will retry: %s", self.server.id, reason)

    async def _install(self, request: InstallSnapshot) -> Reply | Lost:
        body = await self._source.open(request.snapshot)
        async with aclosing(body.pieces):
            stream = await self._open(self.server)
            try:
                return await self._send(request, body, stream)
            finally:
                stream.abort()

    async def _send(
        self, request: InstallSnapshot, body: SnapshotBody, stream: SocketStream
    ) -> Reply | Lost:
        asking = Asking(self.server.id, PreVotes())
        restored_s = self._timeout_s * max(1.0, body.size_bytes / RATE_UNIT_BYTES)
        asking.asked(request, self._loop.time() + restored_s)
        stream.writer.write(codec.encode_request(request, snapshot_size=body.size_bytes))
        sent_bytes = 0
        async for piece in body.pieces:
            sent_bytes += len(piece)
            async with asyncio.timeout(self._timeout_s):
                await stream.write(piece)
        if sent_bytes != body.size_bytes:
            raise CodecError(f"a snapshot of {body.size_bytes} bytes has {sent_bytes}")
        async with asyncio.timeout(restored_s):
            while True:
                data = await stream.read()
                if not data:
                    raise ConnectionError("closed by the other side")
                for outcome in asking.feed(data):
                    return outcome
