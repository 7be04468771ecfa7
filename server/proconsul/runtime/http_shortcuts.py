"""What an HTTP connection does before, and instead of, having a request handled.

Reads whose answer is kept are not even parsed; blocking queries are parked without a task; plain
writes of a key are proposed without one. Each stands in the place of the request that is being
answered, so that what the client sends ahead waits its turn. All else is the other half's
(runtime/http_connection.py).
"""

import abc
import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from proconsul.api.blocking_requests import may_block
from proconsul.api.http import Handler, Headers, Request
from proconsul.runtime import http_response as render
from proconsul.runtime.eager_task import EagerTask
from proconsul.runtime.http_exchange import Exchange
from proconsul.runtime.http_reader import RequestReader
from proconsul.runtime.kept_answers import KeptAnswer
from proconsul.runtime.kept_reads import OF_LEADER, KeptReads
from proconsul.runtime.parked import Parked, Pieces
from proconsul.runtime.plain_writes import Answer, PlainWrite

if TYPE_CHECKING:
    from proconsul.runtime.http_server import HttpServer

GET: Final = ord("G")

# In the place of a request that was not parsed: its answer is there, and waits for a quorum.
CONFIRMED_SOON = Exchange(Request("GET", "/"), True, False, body_is_complete=True)
# In the place of one that is parked: it is only to be told.
PARKED = Exchange(Request("GET", "/"), True, False, body_is_complete=True)
# In the place of a plain write, whose answer is there, and waits for the log.
WRITING = Exchange(Request("PUT", "/"), True, False, body_is_complete=True)


class Shortcuts(RequestReader):
    """The requests of a connection that are answered by other ways than the handler's."""

    __slots__ = (
        "_ahead",
        "_asked_s",
        "_exchange",
        "_held",
        "_kept",
        "_task",
        "_transport",
        "_whole",
        "_writing_paused",
        "since_tick",
    )

    def __init__(self, server: "HttpServer") -> None:
        super().__init__(server)
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # connection_made
        # The requests that are being answered.
        self._exchange: Exchange | None = None
        self._task: EagerTask[Any] | Parked | PlainWrite | None = None
        self._ahead: list[Exchange] = []  # a deque that is empty takes 760 bytes
        self._held = b""  # what came after those, not parsed yet
        self._writing_paused = False
        self._kept = server.kept
        self._whole = b""  # what is being parsed, if that is one request, and all of it
        self._asked_s = 0.0  # when CONFIRMED_SOON came
        self.since_tick = server.tick  # the last sign of life, in ticks of the server

    @abc.abstractmethod
    def _parse_whole(self, data: bytes) -> None:
        """Parse what may be one request, and all of it."""

    @abc.abstractmethod
    def _handle(self, exchange: Exchange, handle: Handler) -> None:
        """Have it answered by this handler."""

    @abc.abstractmethod
    def _advance(self) -> None:
        """Go on with what the client sent ahead."""

    @abc.abstractmethod
    def _head(self, exchange: Exchange, text: bytes, framing: bytes) -> bytes:
        """The head of an answer, of its parts before and behind the Date."""

    @abc.abstractmethod
    def _write(self, data: bytes) -> None:
        """Send it, unless the connection ends."""

    @abc.abstractmethod
    def _finish(self, exchange: Exchange) -> None:
        """It is answered."""

    @abc.abstractmethod
    def abort(self) -> None:
        """Hang up."""

    @property
    def date_line(self) -> bytes:
        """The Date field."""
        return self._server.date_line

    @property
    def added_fields(self) -> tuple[tuple[str, str], ...]:
        """Of each answer."""
        return self._server.added_fields

    @property
    def _is_free(self) -> bool:
        """Whether nothing is in front of what comes now, and it may be answered at once."""
        return not (self._ahead or self._writing_paused or self._server.stopping)

    # ------------------------------------------------------------ answers that are kept

    def _take(self, kept: KeptReads, data: bytes) -> None:
        """Answer from what is kept, or parse; here a request begins, and none is before it."""
        if data[0] != GET:
            self._parse(data)  # to look for a large upload would take longer than to read it
            return
        began_s = time.monotonic()
        answer = kept.find(data)
        if answer is None or not self._is_free:
            if answer is not None or not may_block(data) or not self._park(kept, data, None):
                self._parse_whole(data)
            return
        fresh = kept.fresh_now(answer.level)
        if fresh is not None:
            self._send_kept(kept, answer, fresh, began_s)
            return
        rounds = kept.word_for(answer.level)
        if rounds is None:
            self._parse_whole(data)
            return
        self._asked_s = began_s
        self._exchange = CONFIRMED_SOON
        kept.confirm(self, data, rounds)

    def confirmed(self, request: bytes, answer: KeptAnswer | None) -> None:
        """See `Asking`."""
        assert self._kept is not None, "it was asked to confirm"
        self._exchange = None
        if self._deaf:
            return
        if answer is None or self._server.stopping:
            # What came meanwhile is not for the parser while it is at work on this.
            held, self._held = self._held, b""
            self._parse_whole(request)
            self._held = held
        else:
            self._send_kept(self._kept, answer, OF_LEADER, self._asked_s)
        self._advance()

    def _send_kept(self, kept: KeptReads, answer: KeptAnswer, fresh: bytes, began_s: float) -> None:
        head = (answer.before, fresh, answer.after, self._server.date_line)
        if len(answer.body) <= render.JOIN_BYTES_MAX:
            self._transport.write(b"".join((*head, answer.body)))
        else:
            self._transport.writelines((b"".join(head), answer.body))
        self.since_tick = self._server.tick
        kept.tallies.add(answer.tally, time.monotonic() - began_s)

    # ------------------------------------------------------------ queries that are parked

    def _park(self, kept: KeptReads, data: bytes, headers: Headers | None) -> bool:
        """Whether this was a blocking query, and is parked, or answered already."""
        return self._is_free and kept.parked.take(self, data, headers)

    def park(self, parked: Parked) -> None:
        """Wait for `tell` or `resume`."""
        self._exchange = PARKED
        self._task = parked
        self._parser = None  # it is between two requests, and as large as all the rest of us

    def say(self, pieces: Pieces) -> None:
        """Answer what came just now."""
        self._exchange = None
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        else:
            self._transport.writelines(pieces)
        self.since_tick = self._server.tick

    def tell(self, pieces: Pieces) -> None:
        """Answer what was parked."""
        self._task = None
        self.say(pieces)
        self._advance()

    def resume(self, request: Request, handle: Handler) -> None:
        """Answer what was parked in another way."""
        self._task = None
        self._complete(request)
        exchange = self._exchange = Exchange(request, True, False, body_is_complete=True)
        self._handle(exchange, handle)
        self._advance()

    # ------------------------------------------------------------ plain writes

    def _propose(self, target: str, headers: Headers, body: bytes) -> bool:
        """Whether this PUT was a plain write, and is under way."""
        writes = self._server.writes
        if writes is None or self._exchange is not None or not self._is_free:
            return False
        write = writes.begin(self, target, headers, body)
        if write is None:
            return False
        self._exchange = WRITING
        self._task = write
        return True

    def wrote(self, answer: Answer) -> None:
        """The write is done."""
        self._task = None
        self._write(self._head(WRITING, answer.head, answer.framing) + answer.body)
        self._finish(WRITING)
        self._advance()
