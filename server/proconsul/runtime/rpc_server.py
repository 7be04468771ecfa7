"""The RPC port: accepts connections, reads the first byte, and serves what it asks for.

Nothing is said before the client speaks. Who says nothing in time, comes too often, or asks for
what is not served, is closed without a word, as in Consul (wire/rpc.md section 1).
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proconsul.endpoints.methods import Methods
from proconsul.rpc.first_byte import Service, service_for
from proconsul.runtime.logs import logger
from proconsul.runtime.rpc_conversation import Conversations, RequestLimits, Serve
from proconsul.runtime.rpc_snapshots import SnapshotHandler, serve_snapshot
from proconsul.runtime.rpc_streams import SocketStream, open_on
from proconsul.runtime.rpc_yamux import YamuxConnection, YamuxStream
from proconsul.telemetry import Telemetry

LISTEN_BACKLOG = 1024
ACCEPT_PAUSE_S = 0.1  # after an accept that failed: out of file descriptors, mostly
CLOSE_S = 10.0  # for a client to take the last of what it asked for
STOP_CLOSE_S = 1.0  # the same when the server stops
SNAPSHOT_SILENCE_S = 60.0  # between two pieces of an archive

RaftHandoff = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves a connection of the raft transport to its end; the server closes it then."""

log = logger("rpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcLimits:
    """What one client may take."""

    handshake_timeout_s: float  # limits.rpc_handshake_timeout: the first byte, and TLS
    connections_per_client_max: int  # limits.rpc_max_conns_per_client; 0 or less: no limit
    request_bytes_max: int = 8 * 1024 * 1024  # arguments of one call
    arriving_bytes_max: int = 256 * 1024 * 1024  # of all calls whose arguments are not whole
    request_arrival_s_max: float = 60.0  # from its first byte to its last
    reply_s_max: float = 300.0  # for a client to take a reply


@dataclass(frozen=True, slots=True)
class RpcTls:
    """The certificate, if there is one, and whether anything else is turned away."""

    context: ssl.SSLContext | None
    verify_incoming: bool


@dataclass(slots=True)
class _Listener:
    listening: socket.socket
    accepting: asyncio.Task[None]


class RpcServer:
    """Serves the method table, snapshots and raft on one port; `stop` ends it."""

    def __init__(
        self,
        *,
        methods: Methods,
        serve: Serve,
        snapshots: SnapshotHandler,
        raft_handoff: RaftHandoff,
        limits: RpcLimits,
        tls: RpcTls,
        telemetry: Telemetry,
    ) -> None:
        """`serve` does a call of the table, here or at the leader; it raises ProconsulError."""
        self.limits = limits  # replaced at a reload
        self._snapshots = snapshots
        self._raft_handoff = raft_handoff
        self._tls = tls
        self._telemetry = telemetry
        self._conversations = Conversations(
            methods,
            serve,
            RequestLimits(
                size_bytes_max=limits.request_bytes_max,
                arriving_bytes_max=limits.arriving_bytes_max,
                arrival_s_max=limits.request_arrival_s_max,
                reply_s_max=limits.reply_s_max,
            ),
            telemetry,
        )
        self._stopping = False
        self._listeners: list[_Listener] = []
        self._tasks: set[asyncio.Task[None]] = set()  # a connection or a stream each
        self._per_client: dict[str, int] = {}

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return sum(self._per_client.values())

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept at an address; returns it, with the port chosen for 0. OSError if it is taken."""
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = infos[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
        except OSError as failure:
            listening.close()
            reason = os.strerror(failure.errno or 0)
            raise OSError(failure.errno, f"listen tcp {host}:{port}: bind: {reason}") from failure
        listening.setblocking(False)
        listening.listen(LISTEN_BACKLOG)
        self._listeners.append(_Listener(listening, loop.create_task(self._accept(listening))))
        bound = listening.getsockname()
        return bound[0], bound[1]

    def reload_tls(self, tls: RpcTls) -> None:
        """Use another certificate or policy for the connections from now on."""
        self._tls = tls

    async def stop(self, grace_s: float) -> None:
        """Accept nothing more, answer what was asked, for at most `grace_s` seconds; then close.

        Blocking queries and connections that say nothing are not waited for.
        """
        self._stopping = True
        for listener in self._listeners:
            listener.accepting.cancel()
            await asyncio.wait({listener.accepting})
            listener.listening.close()
        self._listeners.clear()
        await self._conversations.wait_until_idle(grace_s)
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # ------------------------------------------------------------ connections

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, address = await loop.sock_accept(listening)
            except OSError as failure:
                log.error("cannot accept a connection: %s", failure)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            client = str(address[0])
            if not self._admit(client):
                connected.close()
                continue
            self._spawn(self._serve_connection(connected, client))

    def _admit(self, client: str) -> bool:
        count = self._per_client.get(client, 0)
        if 0 < self.limits.connections_per_client_max <= count:
            return False
        self._per_client[client] = count + 1
        self._telemetry.count("rpc.accept_conn")
        return True

    def _leave(self, client: str) -> None:
        left = self._per_client.pop(client) - 1
        if left:
            self._per_client[client] = left

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("a connection failed", exc_info=failure)

    async def _serve_connection(self, connected: socket.socket, client: str) -> None:
        try:
            opened = await self._open(connected)
            if opened is not None:
                await self._serve(*opened)
        except (OSError, asyncio.IncompleteReadError) as failure:
            log.debug("from %s: %s", client, failure)
        finally:
            self._leave(client)

    async def _open(self, connected: socket.socket) -> tuple[Service, SocketStream] | None:
        """What the client wants, and its stream behind the first byte; None: it is closed."""
        patience_s = self.limits.handshake_timeout_s
        try:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            async with asyncio.timeout(patience_s):
                # One byte, so that a TLS handshake behind it is left for who understands it.
                first = await asyncio.get_running_loop().sock_recv(connected, 1)
            service = self._service_for(first, inside_tls=False)
        except BaseException:
            connected.close()
            raise
        if service is None:
            connected.close()
            return None
        if service is Service.TLS:
            return await self._open_tls(connected, patience_s)
        return service, await open_on(connected, is_server=True)

    async def _open_tls(
        self, connected: socket.socket, patience_s: float
    ) -> tuple[Service, SocketStream] | None:
        stream = await open_on(
            connected, tls=self._tls.context, tls_timeout_s=patience_s, is_server=True
        )
        try:
            async with asyncio.timeout(patience_s):
                first = await stream.reader.readexactly(1)
            service = self._service_for(first, inside_tls=True)
        except BaseException:
            stream.abort()
            raise
        if service is None:
            stream.close()
            return None
        return service, stream

    def _service_for(self, first: bytes, *, inside_tls: bool) -> Service | None:
        if not first:
            return None
        service = service_for(
            first[0],
            inside_tls=inside_tls,
            has_tls=self._tls.context is not None,
            wants_tls=self._tls.verify_incoming,
        )
        if service is None:
            log.info("unrecognized RPC byte: %d", first[0])
        return service

    async def _serve(self, service: Service, stream: SocketStream) -> None:
        try:
            if service is Service.CALLS:
                await self._conversations.converse(stream)
            elif service is Service.YAMUX:
                await self._serve_yamux(stream)
            elif service is Service.SNAPSHOT:
                await serve_snapshot(stream, self._snapshots, SNAPSHOT_SILENCE_S)
            else:
                self._telemetry.count("rpc.raft_handoff")
                await self._raft_handoff(stream.reader, stream.writer)
        finally:
            stream.close()
            await stream.closed(STOP_CLOSE_S if self._stopping else CLOSE_S)

    async def _serve_yamux(self, stream: SocketStream) -> None:
        def on_stream(opened: YamuxStream) -> None:
            self._spawn(self._conversations.converse(opened))

        await YamuxConnection(stream, is_client=False, on_stream=on_stream).run()
