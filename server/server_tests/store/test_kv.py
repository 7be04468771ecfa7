"""Keys beyond what the model knows: separators, bytes that are no text, key-only readers."""

import pytest

from proconsul.model.kv import DirEntry
from proconsul.model.session import Session
from proconsul.store import kv, sessions
from server_tests.store.stories import ID_A, World


@pytest.fixture
def world() -> World:
    world = World()
    for key in ("a", "a/b", "a/b/c", "a/b/d", "a/e", "é/x", "é/y"):
        world.put(key)
    return world


@pytest.mark.parametrize(
    ("prefix", "separator", "keys"),
    [
        ("a/", "", ["a/b", "a/b/c", "a/b/d", "a/e"]),
        ("a/", "/", ["a/b", "a/b/", "a/e"]),
        ("a", "/", ["a", "a/"]),
        ("", "/", ["a", "a/", "é/"]),
        ("\udcc3", "/", ["é/"]),  # the first byte of é alone
        ("nope", "/", []),
    ],
)
def test_keys_that_go_on_behind_the_separator_count_once(
    world: World, prefix: str, separator: str, keys: list[str]
) -> None:
    _, entries = kv.list_entries(world.read(), None, prefix)
    assert kv.collapse_keys(entries, prefix, separator) == keys


def test_a_plain_set_resets_the_lock_index_but_not_the_holder(world: World) -> None:
    world.register("n1")
    world.apply(lambda txn: sessions.create(txn, Session(id=ID_A, node="n1")))
    world.lock("k", ID_A)
    entry = world.apply(lambda txn: kv.set_key(txn, DirEntry(key="k", value=b"1")))
    assert (entry.lock_index, entry.session) == (0, ID_A)
    entry = world.apply(lambda txn: kv.set_key(txn, DirEntry(key="k", value=b"1")))
    assert entry.modify_index == 11  # nothing changed, nothing was written


def test_a_deletion_moves_the_index_of_listings_until_it_is_reaped(world: World) -> None:
    world.apply(lambda txn: kv.delete_key(txn, "a/e"))
    world.put("b")
    assert kv.list_entries(world.read(), None, "a/")[0] == 8
    assert kv.get(world.read(), None, "a/e") == (9, None)
