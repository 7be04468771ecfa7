"""HTTP: the real connection and reader behind a transport that is not there.

An input is a byte of options and what a client sends. The handler answers at once, later, in
pieces, or fails, as the path says; whatever comes, each request that was read has one answer, in
order, and what is held stays within its limits.
"""

import asyncio
import random
import re
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, cast

from proconsul.api.http import Headers, Request, Response
from proconsul.api.plain_reads import Level, is_whole
from proconsul.runtime.http_connection import AHEAD_MAX, SLICE_BYTES, Connection
from proconsul.runtime.http_exchange import UPLOAD_BUFFER_BYTES_MAX, Deadlines
from proconsul.runtime.http_reader import HEAD_BYTES_MAX
from proconsul.runtime.http_response import CONTINUE
from proconsul.runtime.http_server import HttpServer
from proconsul.runtime.kept_answers import KeptAnswer, Tallies
from proconsul.runtime.kept_reads import OF_LEADER
from proconsul.runtime.known_heads import KnownHeads
from proconsul.store.traced_reads import Notes
from proconsul.telemetry import Telemetry
from server_tests.fuzz.target import Target, cut, promise

BODY_BYTES_MAX = 300
CLIENT = ("127.0.0.1", 40000)
SERVER = ("127.0.0.1", 8500)
QUIET_TURNS = 4  # of the loop in which nothing is said: then only the client can go on
GIVE_UP_S = 20.0  # of the virtual clock: nothing here waits for a second
KEPT_PATHS = (b"a", b"big", b"word", b"denied", b"stale")
STATUS_LINES = (b"HTTP/1.1 ", b"HTTP/1.0 ")
LARGE = b"large " * 20_000
Seen = tuple[
    str, str, tuple[tuple[str, str], ...], bytes
]  # a request: method, target, fields, body


class Loop(asyncio.SelectorEventLoop):
    """A clock that jumps, because nothing here comes from outside."""

    now_s = 0.0

    def time(self) -> float:
        """Seconds on the clock."""
        return self.now_s

    def pass_time(self, seconds: float) -> None:
        """Let timers be due."""
        self.now_s += seconds


_loop = Loop()
_failures: list[BaseException] = []  # of what the loop called


def _note_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _failures.append(context.get("exception") or RuntimeError(context["message"]))


_loop.set_exception_handler(_note_failure)


def turn(what: Callable[[], object]) -> None:
    """Have the loop call it, as it calls a protocol, and what is due besides."""
    _loop.call_soon(what)
    _loop.call_soon(_loop.stop)
    _loop.run_forever()
    if _failures:
        raise _failures.pop()


class Transport:
    """Keeps what is written, and counts what may not happen."""

    def __init__(self) -> None:
        self.said = bytearray()
        self.is_closed = False
        self.is_ended = False
        self.is_paused = False

    def get_extra_info(self, name: str) -> object:
        """Addresses."""
        return {"peername": CLIENT, "sockname": SERVER}.get(name)

    def write(self, data: bytes) -> None:
        """Keep it."""
        promise(not self.is_ended, "nothing is written behind the end")
        if not self.is_closed:
            self.said += data

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        """Keep them."""
        self.write(b"".join(pieces))

    def can_write_eof(self) -> bool:
        """As TCP can."""
        return True

    def write_eof(self) -> None:
        """The client sees the end."""
        self.is_ended = True

    def close(self) -> None:
        """End."""
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        """The client has to wait."""
        self.is_paused = True

    def resume_reading(self) -> None:
        """It may go on."""
        self.is_paused = False


