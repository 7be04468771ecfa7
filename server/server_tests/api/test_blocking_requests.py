"""A blocking query is taken apart only where its parts mean what the ordinary parser says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.api.blocking_requests import Asked, asked_of, patience_of, question_of
from proconsul.api.http import NO_HEADERS, Request
from proconsul.api.options import parse_options
from proconsul.api.plain_reads import Level

TAIL = " HTTP/1.1\r\nHost: a\r\n\r\n"
PAIRS = st.one_of(
    st.integers(-1, 1 << 65).map("index={}".format),
    st.sampled_from(["1m", "10s", "1.5h", "", "x", "-1s", "+1s", "1%73"]).map("wait={}".format),
    st.sampled_from(
        ["index", "wait", "stale", "raw", "tag=a%26index=3", "%69ndex=4", "w%61it=1s", "dc=dc1", ""]
    ),
    st.text("inde=&;+%wat1", max_size=8),
)


def query_of(plain: bytes) -> list[tuple[str, list[str]]]:
    """What the ordinary parser finds in a request's query."""
    query = Request("GET", plain.split(b" ")[1].decode()).query
    return [(name, query.all(name)) for name in query.names()]


@given(st.lists(PAIRS, max_size=5))
def test_the_parts_are_those_that_the_parser_finds(pairs: list[str]) -> None:
    target = "/v1/kv/a?" + "&".join(pairs)
    asked = asked_of(f"GET {target}{TAIL}".encode())
    if asked is None:
        return
    request = Request("GET", target)
    options = parse_options(request)
    assert (options["min_query_index"], options["max_query_time"]) == (
        asked.index,
        patience_of(asked.wait),
    )
    assert asked.plain.endswith(TAIL.encode())
    rest = [
        (name, request.query.all(name))
        for name in request.query.names()
        if name not in ("index", "wait")
    ]
    assert query_of(asked.plain) == rest


@pytest.mark.parametrize(
    ("target", "plain", "index", "wait"),
    [
        ("/v1/kv/a?index=7", "/v1/kv/a", 7, ""),
        ("/v1/kv/a?raw&index=7&wait=5m&stale", "/v1/kv/a?raw&stale", 7, "5m"),
        ("/v1/kv/a%20b?wait=&index=1", "/v1/kv/a%20b", 1, ""),
        ("/v1/health/service/web?tag=a%20b&index=12", "/v1/health/service/web?tag=a%20b", 12, ""),
    ],
)
def test_what_is_left_is_the_plain_request(target: str, plain: str, index: int, wait: str) -> None:
    asked = asked_of(f"GET {target}{TAIL}".encode())
    assert asked == Asked(f"GET {plain}{TAIL}".encode(), index, wait)
    question = question_of(asked.plain, NO_HEADERS, "dc1", 0)
    assert question is not None
    again = question.request(index, wait)
    assert dict(query_of(f"GET {again.target}".encode()))["index"] == [str(index)]
    assert again.path == Request("GET", target).path


def test_the_level_is_the_plain_requests_and_one_that_needs_a_majority_is_no_question() -> None:
    def level(target: str) -> Level | None:
        question = question_of(f"GET {target}{TAIL}".encode(), NO_HEADERS, "dc1", 0)
        return None if question is None else question.level

    assert level("/v1/kv/a") is Level.DEFAULT
    assert level("/v1/kv/a?stale&dc=dc1") is Level.STALE
    assert level("/v1/kv/a?consistent") is None
    assert level("/v1/kv/a?dc=dc2") is None
    assert level("/v1/kv/a%zz") is None
    assert level("/v1/agent/self") is None
