"""Requests, queries and answers as values mean what Go's net/http means by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.api.http import Headers, Query, Request, Response


def test_a_query_keeps_its_order_and_its_repetitions() -> None:
    query = Query("tag=b&stale&tag=a;index=5&wait=")
    assert query.all("tag") == ["b", "a"]
    assert query.first("tag") == "b"
    assert query.first("index") == "5"
    assert query.has("stale")
    assert query.first("stale") == ""
    assert query.has("wait")
    assert not query.has("recurse")
    assert query.first("recurse") == ""
    assert query.names() == ["tag", "stale", "index", "wait"]
    assert not query.malformed


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        ("a=b+c%20d", "a", "b c d"),
        ("a+b=c", "a b", "c"),
        ("a=%2B%26%3b", "a", "+&;"),
        ("a=b=c", "a", "b=c"),
        ("=x", "", "x"),
        ("a=%ff", "a", "\udcff"),
        ("a=%c3%a9", "a", "é"),
        ("a=?#", "a", "?#"),
    ],
)
def test_a_query_is_unescaped(raw: str, name: str, value: str) -> None:
    assert Query(raw).all(name) == [value]


@pytest.mark.parametrize("bad", ["a=%zz", "a=%", "a=%4", "%=1", "a=%4g"])
def test_a_pair_with_a_bad_escape_is_dropped_and_remembered(bad: str) -> None:
    query = Query(f"x=1&{bad}&y=2")
    assert query.names() == ["x", "y"]
    assert query.malformed


def test_a_path_is_unescaped_once_and_its_raw_form_stays() -> None:
    request = Request("GET", "/v1/kv/a%2Fb%2520c+d?raw&dc=a%2Fb")
    assert request.path == "/v1/kv/a/b%20c+d"
    assert request.raw_path == "/v1/kv/a%2Fb%2520c+d"
    assert request.raw_query == "raw&dc=a%2Fb"
    assert request.query.first("dc") == "a/b"


def test_a_question_mark_belongs_to_the_query_after_the_first_one() -> None:
    request = Request("GET", "/v1/kv/a?x=1?y")
    assert (request.path, request.query.first("x")) == ("/v1/kv/a", "1?y")


@pytest.mark.parametrize("target", ["/v1/kv/%zz", "/v1/kv/%", "/v1/kv/a%2"])
def test_a_path_with_a_bad_escape_is_no_request(target: str) -> None:
    with pytest.raises(ValueError, match="invalid URL escape"):
        Request("GET", target)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://host:8500/v1/kv/a?x=/", "/v1/kv/a"),
        ("http://host", "/"),
        ("http://host?x", "/"),
        ("*", "*"),
        ("foo", "foo"),
    ],
)
def test_the_path_of_a_target_that_is_no_path(target: str, path: str) -> None:
    assert Request("GET", target).path == path


@given(st.binary())
def test_every_key_survives_the_way_through_a_path(key: bytes) -> None:
    escaped = "".join(f"%{octet:02x}" for octet in key)
    path = Request("PUT", f"/v1/kv/{escaped}").path
    assert path.removeprefix("/v1/kv/").encode("utf-8", "surrogateescape") == key


@given(st.text(alphabet="ab=&;%+20fF\u00e9"))
def test_no_query_is_too_odd_to_read(raw: str) -> None:
    query = Query(raw)
    assert all(query.has(name) and query.all(name) for name in query.names())


def test_header_fields_have_first_values_and_all_values() -> None:
    headers = Headers({"x-consul-token": ["a", "b"], "host": ["h"]})
    assert headers.first("x-consul-token") == "a"
    assert headers.all("x-consul-token") == ["a", "b"]
    assert headers.has("host")
    assert headers.first("accept") == ""
    assert headers.all("accept") == []
    assert headers.items() == [("x-consul-token", "a"), ("x-consul-token", "b"), ("host", "h")]


def test_answers_are_made_in_one_line() -> None:
    assert Response.json(200, b"true").headers == [("Content-Type", "application/json")]
    refused = Response.text(403, "Permission denied")
    assert (refused.status, refused.body, refused.headers) == (403, b"Permission denied", [])
    assert refused.is_endpoint
    assert not Response.plain(404).is_endpoint


def test_words_about_a_broken_key_keep_its_bytes() -> None:
    assert Response.text(400, "bad key: \udcff").body == b"bad key: \xff"
