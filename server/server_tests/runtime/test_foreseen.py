"""What is applied before it is committed: nobody sees it, and it goes where it has to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from proconsul.fsm.commands import CommandError, MessageType, encode_command
from proconsul.model.session import Session, SessionRequest
from proconsul.raft.entry import Entry
from proconsul.raft.messages import EntryKind, Index, Term
from proconsul.runtime.lmdb_engine import LmdbEngine
from proconsul.runtime.state_machine import ReplicatedState
from proconsul.store import kv
from proconsul.store.buffered_engine import BufferedEngine
from proconsul.store.engine import StateEngine, StateFullError
from proconsul.store.watch import Waiter, WatchSet
from server_tests.runtime.driver_world import Engine, set_command


@pytest.fixture(params=["in memory", "LMDB", "buffered", "always written down"])
def replicated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReplicatedState]:
    engine: StateEngine = Engine()
    if request.param != "in memory":
        engine, _ = LmdbEngine.open(tmp_path / "state", map_bytes=1 << 24, reserve_bytes=1 << 16)
    if request.param == "buffered":
        engine = BufferedEngine(engine)
    if request.param == "always written down":
        engine = BufferedEngine(engine, flush_bytes=0)
    state = ReplicatedState(engine)
    yield state
    state.close()


def put(index: int, key: str, value: bytes = b"v", term: int = 1) -> Entry:
    return Entry(Index(index), Term(term), EntryKind.COMMAND, set_command(key, value), b"")


def value_of(replicated: ReplicatedState, key: str) -> bytes | None:
    _, entry = kv.get(replicated.state.read(), None, key)
    return None if entry is None else entry.value


def test_nobody_sees_it_before_it_is_applied(replicated: ReplicatedState) -> None:
    replicated.apply([put(1, "a", b"old")])
    entries = [put(2, "a", b"new"), put(3, "b")]
    replicated.foresee(entries)
    assert (value_of(replicated, "a"), value_of(replicated, "b")) == (b"old", None)
    assert replicated.applied_index == 1
    with replicated.held() as held:
        assert b"new" not in b"".join(held.chunks())
    applied = replicated.apply(entries)
    assert [(index, term) for index, term, _ in applied.results] == [(2, 1), (3, 1)]
    assert (value_of(replicated, "a"), value_of(replicated, "b")) == (b"new", b"v")
    assert replicated.applied_index == 3


def test_those_who_wait_are_woken_when_it_is_applied(replicated: ReplicatedState) -> None:
    replicated.apply([put(1, "a")])
    woken: list[str] = []
    watch = WatchSet()
    kv.get(replicated.state.read(), watch, "a")
    replicated.state.watchers.add(Waiter(watch, lambda: woken.append("a")))
    entries = [put(2, "a", b"new")]
    replicated.foresee(entries)
    assert woken == []
    replicated.apply(entries)
    assert woken == ["a"]


def test_what_others_wrote_in_its_place_is_applied_instead(replicated: ReplicatedState) -> None:
    replicated.apply([put(1, "a")])
    replicated.foresee([put(2, "mine"), put(3, "mine too")])
    theirs = [put(2, "theirs", term=2), put(3, "mine", term=2)]
    replicated.apply(theirs)
    values = [value_of(replicated, key) for key in ("mine", "mine too", "theirs")]
    assert values == [b"v", None, b"v"]


def test_a_part_of_it_is_applied_by_itself(replicated: ReplicatedState) -> None:
    entries = [put(1, "a"), put(2, "b")]
    replicated.foresee(entries)
    replicated.apply(entries[:1])
    assert (value_of(replicated, "a"), value_of(replicated, "b")) == (b"v", None)
    replicated.apply(entries[1:])
    assert value_of(replicated, "b") == b"v"


def test_it_can_be_forgotten(replicated: ReplicatedState) -> None:
    replicated.foresee([put(1, "a")])
    replicated.forget_foreseen()
    assert replicated.applied_index == 0
    replicated.apply([put(1, "b")])
    assert (value_of(replicated, "a"), value_of(replicated, "b")) == (None, b"v")


def test_another_state_takes_its_place(replicated: ReplicatedState) -> None:
    replicated.apply([put(1, "a")])
    with replicated.held() as held:
        chunks = list(held.chunks())
    replicated.foresee([put(2, "b")])
    with replicated.replacement(7) as new:
        new.fill(chunks)
    assert (value_of(replicated, "a"), value_of(replicated, "b")) == (b"v", None)
    replicated.apply([put(8, "c")])
    assert replicated.applied_index == 8


def test_what_is_foreseen_while_another_state_is_made_is_not_kept(
    replicated: ReplicatedState,
) -> None:
    replicated.apply([put(1, "a")])
    with replicated.replacement(7):
        replicated.foresee([put(2, "b")])
    assert (value_of(replicated, "a"), value_of(replicated, "b")) == (None, None)
    replicated.apply([put(8, "c")])
    assert replicated.applied_index == 8


def test_a_command_that_nobody_can_read_is_told_when_it_is_applied(
    replicated: ReplicatedState,
) -> None:
    bad = [Entry(Index(1), Term(1), EntryKind.COMMAND, b"\x1f\x80", b"")]
    replicated.foresee(bad)
    with pytest.raises(CommandError, match="entry 1 of the log"):
        replicated.apply(bad)


def test_a_command_that_is_refused_half_way_is_refused_alone(replicated: ReplicatedState) -> None:
    session = SessionRequest(
        datacenter="dc1", op="create", session=Session(id="no-such-node", node="nowhere")
    )
    command = encode_command(MessageType.SESSION, session)
    entries = [put(1, "a"), Entry(Index(2), Term(1), EntryKind.COMMAND, command, b""), put(3, "b")]
    replicated.foresee(entries)
    applied = replicated.apply(entries)
    assert len(applied.results) == 3
    assert (value_of(replicated, "a"), value_of(replicated, "b")) == (b"v", b"v")


def test_a_state_without_room_says_so_when_it_is_applied() -> None:
    engine = Engine()
    replicated = ReplicatedState(engine)
    entries = [put(1, "a")]
    replicated.foresee(entries)
    engine.is_full = True
    with pytest.raises(StateFullError):
        replicated.apply(entries)
    assert replicated.applied_index == 0
    engine.is_full = False
    replicated.apply(entries)
    assert value_of(replicated, "a") == b"v"
