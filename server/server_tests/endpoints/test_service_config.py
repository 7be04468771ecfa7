"""What an agent is told about a service that it registers."""

import asyncio
from typing import Any

from proconsul.model.catalog import ExposeConfig, ExposePath, MeshGatewayConfig
from proconsul.model.config_entry import (
    ConfigEntry,
    ConfigEntryRequest,
    ProxyConfigEntry,
    ServiceConfigEntry,
)
from proconsul.model.config_entry_replies import (
    ServiceConfigRequest,
    ServiceConfigResponse,
    ServiceID,
    UpstreamConfig,
)
from server_tests.endpoints.site import Site, open_site

GLOBAL = ProxyConfigEntry(
    config={"protocol": "http2", "n": 1.5},
    mesh_gateway=MeshGatewayConfig(mode="remote"),
    expose=ExposeConfig(paths=[ExposePath(path="/global")]),
)
OWN = ServiceConfigEntry(
    name="web",
    protocol="grpc",
    mesh_gateway=MeshGatewayConfig(mode="local"),
    expose=ExposeConfig(checks=True, paths=[ExposePath(path="/own")]),
)


async def site_with(*entries: ConfigEntry) -> Site:
    site = open_site()
    for entry in entries:
        await site.call("ConfigEntry.Apply", ConfigEntryRequest(datacenter="dc1", entry=entry))
    return site


async def resolve(site: Site, name: str = "web", **more: Any) -> ServiceConfigResponse:
    request = ServiceConfigRequest(datacenter="dc1", name=name, **more)
    found: ServiceConfigResponse = await site.call("ConfigEntry.ResolveServiceConfig", request)
    return found


async def test_without_entries_there_is_nothing_to_tell() -> None:
    found = await resolve(await site_with(), upstreams=["api"])
    assert found == ServiceConfigResponse(index=1, known_leader=True)


async def test_the_own_entry_goes_over_the_global_one() -> None:
    site = await site_with(GLOBAL, OWN)
    found = await resolve(site)
    assert found.proxy_config == {"protocol": "grpc", "n": 1.5}
    assert (found.mesh_gateway, found.expose) == (OWN.mesh_gateway, OWN.expose)
    other = await resolve(site, "other")
    assert other.proxy_config == GLOBAL.config
    assert (other.mesh_gateway, other.expose) == (GLOBAL.mesh_gateway, GLOBAL.expose)


async def test_an_entry_without_a_word_leaves_the_global_one_as_it_is() -> None:
    found = await resolve(await site_with(GLOBAL, ServiceConfigEntry(name="web")))
    assert (found.proxy_config, found.expose) == (GLOBAL.config, GLOBAL.expose)


async def test_upstreams_have_their_own_protocol_or_the_global_one() -> None:
    api = ServiceConfigEntry(name="api", protocol="tcp")
    without = await site_with(api)
    found = await resolve(without, upstreams=["api", "db"])
    assert found.upstream_configs == {"api": {"protocol": "tcp"}}
    assert found.upstream_id_configs is None
    found = await resolve(await site_with(api, GLOBAL), upstreams=["api", "db"])
    assert found.upstream_configs == {"api": {"protocol": "tcp"}, "db": {"protocol": "http2"}}


async def test_newer_agents_are_told_by_ids_alone() -> None:
    site = await site_with(ServiceConfigEntry(name="api", protocol="tcp"))
    ids = [ServiceID(id="api"), ServiceID(id="db"), ServiceID(id="api")]
    found = await resolve(site, upstreams=["api"], upstream_ids=ids)
    assert found.upstream_configs is None
    assert found.upstream_id_configs == [
        UpstreamConfig(upstream=ServiceID(id="api"), config={"protocol": "tcp"})
    ]


async def test_the_defaults_of_an_upstream_are_waited_for() -> None:
    site = await site_with(OWN)
    waiting = asyncio.ensure_future(resolve(site, upstreams=["api"], min_query_index=11))
    await asyncio.sleep(1)
    assert not waiting.done()
    entry = ServiceConfigEntry(name="api", protocol="http")
    await site.call("ConfigEntry.Apply", ConfigEntryRequest(datacenter="dc1", entry=entry))
    assert (await waiting).upstream_configs == {"api": {"protocol": "http"}}
