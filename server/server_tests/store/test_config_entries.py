"""Which entries fit together, and which gateways serve what."""

import pytest

from proconsul.errors import RpcError
from proconsul.model.catalog import Node, NodeService
from proconsul.model.config_entry import (
    ConfigEntry,
    IngressGatewayConfigEntry,
    IngressListener,
    IngressService,
    LinkedService,
    ProxyConfigEntry,
    ServiceConfigEntry,
    ServiceResolverConfigEntry,
    ServiceResolverFailover,
    ServiceResolverRedirect,
    ServiceResolverSubset,
    ServiceRoute,
    ServiceRouteDestination,
    ServiceRouterConfigEntry,
    ServiceSplit,
    ServiceSplitterConfigEntry,
    TerminatingGatewayConfigEntry,
)
from proconsul.store import config_entries, gateway_services
from proconsul.store.discovery_chain import ChainEntries, compile_chain
from proconsul.store.nodes import ensure_node
from proconsul.store.services import delete_service, ensure_service
from proconsul.store.state import State
from proconsul.wire.golang import Float32
from server_tests.store.memory_engine import MemoryEngine


def state_with(*entries: ConfigEntry) -> State:
    state = State(MemoryEngine())
    for index, entry in enumerate(entries, start=1):
        with state.write(index) as txn:
            config_entries.set_config_entry(txn, entry)
    return state


def refusal(state: State, entry: ConfigEntry) -> str:
    with (
        pytest.raises(RpcError) as caught,
        state.write(100) as txn,
        txn.undoable(),
    ):
        config_entries.set_config_entry(txn, entry)
    return str(caught.value)


def speaks(name: str, protocol: str, **more: str) -> ServiceConfigEntry:
    return ServiceConfigEntry(name=name, protocol=protocol, **more)  # type: ignore[arg-type]


def splits(name: str, *services: str) -> ServiceSplitterConfigEntry:
    listed = [ServiceSplit(weight=Float32(1), service=service) for service in services]
    return ServiceSplitterConfigEntry(name=name, splits=listed)


def redirects(name: str, to: str, subset: str = "") -> ServiceResolverConfigEntry:
    redirect = ServiceResolverRedirect(service=to, service_subset=subset)
    return ServiceResolverConfigEntry(name=name, redirect=redirect)


def door(name: str, protocol: str, *services: str) -> IngressGatewayConfigEntry:
    listed = [IngressService(name=service) for service in services]
    listener = IngressListener(port=80, protocol=protocol, services=listed)
    return IngressGatewayConfigEntry(name=name, listeners=[listener])


def test_an_entry_keeps_when_it_was_made_and_checks_and_sets() -> None:
    state = state_with(speaks("web", "http"), speaks("Web", "grpc"))
    index, entry = config_entries.config_entry(state.read(), None, "service-defaults", "WEB")
    assert index == 2
    assert entry == speaks("Web", "grpc").__class__(
        name="Web", protocol="grpc", create_index=1, modify_index=2
    )
    with state.write(3) as txn:
        assert not config_entries.set_config_entry_cas(txn, speaks("web", "tcp"))
        right = ServiceConfigEntry(name="web", protocol="tcp", modify_index=2)
        assert config_entries.set_config_entry_cas(txn, right)
        assert config_entries.set_config_entry_cas(txn, speaks("new", "tcp"))
        config_entries.delete_config_entry(txn, "service-defaults", "absent")
        config_entries.delete_config_entry(txn, "service-defaults", "new")
    assert len(config_entries.config_entries(state.read(), None, "")[1]) == 1


