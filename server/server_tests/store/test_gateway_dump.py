"""What a gateway is said to serve."""

from proconsul.model.catalog import Node, NodeService
from proconsul.model.config_entry import (
    ConfigEntry,
    IngressGatewayConfigEntry,
    IngressListener,
    IngressService,
    LinkedService,
    ServiceConfigEntry,
    TerminatingGatewayConfigEntry,
)
from proconsul.store import config_entries, gateway_dump
from proconsul.store.nodes import ensure_node
from proconsul.store.schema import CONFIG_ENTRIES
from proconsul.store.services import ensure_service
from proconsul.store.state import State
from proconsul.store.watch import WatchSet
from server_tests.store.memory_engine import MemoryEngine


def state_with(*services: str) -> State:
    state = State(MemoryEngine())
    with state.write(1) as txn:
        ensure_node(txn, Node(node="n1", address="10.0.0.1"))
        for name in services:
            ensure_service(txn, "n1", NodeService(id=name, service=name))
    return state


def put(state: State, index: int, entry: ConfigEntry) -> None:
    with state.write(index) as txn:
        config_entries.set_config_entry(txn, entry)


def served(state: State, gateway: str) -> tuple[int, list[str]]:
    index, mappings = gateway_dump.served(state.read(), None, gateway)
    return index, [mapping.service.name for mapping in mappings]


def door(protocol: str, *services: str) -> IngressGatewayConfigEntry:
    listed = [IngressService(name=service) for service in services]
    listener = IngressListener(port=80, protocol=protocol, services=listed)
    return IngressGatewayConfigEntry(name="door", listeners=[listener])


def gate(*services: str) -> TerminatingGatewayConfigEntry:
    linked = [LinkedService(name=service) for service in services]
    return TerminatingGatewayConfigEntry(name="gate", services=linked)


def test_a_wildcard_stands_for_all_services_and_not_for_itself() -> None:
    state = state_with("web", "db")
    put(state, 2, gate("*"))
    assert served(state, "gate") == (2, ["db", "web"])
    assert served(state, "none") == (2, [])


def test_an_ingress_serves_by_a_wildcard_only_who_speaks_its_protocol() -> None:
    state = state_with("web", "db")
    put(state, 2, door("http", "*"))
    assert served(state, "door") == (2, [])
    put(state, 3, ServiceConfigEntry(name="web", protocol="http"))
    assert served(state, "door") == (3, ["web"])
    put(state, 4, ServiceConfigEntry(name="web", protocol="grpc"))
    assert served(state, "door") == (4, [])


def test_who_is_named_is_served_whatever_it_speaks() -> None:
    state = state_with("web")
    put(state, 2, door("tcp", "web"))
    put(state, 3, ServiceConfigEntry(name="web", protocol="http"))
    # And no entry but the gateway's own is looked at.
    assert served(state, "door") == (2, ["web"])


def test_entries_are_waited_for_where_they_decide() -> None:
    def waits(entry: ConfigEntry) -> bool:
        state = state_with("web")
        put(state, 2, entry)
        watch = WatchSet()
        gateway_dump.served(state.read(), watch, entry.name)
        return (CONFIG_ENTRIES.name, b"") in watch.prefixes

    assert waits(door("http", "*"))
    assert not waits(gate("*"))
    assert not waits(door("tcp", "web"))


def test_a_dump_has_the_instances_or_the_service_alone() -> None:
    state = state_with("web")
    put(state, 2, gate("web", "gone"))
    _, infos = gateway_dump.dump(state.read(), None, "gate")
    shown = [
        (info.gateway_service.service.name, info.node and info.node.node)
        for info in infos
        if info.gateway_service is not None
    ]
    assert shown == [("gone", None), ("web", "n1")]
