"""What only other servers and the user interface ask."""

import pytest

from proconsul.errors import RpcError
from proconsul.model.catalog import (
    IndexedCheckServiceNodes,
    IndexedNodeDump,
    IndexedServiceList,
    NodeService,
    NodeSpecificRequest,
    RegisterRequest,
    ServiceDumpRequest,
    ServiceSpecificRequest,
)
from proconsul.model.event import EventFireRequest
from proconsul.model.health import HealthCheck
from proconsul.model.query import DCSpecificRequest
from server_tests.endpoints.site import Site, open_site


async def site_with_two() -> Site:
    site = open_site()
    for node, service in (
        ("n1", NodeService(service="web", tags=["a"])),
        ("n2", NodeService(service="gate", kind="mesh-gateway", port=1)),
    ):
        request = RegisterRequest(
            datacenter="dc1",
            node=node,
            address="10.0.0.1",
            service=service,
            check=HealthCheck(name="alive", status="passing"),
        )
        await site.call("Catalog.Register", request)
    return site


async def test_a_node_is_told_with_its_services_and_checks() -> None:
    site = await site_with_two()
    request = NodeSpecificRequest(datacenter="dc1", node="n1")
    found: IndexedNodeDump = await site.call("Internal.NodeInfo", request)
    assert found.dump is not None
    [info] = found.dump
    assert [service.id for service in info.services or ()] == ["web"]
    assert [check.check_id for check in info.checks or ()] == ["alive"]
    request = NodeSpecificRequest(datacenter="dc1", node="none")
    assert (await site.call("Internal.NodeInfo", request)).dump is None


async def test_all_nodes_can_be_filtered() -> None:
    site = await site_with_two()

    async def nodes(expression: str) -> list[str]:
        request = DCSpecificRequest(datacenter="dc1", filter=expression)
        found: IndexedNodeDump = await site.call("Internal.NodeDump", request)
        return [info.node for info in found.dump or ()]

    assert await nodes("") == ["n1", "n2"]
    assert await nodes("Node == n2") == ["n2"]


async def test_services_are_dumped_by_kind() -> None:
    site = await site_with_two()

    async def services(**more: object) -> list[str]:
        request = ServiceDumpRequest(datacenter="dc1", **more)  # type: ignore[arg-type]
        found: IndexedCheckServiceNodes = await site.call("Internal.ServiceDump", request)
        return [row.service.service for row in found.nodes or () if row.service]

    assert sorted(await services()) == ["gate", "web"]
    assert await services(use_service_kind=True, service_kind="mesh-gateway") == ["gate"]
    assert await services(use_service_kind=True) == ["web"]
    assert await services(filter="Service.Tags contains a") == ["web"]


async def test_the_names_of_services_alone() -> None:
    site = await site_with_two()
    request = DCSpecificRequest(datacenter="dc1")
    found: IndexedServiceList = await site.call("Catalog.ServiceList", request)
    assert sorted(one.name for one in found.services or ()) == ["gate", "web"]


async def test_what_cannot_be_an_event_is_refused() -> None:
    site = open_site()
    for payload in (None, b"\xc1", b"\x01", b"\x81\xa2ID\xa1x"):
        request = EventFireRequest(datacenter="dc1", name="e", payload=payload)
        with pytest.raises(RpcError, match=r"^Failed to decode event: "):
            await site.call("Internal.EventFire", request)
    assert site.context.user_events.all() == []


async def test_older_agents_name_one_tag_and_checks_have_none() -> None:
    site = await site_with_two()
    request = ServiceSpecificRequest(
        datacenter="dc1", service_name="web", service_tag="b", tag_filter=True
    )
    assert (await site.call("Catalog.ServiceNodes", request)).service_nodes is None
    with pytest.raises(RpcError, match=r"^Tag filtering is not supported$"):
        await site.call("Health.ServiceChecks", request)
    with pytest.raises(RpcError, match=r"^Must provide service name$"):
        await site.call("Health.ServiceNodes", ServiceSpecificRequest(datacenter="dc1"))


async def test_lookups_are_counted_by_service_and_tag() -> None:
    site = await site_with_two()
    request = ServiceSpecificRequest(
        datacenter="dc1", service_name="web", service_tags=["b", "a"], tag_filter=True
    )
    await site.call("Health.ServiceNodes", request)
    counters = site.context.telemetry.newest().counters
    service = ("service", "web")
    assert ("health.service.query", (service,)) in counters
    assert ("health.service.query-tags", (service, ("tag", "a"), ("tag", "b"))) in counters
    assert ("health.service.not-found", (service,)) in counters
