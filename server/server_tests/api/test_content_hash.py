"""Hashes of services are those of a real agent (captured from Consul 1.8.7)."""

import pytest

from proconsul.api.agent_forms import agent_service, hash_of
from proconsul.model.catalog import (
    ConnectProxyConfig,
    NodeService,
    ServiceAddress,
    ServiceConnect,
    Upstream,
    Weights,
)

ONE = Weights(passing=1, warning=1)
PLAIN = NodeService(id="bare", service="bare", weights=ONE)
TAGGED = NodeService(
    id="web1",
    service="web",
    tags=["a", "b"],
    port=80,
    address="10.0.0.1",
    meta={"v": "1"},
    enable_tag_override=True,
    weights=Weights(passing=10, warning=2),
    tagged_addresses={
        "lan_ipv4": ServiceAddress(address="10.0.0.1", port=80),
        "wan": ServiceAddress(address="1.2.3.4", port=90),
        "wan_ipv4": ServiceAddress(address="10.0.0.1", port=80),
    },
)
NATIVE = NodeService(
    id="nat", service="nat", port=84, weights=ONE, connect=ServiceConnect(native=True)
)
PROXY = NodeService(
    kind="connect-proxy",
    id="px",
    service="px",
    port=85,
    weights=ONE,
    proxy=ConnectProxyConfig(
        destination_service_name="web",
        config={"x": "y", "n": 1.5},
        upstreams=[
            Upstream(
                destination_type="service",
                destination_name="db",
                local_bind_port=99,
                config={"a": 1.0},
            )
        ],
    ),
)
GATEWAY = NodeService(kind="mesh-gateway", id="gw", service="gw", port=86, weights=ONE)


@pytest.mark.parametrize(
    ("service", "digits"),
    [
        (PLAIN, "8b5862b687a47444"),
        (TAGGED, "2f9f2b645a304878"),
        (NATIVE, "3ffd4195a7fec371"),
        (PROXY, "5f3f7e14b5652769"),
        (GATEWAY, "8ba0f6cef8da96c6"),
    ],
    ids=["plain", "tagged", "native", "proxy", "gateway"],
)
def test_the_hash_is_that_of_a_real_agent(service: NodeService, digits: str) -> None:
    assert hash_of(agent_service(service)) == digits


def test_the_order_of_maps_does_not_count_that_of_lists_does() -> None:
    turned = NodeService(id="s", service="s", meta={"b": "2", "a": "1"}, tags=["x", "y"])
    straight = NodeService(id="s", service="s", meta={"a": "1", "b": "2"}, tags=["x", "y"])
    other = NodeService(id="s", service="s", meta={"a": "1", "b": "2"}, tags=["y", "x"])
    assert hash_of(agent_service(turned)) == hash_of(agent_service(straight))
    assert hash_of(agent_service(straight)) != hash_of(agent_service(other))
