"""The checks find what they are for: broken promises, planted."""

import pytest

from proconsul.raft.entry import Entry
from proconsul.raft.invariants import BrokenInvariantError, Watch, logs_match
from proconsul.raft.messages import EntryKind, HardState, Index, SnapshotMeta, Term
from proconsul.raft.node import Node, Stored
from server_tests.raft.harness import SETTINGS, World, middle, peer, started


def follower(name: str, *terms: int) -> Node:
    entries = [
        Entry(Index(index), Term(term), EntryKind.NOOP) for index, term in enumerate(terms, start=1)
    ]
    stored = Stored(
        hard_state=HardState(Term(9)),
        snapshot=SnapshotMeta(),
        entries=entries,
        applied=Index(0),
    )
    return Node(peer(name), SETTINGS, middle, lambda first, last, bytes_max: (), stored)


def led() -> World:
    world = started("s1", "s2", "s3")
    world.elect("s1")
    return world


def test_two_leaders_in_one_term_are_found() -> None:
    world, other = led(), started("s1", "s2", "s3")
    other.elect("s2")
    assert world["s1"].term == other["s2"].term
    watch = Watch()
    watch.look([world["s1"]])
    with pytest.raises(BrokenInvariantError, match="election safety"):
        watch.look([other["s2"]])


def test_logs_that_differ_in_front_of_an_equal_entry_are_found() -> None:
    logs_match(follower("s1", 1, 1, 2), follower("s2", 1, 1, 3))
    with pytest.raises(BrokenInvariantError, match="log matching"):
        logs_match(follower("s1", 1, 1, 3), follower("s2", 1, 2, 3))


def test_another_entry_applied_at_an_index_is_found() -> None:
    watch = Watch()
    watch.applied(peer("s1").id, [Entry(Index(1), Term(1), EntryKind.COMMAND, b"a")])
    with pytest.raises(BrokenInvariantError, match="state machine safety"):
        watch.applied(peer("s2").id, [Entry(Index(1), Term(1), EntryKind.COMMAND, b"b")])


def test_a_gap_in_what_is_applied_is_found() -> None:
    watch = Watch()
    watch.applied(peer("s1").id, [Entry(Index(1), Term(1), EntryKind.NOOP)])
    with pytest.raises(BrokenInvariantError, match="applied 3 after 1"):
        watch.applied(peer("s1").id, [Entry(Index(3), Term(1), EntryKind.NOOP)])


def test_a_leader_that_lacks_what_was_applied_is_found() -> None:
    watch = Watch()
    watch.applied(peer("s2").id, [Entry(Index(9), Term(1), EntryKind.NOOP)])
    with pytest.raises(BrokenInvariantError, match="leader completeness"):
        watch.look([led()["s1"]])


def test_a_term_that_goes_back_is_found() -> None:
    watch = Watch()
    watch.look([follower("s1")])
    with pytest.raises(BrokenInvariantError, match="went back"):
        watch.look([led()["s1"]])