@pytest.mark.parametrize(
    ("before", "new", "words"),
    [
        (
            [],
            ServiceRouterConfigEntry(name="web"),
            'discovery chain "web" uses a protocol "tcp" that does not permit advanced routing '
            "or splitting behavior",
        ),
        (
            [speaks("web", "http"), speaks("api", "grpc")],
            splits("web", "api", "web"),
            'discovery chain "web" uses inconsistent protocols; service "web" has "http" which '
            'is not "grpc"',
        ),
        (
            [speaks("web", "http")],
            ServiceRouterConfigEntry(
                name="web",
                routes=[ServiceRoute(destination=ServiceRouteDestination(service_subset="v9"))],
            ),
            'service "web" does not have a subset named "v9"',
        ),
        (
            [redirects("a", "b")],
            redirects("b", "a"),
            "detected circular resolver redirect: "
            "[a.default.dc1 -> b.default.dc1 -> a.default.dc1]",
        ),
        (
            [ProxyConfigEntry(name="global", config={"Protocol": "http"}), splits("a", "x", "b")],
            splits("b", "a"),
            "detected circular reference: "
            "[splitter:a.default -> splitter:b.default -> splitter:a.default]",
        ),
        (
            [speaks("o", "tcp", external_sni="o.example")],
            ServiceResolverConfigEntry(name="o", subsets={"s": ServiceResolverSubset()}),
            'service "o" has an external SNI set; cannot define subsets for external services',
        ),
        (
            [
                ServiceResolverConfigEntry(
                    name="a", failover={"*": ServiceResolverFailover(service="b")}
                )
            ],
            speaks("b", "http"),
            'discovery chain "a" uses inconsistent protocols; service "b" has "http" which is '
            'not "tcp"',
        ),
        (
            [door("door", "tcp", "web")],
            TerminatingGatewayConfigEntry(name="door"),
            'cannot create a "terminating-gateway" config entry with name "door", a '
            '"ingress-gateway" config entry with that name already exists',
        ),
        (
            [],
            door("door", "http", "web"),
            'service "web" has protocol "tcp", which does not match defined listener protocol '
            '"http"',
        ),
        (
            [speaks("web", "http"), door("door", "http", "web")],
            speaks("web", "grpc"),
            'service "web" has protocol "grpc", which does not match defined listener protocol '
            '"http"',
        ),
        (
            [speaks("web", "http"), splits("web", "web")],
            ProxyConfigEntry(name="elsewhere"),
            "",
        ),
        ([door("door", "tcp", "web")], speaks("web", "http"), ""),
    ],
)
def test_an_entry_must_fit_the_others(
    before: list[ConfigEntry], new: ConfigEntry, words: str
) -> None:
    state = state_with(*before)
    if words:
        assert refusal(state, new) == words
    else:
        with state.write(100) as txn:
            config_entries.set_config_entry(txn, new)


def test_an_entry_that_others_need_cannot_be_deleted() -> None:
    state = state_with(speaks("web", "http"), splits("web", "web"))
    with pytest.raises(RpcError, match="does not permit advanced routing"), state.write(9) as txn:
        config_entries.delete_config_entry(txn, "service-defaults", "web")


def test_splitters_behind_splitters_become_one() -> None:
    proxies = ProxyConfigEntry(name="global", config={"protocol": "http"})
    inner, outer = splits("inner", "x", "y"), splits("outer", "inner", "z")
    state = state_with(proxies, inner, outer)
    entries = ChainEntries(splitters={"inner": inner, "outer": outer}, global_proxy=proxies)
    chain = compile_chain("outer", "dc1", entries)
    assert chain.protocol == "http"
    assert chain.start == "splitter:outer.default"
    assert set(chain.nodes) == {
        chain.start,
        *(f"resolver:{name}.default.dc1" for name in ("x", "y", "z")),
    }
    assert config_entries.protocol_of_service(state.read(), "any") == "http"


def gateways(state: State, gateway: str) -> dict[str, bool]:
    """The services of a gateway, and whether a wildcard brought them."""
    _, mappings = gateway_services.services_of_gateway(state.read(), None, gateway)
    return {mapping.service.name: mapping.from_wildcard for mapping in mappings}


def test_a_wildcard_follows_what_is_registered_and_what_is_gone() -> None:
    state = State(MemoryEngine())

    def register(index: int, service: NodeService) -> None:
        with state.write(index) as txn:
            ensure_node(txn, Node(node="n", address="a"))
            ensure_service(txn, "n", service)

    register(1, NodeService(id="web", service="web"))
    register(2, NodeService(id="consul", service="consul"))
    register(3, NodeService(id="p", service="p", kind="mesh-gateway"))
    listed = [LinkedService(name="*", ca_file="ca"), LinkedService(name="named", sni="s")]
    with state.write(4) as txn:
        config_entries.set_config_entry(
            txn, TerminatingGatewayConfigEntry(name="exit", services=listed)
        )
    assert gateways(state, "EXIT") == {"*": False, "named": False, "web": True}
    register(5, NodeService(id="late", service="late"))
    assert gateways(state, "exit")["late"]
    with state.write(6) as txn:
        delete_service(txn, "n", "late")
    assert "late" not in gateways(state, "exit")
    with state.write(7) as txn:
        config_entries.set_config_entry(
            txn, TerminatingGatewayConfigEntry(name="exit", services=listed, meta={"a": "b"})
        )
    assert state.read().table_index("gateway-services") == 6, "the same services: no change"
    with state.write(8) as txn:
        config_entries.delete_config_entry(txn, "terminating-gateway", "exit")
    assert gateways(state, "exit") == {}
    assert state.read().table_index("gateway-services") == 8
