"""The log and the snapshots of a real Consul 1.8.7 with one of everything.

The same committed commands must make the same state, to the last index; and a snapshot must
survive the way through us into another real server.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from msgspec import structs

from proconsul.fsm.apply import FsmError, apply
from proconsul.fsm.archive import ArchiveMeta, read_archive, write_archive
from proconsul.fsm.commands import MessageType
from proconsul.model.txn import TxnResponse
from proconsul.store.state import State
from server_tests.fsm.everything import fill
from server_tests.fsm.raft_db import LoggedCommand, logged_commands
from server_tests.fsm.random_requests import RandomRequests
from server_tests.fsm.real_server import (
    RealServer,
    free_address,
    real_server,
    requires_real_consul,
    wait_a_moment,
)
from server_tests.fsm.states import empty_state, records, restored, saved

pytestmark = [requires_real_consul, pytest.mark.real_clock]

COORDINATES_S_MAX = 10.0
STEP_S = 0.1
RANDOM_REQUESTS = 1000
OK = 200
# A new leader makes the first token, and two of its tasks may do so at once.
SECOND_FIRST_TOKEN = "ACL bootstrap no longer allowed"


@dataclass(frozen=True, slots=True)
class Filled:
    """What a real server had when it was full."""

    meta: ArchiveMeta
    state: bytes
    log: list[LoggedCommand]
    refusals: list[str]


def unpacked(archive: bytes) -> tuple[ArchiveMeta, bytes]:
    state = bytearray()
    meta = read_archive([archive], state.extend)
    return meta, bytes(state)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    copy = tmp_path_factory.mktemp("log") / "raft.db"
    with real_server(free_address(9), keep_log_at=copy) as server:
        fill(server)
        wait_for_coordinates(server)
        meta, state = unpacked(server.get("/v1/snapshot"))
        refusals = list(server.refusals)
    return Filled(meta, state, logged_commands(copy), refusals)


def wait_for_coordinates(server: RealServer) -> None:
    """A server collects updates for some seconds before it commits them."""
    for _ in range(int(COORDINATES_S_MAX / STEP_S)):
        if server.get("/v1/coordinate/nodes").strip() != b"[]":
            return
        wait_a_moment(STEP_S)
    raise AssertionError("no coordinate was committed")


def replayed(filled: Filled) -> tuple[State, list[str]]:
    """Our state after the real log, and what we refused of it."""
    state, refusals = empty_state(), []
    for command in filled.log:
        if command.index <= filled.meta.index:
            with state.write(command.index) as txn:
                result = apply(txn, command.data, command.extensions, command.term)
            if isinstance(result, FsmError):
                refusals.append(result.text)
            if isinstance(result, TxnResponse):
                refusals += [error.what for error in result.errors or ()]
    return state, refusals


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_random_requests_make_the_same_state(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("log") / "raft.db"
    requests = RandomRequests(seed)
    with real_server(free_address(10), keep_log_at=copy) as server:
        for _ in range(RANDOM_REQUESTS):
            verb, path, body = requests.next()
            status, answer = server.call(verb, path, body)
            if status == OK and path == "/v1/session/create":
                requests.created(json.loads(answer)["ID"])
        meta, theirs = unpacked(server.get("/v1/snapshot"))
    filled = Filled(meta, theirs, logged_commands(copy), server.refusals)
    state, refusals = replayed(filled)
    assert differences(saved(state), theirs) == []
    assert records(saved(state)) == records(theirs)
    assert len(refusals) > RANDOM_REQUESTS / 50
    # Of several chains that do not compile the real one reports any.
    clear = [text for text in refusals if not text.startswith(("discovery chain", "detected"))]
    assert [text for text in clear if text not in words_of(server.refusals)] == []


def without_auth_methods(snapshot: bytes) -> tuple[Any, list[tuple[int, Any]]]:
    """1.8.7 writes only the first one, so they are compared by themselves."""
    header, found = records(snapshot)
    return header, [one for one in found if one[0] != MessageType.ACL_AUTH_METHOD_SET]


def differences(ours: bytes, theirs: bytes) -> list[str]:
    """The records that only one of two snapshots has: what a failure should show."""
    one, other = without_auth_methods(ours)[1], without_auth_methods(theirs)[1]
    only_ours = [f"ours: {record}" for record in one if record not in other]
    return only_ours + [f"theirs: {record}" for record in other if record not in one]


def auth_methods(snapshot: bytes) -> list[str]:
    return [
        value["Name"]
        for number, value in records(snapshot)[1]
        if number == MessageType.ACL_AUTH_METHOD_SET
    ]


def test_the_server_had_one_of_everything(filled: Filled) -> None:
    snapshot_records = {number for number, _ in records(filled.state)[1]}
    not_in_snapshots = {
        *(MessageType.DEREGISTER, MessageType.ACL, MessageType.TXN, MessageType.AREA),
        *(MessageType.ACL_BOOTSTRAP, MessageType.ACL_TOKEN_DELETE, MessageType.CONNECT_CA_LEAF),
        *(MessageType.ACL_POLICY_DELETE, MessageType.ACL_ROLE_DELETE),
        *(MessageType.ACL_BINDING_RULE_DELETE, MessageType.ACL_AUTH_METHOD_DELETE),
    }
    ours = {MessageType.CLUSTER_MARK}
    assert snapshot_records == set(MessageType) - not_in_snapshots - ours
    assert any(command.extensions for command in filled.log), "the large value came in chunks"


def test_the_same_log_makes_the_same_state(filled: Filled) -> None:
    state, _ = replayed(filled)
    ours = saved(state)
    assert differences(ours, filled.state) == []
    assert without_auth_methods(ours) == without_auth_methods(filled.state)
    assert auth_methods(ours) == ["jwt", "kube"]
    assert auth_methods(filled.state) == ["jwt"]


def test_what_is_refused_is_refused_in_the_same_words(filled: Filled) -> None:
    _, refusals = replayed(filled)
    assert len(refusals) > 25
    theirs = {without_the_way_round(text) for text in words_of(filled.refusals)}
    assert [text for text in refusals if without_the_way_round(text) not in theirs] == []


def test_a_first_token_that_two_tasks_of_the_leader_make_is_refused_in_its_words(
    filled: Filled,
) -> None:
    first = next(one for one in filled.log if one.data[0] == MessageType.ACL_BOOTSTRAP)
    again = replace(first, index=filled.meta.index)
    _, refusals = replayed(replace(filled, log=[*filled.log, again]))
    assert refusals[-1] in words_of([])


def words_of(refusals: list[str]) -> set[str]:
    """The texts, those in the answers to transactions, and what no client is told."""
    words = {SECOND_FIRST_TOKEN, *refusals}
    for text in refusals:
        if text.startswith('{"Results"'):
            words |= {error["What"] for error in json.loads(text)["Errors"]}
    return words


def without_the_way_round(text: str) -> str:
    """Which of several chains is compiled first is chance there: so is where a circle begins."""
    return text.partition(" [")[0] if text.startswith("detected circular") else text


def test_a_real_snapshot_comes_back_from_us_unchanged(filled: Filled) -> None:
    assert records(saved(restored([filled.state]))) == records(filled.state)


def test_our_snapshot_restores_into_another_real_server(filled: Filled) -> None:
    state, _ = replayed(filled)
    ours = saved(state)
    meta = structs.replace(filled.meta, size_bytes=len(ours))
    archive = b"".join(write_archive(meta, [ours], mtime_s=0))
    # At the same address and as the same node, so that its leader has little to change.
    with real_server(free_address(9)) as server:
        server.put("/v1/snapshot", archive)
        _, theirs = unpacked(server.get("/v1/snapshot"))
    kept, restored_there = (
        unchanged_by_the_new_leader(without_auth_methods(one)[1]) for one in (ours, theirs)
    )
    assert [record for record in kept if record not in restored_there] == []
    assert restored_there == kept


def unchanged_by_the_new_leader(found: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """The records without what a leader writes when it takes over: nothing else may differ.

    It fills in the CA's configuration, gives legacy tokens an accessor and tells the other
    datacenters about its gateways.
    """
    kept = []
    for number, value in found:
        if number in (MessageType.CONNECT_CA_CONFIG, MessageType.FEDERATION_STATE):
            continue
        if number == MessageType.INDEX and value["Key"] in ("acl-tokens", "federation-states"):
            continue
        if number == MessageType.ACL_TOKEN_SET and value["Type"]:
            kept.append((number, value | {"AccessorID": "", "ModifyIndex": 0, "Hash": ""}))
        else:
            kept.append((number, value))
    return kept
