"""Transactions: all or none, later operations see earlier ones, Consul's words for refusals."""

import pytest

from proconsul.model.catalog import Node, NodeService
from proconsul.model.health import HealthCheck
from proconsul.model.kv import DirEntry
from proconsul.model.session import Session
from proconsul.model.txn import (
    TxnCheckOp,
    TxnKVOp,
    TxnNodeOp,
    TxnOp,
    TxnResult,
    TxnServiceOp,
    TxnSessionOp,
)
from proconsul.store import kv, nodes, sessions, txn
from server_tests.store.stories import ID_A, ID_B, World


@pytest.fixture
def world() -> World:
    world = World()
    world.register("n1")
    world.apply(lambda t: sessions.create(t, Session(id=ID_A, node="n1")))
    return world


def key_op(verb: str, key: str, value: bytes = b"", session: str = "", index: int = 0) -> TxnOp:
    entry = DirEntry(key=key, value=value, session=session, modify_index=index)
    return TxnOp(kv=TxnKVOp(verb=verb, dir_ent=entry))


def node_op(verb: str, name: str, node_id: str = "", index: int = 0) -> TxnOp:
    node = Node(node=name, id=node_id, address="10.0.0.9", modify_index=index)
    return TxnOp(node=TxnNodeOp(verb=verb, node=node))


def service_op(verb: str, node: str, service_id: str = "s", index: int = 0) -> TxnOp:
    service = NodeService(id=service_id, service=service_id, modify_index=index)
    return TxnOp(service=TxnServiceOp(verb=verb, node=node, service=service))


def check_op(verb: str, node: str, check_id: str = "c", index: int = 0) -> TxnOp:
    check = HealthCheck(node=node, check_id=check_id, status="passing", modify_index=index)
    return TxnOp(check=TxnCheckOp(verb=verb, check=check))


def done(world: World, *ops: TxnOp) -> list[TxnResult]:
    results, errors = world.apply(lambda t: txn.apply_ops(t, ops))
    assert errors is None
    assert results is not None
    return results


def refused(world: World, *ops: TxnOp) -> list[tuple[int, str]]:
    results, errors = world.apply(lambda t: txn.apply_ops(t, ops))
    assert results is None
    assert errors is not None
    return [(error.op_index, error.what) for error in errors]


def test_later_operations_see_what_earlier_ones_did(world: World) -> None:
    results = done(
        world,
        key_op("set", "a", b"1"),
        key_op("check-index", "a", index=3),
        key_op("cas", "a", b"2", index=3),
        key_op("get", "a"),
        key_op("delete", "a"),
        key_op("check-not-exists", "a"),
    )
    assert [(one.kv.value, one.kv.modify_index) for one in results if one.kv] == [
        (None, 3),  # only get shows the value
        (None, 3),
        (None, 3),
        (b"2", 3),
    ]
    assert kv.get(world.read(), None, "a") == (3, None)


def test_one_refusal_undoes_all_and_every_operation_is_tried(world: World) -> None:
    assert refused(
        world,
        key_op("set", "a", b"1"),
        key_op("check-index", "a", index=9),
        node_op("delete", "n1"),
        service_op("set", "n1"),
        key_op("get", "b"),
    ) == [
        (1, 'failed index check for key "a", current modify index 3 != 9'),
        (3, "Missing node registration"),
        (4, 'key "b" doesn\'t exist'),
    ]
    assert kv.get(world.read(), None, "a") == (0, None)
    assert sessions.get(world.read(), None, ID_A)[1] is not None
    assert nodes.get_node(world.read(), "n1")[1] is not None
    assert world.events == []
    assert world.state.read().table_index("kvs", "nodes") == 1


def test_locks_and_trees(world: World) -> None:
    done(world, key_op("lock", "t/a", b"1", ID_A), key_op("set", "t/b", b"2"))
    results = done(world, key_op("get-tree", "t/"), key_op("check-session", "t/a", session=ID_A))
    shown = [(one.kv.key, one.kv.value, one.kv.session) for one in results if one.kv]
    assert shown == [("t/a", b"1", ID_A), ("t/b", b"2", ""), ("t/a", None, ID_A)]
    done(world, key_op("unlock", "t/a", b"3", ID_A), key_op("delete-tree", "t/"))
    assert kv.list_entries(world.read(), None, "")[1] == []


