"""What the mixed clusters are judged by finds what it must."""

import pytest

from server_tests.mixed.chain import Head, linked
from server_tests.mixed.ledger import Ledger, Log


def log_of(commands: dict[int, bytes], begin: Head = Head()) -> Log:  # noqa: B008 - frozen
    """Of a server that applied these, by index."""
    chain, links = begin.chain, {}
    for index, data in sorted(commands.items()):
        chain = links[index] = linked(chain, data)
    return Log(Head(chain, begin.count + len(links)), links)


def ledger_of(*sent: bytes, acknowledged: dict[int, bytes]) -> Ledger:
    """What clients know."""
    made = Ledger()
    for data in sent:
        made.sent(data)
    for index, data in acknowledged.items():
        made.acknowledged(data, index)
    return made


def test_an_unacknowledged_command_may_be_in_the_history_or_not() -> None:
    told = ledger_of(b"a", b"b", b"c", acknowledged={2: b"a"})
    assert told.check({"s1": log_of({2: b"a", 3: b"c"})}) == [b"a", b"c"]


def test_a_server_behind_a_snapshot_is_compared_by_where_it_ends() -> None:
    told = ledger_of(b"a", b"b", acknowledged={2: b"a", 3: b"b"})
    whole = log_of({2: b"a", 3: b"b"})
    behind = Log(whole.head, {3: whole.links[3]})
    assert told.check({"s1": whole, "s2": behind}) == [b"a", b"b"]
    with pytest.raises(AssertionError, match="nobody can tell"):
        told.check({"s2": behind})


@pytest.mark.parametrize(
    ("applied", "words"),
    [
        ({2: b"a"}, "acknowledged and lost"),
        ({3: b"b"}, "acknowledged and lost"),
        ({2: b"a", 3: b"b", 4: b"b"}, "is not what was sent"),
        ({2: b"b", 3: b"a"}, "is not what was sent"),
        ({2: b"a", 3: b"x"}, "is not what was sent"),
    ],
    ids=["lost", "lost in front", "twice", "swapped", "another"],
)
def test_a_history_that_betrays_a_client_is_found(applied: dict[int, bytes], words: str) -> None:
    told = ledger_of(b"a", b"b", acknowledged={2: b"a", 3: b"b"})
    with pytest.raises(AssertionError, match=words):
        told.check({"s1": log_of(applied)})


def test_servers_that_differ_are_found() -> None:
    told = ledger_of(b"a", b"b", acknowledged={2: b"a"})
    with pytest.raises(AssertionError, match="end differently"):
        told.check({"s1": log_of({2: b"a"}), "s2": log_of({2: b"a", 3: b"b"})})
    whole = log_of({2: b"a", 3: b"b"})
    with pytest.raises(AssertionError, match="s2 differs at 2"):
        told.check({"s1": whole, "s2": Log(whole.head, {2: whole.links[3], 3: whole.links[3]})})
