"""Marks of a cluster: one of each kind, and a snapshot carries them as it does any index."""

import pytest

from proconsul.errors import RpcError
from proconsul.fsm.apply import FsmError
from proconsul.fsm.commands import MessageType
from proconsul.model.cluster_mark import ClusterMark
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.store.cluster_marks import marks, replace_marks
from proconsul.store.state import State
from server_tests.fsm.states import empty_state, index_table, restored, run, saved

FIRST = "11111111-2222-3333-4444-555555555555"
SECOND = "99999999-2222-3333-4444-555555555555"


def mark(state: State, index: int, cluster_id: str = "", restore_uid: str = "") -> None:
    command = ClusterMark(cluster_id=cluster_id, restore_uid=restore_uid)
    assert run(state, index, MessageType.CLUSTER_MARK, command) is None


def test_a_state_without_marks_says_so() -> None:
    assert marks(empty_state().read()) == ClusterMark()


def test_the_youngest_mark_of_a_kind_takes_the_place_of_the_one_before() -> None:
    state = empty_state()
    mark(state, 7, cluster_id=SECOND, restore_uid="one")
    mark(state, 9, cluster_id=FIRST)
    assert marks(state.read()) == ClusterMark(cluster_id=FIRST, restore_uid="one")
    mark(state, 11, restore_uid="two")
    assert index_table(state) == {f"proconsul-cluster:{FIRST}": 9, "proconsul-restore:two": 11}


def test_a_snapshot_carries_them_and_its_own_index_is_untouched() -> None:
    state = empty_state()
    run(state, 5, MessageType.KVS, KVSRequest(op="set", dir_ent=DirEntry(key="a")))
    before = saved(state)
    mark(state, 9, cluster_id=FIRST, restore_uid="one")
    assert saved(state)[: len(b"\x81\xa9LastIndex\x05")] == before[: len(b"\x81\xa9LastIndex\x05")]
    again = restored([saved(state)])
    assert marks(again.read()) == ClusterMark(cluster_id=FIRST, restore_uid="one")
    assert saved(again) == saved(state)


def test_of_two_that_a_snapshot_holds_the_younger_counts() -> None:
    state = empty_state()
    with state.write(20) as txn:
        txn.set_index(f"proconsul-cluster:{SECOND}", value=4)
        txn.set_index(f"proconsul-cluster:{FIRST}", value=6)
    assert marks(state.read()).cluster_id == FIRST
    mark(state, 21, cluster_id=FIRST)
    assert index_table(state) == {f"proconsul-cluster:{FIRST}": 21}


def test_marks_that_came_with_a_snapshot_make_way_for_the_clusters_own() -> None:
    state = empty_state()
    mark(state, 7, cluster_id=FIRST, restore_uid="one")
    with state.write(8) as txn:
        replace_marks(txn, ClusterMark(cluster_id=SECOND), 30)
    assert index_table(state) == {f"proconsul-cluster:{SECOND}": 30}


@pytest.mark.parametrize("name", ["a b", "x" * 65, "a:b", "a\0b"])
def test_what_would_be_no_key_is_refused_and_the_mark_stays(name: str) -> None:
    state = empty_state()
    mark(state, 7, cluster_id=FIRST)
    refused = run(state, 8, MessageType.CLUSTER_MARK, ClusterMark(cluster_id=name))
    assert isinstance(refused, FsmError)
    with state.write(9) as txn, pytest.raises(RpcError):
        replace_marks(txn, ClusterMark(restore_uid=name), 9)
    mark(state, 10, cluster_id="x" * 64)
    assert marks(state.read()).cluster_id == "x" * 64
