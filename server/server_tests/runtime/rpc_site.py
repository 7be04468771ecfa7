"""An RPC port at work: the whole method table over a state in memory."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from proconsul.endpoints.table import INSECURE_METHODS, METHODS
from proconsul.errors import ProconsulError
from proconsul.rpc.msgpack_rpc import Call, Reply, ReplyReader, encode_call, encode_value
from proconsul.rpc.snapshot_stream import (
    NamedSnapshotRequest,
    NamedSnapshotResponse,
    SnapshotRequest,
    SnapshotResponse,
)
from proconsul.runtime.rpc_server import Calls, RpcLimits, RpcServer
from proconsul.runtime.tls import NO_TLS, RpcTls
from server_tests.endpoints.site import Site, open_site
from server_tests.loopback import address

HOST = address(115)
LIMITS = RpcLimits(handshake_timeout_s=5.0, connections_per_client_max=100)


@dataclass
class MemorySnapshots:
    """Gives one archive, and keeps what is restored."""

    archive: bytes = b"an archive" * 1000
    restored: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of the restores
    failure: ProconsulError | None = None

    async def save(self, request: SnapshotRequest) -> tuple[SnapshotResponse, AsyncIterator[bytes]]:
        if self.failure is not None:
            raise self.failure
        return SnapshotResponse(index=42, known_leader=True), self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        for offset in range(0, len(self.archive), 1000):
            yield self.archive[offset : offset + 1000]

    async def restore(
        self, request: SnapshotRequest, archive: AsyncIterator[bytes]
    ) -> NamedSnapshotResponse:
        received = b"".join([piece async for piece in archive])
        if self.failure is not None:
            raise self.failure
        name = request.restore_uid if isinstance(request, NamedSnapshotRequest) else ""
        if name and name in self.names:
            return NamedSnapshotResponse(already_applied=True)
        self.names.append(name)
        self.restored.append(received)
        return NamedSnapshotResponse()


@dataclass
class RpcSite:
    """The port, and what is behind it."""

    server: RpcServer
    site: Site
    snapshots: MemorySnapshots
    port: int
    raft: list[bytes]  # what came in on connections of the raft transport
    clients: list["Client"] = field(default_factory=list)

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{HOST}:{self.port}"

    async def connect(self, first: bytes = b"") -> "Client":
        """A plain connection on which `first` was said."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(first)
        self.clients.append(Client(reader, writer))
        return self.clients[-1]


@dataclass
class Client:
    """A connection that says bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def call(self, method: str, request: Any = None, seq: int = 1) -> Reply:
        """A call right on the connection."""
        self.writer.write(encode_call(Call(seq, method, encode_value(request))))
        return await self.reply()

    async def reply(self) -> Reply:
        """The next reply."""
        replies = ReplyReader(1 << 20)
        while (reply := replies.next_reply()) is None:
            data = await self.reader.read(1 << 16)
            assert data, "the server closed instead of answering"
            replies.feed(data)
        return reply

    async def is_closed(self) -> bool:
        """Whether the server has closed without another word; waits for it."""
        with suppress(ConnectionResetError):
            return await self.reader.read(1) == b""
        return True

    def reset(self) -> None:
        """Break it off, as a crash does."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER
        self.writer.transport.abort()

    def close(self) -> None:
        """Close it."""
        self.writer.close()


Serve = Callable[[str, Any], Awaitable[Any]]


@asynccontextmanager
async def rpc_site(
    *,
    limits: RpcLimits = LIMITS,
    tls: RpcTls = NO_TLS,
    serve: Callable[[Site], Serve] = lambda site: site.call,
    grace_s: float = 0.0,
    at: tuple[str, int] = (HOST, 0),
) -> AsyncIterator[RpcSite]:
    """A port of its own; the method table may be wrapped by `serve`.

    Who listens elsewhere than `at` HOST has to connect on his own.
    """
    raft: list[bytes] = []

    async def raft_handoff(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raft.append(await reader.read(100))
        writer.write(b"raft says hello")

    async def serve_insecure(method: str, request: Any) -> Any:
        return await INSECURE_METHODS.call(site.context, method, request)

    site = open_site()
    snapshots = MemorySnapshots()
    server = RpcServer(
        calls=Calls(METHODS, serve(site)),
        insecure_calls=Calls(INSECURE_METHODS, serve_insecure),
        snapshots=snapshots,
        raft_handoff=raft_handoff,
        limits=limits,
        tls=tls,
        telemetry=site.context.telemetry,
    )
    _, port = await server.listen(*at)
    served = RpcSite(server, site, snapshots, port, raft)
    try:
        yield served
    finally:
        for client in served.clients:
            client.close()
        await server.stop(grace_s)
