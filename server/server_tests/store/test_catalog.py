"""Nodes, services and checks beyond what the model knows: names, metadata, shapes, texts."""

from typing import Any

import pytest
from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.catalog import (
    ConnectProxyConfig,
    DeregisterRequest,
    GatewayService,
    NodeService,
    RegisterRequest,
    ServiceAddress,
    ServiceConnect,
    ServiceName,
    Upstream,
    Weights,
)
from proconsul.model.coordinate import Coordinate, NetworkCoordinate
from proconsul.model.health import HealthCheck
from proconsul.store import catalog, checks, coordinates, health, nodes, services
from proconsul.store.keys import folded
from proconsul.store.schema import GATEWAY_SERVICES, SERVICES
from server_tests.store.stories import ID_A, ID_B, World, web

ALIVE = HealthCheck(node="a", check_id="serfHealth", status="passing")
WEB = NodeService(id="web", service="web")


@pytest.fixture
def world() -> World:
    return World()


def modified(world: World, node: str, service_id: str) -> int:
    row = world.read().row(SERVICES, folded(node, service_id))
    assert row is not None
    return row.modify_index


def test_a_node_with_the_same_id_and_another_name_is_renamed(world: World) -> None:
    world.register("old", node_id=ID_A, service=WEB)
    world.register("new", node_id=ID_A)
    _, listed = nodes.list_nodes(world.read(), None)
    assert [(node.node, node.create_index, node.modify_index) for node in listed] == [("new", 1, 2)]
    assert services.service_nodes(world.read(), None, "web")[1] == []


def test_the_name_of_a_living_node_is_reserved(world: World) -> None:
    world.register("a", node_id=ID_A, checks=[ALIVE])
    with pytest.raises(RpcError) as new:
        world.register("a", node_id=ID_B, address="10.0.0.2")
    assert str(new.value) == (
        f'failed inserting node: Error while renaming Node ID: "{ID_B}": '
        f"Node name a is reserved by node {ID_A} with name a (10.0.0.1)"
    )
    world.register("b", node_id=ID_B)
    with pytest.raises(RpcError) as renamed:
        world.register("a", node_id=ID_B, address="10.0.0.2")
    assert f'Node ID: "{ID_B}" (10.0.0.2): Node name a is reserved' in str(renamed.value)


def test_the_name_of_a_dead_node_may_be_taken(world: World) -> None:
    world.register("a", node_id=ID_A, checks=[replace(ALIVE, status="critical")])
    world.register("a", node_id=ID_B)
    assert [node.id for node in nodes.list_nodes(world.read(), None)[1]] == [ID_B]


@pytest.mark.parametrize(
    ("node_id", "flaw"),
    [
        ("bad", "uuid string is wrong length"),
        ("11111111-1111-1111-1111111111-111111", "uuid is improperly formatted"),
        (
            "11111111-1111-1111-1111-11111111111g",
            "encoding/hex: invalid byte: U+0067 'g'",
        ),
    ],
)
def test_a_node_id_must_be_a_uuid(world: World, node_id: str, flaw: str) -> None:
    with pytest.raises(RpcError) as refused:
        nodes.with_id(world.read(), node_id)
    assert str(refused.value) == f"node lookup by ID failed, wrong UUID: {flaw} for '{node_id}'"


def test_a_node_is_found_by_the_unambiguous_beginning_of_its_id(world: World) -> None:
    world.register("a", node_id=ID_A, service=WEB)
    world.register("b", node_id="aaaabbbb-0000-0000-0000-000000000000")
    assert nodes.node_services(world.read(), None, "aaaa") == (0, None)
    assert nodes.node_services(world.read(), None, "a")[1] is not None  # its name
    index, found = nodes.node_services(world.read(), None, "AAAAA-A-AA")
    assert index == 2
    assert found is not None
    assert found.node is not None
    assert found.node.node == "a"
    assert list(found.services or ()) == ["web"]
    assert nodes.node_services(world.read(), None, "zz") == (0, None)