def test_keys_refused(world: World) -> None:
    world.apply(lambda t: sessions.create(t, Session(id=ID_B, node="n1")))
    done(world, key_op("lock", "a", b"1", ID_B))
    assert refused(
        world,
        key_op("lock", "a", session="bad"),
        key_op("lock", "a"),
        key_op("lock", "a", session=ID_B.replace("b", "c")),
        key_op("lock", "a", session=ID_A),
        key_op("unlock", "a", session=ID_A),
        key_op("unlock", "a"),
        key_op("cas", "a", index=1),
        key_op("delete-cas", "a", index=1),
        key_op("check-session", "a", session=ID_A),
        key_op("check-session", "b", session=ID_A),
        key_op("check-index", "b", index=1),
        key_op("check-not-exists", "a"),
        key_op("odd", "a"),
    ) == [
        (0, "failed session lookup: index error: UUID must be 36 characters"),
        (1, "missing session"),
        (2, 'invalid session "cccccccc-0000-0000-0000-000000000000"'),
        (3, 'failed to lock key "a", lock is already held'),
        (4, 'failed to unlock key "a", lock isn\'t held, or is held by another session'),
        (5, "missing session"),
        (6, 'failed to set key "a", index is stale'),
        (7, 'failed to delete key "a", index is stale'),
        (8, f'failed session check for key "a", current session "{ID_B}" != "{ID_A}"'),
        (9, 'failed to check session, key "b" doesn\'t exist'),
        (10, 'failed to check index, key "b" doesn\'t exist'),
        (11, 'key "a" exists'),
        (12, 'unknown KV verb "odd"'),
    ]


def test_the_catalog_in_one_transaction(world: World) -> None:
    results = done(
        world,
        node_op("cas", "n2"),
        service_op("cas", "n2"),
        check_op("cas", "n2"),
        node_op("get", "n2"),
        service_op("get", "n2"),
        check_op("get", "n2"),
        check_op("delete-cas", "n2", index=3),
        service_op("delete-cas", "n2", index=3),
        node_op("delete-cas", "n2", index=3),
    )
    assert [one.node.node for one in results if one.node] == ["n2", "n2"]
    assert [one.service.id for one in results if one.service] == ["s", "s"]
    assert [one.check.create_index for one in results if one.check] == [3, 3]
    assert nodes.get_node(world.read(), "n2") == (3, None)


def test_the_catalog_refused(world: World) -> None:
    assert refused(
        world,
        node_op("get", "zz"),
        node_op("get", "zz", "bad"),
        node_op("cas", "zz", index=3),
        node_op("delete-cas", "zz", index=3),
        node_op("odd", "zz"),
        service_op("get", "n1"),
        service_op("cas", "n1", index=3),
        service_op("delete-cas", "n1", index=3),
        service_op("odd", "n1"),
        check_op("get", "n1"),
        check_op("set", "zz"),
        check_op("cas", "n1", index=3),
        check_op("delete-cas", "n1", index=3),
        check_op("odd", "n1"),
        TxnOp(),
    ) == [
        (0, 'node "zz" doesn\'t exist'),
        (1, "node lookup by ID failed, wrong UUID: uuid string is wrong length for 'bad'"),
        (2, 'failed to set node "zz", index is stale'),
        (3, 'failed to delete node "zz", index is stale'),
        (4, 'unknown Node verb "odd"'),
        (5, 'service "s" on node "n1" doesn\'t exist'),
        (6, 'failed to set service "s" on node "n1", index is stale'),
        (7, 'failed to delete service "s" on node "n1", index is stale'),
        (8, 'unknown Service verb "odd"'),
        (9, 'check "c" on node "n1" doesn\'t exist'),
        (10, "Missing node registration"),
        (11, 'failed to set check "c" on node "n1", index is stale'),
        (12, 'failed to delete check "c" on node "n1", index is stale'),
        (13, 'unknown Check verb "odd"'),
        (14, "no operation specified"),
    ]


def test_deleting_a_session_leaves_its_locks(world: World) -> None:
    done(world, key_op("lock", "a", b"1", ID_A))
    gone = TxnOp(session=TxnSessionOp(verb="delete", session=Session(id=ID_A)))
    assert done(world, gone) == []
    _, entry = kv.get(world.read(), None, "a")
    assert entry is not None
    assert entry.session == ID_A
    assert refused(world, gone) == [
        (0, "failed to delete session: failed deleting session: not found")
    ]


def test_reading_needs_no_log(world: World) -> None:
    done(world, key_op("set", "a", b"1"))
    results, errors = txn.read_ops(
        world.read(), [key_op("get", "a"), node_op("get", "N1"), key_op("get-tree", "")]
    )
    assert errors is None
    assert results is not None
    assert [one.kv.value for one in results if one.kv] == [b"1", b"1"]
    results, errors = txn.read_ops(world.read(), [key_op("get", "b"), key_op("set", "b")])
    assert results is None
    assert errors is not None
    assert [error.op_index for error in errors] == [0, 1]
