"""A raft transport whose driver is the test: what was delivered, and whoever else connects."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from proconsul.errors import ProconsulError
from proconsul.raft.messages import (
    Input,
    InstallSnapshot,
    LeaderGone,
    Message,
    Peer,
    ServerAddress,
    ServerId,
    SnapshotMeta,
)
from proconsul.runtime.raft_snapshot_sending import SnapshotBody
from proconsul.runtime.raft_transport import LIMITS, RaftTransport, TransportLimits, raft_dial
from proconsul.runtime.server_lookup import ServerLookup, StoredAddresses
from server_tests.loopback import address

HOST = address(119)
ME = Peer(ServerId("me"), ServerAddress(f"{HOST}:8300"))


@dataclass
class Snapshots:
    """One to send, and those that came in."""

    body: bytes = b""
    received: list[bytes] = field(default_factory=list)
    refusal: str = ""

    async def open(self, snapshot: SnapshotMeta) -> SnapshotBody:
        return SnapshotBody(len(self.body), self._pieces())

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        for offset in range(0, len(self.body), 1000):
            yield self.body[offset : offset + 1000]

    async def receive(
        self, request: InstallSnapshot, size_bytes: int, pieces: AsyncGenerator[bytes, None]
    ) -> None:
        if self.refusal:
            raise ProconsulError(self.refusal)
        self.received.append(b"".join([piece async for piece in pieces]))


class RaftDesk:
    """The transport and its port."""

    def __init__(self, limits: TransportLimits, lookup: ServerLookup) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.gone: list[LeaderGone] = []
        self.snapshots = Snapshots()
        self.port = 0
        self.transport = RaftTransport(
            me=ME,
            lookup=lookup,
            dial=raft_dial(lambda: None),
            deliver=self.take,
            source=self.snapshots,
            sink=self.snapshots,
            limits=limits,
        )
        self._serving: set[asyncio.Task[None]] = set()

    def take(self, message: Input) -> None:
        """From the transport."""
        if isinstance(message, LeaderGone):
            self.gone.append(message)
        else:
            self.inbox.put_nowait(message)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What the RPC port does with a raft connection."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
                assert await reader.readexactly(1) == b"\x01"
                await self.transport.handoff(reader, writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def close(self) -> None:
        """End everything."""
        await self.transport.stop()
        for task in list(self._serving):
            task.cancel()


@asynccontextmanager
async def raft_desk(
    limits: TransportLimits = LIMITS,
    host: str = HOST,
    port: int = 0,
    lookup: ServerLookup | None = None,
) -> AsyncIterator[RaftDesk]:
    """One at work."""
    desk = RaftDesk(limits, lookup or StoredAddresses())
    listener = await asyncio.start_server(desk.serve, host, port)
    desk.port = listener.sockets[0].getsockname()[1]
    try:
        yield desk
    finally:
        listener.close()
        await desk.close()
