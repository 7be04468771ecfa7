"""The byte streams that calls travel on: a connection by itself, or one of many over yamux.

Reading and writing is bounded both ways: what nobody reads is not asked for, and a writer waits
while the peer does not read.
"""

import asyncio
import socket
import ssl
from typing import Any, Protocol

from proconsul.runtime.rpc_tls import TlsTransport

READ_BYTES = 64 * 1024
WRITE_BUFFER_BYTES = 256 * 1024  # of a connection, beyond what the kernel takes


class ByteStream(Protocol):
    """What a conversation needs."""

    async def read(self) -> bytes:
        """Some bytes, b"" at the end; cancelling loses none. Raises ConnectionError."""

    async def write(self, data: bytes) -> None:
        """Send, and wait while the peer takes nothing. Raises ConnectionError."""

    def close(self) -> None:
        """Send what is written, then end; nothing more is read."""

    def abort(self) -> None:
        """End at once, whatever is on its way."""


class SocketStream:
    """A connection by itself, in the clear or TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._transport = writer.transport

    @property
    def alpn_protocol(self) -> str | None:
        """What ALPN has chosen; None without TLS, too."""
        return None if (tls := self._tls) is None else tls.alpn_protocol

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        """What the peer has shown, if it was asked for it and it is good."""
        return None if (tls := self._tls) is None else tls.peer_certificate

    @property
    def _tls(self) -> TlsTransport | None:
        transport = self._transport
        return transport if isinstance(transport, TlsTransport) else None

    @property
    def is_full(self) -> bool:
        """Whether a writer should wait: the peer takes nothing, and enough is kept for it."""
        return self._transport.get_write_buffer_size() > WRITE_BUFFER_BYTES

    def push(self, data: bytes) -> None:
        """Send without waiting. Nothing happens where the connection has ended already.

        Whoever reads hears of that a turn later; until then uvloop raises at each write.
        """
        if not self._transport.is_closing():
            self._transport.write(data)

    async def read(self) -> bytes:
        """Some bytes, b"" at the end."""
        return await self.reader.read(READ_BYTES)

    async def write(self, data: bytes) -> None:
        """Send, and wait while the peer takes nothing."""
        self.writer.write(data)
        await self.writer.drain()

    def finish(self) -> None:
        """Say that nothing more will come; what the peer says is still read."""
        self.writer.write_eof()

    def close(self) -> None:
        """Send what is written, then end."""
        self.writer.close()

    async def closed(self, timeout_s: float) -> None:
        """After `close`: until the peer has taken what was written, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.writer.wait_closed()
        except OSError:  # TimeoutError is one
            self.abort()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()


async def open_on(
    connected: socket.socket,
    *,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    is_server: bool,
    received: bytes = b"",
) -> SocketStream:
    """A stream on a connected socket, which it owns; with `tls`, once hands are shaken.

    `received` was read from the socket already, and belongs to the handshake. Raises OSError, and
    ValueError for a name that cannot be one.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_BYTES, loop=loop)
    above = asyncio.StreamReaderProtocol(reader, loop=loop)
    encrypted: TlsTransport | None = None
    try:
        if tls is not None:
            encrypted = TlsTransport(
                above,
                tls,
                is_server=is_server,
                server_hostname=server_hostname,
                received=received,
            )
        protocol = encrypted or above
        if is_server:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connected)
        else:
            transport, _ = await loop.create_connection(lambda: protocol, sock=connected)
    except BaseException:
        connected.close()
        raise
    transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
    if encrypted is None:
        return SocketStream(reader, asyncio.StreamWriter(transport, above, reader, loop))
    try:
        await encrypted.ready
    except asyncio.CancelledError:
        transport.abort()
        raise
    return SocketStream(reader, asyncio.StreamWriter(encrypted, above, reader, loop))
