"""Intentions in the store."""

import pytest

from proconsul.errors import RpcError
from proconsul.model.intention import Intention
from proconsul.store import intentions
from proconsul.store.state import State
from proconsul.wire.golang import time_from_unix_ns
from server_tests.store.memory_engine import MemoryEngine


def uuid(number: int) -> str:
    return f"40e4a748-2192-161a-0510-{number:012d}"


def between(number: int, source: str, destination: str, action: str = "allow") -> Intention:
    return Intention(
        id=uuid(number),
        source_ns="default",
        source_name=source,
        destination_ns="default",
        destination_name=destination,
        action=action,
        created_at=time_from_unix_ns(number),
    )


@pytest.mark.parametrize(
    ("source", "destination", "precedence"),
    [("a", "b", 9), ("*", "b", 8), ("a", "*", 6), ("*", "*", 5)],
)
def test_the_more_exact_intention_goes_first(
    source: str, destination: str, precedence: int
) -> None:
    assert intentions.precedence(between(1, source, destination)) == precedence


def test_a_wildcard_namespace_is_the_least_exact() -> None:
    anywhere = Intention(source_ns="*", source_name="*", destination_ns="*", destination_name="*")
    assert intentions.precedence(anywhere) == 1


def test_a_changed_intention_keeps_when_it_was_made() -> None:
    state = State(MemoryEngine())
    with state.write(5) as txn:
        intentions.set_intention(txn, between(1, "a", "b"))
    with state.write(6) as txn:
        later = Intention(id=uuid(1), source_name="a", destination_name="c", action="deny")
        intentions.set_intention(txn, later)
    found = intentions.intention(state.read(), uuid(1).upper())
    assert found is not None
    assert (found.create_index, found.modify_index) == (5, 6)
    assert found.created_at == time_from_unix_ns(1)
    assert found.meta == {}


def test_a_second_intention_between_the_same_two_is_refused_until_the_first_is_gone() -> None:
    state = State(MemoryEngine())
    with state.write(1) as txn:
        intentions.set_intention(txn, between(1, "a", "b"))
    with state.write(2) as txn, pytest.raises(RpcError) as caught:
        intentions.set_intention(txn, between(2, "A", "B"))
    assert str(caught.value) == (
        f"duplicate intention found: ALLOW default/a => default/b (ID: {uuid(1)}, Precedence: 9)"
    )
    with state.write(3) as txn:
        intentions.delete_intention(txn, uuid(1))
        intentions.delete_intention(txn, uuid(9))
        intentions.set_intention(txn, between(2, "a", "b"))
    assert state.read().table_index("connect-intentions") == 3


@pytest.mark.parametrize(
    ("intention_id", "words"),
    [
        ("", "Missing Intention ID"),
        ("x", "failed intention lookup: index error: UUID must be 36 characters"),
    ],
)
def test_an_intention_needs_an_id(intention_id: str, words: str) -> None:
    state = State(MemoryEngine())
    with state.write(1) as txn, pytest.raises(RpcError) as caught:
        intentions.set_intention(txn, Intention(id=intention_id))
    assert str(caught.value) == words
