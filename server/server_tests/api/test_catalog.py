"""`/v1/catalog/`: what clients send and get."""

import asyncio
from typing import Any

import pytest

from proconsul.api.surface import HttpSettings
from server_tests.endpoints.site import Site, open_site

WEB = {"Service": "web", "ID": "w1", "Port": 80, "Tags": ["a", "b"]}


async def register(site: Site, node: str = "n2", **more: Any) -> None:
    reply = await site.ask(
        "PUT", "/v1/catalog/register", {"Node": node, "Address": "10.0.0.2", **more}
    )
    assert (reply.status, reply.body) == (200, b"true")


async def test_what_is_registered_can_be_looked_up() -> None:
    site = open_site()
    await register(site, NodeMeta={"rack": "1"}, Service=WEB)
    found = (await site.ask("GET", "/v1/catalog/service/web")).json()
    assert [(row["Node"], row["ServiceID"], row["ServicePort"]) for row in found] == [
        ("n2", "w1", 80)
    ]
    assert (await site.ask("GET", "/v1/catalog/services")).json() == {"web": ["a", "b"]}
    node = (await site.ask("GET", "/v1/catalog/node/n2")).json()
    assert list(node["Services"]) == ["w1"]
    listed = (await site.ask("GET", "/v1/catalog/node-services/n2")).json()
    assert [row["ID"] for row in listed["Services"]] == ["w1"]


async def test_lists_that_clients_go_through_are_never_null() -> None:
    site = open_site()
    await register(site, Service={"Service": "bare"})
    [row] = (await site.ask("GET", "/v1/catalog/service/bare")).json()
    assert (row["ServiceTags"], row["ServiceMeta"]) == ([], {})
    node = (await site.ask("GET", "/v1/catalog/node/n2")).json()
    assert node["Services"]["bare"]["Tags"] == []
    for path in ("nodes?node-meta=a:b", "service/none", "connect/none"):
        assert (await site.ask("GET", f"/v1/catalog/{path}")).body == b"[]"


async def test_an_unknown_node_is_null_and_has_an_index() -> None:
    site = open_site()
    reply = await site.ask("GET", "/v1/catalog/node/none")
    assert (reply.status, reply.body, reply.index) == (200, b"null", 1)
    reply = await site.ask("GET", "/v1/catalog/node-services/none")
    assert reply.json() == {"Node": None, "Services": None}


async def test_deregistering_takes_a_check_a_service_or_all() -> None:
    site = open_site()
    await register(site, Service=WEB, Check={"Name": "alive"})
    for what, left in (
        ({"CheckID": "alive"}, 0),
        ({"ServiceID": "w1"}, 0),
    ):
        reply = await site.ask("PUT", "/v1/catalog/deregister", {"Node": "n2", **what})
        assert reply.body == b"true"
        assert len((await site.ask("GET", "/v1/health/node/n2")).json()) == left
    assert (await site.ask("GET", "/v1/catalog/node/n2")).json()["Services"] == {}
    await site.ask("PUT", "/v1/catalog/deregister", {"Node": "n2"})
    assert (await site.ask("GET", "/v1/catalog/nodes")).body == b"[]"


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "text"),
    [
        ("PUT", "/v1/catalog/register", {}, 500, "Must provide node"),
        ("PUT", "/v1/catalog/register", b"", 400, "Request decode failed: EOF"),
        (
            "PUT",
            "/v1/catalog/register",
            {"Nodd": "x"},
            400,
            'Request decode failed: json: unknown field "Nodd"',
        ),
        ("PUT", "/v1/catalog/deregister", {}, 500, "Must provide node"),
        ("GET", "/v1/catalog/register", None, 405, "method GET not allowed"),
        ("GET", "/v1/catalog/service/", None, 400, "Missing service name"),
        ("GET", "/v1/catalog/node/", None, 400, "Missing node name"),
        ("GET", "/v1/catalog/node-services/", None, 400, "Missing node name"),
        ("GET", "/v1/catalog/gateway-services/", None, 400, "Missing gateway name"),
        ("GET", "/v1/catalog/nodes?dc=other", None, 500, "No path to datacenter"),
        ("GET", "/v1/catalog/nodes?index=x", None, 400, "Invalid index"),
        (
            "GET",
            "/v1/catalog/services?ns=x",
            None,
            400,
            'Bad request: Invalid query parameter: "ns" - Namespaces are a Consul Enterprise '
            "feature",
        ),
        (
            "GET",
            "/v1/catalog/service/x?filter=Zork==1",
            None,
            500,
            'Failed to create boolean expression evaluator: Selector "Zork" is not valid',
        ),
        (
            "GET",
            "/v1/catalog/datacenters?stale&consistent",
            None,
            400,
            'Cannot specify ?stale with ?consistent, conflicting semantics.["dc1"]',
        ),
    ],
)
async def test_bad_input_gets_its_status_and_text(
    method: str, target: str, body: object, status: int, text: str
) -> None:
    reply = await open_site().ask(method, target, body)
    assert (reply.status, reply.text) == (status, text)


async def test_a_read_that_fails_has_the_headers_of_no_answer() -> None:
    reply = await open_site().ask("GET", "/v1/catalog/nodes?dc=other")
    assert reply.headers["X-Consul-Index"] == "1"
    assert reply.headers["X-Consul-Knownleader"] == "false"


