"""Configuration entries over RPC."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType
from proconsul.model.config_entry import (
    ConfigEntry,
    ConfigEntryQuery,
    ConfigEntryRequest,
    ProxyConfigEntry,
    ServiceConfigEntry,
    ServiceResolverConfigEntry,
    ServiceRouterConfigEntry,
)
from proconsul.model.config_entry_replies import ConfigEntryResponse, IndexedConfigEntries
from proconsul.model.query import DCSpecificRequest
from server_tests.endpoints.site import FACTS, Site, open_site

HERE = DCSpecificRequest(datacenter="dc1")


async def put(site: Site, entry: ConfigEntry, op: str = "upsert", datacenter: str = "dc1") -> bool:
    request = ConfigEntryRequest(op=op, datacenter=datacenter, entry=entry)
    done: bool = await site.call("ConfigEntry.Apply", request)
    return done


def of(kind: str, name: str = "", **more: Any) -> ConfigEntryQuery:
    return ConfigEntryQuery(datacenter="dc1", kind=kind, name=name, **more)


async def get(site: Site, kind: str, name: str) -> ConfigEntryResponse:
    found: ConfigEntryResponse = await site.call("ConfigEntry.Get", of(kind, name))
    return found


async def names(site: Site, kind: str) -> list[str]:
    found: IndexedConfigEntries = await site.call("ConfigEntry.List", of(kind))
    return [entry.name for entry in found.entries]


async def test_an_entry_is_stored_in_its_normal_form() -> None:
    site = open_site()
    assert await put(site, ServiceConfigEntry(kind="zork", name="web", protocol="HTTP"))
    found = await get(site, "service-defaults", "WEB")
    assert found.entry == ServiceConfigEntry(
        kind="service-defaults", name="web", protocol="http", create_index=11, modify_index=11
    )
    assert found.index == 11
    assert (await get(site, "service-defaults", "none")).entry is None


async def test_a_check_and_set_wins_once() -> None:
    site = open_site()
    entry = ServiceConfigEntry(name="web")
    assert not await put(site, replace_index(entry, 3), "upsert-cas")
    assert await put(site, entry, "upsert-cas")
    assert not await put(site, entry, "upsert-cas")
    assert await put(site, replace_index(entry, 12), "upsert-cas")
    assert await put(site, replace_index(entry, 3), "whatever else")


def replace_index(entry: ServiceConfigEntry, index: int) -> ServiceConfigEntry:
    return ServiceConfigEntry(name=entry.name, modify_index=index)


async def test_what_is_wrong_never_gets_into_the_log() -> None:
    site = open_site()
    with pytest.raises(RpcError, match=r"^Name is required$"):
        await put(site, ServiceRouterConfigEntry())
    poison = ProxyConfigEntry(name="global", config={"a": {"b": None}})
    with pytest.raises(RpcError, match=r"^Config holds a null, which Consul 1\.8 cannot read$"):
        await put(site, poison)
    assert site.log.proposed == []


async def test_what_does_not_fit_the_others_is_refused_when_it_is_applied() -> None:
    site = open_site()
    with pytest.raises(RpcError, match="does not permit advanced routing"):
        await put(site, ServiceRouterConfigEntry(name="web"))
    with pytest.raises(RpcError, match=r"^serviceName is required$"):
        await put(site, ServiceConfigEntry())
    assert site.log.proposed == [MessageType.CONFIG_ENTRY] * 2
    assert await names(site, "") == []


async def test_entries_are_listed_by_kind_and_all_together() -> None:
    site = open_site()
    for entry in (
        ServiceResolverConfigEntry(name="b"),
        ServiceConfigEntry(name="b"),
        ServiceConfigEntry(name="a"),
        ProxyConfigEntry(name="any name"),
    ):
        await put(site, entry)
    assert await names(site, "service-defaults") == ["a", "b"]
    assert await names(site, "service-router") == []
    assert await names(site, "") == ["global", "a", "b", "b"]
    everything = await site.call("ConfigEntry.ListAll", HERE)
    assert [entry.name for entry in everything.entries] == ["global", "a", "b", "b"]


async def test_a_deleted_entry_is_gone_and_an_absent_one_is_no_error() -> None:
    site = open_site()
    await put(site, ServiceConfigEntry(name="web"))
    for _ in range(2):
        request = ConfigEntryRequest(datacenter="mars", entry=ServiceConfigEntry(name="web"))
        assert await site.call("ConfigEntry.Delete", request) is None
    assert await names(site, "") == []


async def test_the_one_proxy_entry_is_deleted_by_any_name() -> None:
    site = open_site()
    await put(site, ProxyConfigEntry(name="global"))
    request = ConfigEntryRequest(datacenter="dc1", entry=ProxyConfigEntry(name="zork"))
    await site.call("ConfigEntry.Delete", request)
    assert await names(site, "") == []


async def test_writes_go_to_the_primary_datacenter_whatever_they_say() -> None:
    site = open_site()
    assert await put(site, ServiceConfigEntry(name="web"), datacenter="mars")
    site.context.facts = replace(FACTS, primary_datacenter="dc0")
    with pytest.raises(RpcError, match=r"^No path to datacenter$"):
        await put(site, ServiceConfigEntry(name="web"))


@pytest.mark.parametrize("method", ["ConfigEntry.Get", "ConfigEntry.List"])
async def test_reads_of_unknown_kinds_and_of_other_datacenters_are_refused(method: str) -> None:
    site = open_site()
    with pytest.raises(RpcError, match=r"^invalid config entry kind: zork$"):
        await site.call(method, of("zork", "a"))
    with pytest.raises(RpcError, match=r"^No path to datacenter$"):
        await site.call(method, ConfigEntryQuery(kind="zork"))


async def test_one_entry_always_has_a_kind() -> None:
    with pytest.raises(RpcError, match=r"^invalid config entry kind: $"):
        await get(open_site(), "", "a")


async def test_a_kind_is_waited_for_and_other_kinds_do_not_wake() -> None:
    site = open_site()
    await put(site, ServiceConfigEntry(name="web"))
    asked = of("service-defaults", min_query_index=11)
    waiting = asyncio.ensure_future(site.call("ConfigEntry.List", asked))
    await asyncio.sleep(1)
    await put(site, ServiceResolverConfigEntry(name="web"))
    await asyncio.sleep(1)
    assert not waiting.done()
    await put(site, ServiceConfigEntry(name="api"))
    found = await waiting
    assert (found.index, [entry.name for entry in found.entries]) == (13, ["api", "web"])
