"""Answers as servers send them, whole and in pieces."""

import pytest

from bench.http1 import parsed, request

PLAIN = b"HTTP/1.1 200 OK\r\nX-Consul-Index: 7\r\nContent-Length: 4\r\n\r\ntrue"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("text", [PLAIN, CHUNKED])
def test_an_answer_is_taken_when_it_is_all_there(text: bytes) -> None:
    for end in range(len(text)):
        assert parsed(text[:end]) is None
    found = parsed(bytearray(text + b"HTTP/1.1 500"))
    assert found is not None
    assert found[1] == len(text)
    assert found[0].status == 200


def test_headers_and_body_are_found() -> None:
    found = parsed(PLAIN)
    assert found is not None
    assert found[0].index == 7
    assert found[0].body == b"true"
    found = parsed(CHUNKED)
    assert found is not None
    assert found[0].body == b"abcdefgh"


def test_an_answer_without_a_body_is_whole() -> None:
    assert parsed(b"HTTP/1.1 204 No Content\r\n\r\n") is not None


def test_a_write_says_how_long_it_is() -> None:
    assert b"Content-Length: 0\r\n" in request("PUT", "/v1/kv/a")
    assert b"Content-Length" not in request("GET", "/v1/kv/a")
    assert request("PUT", "/v1/kv/a", b"xy").endswith(b"Content-Length: 2\r\n\r\nxy")