@pytest.mark.parametrize(
    ("meta", "flaw"),
    [
        ({"consul-x": "1"}, "Key prefix 'consul-' is reserved for internal use"),
        ({"a b": "1"}, "Key contains invalid characters"),
        ({"": "1"}, "Key cannot be blank"),
        ({"k" * 129: "1"}, "Key is too long (limit: 128 characters)"),
        ({"k": "v" * 513}, "Value is too long (limit: 512 characters)"),
    ],
)
def test_bad_metadata_is_refused_with_the_pair(
    world: World, meta: dict[str, str], flaw: str
) -> None:
    with pytest.raises(RpcError) as refused:
        world.register("a", service=replace(WEB, meta=meta))
    ((key, value),) = meta.items()
    assert str(refused.value) == (
        "failed inserting service: Invalid Service Meta for node a and serviceID web: "
        f"Couldn't load metadata pair ('{key}', '{value}'): {flaw}"
    )


def test_a_mesh_gateway_may_say_that_it_federates(world: World) -> None:
    meta = {"consul-wan-federation": "1"}
    world.register("a", service=replace(WEB, kind="mesh-gateway", meta=meta))
    with pytest.raises(RpcError):
        world.register("a", service=replace(WEB, meta=meta))


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (None, Weights(passing=1, warning=1)),
        (Weights(passing=0, warning=1), Weights(passing=1, warning=1)),
        (Weights(passing=1, warning=70_000), Weights(passing=1, warning=1)),
        (Weights(passing=9, warning=0), Weights(passing=9, warning=0)),
    ],
)
def test_missing_and_absurd_weights_become_one(
    world: World, given: Weights | None, stored: Weights
) -> None:
    world.register("a", service=replace(WEB, weights=given))
    _, service = services.node_service(world.read(), "a", "web")
    assert service is not None
    assert service.weights == stored


@pytest.mark.parametrize(
    "change",
    [
        {"tags": []},  # there were none: nil and empty are apart
        {"meta": {}},
        {"port": 1},
        {"enable_tag_override": True},
        {"proxy": ConnectProxyConfig(config={"a": 1.0})},  # it was the integer
        {"proxy": ConnectProxyConfig(config={"a": True})},
        {"proxy": ConnectProxyConfig(config={"a": 1}, upstreams=[Upstream(config={"b": 2.0})])},
    ],
)
def test_a_service_is_written_when_anything_differs(world: World, change: dict[str, Any]) -> None:
    upstreams = [Upstream(config={"b": 2})] if "upstreams" in str(change) else None
    before = replace(WEB, proxy=ConnectProxyConfig(config={"a": 1}, upstreams=upstreams))
    world.register("a", service=before)
    world.register("a", service=before)
    assert modified(world, "a", "web") == 1
    world.register("a", service=replace(before, **change))
    assert modified(world, "a", "web") == 3


def test_skipping_the_node_still_creates_a_missing_one(world: World) -> None:
    request = RegisterRequest(node="a", address="1.1.1.1", skip_node_update=True)
    world.apply(lambda txn: catalog.register(txn, request))
    world.apply(lambda txn: catalog.register(txn, replace(request, address="2.2.2.2")))
    assert [node.address for node in nodes.list_nodes(world.read(), None)[1]] == ["1.1.1.1"]


def test_refused_checks_say_why(world: World) -> None:
    orphan = HealthCheck(node="a", check_id="x", service_id="nope")
    with pytest.raises(RpcError) as refused:
        world.register("a", checks=[orphan])
    assert str(refused.value) == 'failed inserting check: Missing service registration on node "a"'
    with pytest.raises(RpcError) as misplaced:
        world.register("a", checks=[replace(orphan, node="b")])
    assert str(misplaced.value) == 'check node "b" does not match node "a"'


def test_a_service_without_an_id_is_refused(world: World) -> None:
    with pytest.raises(RpcError) as refused:
        world.register("a", service=NodeService())
    assert (
        str(refused.value)
        == "failed inserting service: failed inserting service: object missing primary index"
    )


def test_readers_see_empty_and_not_missing_values(world: World) -> None:
    world.register("a", node_id=ID_A, service=WEB, meta={"rack": "1"})
    _, (row,) = services.service_nodes(world.read(), None, "WEB")
    assert (row.id, row.address, row.node_meta) == (ID_A, "10.0.0.1", {"rack": "1"})
    assert (row.service_tags, row.service_meta) == ([], {})
    assert row.service_tagged_addresses is None


