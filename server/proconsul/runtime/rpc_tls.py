"""TLS in which either side may end alone, as in Go's (RFC 8446, section 6.1).

A snapshot's client says with close_notify that its archive is over, and then waits for the answer
(wire/rpc.md section 9). The TLS of asyncio closes the whole connection at that point; this one
tells the protocol of the end, and goes on writing.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any, cast

READ_BYTES = 64 * 1024


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """A protocol for the connection below, a transport for the protocol above.

    `ready` is done after the handshake; only then the protocol above hears of the connection.
    """

    def __init__(
        self,
        above: asyncio.Protocol,
        context: ssl.SSLContext,
        *,
        is_server: bool,
        server_hostname: str | None,
        received: bytes = b"",
    ) -> None:
        """`received` was read before, and comes first. Raises ValueError for a bad name."""
        super().__init__()
        self._above: asyncio.BaseProtocol = above
        self._incoming = ssl.MemoryBIO()
        self._incoming.write(received)
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=is_server, server_hostname=server_hostname
        )
        self._below: asyncio.Transport | None = None
        self._is_open = False  # after the handshake, before the loss
        self._peer_ended = False
        self._ended = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # ------------------------------------------------------------ from below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._below = cast("asyncio.Transport", transport)
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        """Decrypt."""
        self._incoming.write(data)
        if self._is_open:
            self._read()
        elif not self.ready.done():
            self._shake_hands()

    def eof_received(self) -> bool:
        """The peer sends nothing more, properly ended or not; who is above may still write."""
        if not self._is_open:
            self._fail(ConnectionResetError("the peer ended during the TLS handshake"))
        elif not self._peer_ended:
            # All that came was read when it came, and no close_notify was in it. Asked of OpenSSL,
            # some builds would call this a proper end.
            self._fail(ConnectionResetError("the connection ended before TLS said so"))
        return self._is_open

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who is above, or who waits for the handshake."""
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionResetError("connection lost"))
        elif self._is_open:
            self._is_open = False
            self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        """The connection below is full."""
        if self._is_open:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        """It is not any more."""
        if self._is_open:
            self._above.resume_writing()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as failure:
            self._flush()  # the alert
            self._fail(failure)
            return
        self._flush()
        self._is_open = True
        self._above.connection_made(self)
        if not self.ready.done():
            self.ready.set_result(None)
        self._read()

    def _read(self) -> None:
        above = cast("asyncio.Protocol", self._above)
        try:
            while not self._peer_ended:
                data = self._tls.read(READ_BYTES)
                if data:
                    above.data_received(data)
                else:
                    self._on_peer_end(above)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._on_peer_end(above)
        except ssl.SSLError as failure:
            self._fail(ConnectionResetError(f"TLS: {failure}"))
        self._flush()

    def _on_peer_end(self, above: asyncio.Protocol) -> None:
        self._peer_ended = True
        if not above.eof_received():
            self.close()

    def _fail(self, failure: Exception) -> None:
        assert self._below is not None
        if not self.ready.done():
            self.ready.set_exception(failure)
            self._below.close()  # not at once: the alert goes out
        elif self._is_open:
            self._is_open = False
            self._below.abort()
            self._above.connection_lost(failure)

    def _flush(self) -> None:
        assert self._below is not None
        if data := self._outgoing.read():
            self._below.write(data)

    # ------------------------------------------------------------ from above

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send. After `write_eof` there is nothing to say."""
        if not self._is_open or self._ended:
            return
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view) :]
        self._flush()

    def can_write_eof(self) -> bool:
        """Yes: that is what this is for."""
        return True

    def write_eof(self) -> None:
        """Say that nothing more will come; what the peer says is still read."""
        if self._ended or not self._is_open:
            return
        self._ended = True
        # It wants to read the peer's own end, which may come much later.
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()

    def close(self) -> None:
        """Send what is written, then end."""
        self.write_eof()
        if self._below is not None:
            self._below.close()

    def abort(self) -> None:
        """End at once."""
        if self._below is not None:
            self._below.abort()

    def is_closing(self) -> bool:
        """Whether it ends or has ended."""
        return self._below is None or self._below.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object` and what the connection below tells."""
        if name == "ssl_object":
            return self._tls
        return default if self._below is None else self._below.get_extra_info(name, default)

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        """What the peer has shown, if it was asked for it and it is good."""
        return self._tls.getpeercert()

    @property
    def alpn_protocol(self) -> str | None:
        """What ALPN has chosen."""
        return self._tls.selected_alpn_protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Put another protocol above."""
        self._above = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The one above."""
        return self._above

    def is_reading(self) -> bool:
        """Whether anything is read from below."""
        return self._below is not None and self._below.is_reading()

    def pause_reading(self) -> None:
        """Read nothing more for now; what is decrypted already still comes."""
        if self._below is not None:
            self._below.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._below is not None:
            self._below.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait below, encrypted."""
        return 0 if self._below is None else self._below.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Of the connection below."""
        assert self._below is not None
        self._below.set_write_buffer_limits(high, low)
