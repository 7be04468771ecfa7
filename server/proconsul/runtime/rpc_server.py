"""The RPC port: accepts connections, learns what they are for, and serves that.

Who says nothing in time, or comes too often, is closed without a word, as in Consul. What a
certificate, a limit or a policy means is decided for new connections by what holds then.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from proconsul.endpoints.methods import Methods
from proconsul.rpc.first_byte import Service
from proconsul.runtime.logs import logger
from proconsul.runtime.rpc_conversation import Conversations, RequestLimits, Serve
from proconsul.runtime.rpc_opening import Opened, opened_on
from proconsul.runtime.rpc_snapshots import SnapshotHandler, serve_snapshot
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.runtime.rpc_yamux import YamuxConnection, YamuxStream
from proconsul.runtime.tls import RpcTls
from proconsul.telemetry import Telemetry

LISTEN_BACKLOG = 1024
ACCEPT_PAUSE_S = 0.1  # after an accept that failed: out of file descriptors, mostly
CLOSE_S = 10.0  # for a client to take the last of what it asked for
STOP_CLOSE_S = 1.0  # the same when the server stops
SNAPSHOT_SILENCE_S = 60.0  # between two pieces of an archive
INSECURE_REQUEST_BYTES_MAX = 64 * 1024  # of who is not known yet: a CSR and a JWT are far smaller

RaftHandoff = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves a connection of the raft transport to its end; the server closes it then."""

log = logger("rpc")


class RpcLimits(Struct, frozen=True, kw_only=True):
    """What one client may take."""

    handshake_timeout_s: float  # limits.rpc_handshake_timeout: first bytes and TLS; 0: no limit
    connections_per_client_max: int  # limits.rpc_max_conns_per_client; 0 or less: no limit
    request_bytes_max: int = 8 * 1024 * 1024  # arguments of one call
    arriving_bytes_max: int = 256 * 1024 * 1024  # of all calls whose arguments are not whole
    request_arrival_s_max: float = 60.0  # from its first byte to its last
    reply_s_max: float = 300.0  # for a client to take a reply


class Calls(Struct, frozen=True):
    """What can be called, and who does it; `serve` raises ProconsulError."""

    methods: Methods
    serve: Serve


class _Listener(Struct):
    listening: socket.socket
    accepting: asyncio.Task[None]


class RpcServer:
    """Serves the method table, snapshots and raft on one port; `stop` ends it."""

    def __init__(
        self,
        *,
        calls: Calls,
        insecure_calls: Calls,
        snapshots: SnapshotHandler,
        raft_handoff: RaftHandoff,
        limits: RpcLimits,
        tls: RpcTls,
        telemetry: Telemetry,
    ) -> None:
        """`insecure_calls` are for agents that have no certificate yet."""
        self.limits = limits
        self._snapshots = snapshots
        self._raft_handoff = raft_handoff
        self._tls = tls
        self._telemetry = telemetry
        self._conversations = Conversations(
            calls.methods, calls.serve, _request_limits(limits), telemetry
        )
        self._insecure = Conversations(
            insecure_calls.methods,
            insecure_calls.serve,
            replace(_request_limits(limits), size_bytes_max=INSECURE_REQUEST_BYTES_MAX),
            telemetry,
        )
        self._stopping = False
        self._listeners: list[_Listener] = []
        self._tasks: set[asyncio.Task[None]] = set()  # a connection or a stream each
        self._per_client: dict[str, int] = {}
        self._yamux: set[YamuxConnection] = set()

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

    def reload_limits(self, limits: RpcLimits) -> None:
        """Use others for the connections, and the streams, from now on."""
        self.limits = limits
        self._conversations.limits = _request_limits(limits)

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
        for connection in self._yamux:
            connection.leave()
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
        patience_s = self.limits.handshake_timeout_s
        try:
            async with asyncio.timeout(patience_s if patience_s > 0 else None):
                opened = await opened_on(connected, self._tls)
            if opened is not None:
                await self._serve(opened)
        except ssl.SSLError as failure:
            log.warning("TLS handshake failed: conn=from=%s error=%s", client, failure)
        except (OSError, asyncio.IncompleteReadError) as failure:
            log.debug("from %s: %s", client, str(failure) or "it says nothing")
        finally:
            self._leave(client)

    async def _serve(self, opened: Opened) -> None:
        stream = opened.stream
        try:
            match opened.service:
                case Service.CALLS:
                    await self._conversations.converse(stream)
                case Service.TLS_INSECURE:
                    await self._insecure.converse(stream)
                case Service.YAMUX:
                    await self._serve_yamux(stream)
                case Service.SNAPSHOT:
                    await serve_snapshot(stream, self._snapshots, SNAPSHOT_SILENCE_S)
                case Service.RAFT:
                    self._telemetry.count("rpc.raft_handoff")
                    await self._raft_handoff(stream.reader, stream.writer)
                case Service.TLS | Service.TLS_NATIVE:
                    raise AssertionError("they have become something else")
        finally:
            stream.close()
            await stream.closed(STOP_CLOSE_S if self._stopping else CLOSE_S)

    async def _serve_yamux(self, stream: SocketStream) -> None:
        def on_stream(opened: YamuxStream) -> None:
            self._spawn(self._conversations.converse(opened))

        connection = YamuxConnection(stream, is_client=False, on_stream=on_stream)
        self._yamux.add(connection)
        try:
            await connection.run()
        finally:
            self._yamux.discard(connection)


def _request_limits(limits: RpcLimits) -> RequestLimits:
    return RequestLimits(
        size_bytes_max=limits.request_bytes_max,
        arriving_bytes_max=limits.arriving_bytes_max,
        arrival_s_max=limits.request_arrival_s_max,
        reply_s_max=limits.reply_s_max,
    )
