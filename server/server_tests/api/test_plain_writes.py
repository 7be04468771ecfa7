"""Which requests write a key and say nothing else."""

import pytest

from proconsul.api.http import Headers
from proconsul.api.plain_writes import is_plain, key_of


@pytest.mark.parametrize("key", ["a", "a/b", "a/", "a+b", "a.b", "a:b@c", "~", "a/b.c/"])
def test_a_clean_path_is_its_key(key: str) -> None:
    assert key_of(f"/v1/kv/{key}") == key


@pytest.mark.parametrize(
    "target",
    [
        "/v1/kv/",  # no key
        "/v1/kv",
        "/v1/kvs/a",
        "/v1/session/create",
        "/v1/kv/a?flags=1",
        "/v1/kv/a?",
        "/v1/kv/a%20b",
        "/v1/kv//a",
        "/v1/kv/a//b",
        "/v1/kv/./a",
        "/v1/kv/../agent/self",
        "/v1/kv/.a",
    ],
)
def test_what_says_more_or_is_not_clean_has_none(target: str) -> None:
    assert key_of(target) == ""


def test_who_asks_and_how_is_in_some_fields() -> None:
    assert is_plain(Headers({"host": ["a"], "user-agent": ["b"], "content-length": ["1"]}))
    for name in ("x-consul-token", "authorization", "cache-control", "x-consul-namespace"):
        assert not is_plain(Headers({name: [""]}))
