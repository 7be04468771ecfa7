"""Configuration entries over HTTP."""

import json
from typing import Any

import pytest

from server_tests.endpoints.site import Reply, Site, open_site

PUT = "/v1/config"


async def put(site: Site, query: str = "", **entry: Any) -> Reply:
    return await site.ask("PUT", PUT + query, entry)


async def site_with(*entries: dict[str, Any]) -> Site:
    site = open_site()
    for entry in entries:
        reply = await put(site, **entry)
        assert (reply.status, reply.json()) == (200, True), reply.text
    return site


HTTP = {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http", "n": 1, "a": 2}}
WEB = {"Kind": "service-defaults", "Name": "web", "Protocol": "HTTP"}


async def test_an_entry_is_put_read_and_deleted() -> None:
    site = await site_with(WEB)
    reply = await site.ask("GET", "/v1/config/service-defaults/web")
    assert reply.text == (
        '{"Kind":"service-defaults","Name":"web","Protocol":"http","MeshGateway":{},"Expose":{},'
        '"CreateIndex":11,"ModifyIndex":11}'
    )
    assert reply.index == 11
    assert "X-Consul-Effective-Consistency" not in reply.headers
    reply = await site.ask("DELETE", "/v1/config/service-defaults/web")
    assert (reply.status, reply.text) == (200, "{}")
    reply = await site.ask("GET", "/v1/config/service-defaults/web")
    assert (reply.status, reply.index) == (404, 12)
    assert reply.text == 'Config entry not found for "service-defaults" / "web"'


async def test_a_kind_is_listed_and_all_kinds_are() -> None:
    site = await site_with(HTTP, WEB)
    listed = await site.ask("GET", "/v1/config/service-defaults")
    assert [entry["Name"] for entry in listed.json()] == ["web"]
    listed = await site.ask("GET", "/v1/config/")
    assert [entry["Name"] for entry in listed.json()] == ["global", "web"]
    listed = await site.ask("GET", "/v1/config/service-router")
    assert (listed.text, listed.index) == ("[]", 12)


async def test_maps_are_in_order_and_numbers_are_gos() -> None:
    site = await site_with(HTTP)
    reply = await site.ask("GET", "/v1/config/proxy-defaults/global")
    assert '"Config":{"a":2,"n":1,"protocol":"http"}' in reply.text


async def test_durations_are_texts_and_stand_first() -> None:
    route = {
        "Match": {"HTTP": {"PathPrefix": "/"}},
        "Destination": {"Service": "api", "RequestTimeout": "1500ms"},
    }
    site = await site_with(
        HTTP,
        {"Kind": "service-router", "Name": "web", "Routes": [route, {"Destination": {}}, {}]},
        {"Kind": "service-resolver", "Name": "web", "ConnectTimeout": "90s"},
        {"Kind": "service-resolver", "Name": "api"},
    )
    reply = await site.ask("GET", "/v1/config/service-router/web")
    first, second, third = reply.json()["Routes"]
    assert next(iter(first["Destination"].items())) == ("RequestTimeout", "1.5s")
    assert (second, third) == ({"Destination": {}}, {})
    reply = await site.ask("GET", "/v1/config/service-resolver/web")
    assert reply.text.startswith('{"ConnectTimeout":"1m30s","Kind":"service-resolver"')
    reply = await site.ask("GET", "/v1/config/service-resolver/api")
    assert "ConnectTimeout" not in reply.json()


async def test_a_check_and_set_says_whether_it_won() -> None:
    site = open_site()
    assert (await put(site, "?cas=7", **WEB)).json() is False
    assert (await put(site, "?cas=0", **WEB)).json() is True
    assert (await put(site, "?cas=0", **WEB)).json() is False
    reply = await put(site, "?cas=x", **WEB)
    assert (reply.status, reply.text) == (500, 'strconv.ParseUint: parsing "x": invalid syntax')


@pytest.mark.parametrize(
    ("entry", "status", "words"),
    [
        ({"Kind": "zork"}, 400, "Request decoding failed: invalid config entry kind: zork"),
        ({"Kind": "service-router", "Name": ""}, 500, "Name is required"),
        ({**HTTP, "Config": {"a": {"b": None}}}, 500, "Config holds a null"),
        (
            {"Kind": "service-router", "Name": "web"},
            500,
            "does not permit advanced routing or splitting behavior",
        ),
    ],
)
async def test_what_is_wrong_is_refused(entry: dict[str, Any], status: int, words: str) -> None:
    reply = await put(open_site(), **entry)
    assert reply.status == status
    assert words in reply.text


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "zork/a", 500, "invalid config entry kind: zork"),
        ("GET", "zork", 500, "invalid config entry kind: zork"),
        ("GET", "service-defaults/a?dc=mars", 500, "No path to datacenter"),
        ("GET", "service-defaults/a?index=x", 400, "Invalid index"),
        ("DELETE", "zork/a", 400, "invalid config entry kind: zork"),
        ("DELETE", "zork", 404, "Must provide both a kind and name to delete"),
        ("DELETE", "", 404, "Must provide both a kind and name to delete"),
        ("PUT", "service-defaults/a", 405, "method PUT not allowed"),
    ],
)
async def test_paths_that_name_nothing(method: str, path: str, status: int, text: str) -> None:
    reply = await open_site().ask(method, f"/v1/config/{path}")
    assert (reply.status, reply.text) == (status, text)


async def test_namespaces_are_refused_behind_what_is_wrong_otherwise() -> None:
    site = open_site()
    for method, path, body in (
        ("PUT", "/v1/config?ns=x", WEB),
        ("GET", "/v1/config/service-defaults/a?ns=x", None),
        ("GET", "/v1/config/service-defaults?ns=x", None),
        ("DELETE", "/v1/config/service-defaults/a?ns=x", None),
    ):
        reply = await site.ask(method, path, body)
        assert (reply.status, "Namespaces are a Consul Enterprise feature" in reply.text) == (
            400,
            True,
        )
    assert "invalid config entry kind" in (await put(site, "?ns=x", Kind="zork")).text
    assert "invalid config entry kind" in (await site.ask("DELETE", "/v1/config/zork/a?ns=x")).text


async def test_the_token_of_a_write_goes_with_it() -> None:
    site = open_site()
    seen: list[Any] = []
    call = site.api.call

    async def listening(method: str, request: Any) -> Any:
        seen.append((method, request.token))
        return await call(method, request)

    site.api.call = listening
    await site.ask("PUT", f"{PUT}?token=t", json.dumps(WEB).encode())
    await site.ask("DELETE", "/v1/config/service-defaults/web?token=u")
    await site.ask("GET", "/v1/config/service-defaults/web?token=v")
    assert seen == [
        ("ConfigEntry.Apply", "t"),
        ("ConfigEntry.Delete", "u"),
        ("ConfigEntry.Get", "v"),
    ]
