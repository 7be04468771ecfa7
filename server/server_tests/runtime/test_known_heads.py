"""A request whose head is known is read just as the parser would read it."""

from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proconsul.api.http import Headers, Request
from proconsul.runtime.http_exchange import Exchange
from proconsul.runtime.http_reader import RequestReader
from proconsul.runtime.known_heads import HEADS_MAX, Found, KnownHeads

pytestmark = pytest.mark.interpreted

LIMIT_BYTES = 12
HEAD = b"Host: a:1\r\nUser-Agent: test\r\n"


class NoHeads(KnownHeads):
    """Knows none: the parser reads it all."""

    def find(self, data: bytes) -> Found | None:
        return None


class Server:
    """What a reader asks of its server."""

    def __init__(self, heads: KnownHeads) -> None:
        self.heads = heads

    def body_limit(self, request: Request) -> int | None:
        return None if request.path == "/v1/snapshot" else LIMIT_BYTES


class Reader(RequestReader):
    """Keeps what it has read."""

    def __init__(self, heads: KnownHeads) -> None:
        super().__init__(cast("Any", Server(heads)))
        self.heads = heads
        self.exchanges: list[Exchange] = []
        self.refused: list[tuple[int, str]] = []

    def _submit(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)

    def _propose(self, target: str, headers: Headers, body: bytes) -> bool:
        return False

    def _refuse(self, status: int, reason: str) -> None:
        if not self._deaf:
            self.refused.append((status, reason))
            self._deaf = True

    def _let_send(self, exchange: Exchange) -> None:
        pass

    def _pause_reading(self) -> None:
        pass

    def _resume_reading(self) -> None:
        pass

    def take(self, data: bytes) -> None:
        self._parse(data)

    @property
    def seen(self) -> list[Any]:
        return self.refused + [
            (
                one.request.method,
                one.request.target,
                one.request.headers.items(),
                one.request.body,
                one.request.content_length,
                one.request.body_too_large,
                one.keep_alive,
                one.is_http_10,
                one.body_is_complete,
                one.waits_for_word,
                one.upload is not None,
            )
            for one in self.exchanges
        ]


def put(target: bytes, body: bytes, head: bytes = HEAD) -> bytes:
    return b"PUT %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (target, head, len(body), body)


GOOD_LINES = st.sampled_from(
    [b"PUT /v1/kv/a HTTP/1.1\r\n", b"GET /v1/kv/b?raw HTTP/1.1\r\n", b"POST /a%20b HTTP/1.1\r\n"]
)
ODD_LINES = st.sampled_from(
    [
        b"HEAD / HTTP/1.1\r\n",
        b"get / HTTP/1.1\r\n",
        b"PUT /v1/snapshot HTTP/1.1\r\n",
        b"PUT /a%2 HTTP/1.1\r\n",
        b"PUT * HTTP/1.1\r\n",
        b"PUT http://x/a HTTP/1.1\r\n",
        b"PUT /\xff HTTP/1.1\r\n",
        b"PUT / HTTP/1.0\r\n",
        b"PUT / HTTP/1.1\n",
        b"PUT /  HTTP/1.1\r\n",
    ]
)
FIELDS = st.sampled_from(
    [
        b"Accept: */*",
        b"X-Consul-Token: t",
        b"Connection: keep-alive",
        b"Connection: close",
        b"Connection: Upgrade\r\nUpgrade: h2c",
        b"Expect: 100-continue",
        b"X: \xff",
        b"X: a\r\n b",
        b"X: a\rb",
        b"Accept: */*\n",
    ]
)
FRAMES = st.sampled_from(
    [
        b"\r\n",
        b"Content-Length: 3\r\n\r\nabc",
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 13\r\n\r\nabcdefghijklm",
        b"Content-Length: 9\r\n\r\nabc",
        b"Content-Length: 1\r\n\r\nabc",
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        b"Content-Length: 0\n\r\nGET / HTTP/1.1\r\nHost: a:1\r\n\r\n",
        b"Content-Length: 4\n\r\nab\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: a:1\r\n\r\n",
    ]
)


@st.composite
def behind_lines(draw: st.DrawFn) -> bytes:
    fields = draw(st.lists(FIELDS, max_size=2))
    return b"".join(field + b"\r\n" for field in [b"Host: a:1", *fields]) + draw(FRAMES)


WAITS = b"Host: a:1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
TWO = b"Host: a:1\r\nAccept: */*\n\r\nGET / HTTP/1.1\r\nHost: a:1\r\n\r\n"


@settings(max_examples=400)
@example([WAITS], [(b"PUT / HTTP/1.1\r\n", False, False)])
@example([TWO], [(b"PUT / HTTP/1.1\r\n", False, False)])
@given(
    st.lists(behind_lines(), min_size=1, max_size=2),
    st.lists(st.tuples(GOOD_LINES | ODD_LINES, st.booleans(), st.booleans()), max_size=6),
)
def test_who_knows_heads_reads_what_who_parses_reads(
    rests: list[bytes], asked: list[tuple[bytes, bool, bool]]
) -> None:
    heads = KnownHeads()
    for rest in rests:
        Reader(heads).take(b"PUT /first HTTP/1.1\r\n" + rest)
    knowing, parsing = Reader(heads), Reader(NoHeads())
    for line, second, fresh in asked:
        if fresh:  # else the same connection goes on, whatever came before
            knowing, parsing = Reader(heads), Reader(NoHeads())
        data = line + rests[-1 if second else 0]
        knowing.take(data)
        parsing.take(data)
        assert knowing.seen == parsing.seen


def test_a_head_that_came_once_is_known_with_another_target_and_body() -> None:
    heads = KnownHeads()
    reader = Reader(heads)
    reader.take(put(b"/v1/kv/a", b"one"))
    found = heads.find(put(b"/v1/kv/b?flags=1", b"two"))
    assert found is not None
    method, target, headers, body = found
    assert (method, target, body) == ("PUT", "/v1/kv/b?flags=1", b"two")
    assert headers is reader.exchanges[0].request.headers


def test_what_is_not_one_whole_request_is_for_the_parser() -> None:
    heads = KnownHeads()
    whole = put(b"/v1/kv/a", b"one")
    Reader(heads).take(whole)
    assert heads.find(whole) is not None
    for data in (whole + whole, whole[:-1], whole + b"x", whole[:20], b""):
        assert heads.find(data) is None


def test_the_oldest_heads_are_forgotten() -> None:
    heads = KnownHeads()
    reader = Reader(heads)
    for number in range(HEADS_MAX + 1):
        reader.take(put(b"/", b"", b"Host: a:1\r\nX: %d\r\n" % number))
    assert heads.find(put(b"/", b"", b"Host: a:1\r\nX: 0\r\n")) is None
    assert heads.find(put(b"/", b"", b"Host: a:1\r\nX: 1\r\n")) is not None


def test_a_body_above_the_limit_is_refused_with_a_known_head_too() -> None:
    heads = KnownHeads()
    reader = Reader(heads)
    reader.take(put(b"/v1/snapshot", b"x" * (LIMIT_BYTES + 1)))
    large = put(b"/v1/kv/a", b"x" * (LIMIT_BYTES + 1))
    reader.take(large)
    assert [one.request.body_too_large for one in reader.exchanges] == [False, True]
