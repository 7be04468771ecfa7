"""Plain writes and locks of a key between the listener and the log: requests that cost no task.

Each is proposed where the ordinary way would propose it, and is told as much to telemetry. What is
left out is what comes to the same for all of them: the route, the verb, the options, five
coroutines that wait for one another, and the wording of `true`. That is a third of a write
(docs/adr/0021). Where anything is in question (who may write, a limit of calls, a line in the log)
the request goes the ordinary way, and so does one for which nobody leads any more.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from proconsul.api import plain_writes
from proconsul.api.http import Handler, Headers, Request, Response
from proconsul.api.kv import PREFIX
from proconsul.api.plain_writes import PlainChange
from proconsul.api.reply import Reply
from proconsul.api.routing import metric_of
from proconsul.api.surface import Surface, metrics_of
from proconsul.errors import NoLeaderError, ProconsulError
from proconsul.fsm.commands import MessageType, PlainSetCommands, encode_command
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.runtime import http_response as render
from proconsul.runtime.logs import logger
from proconsul.runtime.own_calls import OwnCalls
from proconsul.runtime.pending import Waiter
from proconsul.runtime.request_log import has_lines

HEADS_MAX: Final = 256  # as many as are known (runtime/known_heads.py)

_http = logger("http")


class OfferedLog(Protocol):
    """The replicated log (runtime/replicated_log.py)."""

    def is_leader(self) -> bool:
        """Whether this server believes that it leads."""

    def offer(self, command: bytes, waiter: Waiter) -> bool:
        """Whether the command was taken: `waiter` will hear. Raises ProconsulError: it was not."""


class Answer:
    """What is sent for a plain write: up to the Date, what frames the body, the body."""

    __slots__ = ("body", "framing", "head")

    def __init__(self, head: bytes, framing: bytes, body: bytes) -> None:
        self.head = head
        self.framing = framing
        self.body = body


class WritingConnection(Protocol):
    """Whose write it is."""

    @property
    def added_fields(self) -> tuple[tuple[str, str], ...]:
        """Fields that each answer gets."""

    def wrote(self, answer: Answer) -> None:
        """It is written."""

    def resume(self, request: Request, handle: Handler) -> None:
        """It is answered by this handler."""

    def abort(self) -> None:
        """Hang up."""


class PlainWrite:
    """One that is under way (runtime.pending.Waiter)."""

    __slots__ = (
        "_writes",
        "began_s",
        "body",
        "change",
        "connection",
        "failure",
        "headers",
        "is_gone",
        "says_true",
        "target",
    )

    def __init__(
        self,
        writes: "PlainWrites",
        connection: WritingConnection,
        change: PlainChange,
        target: str,
        headers: Headers,
        body: bytes,
    ) -> None:
        self._writes = writes
        self.connection = connection
        self.change = change
        self.target = target
        self.headers = headers
        self.body = body
        self.began_s = time.monotonic()
        self.failure: Exception | None = None
        self.says_true = True
        self.is_gone = False

    @property
    def request(self) -> Request:
        """As the ordinary way has it."""
        return _request(self.target, self.headers, self.body)

    def cancel(self) -> None:
        """The client has gone; what is in the log stays there."""
        self.is_gone = True
        self._writes.left(self)

    def done(self) -> bool:
        """Whether nobody waits any more."""
        return self.is_gone

    def set_result(self, value: object, /) -> None:
        """It is applied; of a lock, the value says who has it."""
        self.says_true = value is True or not self.change.session
        self._writes.heard(self)

    def set_exception(self, failure: Exception, /) -> None:
        """It was not taken, was refused, or nobody knows."""
        self.failure = failure
        self._writes.heard(self)


class PlainWrites:
    """What a connection asks before a PUT becomes a request."""

    def __init__(
        self,
        surface: Surface,
        calls: OwnCalls,
        log: OfferedLog,
        token: Callable[[], str],
        may_not_lock: Callable[[str], bool],
        ordinary: Handler,
    ) -> None:
        """`token` is the agent's default one; `ordinary` is the way of all other requests.

        `may_not_lock`: whether a key has a lock-delay.
        """
        self._surface = surface
        self._calls = calls
        self._log = log
        self._token = token
        self._may_not_lock = may_not_lock
        self._sets = PlainSetCommands(surface.api.facts.datacenter)
        self._ordinary = ordinary
        self._loop = asyncio.get_running_loop()
        # True and false, by known fields; None: they say more.
        self._answers: dict[Headers, tuple[Answer, Answer] | None] = {}
        self._heard: list[PlainWrite] = []
        self._telemetry = telemetry = surface.api.telemetry
        name, labels = metrics_of(plain_writes.METHOD, metric_of(PREFIX))
        self._applied_ms = telemetry.sampler("kvs.apply")
        self._samplers = (
            self._applied_ms,
            telemetry.sampler(name),
            telemetry.sampler("api.http", labels),
        )

    def clear(self) -> None:
        """Settings changed, of which answers tell."""
        self._answers.clear()

    def begin(
        self, connection: WritingConnection, target: str, headers: Headers, body: bytes
    ) -> PlainWrite | None:
        """The write that this PUT asks for, under way; None: it goes the ordinary way."""
        change = plain_writes.change_of(target)
        facts = self._surface.api.facts
        if (
            change is None
            or len(body) > facts.kv_value_bytes_max
            or facts.acl_enabled
            or not self._is_quiet()
            or not self._log.is_leader()
            or (change.operation == "lock" and self._may_not_lock(change.key))
        ):
            return None
        if self._answers_to(headers, connection) is None:
            return None
        write = PlainWrite(self, connection, change, target, headers, body)
        try:
            is_taken = self._log.offer(self._command(change, body), write)
        except ProconsulError:
            return None  # nothing was taken: the ordinary way says why not, or waits
        except Exception as failure:  # our own mistake: whether it was taken is unknown
            write.set_exception(failure)
            return write
        return write if is_taken else None

    def _command(self, change: PlainChange, body: bytes) -> bytes:
        token, session = self._token(), change.session
        if body and not token and not session:
            return self._sets.encode(change.key, body)
        entry = DirEntry(key=change.key, value=body or None, session=session)
        datacenter = self._surface.api.facts.datacenter
        command = KVSRequest(datacenter=datacenter, op=change.operation, dir_ent=entry, token=token)
        return encode_command(MessageType.KVS, command)

    def _is_quiet(self) -> bool:
        """Whether nobody is to be asked, or told, about a single request."""
        settings = self._surface.api.settings
        return (
            settings.write_allowed_from is None
            and not settings.block_endpoints
            and self._calls.limit.is_infinite
            and not has_lines()
        )

    def _answers_to(
        self, headers: Headers, connection: WritingConnection
    ) -> tuple[Answer, Answer] | None:
        if headers in self._answers:
            return self._answers[headers]
        if len(self._answers) >= HEADS_MAX:
            self._answers.clear()
        answers = None
        if plain_writes.is_plain(headers):
            added = connection.added_fields
            answers = self._worded(headers, True, added), self._worded(headers, False, added)
        self._answers[headers] = answers
        return answers

    def _worded(
        self, headers: Headers, says_true: bool, added: tuple[tuple[str, str], ...]
    ) -> Answer:
        response = self._surface.answer(_request(_ANY, headers, b""), Reply(says_true))
        return Answer(*render.rendered(headers, response, added))

    def heard(self, write: PlainWrite) -> None:
        """Its outcome is known; the client is told in the next turn, with those beside it."""
        if not self._heard:
            self._loop.call_soon(self._tell)
        self._heard.append(write)

    def left(self, write: PlainWrite) -> None:
        """Its client has gone, and need not have closed the connection."""
        self._loop.call_soon(write.connection.abort)
        self._count([_took_ms(write, time.monotonic())])

    def _tell(self) -> None:
        heard, self._heard = self._heard, []
        took_ms: list[float] = []
        now_s = time.monotonic()
        for write in heard:
            if write.is_gone:
                continue
            if isinstance(write.failure, NoLeaderError):
                self._applied_ms.add(_took_ms(write, now_s))  # all else the ordinary way tells
            else:
                took_ms.append(_took_ms(write, now_s))
            try:
                self._tell_one(write)
            except Exception as failure:  # of one: the others are to be heard
                _http.error("an error in the server itself", exc_info=failure)
                write.connection.abort()
        self._count(took_ms)

    def _tell_one(self, write: PlainWrite) -> None:
        failure, connection = write.failure, write.connection
        if failure is None:
            answers = self._answers_to(write.headers, connection)
            assert answers is not None, "its fields said nothing more when it began"
            connection.wrote(answers[0] if write.says_true else answers[1])
        elif isinstance(failure, NoLeaderError):
            # It was not taken. The ordinary way finds who leads, or waits until somebody does.
            connection.resume(write.request, self._ordinary)
        else:
            connection.resume(write.request, partial(self._failed, failure))

    def _failed(self, failure: Exception, request: Request) -> Response:
        return self._surface.failed(request, failure)

    def _count(self, took_ms: list[float]) -> None:
        if not took_ms:
            return
        self._telemetry.count("client.rpc", times=len(took_ms))
        for sampler in self._samplers:
            sampler.add_all(took_ms)


_ANY: Final = PREFIX + "any"


def _took_ms(write: PlainWrite, now_s: float) -> float:
    return (now_s - write.began_s) * 1000


def _request(target: str, headers: Headers, body: bytes) -> Request:
    request = Request(plain_writes.METHOD, target, headers)
    request.body = body
    request.content_length = len(body)
    return request
