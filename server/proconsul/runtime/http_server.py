"""Listens for HTTP on TCP, TLS and Unix sockets, and knows every connection.

What it serves is one handler (api.http.Handler). What an operator may change without a restart is
an attribute (`connections_per_client_max`, `response_headers`) or a method (`reload_tls`).
"""

import asyncio
import errno
import os
import pwd
import socket
import ssl
import stat
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from proconsul.api.http import Handler, Request
from proconsul.runtime import http_response as render
from proconsul.runtime.http_connection import Connection
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.kept_reads import KeptReads
from proconsul.runtime.known_heads import KnownHeads
from proconsul.runtime.plain_writes import PlainWrites

CONNECTIONS_PER_CLIENT_MAX = 200  # Consul's default for limits.http_max_conns_per_client
TLS_HANDSHAKE_TIMEOUT_S = 5.0  # Consul's default for limits.https_handshake_timeout
LISTEN_BACKLOG = 1024
SWEEP_TICKS = 5  # between two looks for overdue connections
TICK_S = 1.0
STOP_CANCEL_S = 1.0  # for the cancelled handlers to unwind

BodyLimit = Callable[[Request], int | None]
"""Of a request's head: the most bytes its body may have; None for a body that is streamed."""

OnError = Callable[[Request, Exception], None]


class UnixAccess(Struct, frozen=True, kw_only=True):
    """Who may use a Unix socket (`unix_sockets {}`): "" leaves what the process has."""

    mode: str = ""  # octal
    user: str = ""  # a name or a number
    group: str = ""  # a number


class Listener(Struct):
    """A listening socket, and the asyncio server that accepts from it."""

    socket: socket.socket
    server: asyncio.Server
    tls: ssl.SSLContext | None
    unix_path: str = ""


