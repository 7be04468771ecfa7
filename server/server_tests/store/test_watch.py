"""Waiting queries: woken by changes of what they read, and by nothing else."""

import pytest

from proconsul.model.catalog import DeregisterRequest, NodeService, ServiceConnect
from proconsul.model.health import HealthCheck
from proconsul.model.kv import DirEntry
from proconsul.model.session import Session
from proconsul.store import catalog, checks, health, kv, nodes, sessions
from proconsul.store.watch import NOTED_MAX, Waiter, Watchers, WatchSet
from server_tests.store.stories import ID_A, ID_B, World, web

WEB = NodeService(id="web", service="web")
API = NodeService(id="api", service="api")
NATIVE = ServiceConnect(native=True)


@pytest.fixture
def world() -> World:
    world = World()
    world.register("n1", service=WEB, checks=[web("n1")])
    world.register("n2", service=API)
    return world


def test_a_key_is_waited_for_alone(world: World) -> None:
    waiting = world.wait(lambda txn, watch: kv.get(txn, watch, "a"))
    world.put("ab", b"1")
    assert not waiting.woken
    world.put("a", b"1")
    assert waiting.woken


def test_a_listing_is_waited_for_by_its_prefix(world: World) -> None:
    waiting = world.wait(lambda txn, watch: kv.list_entries(txn, watch, "a/"))
    world.put("a", b"1")
    world.put("b/c", b"1")
    assert not waiting.woken
    world.put("a/b", b"1")
    assert waiting.woken


def test_deleting_a_tree_wakes_all_under_it(world: World) -> None:
    world.put("a/b", b"1")
    waiting = world.wait(lambda txn, watch: kv.get(txn, watch, "a/b"))
    world.apply(lambda txn: kv.delete_tree(txn, "a"))
    assert waiting.woken


def test_a_set_that_changes_nothing_wakes_nobody(world: World) -> None:
    world.put("a", b"1")
    waiting = world.wait(lambda txn, watch: kv.get(txn, watch, "a"))
    world.put("a", b"1")
    assert not waiting.woken


def test_the_checks_of_a_node_are_waited_for_alone(world: World) -> None:
    waiting = world.wait(lambda txn, watch: checks.node_checks(txn, watch, "n1"))
    world.register("n2", checks=[HealthCheck(node="n2", check_id="disk", status="critical")])
    assert not waiting.woken
    world.register("n1", checks=[web("n1", status="critical")])
    assert waiting.woken


def test_a_service_is_waited_for_by_its_own_index(world: World) -> None:
    waiting = world.wait(lambda txn, watch: health.check_service_nodes(txn, watch, "web"))
    world.register("n2", checks=[HealthCheck(node="n2", check_id="disk", status="critical")])
    world.register("n3", service=API)
    assert not waiting.woken
    world.register("n1", checks=[HealthCheck(node="n1", check_id="disk", status="critical")])
    assert waiting.woken


def test_a_renewed_check_does_not_wake_who_waits_for_the_service(world: World) -> None:
    waiting = world.wait(lambda txn, watch: health.check_service_nodes(txn, watch, "web"))
    world.register("n1", service=WEB, checks=[web("n1")])
    assert not waiting.woken


def test_a_missing_service_is_waited_for(world: World) -> None:
    waiting = world.wait(lambda txn, watch: health.check_service_nodes(txn, watch, "new"))
    world.register("n1", service=NodeService(id="new", service="new"))
    assert waiting.woken


def test_a_proxy_wakes_who_waits_for_its_destination(world: World) -> None:
    waiting = world.wait(lambda txn, watch: health.check_connect_service_nodes(txn, watch, "web"))
    world.register("n2", service=API)
    assert not waiting.woken
    world.register("n2", service=NodeService(id="native", service="web", connect=NATIVE))
    assert waiting.woken


def test_a_node_is_waited_for_with_its_services(world: World) -> None:
    waiting = world.wait(lambda txn, watch: nodes.node_services(txn, watch, "n1"))
    world.register("n2", address="10.9.9.9")
    assert not waiting.woken
    world.apply(lambda txn: catalog.deregister(txn, DeregisterRequest(node="n1", service_id="web")))
    assert waiting.woken


def test_nodes_by_metadata_are_waited_for_by_the_pair(world: World) -> None:
    waiting = world.wait(lambda txn, watch: nodes.nodes_by_meta(txn, watch, {"rack": "1"}))
    world.register("n1", meta={"rack": "2"})
    assert not waiting.woken
    world.register("n1", meta={"rack": "1"})
    assert waiting.woken


def test_a_session_is_waited_for_alone(world: World) -> None:
    world.apply(lambda txn: sessions.create(txn, Session(id=ID_A, node="n1")))
    waiting = world.wait(lambda txn, watch: sessions.get(txn, watch, ID_A))
    world.apply(lambda txn: sessions.create(txn, Session(id=ID_B, node="n1")))
    assert not waiting.woken
    world.apply(lambda txn: sessions.destroy(txn, ID_A))
    assert waiting.woken


def test_a_replaced_state_wakes_everybody(world: World) -> None:
    waiting = world.wait(lambda txn, watch: kv.get(txn, watch, "a"))
    with world.state.replace(9) as txn:
        kv.restore_key(txn, DirEntry(key="b", modify_index=3))
    assert waiting.woken
    assert len(world.state.watchers) == 0


def test_a_waiter_is_woken_once_and_may_be_forgotten() -> None:
    watchers = Watchers()
    calls: list[str] = []
    watch = WatchSet()
    watch.exact("kvs", b"a")
    watch.prefix("kvs", b"a")
    woken = Waiter(watch, lambda: calls.append("woken"))
    forgotten = Waiter(watch, lambda: calls.append("forgotten"))
    watchers.add(woken)
    watchers.add(forgotten)
    watchers.remove(forgotten)
    watchers.fire({("kvs", b"a")})
    watchers.fire({("kvs", b"a")})
    watchers.remove(woken)
    assert calls == ["woken"]
    assert len(watchers) == 0


def test_a_query_that_reads_too_much_waits_for_whole_tables() -> None:
    watch = WatchSet()
    for number in range(NOTED_MAX + 100):
        watch.exact("nodes", b"%d\0" % number)
        watch.prefix("services", b"%d\0" % number)
    assert len(watch.keys) + len(watch.prefixes) <= NOTED_MAX + 2
    assert ("nodes", b"") in watch.prefixes
    assert ("services", b"") in watch.prefixes