def test_health_shows_the_checks_of_the_node_first(world: World) -> None:
    other = NodeService(id="other", service="other")
    world.register("a", service=other)
    world.register("a", service=WEB, checks=[web("a"), ALIVE, replace(ALIVE, check_id="zz")])
    _, (found,) = health.check_service_nodes(world.read(), None, "web")
    assert [check.check_id for check in found.checks or ()] == ["serfHealth", "zz", "web-up"]
    _, (found,) = health.check_service_nodes(world.read(), None, "other")
    assert [check.check_id for check in found.checks or ()] == ["serfHealth", "zz"]


def test_tags_are_matched_whatever_their_case_and_all_of_them(world: World) -> None:
    world.register("a", service=replace(WEB, tags=["Blue", "v1"]))
    world.register("b", service=replace(WEB, tags=["blue"]))
    _, both = health.check_service_tag_nodes(world.read(), None, "web", ["BLUE"])
    _, one = health.check_service_tag_nodes(world.read(), None, "web", ["blue", "V1"])
    assert (len(both), len(one)) == (2, 1)


def test_services_tell_the_tags_of_all_their_instances(world: World) -> None:
    world.register("a", service=replace(WEB, tags=["x", "y"]), meta={"rack": "1"})
    world.register("b", service=replace(WEB, tags=["y", "z"]), meta={"rack": "1", "os": "linux"})
    assert services.services(world.read(), None)[1] == {"web": ["x", "y", "z"]}
    filters = {"rack": "1", "os": "linux"}
    assert services.services_by_node_meta(world.read(), None, filters)[1] == {"web": ["y", "z"]}
    assert [node.node for node in nodes.nodes_by_meta(world.read(), None, filters)[1]] == ["b"]


def test_the_index_of_a_missing_service_is_that_of_the_last_extinction(world: World) -> None:
    world.register("a", service=WEB)
    assert health.check_service_nodes(world.read(), None, "nope")[0] == 1  # the whole catalog's
    request = DeregisterRequest(node="a", service_id="web")
    world.apply(lambda txn: catalog.deregister(txn, request))
    world.register("b")
    assert health.check_service_nodes(world.read(), None, "nope")[0] == 2


def test_connect_finds_proxies_by_their_destination_and_native_services(world: World) -> None:
    proxy = ConnectProxyConfig(destination_service_name="Web")
    world.register("a", service=NodeService(id="p", service="p", kind="connect-proxy", proxy=proxy))
    world.register("b", service=replace(WEB, connect=ServiceConnect(native=True)))
    world.register("c", service=WEB)
    _, found = services.connect_service_nodes(world.read(), None, "web")
    assert [row.node for row in found] == ["a", "b"]
    index, shown = health.check_connect_service_nodes(world.read(), None, "web")
    assert (index, len(shown)) == (3, 2)


def test_dumps_hold_everything(world: World) -> None:
    world.register("a", service=WEB, checks=[ALIVE])
    world.register("b")
    index, (first, second) = health.node_dump(world.read(), None)
    assert index == 2
    assert [service.id for service in first.services or ()] == ["web"]
    assert first.checks is not None
    assert (second.services, second.checks) == (None, None)
    assert health.node_info(world.read(), None, "A")[1] == [first]
    assert len(health.service_dump(world.read(), None, "")[1]) == 1
    assert health.service_dump(world.read(), None, "mesh-gateway") == (0, [])