@pytest.mark.parametrize(
    ("query", "level"),
    [
        ("", "leader"),
        ("?stale", "stale"),
        ("?consistent", "consistent"),
        ("?max_stale=1s", "stale"),
    ],
)
async def test_the_answer_says_how_consistent_it_is(query: str, level: str) -> None:
    reply = await open_site().ask("GET", f"/v1/catalog/nodes{query}")
    assert reply.headers["X-Consul-Effective-Consistency"] == level


async def test_several_tags_must_all_be_there() -> None:
    site = open_site()
    await register(site, "n2", Service=WEB)
    await register(site, "n3", Service={**WEB, "Tags": ["A"]})

    async def nodes(query: str) -> list[str]:
        rows = (await site.ask("GET", f"/v1/catalog/service/web?{query}")).json()
        return [row["Node"] for row in rows]

    assert await nodes("tag=a") == ["n2", "n3"]
    assert await nodes("tag=a&tag=b") == ["n2"]
    assert await nodes("tag=c") == []


async def test_a_waiting_read_wakes_for_its_own_service_alone() -> None:
    site = open_site()
    await register(site, Service=WEB)
    index = (await site.ask("GET", "/v1/catalog/service/web")).index
    waiting = asyncio.ensure_future(
        site.ask("GET", f"/v1/catalog/service/web?index={index}&wait=60s")
    )
    await asyncio.sleep(0)
    await register(site, Service={"Service": "db"})
    await asyncio.sleep(1)
    assert not waiting.done()
    await register(site, "n3", Service=WEB)
    assert (await waiting).index > index


async def test_the_cache_knows_what_was_asked_before() -> None:
    site = open_site()
    await register(site, Service=WEB)

    async def asked(query: str) -> tuple[str, str]:
        reply = await site.ask("GET", f"/v1/catalog/service/web{query}")
        return reply.headers.get("X-Cache", "-"), reply.headers.get("Age", "-")

    assert await asked("") == ("-", "-")
    assert await asked("?cached") == ("MISS", "-")
    assert await asked("?cached") == ("HIT", "0")
    assert await asked("?cached&tag=a") == ("MISS", "-")
    # It is never older than the state itself.
    await register(site, "n3", Service=WEB)
    reply = await site.ask("GET", "/v1/catalog/service/web?cached")
    assert len(reply.json()) == 2


async def test_a_cached_read_waits_like_any_other() -> None:
    site = open_site()
    await register(site, Service=WEB)
    path = "/v1/catalog/service/web?cached"
    index = (await site.ask("GET", path)).index
    waiting = asyncio.ensure_future(site.ask("GET", f"{path}&index={index}&wait=60s"))
    await asyncio.sleep(1)
    assert not waiting.done()
    await register(site, "n3", Service=WEB)
    reply = await waiting
    assert (reply.headers["X-Cache"], len(reply.json())) == ("MISS", 2)


async def test_cached_datacenters_grow_old() -> None:
    site = open_site()

    async def asked(control: str) -> tuple[str, str]:
        reply = await site.ask(
            "GET", "/v1/catalog/datacenters?cached", headers={"Cache-Control": control}
        )
        return reply.headers["X-Cache"], reply.headers.get("Age", "-")

    assert await asked("") == ("MISS", "-")
    await asyncio.sleep(20)
    assert await asked("") == ("HIT", "20")
    assert await asked("max-age=60") == ("HIT", "20")
    assert await asked("max-age=10") == ("MISS", "-")
    assert await asked("max-age=10") == ("HIT", "0")
    assert await asked("must-revalidate") == ("MISS", "-")


async def test_addresses_of_this_datacenter_are_not_translated() -> None:
    site = open_site(HttpSettings(translate_wan_addresses=True))
    await register(site, TaggedAddresses={"wan": "1.2.3.4"})
    reply = await site.ask("GET", "/v1/catalog/nodes")
    assert reply.json()[0]["Address"] == "10.0.0.2"
    assert reply.headers["X-Consul-Translate-Addresses"] == "true"


async def test_a_request_for_another_datacenter_by_query_registers_here() -> None:
    # Consul looks at the body alone.
    site = open_site()
    body = {"Node": "n2", "Address": "10.0.0.2"}
    assert (await site.ask("PUT", "/v1/catalog/register?dc=other", body)).status == 200
    assert (await site.ask("GET", "/v1/catalog/node/n2")).json()["Node"]["Datacenter"] == "dc1"


async def test_namespaces_in_a_body_are_refused_with_where_to_get_them() -> None:
    site = open_site()
    body = {"Node": "n2", "Address": "10.0.0.2", "Service": {"Service": "a", "Namespace": "b"}}
    for path, sent in (("register", body), ("deregister", {"Node": "n2", "Namespace": "b"})):
        refused = await site.ask("PUT", f"/v1/catalog/{path}", sent)
        assert refused.body.endswith(
            b'unknown field "Namespace" - Namespaces are a Consul Enterprise feature'
        )
    misspelt = await site.ask("PUT", "/v1/catalog/deregister", {"Node": "n2", "Namespaces": "b"})
    assert misspelt.body.endswith(b'unknown field "Namespaces"')
