"""Which requests write a key and say nothing else."""

import pytest

from proconsul.api.http import Headers
from proconsul.api.plain_writes import change_of, is_plain

SESSION = "0a1b2c3d-0000-4000-8000-00000000a110"


@pytest.mark.parametrize("key", ["a", "a/b", "a/", "a+b", "a.b", "a:b@c", "~", "a/b.c/"])
def test_a_clean_path_is_its_key(key: str) -> None:
    change = change_of(f"/v1/kv/{key}")
    assert change is not None
    assert (change.operation, change.key, change.session) == ("set", key, "")


@pytest.mark.parametrize(("query", "operation"), [("acquire", "lock"), ("release", "unlock")])
def test_a_session_takes_a_lock_and_gives_it_back(query: str, operation: str) -> None:
    change = change_of(f"/v1/kv/a/b?{query}={SESSION}")
    assert change is not None
    assert (change.operation, change.key, change.session) == (operation, "a/b", SESSION)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/kv/",  # no key
        "/v1/kv",
        "/v1/kvs/a",
        "/v1/session/create",
        "/v1/kv/a?flags=1",
        "/v1/kv/a?",
        "/v1/kv/a?acquire",
        "/v1/kv/a?acquire=",
        "/v1/kv/a?acquire=nobody",
        f"/v1/kv/a?acquire={SESSION.upper()}",
        f"/v1/kv/a?acquire={SESSION}0",
        f"/v1/kv/a?acquire={SESSION}&flags=1",
        f"/v1/kv/a?flags=1&acquire={SESSION}",
        f"/v1/kv/a?acquire={SESSION}&release={SESSION}",
        f"/v1/kv/a?acquire={SESSION}?",
        f"/v1/kv/?acquire={SESSION}",
        "/v1/kv/a%20b",
        "/v1/kv//a",
        "/v1/kv/a//b",
        "/v1/kv/./a",
        "/v1/kv/../agent/self",
        "/v1/kv/.a",
    ],
)
def test_what_says_more_or_is_not_clean_has_none(target: str) -> None:
    assert change_of(target) is None


def test_who_asks_and_how_is_in_some_fields() -> None:
    assert is_plain(Headers({"host": ["a"], "user-agent": ["b"], "content-length": ["1"]}))
    for name in ("x-consul-token", "authorization", "cache-control", "x-consul-namespace"):
        assert not is_plain(Headers({name: [""]}))
