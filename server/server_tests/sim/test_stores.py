"""Both stores keep what was written, and after a crash a beginning of what was not."""

import random

import pytest

from proconsul.errors import DiskFullError
from proconsul.raft.effects import Persist, WriteNumber
from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    EntryKind,
    HardState,
    Index,
    Peer,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Term,
)
from server_tests.sim.kv import EMPTY
from server_tests.sim.stores import (
    DeadDiskError,
    MemoryStore,
    Store,
    WalStore,
    keep_snapshot,
)

VOTE = Peer(ServerId("s1"), ServerAddress("s1:8300"))


def make(kind: str, seed: int) -> Store:
    die = random.Random(seed)
    store: Store = MemoryStore(die) if kind == "memory" else WalStore(die, 4096)
    store.open()
    return store


def entry(index: int, term: int = 1) -> Entry:
    return Entry(Index(index), Term(term), EntryKind.COMMAND, b"%d" % index)


def write(number: int, *entries: Entry, cut: int | None = None) -> Persist:
    return Persist(
        number=WriteNumber(number),
        hard_state=HardState(Term(number), VOTE),
        truncate_from=None if cut is None else Index(cut),
        entries=entries,
    )


both = pytest.mark.parametrize("kind", ["memory", "wal"])


@both
@pytest.mark.parametrize("power_lost", [True, False])
def test_what_was_written_is_there_and_of_the_rest_a_beginning(kind: str, power_lost: bool) -> None:
    found = set()
    for seed in range(40):
        store = make(kind, seed)
        store.write([write(1, entry(1), entry(2)), write(2, entry(3))])
        store.end([write(3, entry(4)), write(4, entry(3, 4), cut=3)], power_lost=power_lost)
        _, entries = store.open()
        held = [(one.index, one.term) for one in entries]
        assert held[:2] == [(1, 1), (2, 1)]
        assert store.hard_state.term in (2, 3, 4)
        assert store.hard_state.vote == VOTE
        found.add(tuple(held))
    assert found <= {
        ((1, 1), (2, 1), (3, 1)),
        ((1, 1), (2, 1), (3, 1), (4, 1)),
        ((1, 1), (2, 1)),
        ((1, 1), (2, 1), (3, 4)),
    }
    assert len(found) > 2, "a crash leaves now this, now that"


@both
def test_a_snapshot_in_front_of_the_log_is_used_and_one_behind_it_resets_the_log(kind: str) -> None:
    store = make(kind, 1)
    store.write([write(1, *(entry(index) for index in range(1, 4)))])
    near = SnapshotMeta(index=Index(2), term=Term(1))
    keep_snapshot(store, (near, EMPTY))
    store.compact(near, Index(2))
    store.end([], power_lost=True)
    (meta, _), entries = store.open()
    assert meta == near
    assert entries[-1].index == 3

    ahead = SnapshotMeta(index=Index(50), term=Term(1))
    keep_snapshot(store, (ahead, EMPTY))
    store.end([], power_lost=True)
    (meta, _), entries = store.open()
    assert meta == ahead
    assert not entries
    store.write([write(2, entry(51, 2))])
    assert [one.index for one in store.read(Index(51), Index(51), 100)] == [51]


@both
def test_a_failed_sync_ends_it_and_a_start_finds_what_was_promised(kind: str) -> None:
    store = make(kind, 1)
    store.write([write(1, entry(1))])
    store.fail_syncs()
    with pytest.raises(DeadDiskError):
        store.write([write(2, entry(2))])
    store.end([], power_lost=False)
    _, entries = store.open()
    assert entries[0] == entry(1)


@both
def test_a_full_disk_takes_nothing_and_goes_on_when_there_is_room(kind: str) -> None:
    store = make(kind, 1)
    store.fill(full=True)
    many = [write(1, *(entry(index) for index in range(1, 200)))]
    with pytest.raises(DiskFullError):
        store.write(many)
    store.fill(full=False)
    store.write(many)
    store.end([], power_lost=True)
    _, entries = store.open()
    assert [one.index for one in entries] == list(range(1, 200))


@both
def test_damage_is_found_at_the_next_start(kind: str) -> None:
    for seed in range(10):
        store = make(kind, seed)
        for number in range(1, 5):
            store.write([write(number, entry(number, number))])
        assert store.rot()
        store.end([], power_lost=True)
        with pytest.raises(DeadDiskError):
            store.open()