def test_coordinates_of_unknown_nodes_and_of_no_number_are_skipped(world: World) -> None:
    world.register("a")
    good = NetworkCoordinate(vec=[0.1], error=1.5)
    updates = [
        Coordinate(node="A", segment="", coord=good),
        Coordinate(node="a", segment="alpha", coord=replace(good, vec=[float("nan")])),
        Coordinate(node="a", segment="beta", coord=replace(good, height=float("inf"))),
        Coordinate(node="b", segment="", coord=good),
    ]
    world.apply(lambda txn: coordinates.batch_update(txn, updates))
    assert coordinates.coordinates(world.read(), None) == (2, updates[:1])
    assert coordinates.coordinate(world.read(), None, "a") == (2, {"": good})
    world.apply(lambda txn: coordinates.batch_update(txn, []))
    assert coordinates.coordinates(world.read(), None)[0] == 3
    world.apply(lambda txn: catalog.deregister(txn, DeregisterRequest(node="a")))
    assert coordinates.coordinates(world.read(), None) == (4, [])


def test_checks_are_found_by_service_state_and_metadata_of_their_node(world: World) -> None:
    world.register("a", service=WEB, checks=[web("a")], meta={"rack": "1"})
    world.register("b", service=WEB, checks=[web("b", status="critical")], meta={"rack": "2"})
    rack = {"rack": "1"}

    def of(found: tuple[int, list[HealthCheck]]) -> tuple[int, list[str]]:
        return found[0], [check.node for check in found[1]]

    txn = world.read()
    assert of(checks.checks_in_state(txn, None, "any")) == (2, ["a", "b"])
    assert of(checks.checks_in_state(txn, None, "critical")) == (2, ["b"])
    assert of(checks.checks_in_state_by_node_meta(txn, None, "any", rack)) == (2, ["a"])
    assert of(checks.service_checks(txn, None, "Web")) == (2, ["a", "b"])
    assert of(checks.service_checks_by_node_meta(txn, None, "web", rack)) == (2, ["a"])


def test_services_are_found_by_address(world: World) -> None:
    lan = {"lan": ServiceAddress(address="10.1.1.2")}
    world.register("a", service=replace(WEB, address="10.1.1.1"))
    world.register("b", service=replace(WEB, tagged_addresses=lan))
    for address, node in (("10.1.1.1", "a"), ("10.1.1.2", "b")):
        index, (row,) = services.service_address_nodes(world.read(), None, address)
        assert (index, row.node) == (0, node)
    assert services.service_list(world.read(), None) == (2, [ServiceName(name="web")])


def test_the_services_of_a_node_as_a_list_are_nil_when_there_are_none(world: World) -> None:
    world.register("a")
    index, listed = nodes.node_service_list(world.read(), None, "a")
    assert (index, listed and listed.services) == (1, None)
    world.register("a", service=WEB)
    _, listed = nodes.node_service_list(world.read(), None, "a")
    assert listed is not None
    assert [service.id for service in listed.services or ()] == ["web"]
    assert nodes.node_service_list(world.read(), None, "b") == (0, None)


@pytest.mark.parametrize("kind", ["ingress-gateway", "terminating-gateway"])
def test_gateways_are_found_by_the_services_behind_them(world: World, kind: str) -> None:
    world.register("a", service=NodeService(id="g", service="gate", kind=kind), checks=[])
    mapping = GatewayService(
        gateway=ServiceName(name="gate"), service=ServiceName(name="web"), gateway_kind=kind
    )
    world.apply(lambda txn: txn.put(GATEWAY_SERVICES, b"gate\0web\0", mapping))
    ingress = health.check_ingress_service_nodes(world.read(), None, "web")
    connect = health.check_connect_service_nodes(world.read(), None, "web")
    plain = services.connect_service_nodes(world.read(), None, "web")
    at_gate = [len(found) for _, found in (ingress, connect)]
    assert at_gate == ([1, 0] if kind == "ingress-gateway" else [0, 1])
    assert len(plain[1]) == at_gate[1]


def test_a_gateway_that_comes_wakes_who_waits_for_a_service_behind_it(world: World) -> None:
    mapping = GatewayService(
        gateway=ServiceName(name="gate"),
        service=ServiceName(name="web"),
        gateway_kind="terminating-gateway",
    )
    world.apply(lambda txn: txn.put(GATEWAY_SERVICES, b"gate\0web\0", mapping))
    waiting = world.wait(lambda txn, watch: health.check_connect_service_nodes(txn, watch, "web"))
    world.register("a", service=NodeService(id="g", service="gate", kind="terminating-gateway"))
    assert waiting.woken