class HttpServer:
    """Serves `handler`. Made inside a running loop; `stop` ends it."""

    def __init__(
        self,
        handler: Handler,
        *,
        body_limit: BodyLimit,
        on_error: OnError,
        deadlines: Deadlines,
        tls_handshake_timeout_s: float = TLS_HANDSHAKE_TIMEOUT_S,
        kept: KeptReads | None = None,
        writes: PlainWrites | None = None,
    ) -> None:
        """`on_error` hears of exceptions that the handler raised; their client got a 500.

        `kept` is asked before the handler, and even before a request is parsed; `writes` before
        the handler of a PUT.
        """
        self.handler = handler
        self.body_limit = body_limit
        self.on_error = on_error
        self.kept = kept
        self.writes = writes
        self.connections_per_client_max = CONNECTIONS_PER_CLIENT_MAX  # 0 or less: no limit
        self.added_fields: tuple[tuple[str, str], ...] = (render.VARY,)
        self.heads = KnownHeads()
        self.stopping = False
        self.tick = 0  # seconds since the start, roughly
        self.date_line = render.date_line(time.time())
        self._deadlines = deadlines
        self._tls_handshake_timeout_s = tls_handshake_timeout_s
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Listener] = []
        self._connections: set[Connection] = set()
        self._per_client: dict[str, int] = {}
        self._emptied: asyncio.Event = asyncio.Event()
        self._ticker = self._loop.call_later(TICK_S, self._on_tick)

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def set_response_headers(self, headers: Sequence[tuple[str, str]]) -> None:
        """What every endpoint's answer has besides its own (`http_config.response_headers`)."""
        canonical = ((canonical_name(name), value) for name, value in headers)
        self.added_fields = (render.VARY, *canonical)

    async def listen_tcp(
        self, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> tuple[str, int]:
        """Accept at an address; returns it, with the port chosen for 0. OSError if it is taken."""
        (family, kind, protocol, _, address), *_ = await self._loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
        except OSError as failure:
            listening.close()
            raise OSError(
                failure.errno, f"listen tcp {host}:{port}: bind: {os.strerror(failure.errno or 0)}"
            ) from failure
        await self._serve(listening, tls)
        bound = listening.getsockname()
        return bound[0], bound[1]

    async def listen_unix(self, path: str, access: UnixAccess) -> None:
        """Accept at a socket file, in place of one that is there. OSError, LookupError."""
        remove_socket_file(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(path)
            set_file_access(path, access)
        except (OSError, LookupError, ValueError):
            listening.close()
            raise
        await self._serve(listening, None, path)

    async def reload_tls(self, tls: ssl.SSLContext) -> None:
        """Use another context (certificate, CA, policy) for the connections from now on.

        A new asyncio server accepts from the same socket before the old one stops: nobody is
        turned away, and connections that are open stay as they are.
        """
        for listener in self._listeners:
            if listener.tls is not None:
                old = listener.server
                listener.server = await self._accept_from(listener.socket, tls)
                listener.tls = tls
                old.close()

    async def stop(self, grace_s: float) -> None:
        """Accept nothing more, answer what is being answered, for at most `grace_s` seconds.

        Whatever still waits then is cancelled, and its connection is closed without an answer.
        """
        self.stopping = True
        self._ticker.cancel()
        for listener in self._listeners:
            listener.server.close()
            listener.socket.close()
            if listener.unix_path:
                remove_socket_file(listener.unix_path)
        self._listeners.clear()
        for connection in list(self._connections):
            connection.close_if_idle()
        await self._wait_until_empty(grace_s)
        for connection in list(self._connections):
            connection.abort()
        await self._wait_until_empty(STOP_CANCEL_S)

    # ------------------------------------------------------------ for the connections

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False if its client has as many as it may (go-connlimit)."""
        count = self._per_client.get(connection.client, 0)
        if self.stopping or 0 < self.connections_per_client_max <= count:
            return False
        self._per_client[connection.client] = count + 1
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection has ended; one that was not admitted is not counted."""
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        left = self._per_client.pop(connection.client) - 1
        if left:
            self._per_client[connection.client] = left
        if not self._connections:
            self._emptied.set()

    # ------------------------------------------------------------ inside

    async def _serve(
        self, listening: socket.socket, tls: ssl.SSLContext | None, unix_path: str = ""
    ) -> None:
        listening.setblocking(False)
        listening.listen(LISTEN_BACKLOG)
        server = await self._accept_from(listening, tls)
        self._listeners.append(Listener(listening, server, tls, unix_path))

    async def _accept_from(
        self, listening: socket.socket, tls: ssl.SSLContext | None
    ) -> asyncio.Server:
        # A duplicate: closing the asyncio server closes its socket, and ours is to go on.
        duplicate = listening.dup()
        timeout_s = None if tls is None else self._tls_handshake_timeout_s
        if listening.family == socket.AF_UNIX:
            return await self._loop.create_unix_server(
                self._make_connection, sock=duplicate, backlog=LISTEN_BACKLOG
            )
        return await self._loop.create_server(
            self._make_connection,
            sock=duplicate,
            backlog=LISTEN_BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=timeout_s,
        )

    def _make_connection(self) -> Connection:
        return Connection(self, self._loop)

    def _on_tick(self) -> None:
        self.tick += 1
        self.date_line = render.date_line(time.time())
        if self.tick % SWEEP_TICKS == 0:
            for connection in list(self._connections):
                if connection.is_overdue(self.tick, self._deadlines):
                    connection.abort()
        self._ticker = self._loop.call_later(TICK_S, self._on_tick)

    async def _wait_until_empty(self, timeout_s: float) -> None:
        self._emptied.clear()
        if self._connections:
            try:
                await asyncio.wait_for(self._emptied.wait(), timeout_s)
            except TimeoutError:
                return


def canonical_name(name: str) -> str:
    """How Go spells a header name: `x-consul-index` is `X-Consul-Index`."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def remove_socket_file(path: str) -> None:
    """Remove the socket that a process before us left; OSError if it is another kind of file."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "refusing to replace what is not a socket", path)
    os.unlink(path)


def set_file_access(path: str, access: UnixAccess) -> None:
    """Apply `unix_sockets { mode user group }`. LookupError for an unknown user, OSError."""
    if access.user or access.group:
        user = access.user
        uid = -1 if not user else int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
        os.chown(path, uid, int(access.group) if access.group else -1)
    if access.mode:
        os.chmod(path, int(access.mode, 8))