class Handling:
    """What requests came, and what they get."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answered = 0
        self.gates: list[asyncio.Future[None]] = []
        self.errors: list[Exception] = []

    def __call__(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        if request.stream is not None:
            return self._upload(request)
        self._note(request, request.body)
        if request.body_too_large:
            return Response.text(413, "too large")
        if request.path[1:2] == "l":
            return self._later()
        return self._at_once(request)

    def _at_once(self, request: Request) -> Response:
        match request.path[1:2]:
            case "f":
                raise ValueError("as a handler may fail")
            case "p":
                return Response(200, self._pieces(), [("X-Consul-Index", "7")])
            case "b":
                return Response(200, LARGE, [])
            case "k":
                fresh = [("X-Consul-Knownleader", "true"), ("X-Consul-Lastcontact", "0")]
                return Response(200, LARGE if request.path == "/k/big" else b"kept", fresh)
            case _:
                text = f"{request.method} {request.query.names()} {request.query.malformed}"
                return Response.text(200, text)

    def _note(self, request: Request, body: bytes) -> None:
        fields = tuple(request.headers.items())
        self.seen.append((request.method, request.target, fields, body))
        promise(len(request.body) <= BODY_BYTES_MAX, "a body within its limit")
        promise(request.path[:1] == "/" or request.path == "*", "a path")

    async def _later(self) -> Response:
        gate = _loop.create_future()
        self.gates.append(gate)
        await gate
        return Response.json(200, b"[]")

    async def _pieces(self) -> AsyncIterator[bytes]:
        yield b"first "
        await asyncio.sleep(0)
        yield b"second"

    async def _upload(self, request: Request) -> Response:
        body = bytearray()
        assert request.stream is not None
        if request.path == "/upload/refused":
            return Response.text(400, "no")
        try:
            async for piece in request.stream:
                body += piece
        except EOFError:
            body += b" and no more"
        self._note(request, bytes(body))
        return Response.text(200, str(len(body)))


class Waiting:
    """A query that is parked until the next turn of the loop, or until its client has gone."""

    def __init__(self, connection: Connection) -> None:
        self.connection: Connection | None = connection

    def cancel(self) -> None:
        """The client has gone."""
        if self.connection is not None:
            _loop.call_soon(self.connection.abort)
        self.connection = None


class Parking:
    """Parks whole GETs under /k/ with an index: they go on in the ordinary way in the next turn.

    It stands for runtime/parked_queries.py, as Keeping does for what keeps answers.
    """

    def __init__(self, handle: Callable[[], Any]) -> None:
        self._handle = handle
        self._known: dict[bytes, Headers] = {}  # who came once is parked before it is parsed

    def take(self, connection: Connection, data: bytes, headers: Headers | None) -> bool:
        """Whether it is one of them."""
        if not (data.startswith(b"GET /k/") and is_whole(data) and data.isascii()):
            return False
        if headers is not None:
            self._known[data] = headers
        elif data not in self._known:
            return False
        target = data.split(b" ", 2)[1].decode("ascii")
        waiting = Waiting(connection)
        connection.park(cast("Any", waiting))
        _loop.call_soon(self._go_on, waiting, Request("GET", target, self._known[data]))
        return True

    def _go_on(self, waiting: Waiting, request: Request) -> None:
        connection, waiting.connection = waiting.connection, None
        if connection is not None:
            connection.resume(request, self._handle())


class Keeping:
    """Keeps answers of paths under /k/; some of them need a word, which some do not get.

    It stands for runtime/kept_reads.py, whose rules have tests of their own.
    """

    def __init__(self) -> None:
        self._answers: dict[bytes, KeptAnswer] = {}
        self._telemetry = Telemetry()
        self.tallies = Tallies(self._telemetry)
        self.handle: Callable[[Request], object]  # that of the listener
        self.parked = Parking(lambda: self.handle)

    def find(self, data: bytes) -> KeptAnswer | None:
        """What was answered to these bytes before."""
        return self._answers.get(data)

    def fresh_now(self, level: Level) -> bytes | None:
        """Said at once to who asks in the default mode."""
        return OF_LEADER if level is Level.DEFAULT else None

    def word_for(self, level: Level) -> object | None:
        """There is a word for the others, but for stale reads."""
        return None if level is Level.STALE else self

    def confirm(self, connection: Connection, data: bytes, word: object) -> None:
        """It is given in the next turn of the loop, or is not."""
        answer = None if b"/k/denied" in data else self._answers.get(data)
        _loop.call_soon(connection.confirmed, data, answer)

    def begin(self, whole: bytes, request: Request) -> "Keeping | None":
        """Only some are kept."""
        self.whole, self.path = whole, request.path
        return self if request.path.startswith("/k/") else None

    def end(self, keeping: object, response: Response, head: bytes, body: bytes) -> None:
        """Keep it."""
        level = Level.CONSISTENT if self.path in ("/k/word", "/k/denied") else Level.DEFAULT
        level = Level.STALE if self.path == "/k/stale" else level
        tally = self.tallies.of((), ())
        self._answers[self.whole] = KeptAnswer(
            self.whole, level, head, body, tally, Notes(), lambda _: None
        )


def body_limit(request: Request) -> int | None:
    """Uploads have none."""
    return None if request.path.startswith("/upload") else BODY_BYTES_MAX


class Client:
    """One connection from its beginning to its end."""

    def __init__(self, server: HttpServer, handling: Handling) -> None:
        self.transport = Transport()
        self.connection = Connection(server, _loop)
        self._handling = handling
        self._held = bytearray()
        transport = cast(asyncio.Transport, self.transport)
        turn(lambda: self.connection.connection_made(transport))

    def send(self, piece: bytes) -> None:
        """Some bytes, when the server reads."""
        self._held += piece
        if not self.transport.is_paused and not self.transport.is_closed:
            data, self._held = bytes(self._held), bytearray()
            turn(lambda: self.connection.data_received(data))
        self._look(len(piece))
        self.run()

    def run(self) -> None:
        """Let handlers go on; those that wait get what they wait for, one after the other."""
        quiet = said = 0
        while quiet < QUIET_TURNS:
            turn(lambda: None)
            if self._held and not self.transport.is_paused and not self.transport.is_closed:
                self.send(b"")
                return
            waiting = [gate for gate in self._handling.gates if not gate.done()]
            if waiting:
                waiting[0].set_result(None)
            is_quiet = not waiting and len(self.transport.said) == said
            quiet, said = quiet + 1 if is_quiet else 0, len(self.transport.said)

    def _look(self, piece_bytes: int) -> None:
        """What one connection may hold."""
        connection = self.connection
        promise(len(connection._ahead) <= AHEAD_MAX + SLICE_BYTES // 16, "requests ahead")
        promise(connection._deaf or connection._head_bytes <= HEAD_BYTES_MAX, "the head")
        promise(connection._body_bytes <= BODY_BYTES_MAX, "the body")
        upload = connection._reading.upload if connection._reading is not None else None
        if upload is not None:
            promise(upload.size_bytes <= UPLOAD_BUFFER_BYTES_MAX + piece_bytes, "the upload")

    def end(self, *, lost: bool) -> None:
        """The client has no more to say, or is gone."""
        self.run()
        if not lost and not self.transport.is_closed:
            turn(self.connection.eof_received)
        turn(lambda: self.connection.connection_lost(None))
        self.run()


def _converse(
    pieces: Iterable[bytes],
    option: int,
    heads: KnownHeads | None = None,
    keeping: Keeping | None = None,
) -> tuple[list[Seen], bytes, bool]:
    handling = Handling()
    if keeping is not None:
        keeping.handle = handling

    async def make() -> HttpServer:
        return HttpServer(
            handling,
            body_limit=body_limit,
            on_error=lambda _, error: handling.errors.append(error),
            deadlines=Deadlines(),
            kept=cast("Any", keeping),
        )

    server = _loop.run_until_complete(make())
    server._ticker.cancel()
    server.heads = heads or server.heads
    server.date_line = b"Date: then\r\n"
    client = Client(server, handling)
    if option & 2:
        turn(client.connection.pause_writing)
    for piece in pieces:
        client.send(piece)
    if option & 2:
        turn(client.connection.resume_writing)
        client.run()
    overdue = client.connection.is_overdue(1000, Deadlines())
    promise(overdue or client.connection._exchange is not None, "nobody may be silent for ever")
    client.end(lost=bool(option & 4))
    promise(server.connection_count == 0, "it is forgotten")
    promise(all(isinstance(one, ValueError) for one in handling.errors), "only what handlers raise")
    _loop.pass_time(GIVE_UP_S)
    turn(lambda: None)
    said = bytes(client.transport.said)
    promise(not said or said.startswith(STATUS_LINES), "an answer is HTTP")
    promise(not asyncio.all_tasks(_loop), "no task is left")
    said = said.replace(CONTINUE, b"")  # only for who has not sent the body yet
    return handling.seen, said, client.transport.is_ended or client.transport.is_closed


def check(data: bytes) -> None:
    """One client."""
    option, wire = (data[0] if data else 0), data[1:]
    heads, keeping = KnownHeads(), Keeping()
    whole = _converse([wire], option, heads)
    promise(whole == _converse([wire], option, heads), "known heads, the same requests and answers")
    if not wire.isascii() and (b"-length" in wire.lower() or b"chunked" in wire.lower()):
        return  # a target that is not ASCII behind a body: see escape_request_line
    pieces = _converse(cut(wire, 1 + zlib.crc32(data) % 2), option)
    promise(whole[0] == pieces[0], "other pieces, the same requests")
    promise(whole[1:] == pieces[1:], "other pieces, the same answers")
    requests = re.findall(rb".*?\r\n\r\n|.+", wire, re.DOTALL)
    for _ in ("they are kept", "they are given"):
        kept = _converse(requests, option, keeping=keeping)
        promise(whole[1:] == kept[1:], "kept answers are the same")


# ---------------------------------------------------------------- changes

WORDS = (
    b"GET", b"PUT", b"HEAD", b"OPTIONS", b"POST", b"CONNECT", b"PRI", b"/", b"*", b"/later", b"/p",
    b"/fail", b"/big", b"/upload", b"/upload/refused", b"http://a/b", b"?a=%zz&b;c=+", b"%2F", b"%",
    b"\xff", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"\r\n", b"\n",
    b"\r", b"\r\n\r\n", b" ", b"\t", b":", b"\0", b"Host: a\r\n", b"Host: a/b\r\n", b"Host:\r\n",
    b"Content-Length: 3\r\n", b"Content-Length: 301\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 18446744073709551616\r\n", b"Content-Length: 0\r\n", b"Content-Length: x\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Expect: 100-continue\r\n", b"Expect: x\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Upgrade: h2c\r\n",
    b"Connection: Upgrade\r\n", b"Accept-Encoding: gzip\r\n", b"Accept-Encoding: gzip;q=0\r\n",
    b"Accept-Encoding: *\r\n", b"X-Consul-Token: t\r\n", b" folded\r\n", b"3\r\nabc\r\n",
    b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"ffffffffffffffff\r\n", b"5;a=b\r\nabcde\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 40, b"x" * 400, b"X: " + b"y" * 2000 + b"\r\n",
)  # fmt: skip


def put_a_word_in(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A piece of HTTP somewhere, or in place of a word."""
    at = dice.randrange(len(data) + 1)
    word = dice.choice(WORDS)
    if dice.random() < 0.5:
        line = data.find(b"\n", at) + 1
        return data[:line] + word + data[line:]
    end = at + dice.choice((0, 0, 1, 4, len(word)))
    return data[:at] + word + data[end:]


