"""One HTTP connection: requests to the handler one after another, answers to the client.

A client may send requests ahead of the answers; they are answered in order, and one that is not
answered yet holds up the next. A handler that answers at once costs no task; one that waits is
cancelled as soon as its client has gone, so that thousands of abandoned blocking queries leave
nothing behind.
"""

import asyncio
from collections.abc import AsyncIterator
from sys import intern
from typing import TYPE_CHECKING, cast

from proconsul.api.blocking_requests import may_block
from proconsul.api.http import Handler, Response
from proconsul.api.plain_reads import is_whole
from proconsul.runtime import http_response as render
from proconsul.runtime.eager_task import EagerTask
from proconsul.runtime.http_exchange import Deadlines, Exchange, address_text
from proconsul.runtime.http_shortcuts import CONFIRMED_SOON, Shortcuts

if TYPE_CHECKING:
    from proconsul.runtime.http_server import HttpServer

AHEAD_MAX = 32  # requests sent before the answer to an earlier one; then we read no more
SLICE_BYTES = 1 << 13  # parsed at a time, between two looks at how far ahead the client is
LINGER_S = 0.5  # how long we read on after refusing a body, as Go does: see `_close`


class Connection(Shortcuts, asyncio.Protocol):
    """The protocol object of one accepted connection."""

    __slots__ = (
        "_closing",
        "_drained",
        "_handler",
        "_is_advancing",
        "_is_cancelled",
        "_loop",
        "_lost",
        "_reading_paused",
        "_refusal",
        "client",
    )

    def __init__(self, server: "HttpServer", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server)
        self._loop = loop
        self._handler = server.handler
        self.client = ""  # what the limit for one client counts by
        self._is_cancelled = False
        self._is_advancing = False
        self._refusal = b""  # to be sent once the answers before it are out
        self._closing = False
        self._lost = False
        self._reading_paused = False
        self._drained: asyncio.Future[None] | None = None

    # ------------------------------------------------------------ the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the client, or refuse it."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        peer = transport.get_extra_info("peername")
        self._remote = address_text(peer)
        self._local = intern(address_text(transport.get_extra_info("sockname")))
        self._is_tls = transport.get_extra_info("sslcontext") is not None
        self.client = intern(peer[0]) if isinstance(peer, tuple) else self._remote
        if not self._server.admit(self):
            self._close(linger=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Free all that waits for this client."""
        self._lost = self._closing = self._deaf = True
        self._server.forget(self)
        self._ahead.clear()
        self.cancel()

    def eof_received(self) -> bool:
        """The client has nothing more to say: to Go, and to us, it has gone."""
        self.cancel()
        return False

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writing_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Parse what has come; whole requests go to the handler from inside the parser."""
        if self._deaf:
            return
        if not self._in_head:
            self.since_tick = self._server.tick
        if self._exchange is None and not self._held and len(data) <= SLICE_BYTES:
            if self._kept is None or self._reading is not None or self._in_head or self._in_line:
                self._parse(data)
            else:
                self._take(self._kept, data)
        else:
            self._held += data
            if self._exchange is CONFIRMED_SOON:
                self._pause_reading()
            else:
                self._parse_held()

    # ------------------------------------------------------------ requests, in order

    def _parse_whole(self, data: bytes) -> None:
        if is_whole(data):
            self._whole = data
        self._parse(data)
        self._whole = b""

    def _parse_held(self) -> None:
        """Parse on, until the client is too far ahead: a slice may hold very many requests."""
        held, self._held = self._held, b""
        at = 0
        while at < len(held) and not self._deaf:
            if len(self._ahead) >= AHEAD_MAX:
                self._held = held[at:]
                self._pause_reading()
                return
            self._parse(held[at : at + SLICE_BYTES])
            at += SLICE_BYTES

    def _submit(self, exchange: Exchange) -> None:
        if self._exchange is None and not self._writing_paused and not self._ahead:
            self._run(exchange)
            return
        self._ahead.append(exchange)
        if len(self._ahead) >= AHEAD_MAX:
            self._pause_reading()

    def _advance(self) -> None:
        """Go on with what the client sent ahead."""
        if self._is_advancing:  # an answer that is there at once: the loop below goes on
            return
        self._is_advancing = True
        try:
            while not self._writing_paused and not self._closing:
                if self._exchange is not None:
                    if not self._held or self._exchange is not self._reading:
                        return
                    self._parse_held()  # its body is there, or a part of it
                elif self._ahead:
                    self._run(self._ahead.pop(0))
                elif self._refusal:
                    self._write(self._refusal)
                    self._close(linger=True)
                elif self._held:
                    self._parse_held()
                else:
                    if self._reading is not None:
                        self._let_send(self._reading)
                    self._resume_reading()
                    return
        finally:
            self._is_advancing = False

    def _let_send(self, exchange: Exchange) -> None:
        its_turn = self._exchange is exchange or (self._exchange is None and not self._ahead)
        if its_turn and exchange.waits_for_word and not exchange.body_is_complete:
            exchange.waits_for_word = False
            self._write(render.CONTINUE)

    def _run(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._let_send(exchange)
        if exchange.request.path == "*":  # OPTIONS *, which Go answers without asking anybody
            self._respond(Response.plain(200))
            return
        kept, whole = self._kept, self._whole
        if whole and kept is not None and exchange.keep_alive and not exchange.is_http_10:
            if may_block(whole) and self._park(kept, whole, exchange.request.headers):
                return
            exchange.recording = kept.begin(whole, exchange.request)
        self._handle(
            exchange, self._handler if exchange.recording is None else exchange.recording.handle
        )

    def _handle(self, exchange: Exchange, handle: Handler) -> None:
        try:
            answer = handle(exchange.request)
        except Exception as error:
            self._respond(self._failure(error))
            return
        if isinstance(answer, Response):
            self._respond(answer)
            return
        task: EagerTask[Response] = EagerTask(self._loop, answer, self._answered)
        self._task = task
        task.start()

    def _answered(self, response: Response | None, error: BaseException | None) -> None:
        self._task = None
        if self._is_cancelled:
            self.abort()
            return
        if response is None:
            # A cancellation that we did not ask for came up from what the handler waited for.
            failure = error if isinstance(error, Exception) else Exception("cancelled")
            response = self._failure(failure)
        self._respond(response)
        self._advance()

    def _failure(self, error: Exception) -> Response:
        assert self._exchange is not None
        self._server.on_error(self._exchange.request, error)
        return Response.text(500, str(error))

    # ------------------------------------------------------------ answers

    def _respond(self, response: Response) -> None:
        exchange = self._exchange
        assert exchange is not None, "an answer has a request"
        body = response.body
        if not isinstance(body, bytes):
            pieces = self._send_pieces(exchange, response, body)
            task: EagerTask[None] = EagerTask(self._loop, pieces, self._sent)
            self._task = task
            task.start()
            return
        text, framing, body = render.rendered(
            exchange.request.headers,
            response,
            self._server.added_fields,
            is_http_10=exchange.is_http_10,
        )
        if exchange.recording is not None and self._kept is not None:
            kept_body = b"".join((framing, b"\r\n", body))
            self._kept.end(exchange.recording, response, text, kept_body)
        head = self._head(exchange, text, framing)
        if exchange.request.method == "HEAD" or not body:
            self._write(head)
        elif len(body) <= render.JOIN_BYTES_MAX:
            self._write(head + body)
        elif not self._closing:
            self._transport.writelines((head, body))
        self._finish(exchange)

    async def _send_pieces(
        self, exchange: Exchange, response: Response, body: AsyncIterator[bytes]
    ) -> None:
        if exchange.is_http_10:
            exchange.keep_alive = False  # the end of the connection is the end of the body
        gzipped = render.wants_gzip(exchange.request.headers, response)
        squeezer = render.GzipPieces() if gzipped else None
        framing = b"" if exchange.is_http_10 else render.CHUNKED
        added = self._server.added_fields if response.is_endpoint else ()
        text = render.head(response, added, is_http_10=exchange.is_http_10, gzipped=gzipped)
        self._write(self._head(exchange, text, framing))
        failure: BaseException | None = None
        try:
            if exchange.request.method != "HEAD":
                await self._send_body(exchange, body, squeezer)
        except BaseException as raised:  # no `finally`: it may not await here (docs/adr/0015)
            failure = raised
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()
        if failure is not None:
            raise failure

    async def _send_body(
        self, exchange: Exchange, body: AsyncIterator[bytes], squeezer: render.GzipPieces | None
    ) -> None:
        async for piece in body:
            await self._send_piece(exchange, squeezer.piece(piece) if squeezer else piece)
            if self._lost:
                return
        await self._send_piece(exchange, squeezer.end() if squeezer else b"")
        if not exchange.is_http_10:
            self._write(render.LAST_CHUNK)

    async def _send_piece(self, exchange: Exchange, piece: bytes) -> None:
        if piece:
            self._write(piece if exchange.is_http_10 else render.chunk(piece))
        if self._writing_paused and not self._lost:
            self._drained = self._loop.create_future()
            await self._drained

    def _sent(self, _: None, error: BaseException | None) -> None:
        self._task = None
        exchange = self._exchange
        assert exchange is not None
        if error is not None:
            # The head is out: only a body that ends too early can tell the client.
            if isinstance(error, Exception):
                self._server.on_error(exchange.request, error)
            self.abort()
            return
        self._finish(exchange)
        self._advance()

    def _head(self, exchange: Exchange, text: bytes, framing: bytes) -> bytes:
        if not self._may_live_on(exchange):
            connection = b"\r\n" if exchange.is_http_10 else b"Connection: close\r\n\r\n"
        else:
            connection = b"Connection: keep-alive\r\n\r\n" if exchange.is_http_10 else b"\r\n"
        return b"".join((text, self._server.date_line, framing, connection))

    def _may_live_on(self, exchange: Exchange) -> bool:
        return exchange.keep_alive and exchange.body_is_complete and not self._server.stopping

    def _write(self, data: bytes) -> None:
        if not self._closing:
            self._transport.write(data)

    def _finish(self, exchange: Exchange) -> None:
        self._exchange = None
        self.since_tick = self._server.tick
        if not self._may_live_on(exchange):
            self._close(linger=not exchange.body_is_complete)

    # ------------------------------------------------------------ refusing and ending

    def _refuse(self, status: int, reason: str) -> None:
        if self._deaf:
            return
        self._deaf = True
        self._reading = None
        self._refusal = render.refusal(status, reason)
        self._advance()

    def _close(self, *, linger: bool) -> None:
        """End the connection once what was written is out.

        With `linger` the client may still be sending: closing at once would reset the connection,
        and the reset could overtake our answer. So we half-close, and read on for a moment.
        """
        if self._closing:
            return
        self._closing = self._deaf = True
        if not linger or self._lost:
            self._transport.close()
            return
        self._resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._loop.call_later(LINGER_S, self._transport.close)

    def cancel(self) -> None:
        """Have the handler at work stop, because nobody is there to hear its answer."""
        if self._task is not None and not self._is_cancelled:
            self._is_cancelled = True
            self._task.cancel()

    def abort(self) -> None:
        """Hang up."""
        self._closing = self._deaf = True
        self.cancel()
        self._transport.abort()

    def close_if_idle(self) -> None:
        """Close unless a request is being read or answered."""
        if self._exchange is None and self._reading is None and not self._in_head:
            self._close(linger=False)

    def is_overdue(self, tick: int, deadlines: Deadlines) -> bool:
        """Whether the client has kept us waiting for too long."""
        quiet_s = tick - self.since_tick
        if self._closing:
            return quiet_s > deadlines.close_s
        if self._in_head:
            return quiet_s > deadlines.head_s
        if self._reading is not None:
            return quiet_s > deadlines.body_s and not self._reading_paused
        return self._exchange is None and quiet_s > deadlines.idle_s

    def _pause_reading(self) -> None:
        if not self._reading_paused and not self._closing:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and not self._lost:
            self._reading_paused = False
            self._transport.resume_reading()
