"""`ConfigEntry.*`: the configuration entries of the mesh.

Writes go to the primary datacenter, wherever they are sent. The leader brings an entry into its
stored form and refuses what is wrong in itself; whether it fits the others is part of applying it.
"""

from typing import Any

from msgspec.structs import replace

from proconsul.endpoints.blocking import blocking_query, check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.endpoints.service_config import resolved
from proconsul.endpoints.timing import timed
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType
from proconsul.model.config_entry import (
    KINDS,
    ConfigEntry,
    ConfigEntryQuery,
    ConfigEntryRequest,
)
from proconsul.model.config_entry_replies import (
    ConfigEntryResponse,
    IndexedConfigEntries,
    IndexedGenericConfigEntries,
    ServiceConfigRequest,
    ServiceConfigResponse,
)
from proconsul.model.config_entry_rules import complaint_about, normalised
from proconsul.model.query import DCSpecificRequest
from proconsul.store import config_entries
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet

UPSERT = "upsert"
UPSERT_CAS = "upsert-cas"
DELETE = "delete"


async def apply(context: Context, request: ConfigEntryRequest) -> bool:
    """`ConfigEntry.Apply`: create or change an entry; False says that a check-and-set lost."""
    primary = primary_datacenter(context)
    with timed(context, "config_entry.apply"):
        entry = normalised(request.entry)
        complaint = complaint_about(entry)
        if complaint:
            raise RpcError(complaint)
        # Any other operation means a plain write, as in Consul.
        op = UPSERT_CAS if request.op == UPSERT_CAS else UPSERT
        command = replace(request, entry=entry, op=op, datacenter=primary)
        return await context.log.propose(MessageType.CONFIG_ENTRY, command) is True


async def delete(context: Context, request: ConfigEntryRequest) -> None:
    """`ConfigEntry.Delete`: an absent one is no error."""
    primary = primary_datacenter(context)
    with timed(context, "config_entry.delete"):
        entry = normalised(request.entry)
        command = replace(request, entry=entry, op=DELETE, datacenter=primary)
        await context.log.propose(MessageType.CONFIG_ENTRY, command)


def primary_datacenter(context: Context) -> str:
    """The datacenter that is written in; raises RpcError if it is another than this one."""
    primary = context.facts.primary_datacenter or context.facts.datacenter
    check_datacenter(context, primary)
    return primary


async def get(context: Context, request: ConfigEntryQuery) -> ConfigEntryResponse:
    """`ConfigEntry.Get`: one entry, or none."""
    check_datacenter(context, request.datacenter)
    _check_kind(request.kind)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, ConfigEntry | None]:
        return config_entries.config_entry(state, watch, request.kind, request.name)

    with timed(context, "config_entry.get"):
        answer = await blocking_query(context, request, query)
    return answer.reply(ConfigEntryResponse, entry=answer.value)


async def list_of_kind(context: Context, request: ConfigEntryQuery) -> IndexedConfigEntries:
    """`ConfigEntry.List`: the entries of a kind; of all kinds without one."""
    check_datacenter(context, request.datacenter)
    if request.kind:
        _check_kind(request.kind)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[ConfigEntry]]:
        return config_entries.config_entries(state, watch, request.kind)

    with timed(context, "config_entry.list"):
        answer = await blocking_query(context, request, query)
    return answer.reply(IndexedConfigEntries, kind=request.kind, entries=answer.value)


async def list_all(context: Context, request: DCSpecificRequest) -> IndexedGenericConfigEntries:
    """`ConfigEntry.ListAll`: the entries of all kinds, for who replicates them."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[ConfigEntry]]:
        return config_entries.config_entries(state, watch, "")

    with timed(context, "config_entry.listAll"):
        answer = await blocking_query(context, request, query)
    return answer.reply(IndexedGenericConfigEntries, entries=answer.value)


async def resolve_service_config(
    context: Context, request: ServiceConfigRequest
) -> ServiceConfigResponse:
    """`ConfigEntry.ResolveServiceConfig`: what an agent mixes into a proxy that it registers."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, dict[str, Any]]:
        return resolved(state, watch, request)

    with timed(context, "config_entry.resolve_service_config"):
        answer = await blocking_query(context, request, query)
    return answer.reply(ServiceConfigResponse, **answer.value)


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise RpcError(f"invalid config entry kind: {kind}")


METHODS = {
    "ConfigEntry.Apply": Method(ConfigEntryRequest, apply, primary=True),
    "ConfigEntry.Delete": Method(ConfigEntryRequest, delete, primary=True),
    "ConfigEntry.Get": Method(ConfigEntryQuery, get, read=True),
    "ConfigEntry.List": Method(ConfigEntryQuery, list_of_kind, read=True),
    "ConfigEntry.ListAll": Method(DCSpecificRequest, list_all, read=True),
    "ConfigEntry.ResolveServiceConfig": Method(
        ServiceConfigRequest, resolve_service_config, read=True
    ),
}
