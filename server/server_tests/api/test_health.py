"""`/v1/health/`: what clients send and get."""

import asyncio
from typing import Any

import pytest

from proconsul.api.health import passing
from proconsul.model.catalog import CheckServiceNode, Node
from proconsul.model.health import HealthCheck
from server_tests.endpoints.site import Site, open_site


async def instance(site: Site, node: str, status: str, **more: Any) -> None:
    check = {"CheckID": "c", "Name": "c", "Status": status, "ServiceID": "web"}
    body = {
        "Node": node,
        "Address": "10.0.0.2",
        "Service": {"Service": "web", **more},
        "Check": check,
    }
    assert (await site.ask("PUT", "/v1/catalog/register", body)).status == 200


async def nodes(site: Site, query: str) -> list[str]:
    rows = (await site.ask("GET", f"/v1/health/service/web{query}")).json()
    return [row["Node"]["Node"] for row in rows]


async def test_only_instances_whose_checks_all_pass() -> None:
    site = open_site()
    await instance(site, "n1", "passing")
    await instance(site, "n2", "warning")
    for query in ("?passing", "?passing=", "?passing=1", "?passing=true"):
        assert await nodes(site, query) == ["n1"]
    for query in ("", "?passing=0", "?passing=false"):
        assert await nodes(site, query) == ["n1", "n2"]
    reply = await site.ask("GET", "/v1/health/service/web?passing=yes")
    assert (reply.status, reply.text) == (400, "Invalid value for ?passing")


def test_the_last_instance_takes_the_place_of_one_left_out() -> None:
    def row(name: str, status: str) -> CheckServiceNode:
        return CheckServiceNode(node=Node(node=name), checks=[HealthCheck(status=status)])

    rows = [row("a", "critical"), row("b", "passing"), row("c", "warning"), row("d", "passing")]
    assert [one.node and one.node.node for one in passing(rows)] == ["d", "b"]
    assert len(rows) == 4


async def test_filters_metadata_and_tags_narrow_together() -> None:
    site = open_site()
    await instance(site, "n1", "passing", Tags=["a"], Meta={"v": "1"})
    await instance(site, "n2", "passing", Tags=["a"], Meta={"v": "2"})
    assert await nodes(site, "?tag=a&filter=Service.Meta.v==2") == ["n2"]
    assert await nodes(site, "?tag=b") == []
    assert await nodes(site, "?node-meta=x:y") == []


async def test_checks_are_found_by_node_service_and_state() -> None:
    site = open_site()
    await instance(site, "n1", "passing")
    await instance(site, "n2", "critical")
    for path, found in (
        ("node/n1", ["n1"]),
        ("checks/web", ["n1", "n2"]),
        ("state/critical", ["n2"]),
        ("state/any", ["n1", "n2"]),
        ("state/unheard", []),
    ):
        rows = (await site.ask("GET", f"/v1/health/{path}")).json()
        assert [row["Node"] for row in rows] == found


async def test_a_check_of_a_node_has_a_list_of_tags_and_its_durations_as_texts() -> None:
    site = open_site()
    definition = {"HTTP": "http://x", "Interval": "10s", "TTL": "3s", "Timeout": 1_500_000_000}
    body = {
        "Node": "n1",
        "Address": "10.0.0.2",
        "Check": {"Name": "c", "Definition": definition},
    }
    await site.ask("PUT", "/v1/catalog/register", body)
    [check] = (await site.ask("GET", "/v1/health/node/n1")).json()
    assert check["ServiceTags"] == []
    assert list(check["Definition"].items()) == [
        ("Interval", "10s"),
        ("Timeout", "1.5s"),
        ("HTTP", "http://x"),
        ("TTL", 3_000_000_000),
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("service/", "Missing service name"),
        ("connect/", "Missing service name"),
        ("ingress/", "Missing service name"),
        ("checks/", "Missing service name"),
        ("node/", "Missing node name"),
        ("state/", "Missing check state"),
    ],
)
async def test_a_path_without_a_name_is_refused(path: str, text: str) -> None:
    reply = await open_site().ask("GET", f"/v1/health/{path}")
    assert (reply.status, reply.text) == (400, text)


async def test_a_watch_on_a_service_that_is_not_there_wakes_when_it_comes() -> None:
    site = open_site()
    index = (await site.ask("GET", "/v1/health/service/web?passing")).index
    waiting = asyncio.ensure_future(
        site.ask("GET", f"/v1/health/service/web?passing&index={index}&wait=60s")
    )
    await asyncio.sleep(1)
    assert not waiting.done()
    await instance(site, "n1", "passing")
    assert len((await waiting).json()) == 1


async def test_a_proxy_is_found_by_what_it_speaks_for() -> None:
    site = open_site()
    proxy = {
        "Service": "web-proxy",
        "Kind": "connect-proxy",
        "Port": 1,
        "Proxy": {"DestinationServiceName": "web", "Config": {"limit": 1}},
    }
    body = {"Node": "n1", "Address": "10.0.0.2", "Service": proxy}
    assert (await site.ask("PUT", "/v1/catalog/register", body)).status == 200
    reply = await site.ask("GET", "/v1/health/connect/web")
    assert [row["Service"]["ID"] for row in reply.json()] == ["web-proxy"]
    assert b'"limit":1}' in reply.body  # a float, spelled as Go does