def another_request(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """The requests of another input behind these, or before."""
    return data + other[1:] if dice.random() < 0.5 else other + data[1:]


def change_a_line(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Lines dropped, doubled, exchanged or taken over."""
    lines = data.split(b"\r\n")
    at = dice.randrange(len(lines))
    match dice.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            lines.insert(at, dice.choice(other.split(b"\r\n")))
        case _:
            with_which = dice.randrange(len(lines))
            lines[at], lines[with_which] = lines[with_which], lines[at]
    return b"\r\n".join(lines)


def seeds() -> list[bytes]:
    """What Go's client, curl and a browser send, as Consul's own tests and captures show it."""
    go = b"User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n"
    host = b"Host: 127.0.0.1:8500\r\n"
    get = b"GET /v1/kv/a?recurse=&index=4 HTTP/1.1\r\n" + host
    put = b"PUT /v1/kv/a?cas=3 HTTP/1.1\r\n" + host
    curl = b"User-Agent: curl/7.74.0\r\nAccept: */*\r\n"
    chunks = (
        b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
    )
    later = b"GET /later HTTP/1.1\r\n" + host + b"\r\n"
    wires = [
        get + go,
        get + curl + b"\r\n",
        put + curl + b"Content-Length: 5\r\n\r\nhello",
        put + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        put + chunks,
        put + b"Content-Length: 400\r\n\r\n" + bytes(400),
        put.replace(b"1.1", b"1.0") + b"Content-Length: 2\r\n\r\nok",
        b"PUT /upload HTTP/1.1\r\n" + host + chunks + get + go,
        b"PUT /upload HTTP/1.1\r\n" + host + b"Content-Length: 1000\r\n\r\n" + bytes(1000),
        b"PUT /upload HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno",
        later + get + go + later + get + go,
        later * 70,
        b"GET /pieces HTTP/1.1\r\n" + host + go + b"GET /pieces HTTP/1.0\r\n\r\n",
        b"HEAD /pieces HTTP/1.1\r\n" + host + b"\r\nHEAD /big HTTP/1.1\r\n" + host + go,
        b"GET /big HTTP/1.1\r\n" + host + go + b"GET /fail HTTP/1.1\r\n" + host + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + host + b"\r\n",
        b"GET http://a/b?c=%zz HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
        get + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + get + go,
        get + b"Expect: other\r\n\r\n",
        b"GET / HTTP/2.0\r\n" + host + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET % HTTP/1.1\r\n" + host + b"\r\n",
        b"".join(b"GET /k/%b HTTP/1.1\r\n" % path + host + b"\r\n" for path in KEPT_PATHS) * 2,
        (b"GET /k/word HTTP/1.1\r\n" + host + b"\r\n") * 3 + later,
        (b"GET /k/wait?index=3 HTTP/1.1\r\n" + host + b"\r\n") * 3 + later,
        get + b"X: " + bytes(7000).replace(b"\0", b"y") + b"\r\n\r\n",
    ]
    return [bytes([option]) + wire for wire in wires for option in (0, 2, 4)]


TARGET = Target(
    name="http",
    check=check,
    seeds=seeds,
    mutations=(put_a_word_in, another_request, change_a_line),
    size_bytes_max=10_000,
    memory_bytes_max=8 << 20,
)
