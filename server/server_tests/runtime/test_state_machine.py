"""Batches of entries, held states and new ones."""

import logging

import lmdb
import pytest

from proconsul.fsm.apply import FsmError
from proconsul.fsm.commands import CommandError, MessageType, encode_command
from proconsul.fsm.snapshot import SnapshotError
from proconsul.model.catalog import NodeService, RegisterRequest
from proconsul.model.health import HealthCheck
from proconsul.model.session import Session, SessionRequest
from proconsul.raft.entry import Entry
from proconsul.raft.messages import EntryKind, Index, Term
from proconsul.runtime.state_machine import GivenUpError, ReplicatedState
from proconsul.store import kv, nodes
from proconsul.store.buffered_engine import BufferedEngine
from proconsul.store.engine import StateFullError
from proconsul.store.events import SessionCreated
from proconsul.store.keys import folded
from proconsul.store.schema import SERVICES
from server_tests.runtime.driver_world import Engine, set_command


def put(index: int, key: str, value: bytes = b"v") -> Entry:
    return Entry(Index(index), Term(1), EntryKind.COMMAND, set_command(key, value), b"")


def register(index: int, request: RegisterRequest) -> Entry:
    command = encode_command(MessageType.REGISTER, request)
    return Entry(Index(index), Term(1), EntryKind.COMMAND, command, b"")


def value_of(replicated: ReplicatedState, key: str) -> bytes | None:
    _, entry = kv.get(replicated.state.read(), None, key)
    return None if entry is None else entry.value


def test_entries_of_all_kinds_are_counted_and_commands_are_applied() -> None:
    replicated = ReplicatedState(Engine())
    noop = Entry(Index(1), Term(1), EntryKind.NOOP, b"", b"")
    applied = replicated.apply([noop, put(2, "a"), put(3, "b")])
    assert [index for index, _, _ in applied.results] == [1, 2, 3]
    assert replicated.applied_index == 3
    assert value_of(replicated, "b") == b"v"


def test_a_batch_without_room_leaves_nothing_and_can_be_tried_again() -> None:
    engine = Engine()
    replicated = ReplicatedState(engine)
    engine.is_full = True
    with pytest.raises(StateFullError):
        replicated.apply([put(1, "a"), put(2, "b")])
    assert replicated.applied_index == 0
    assert value_of(replicated, "a") is None
    engine.is_full = False
    replicated.apply([put(1, "a"), put(2, "b")])
    assert replicated.applied_index == 2


def test_a_command_that_cannot_be_read_undoes_its_batch_and_is_named() -> None:
    replicated = ReplicatedState(Engine())
    bad = Entry(Index(2), Term(1), EntryKind.COMMAND, b"\x1f", b"")
    with pytest.raises(CommandError, match=r"entry 2 of the log cannot be applied: .*type 31"):
        replicated.apply([put(1, "a"), bad])
    assert replicated.applied_index == 0


def test_half_of_a_refused_registration_is_undone_and_its_neighbours_are_kept() -> None:
    replicated = ReplicatedState(Engine())
    half = RegisterRequest(
        node="half",
        address="a",
        service=NodeService(id="s", service="s"),
        check=HealthCheck(node="half", check_id="c", service_id="missing"),
    )
    entries = [
        put(1, "a"),
        register(2, RegisterRequest(node="first", address="a")),
        register(3, half),
        register(4, RegisterRequest(node="last", address="a")),
        put(5, "b"),
    ]
    applied = replicated.apply(entries)
    assert [index for index, _, _ in applied.results] == [1, 2, 3, 4, 5]
    refused = [index for index, _, value in applied.results if isinstance(value, FsmError)]
    assert refused == [3]
    assert replicated.applied_index == 5
    _, listed = nodes.list_nodes(replicated.state.read(), None)
    assert [(node.node, node.modify_index) for node in listed] == [("first", 2), ("last", 4)]
    assert replicated.state.read().row(SERVICES, folded("half", "s")) is None
    assert (value_of(replicated, "a"), value_of(replicated, "b")) == (b"v", b"v")


def test_events_of_a_batch_that_began_again_are_told_once() -> None:
    replicated = ReplicatedState(Engine())
    session = Session(id="11111111-2222-3333-4444-555555555555", node="n")
    create = encode_command(MessageType.SESSION, SessionRequest(op="create", session=session))
    half = RegisterRequest(
        node="half", address="a", check=HealthCheck(node="half", check_id="c", service_id="missing")
    )
    applied = replicated.apply(
        [
            register(1, RegisterRequest(node="n", address="a")),
            Entry(Index(2), Term(1), EntryKind.COMMAND, create, b""),
            register(3, half),
        ]
    )
    assert applied.events == [SessionCreated(session.id, "")]


def test_a_state_that_is_written_down_is_read_as_before_and_found_by_a_restart() -> None:
    behind = Engine()
    replicated = ReplicatedState(BufferedEngine(behind))
    replicated.apply([put(1, "a")])
    assert value_of(replicated, "a") == b"v"
    assert ReplicatedState(behind).applied_index == 0
    replicated.foresee([put(2, "b")])
    replicated.write_down()
    assert (value_of(replicated, "a"), value_of(replicated, "b")) == (b"v", None)
    assert ReplicatedState(behind).applied_index == 1
    replicated.apply([put(2, "b")])
    assert value_of(replicated, "b") == b"v"


def test_a_held_state_does_not_change_and_can_be_given_up() -> None:
    replicated = ReplicatedState(Engine())
    replicated.apply([put(1, "a", b"old")])
    with replicated.held() as held:
        replicated.apply([put(2, "a", b"new")])
        chunks = held.chunks()
        first = next(chunks)
        assert first
        assert b"old" in b"".join(chunks)
    with replicated.held() as held:
        held.give_up.set()
        with pytest.raises(GivenUpError):
            next(held.chunks())


def test_a_new_state_takes_the_place_of_the_old_one_whole_or_not_at_all() -> None:
    replicated, source = ReplicatedState(Engine()), ReplicatedState(Engine())
    source.apply([put(5, "theirs")])
    replicated.apply([put(1, "ours")])
    with source.held() as held:
        chunks = list(held.chunks())

    with pytest.raises(SnapshotError), replicated.replacement(9) as new:
        new.fill([*chunks, b"\x7f\xc0"])
    assert value_of(replicated, "ours") == b"v"
    assert replicated.applied_index == 1

    with replicated.replacement(9) as new:
        new.fill(chunks)
        assert value_of(replicated, "ours") == b"v"
    assert value_of(replicated, "ours") is None
    assert value_of(replicated, "theirs") == b"v"
    assert replicated.applied_index == 9


def test_an_end_that_fails_is_told_and_is_an_end(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Engine):
        """Cannot be closed."""

        def close(self) -> None:
            raise lmdb.DiskError("no space")

    with caplog.at_level(logging.ERROR):
        ReplicatedState(Failing()).close()
    assert "could not be closed cleanly" in caplog.text
