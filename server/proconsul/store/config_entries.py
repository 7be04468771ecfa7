"""Configuration entries of the mesh, and the check that a new one fits the others.

(Consul's state/config_entry.go.) An entry is refused in `apply` when the discovery chains that
it touches would no longer compile, or an ingress listener would serve another protocol.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.config_entry import (
    INGRESS_GATEWAY,
    KINDS,
    PROXY_DEFAULTS,
    SERVICE_DEFAULTS,
    SERVICE_RESOLVER,
    SERVICE_ROUTER,
    SERVICE_SPLITTER,
    TERMINATING_GATEWAY,
    ConfigEntry,
    ConfigEntryRequest,
    IngressGatewayConfigEntry,
    IngressListener,
    ProxyConfigEntry,
    ServiceConfigEntry,
    ServiceResolverConfigEntry,
    ServiceRouterConfigEntry,
    ServiceSplitterConfigEntry,
    TerminatingGatewayConfigEntry,
    kind_of,
)
from proconsul.store import gateway_services
from proconsul.store.discovery_chain import (
    RESOLVER,
    ChainEntries,
    compile_chain,
    related_of_resolver,
    related_of_router,
    related_of_splitter,
)
from proconsul.store.keys import folded
from proconsul.store.schema import CONFIG_ENTRIES
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import quote

WILDCARD = "*"
GLOBAL_PROXY = "global"
# The chains are compiled as if in this datacenter; nothing of the verdict hangs on it but the
# names of targets in error texts.
_DATACENTER = "dc1"

E = TypeVar("E", bound=ConfigEntry)


# ---------------------------------------------------------------- reading


def config_entry(
    txn: ReadTransaction, watch: WatchSet | None, kind: str, name: str
) -> tuple[int, ConfigEntry | None]:
    """(index, entry)."""
    if watch is not None:
        watch.exact(CONFIG_ENTRIES.name, folded(kind, name))
    return txn.table_index(CONFIG_ENTRIES.name), _entry(txn, kind, name)


def config_entries(
    txn: ReadTransaction, watch: WatchSet | None, kind: str
) -> tuple[int, list[ConfigEntry]]:
    """(index, all entries of a kind); of every kind when `kind` is empty."""
    prefix = folded(kind) if kind else b""
    if watch is not None:
        watch.prefix(CONFIG_ENTRIES.name, prefix)
    return txn.table_index(CONFIG_ENTRIES.name), list(_entries(txn, prefix))


def _entries(txn: ReadTransaction, prefix: bytes) -> Iterator[ConfigEntry]:
    return (row.entry for row in txn.rows(CONFIG_ENTRIES, prefix))


def _entry(txn: ReadTransaction, kind: str, name: str) -> ConfigEntry | None:
    row = txn.row(CONFIG_ENTRIES, folded(kind, name))
    return None if row is None else row.entry


# ---------------------------------------------------------------- writing


def set_config_entry(txn: WriteTransaction, new: ConfigEntry) -> None:
    """Create or change an entry; RpcError when it does not fit the others."""
    existing = _entry(txn, kind_of(new), new.name)
    created = txn.index if existing is None else existing.create_index
    new = replace(new, create_index=created, modify_index=txn.index)
    _refuse_misfit(txn, kind_of(new), new.name, new)
    if not new.name:
        raise RpcError("failed inserting config entry: object missing primary index")
    insert_config_entry(txn, new, txn.index)


def set_config_entry_cas(txn: WriteTransaction, new: ConfigEntry) -> bool:
    """The same, if the entry still is the one with `new.modify_index` (0: absent)."""
    existing = _entry(txn, kind_of(new), new.name)
    if new.modify_index != (0 if existing is None else existing.modify_index):
        return False
    set_config_entry(txn, new)
    return True


def delete_config_entry(txn: WriteTransaction, kind: str, name: str) -> None:
    """Delete an entry; RpcError when others need it. An absent one is no error."""
    if _entry(txn, kind, name) is None:
        return
    if kind in (INGRESS_GATEWAY, TERMINATING_GATEWAY):
        gateway_services.on_entry_deleted(txn, name)
    _refuse_misfit(txn, kind, name, None)
    txn.remove(CONFIG_ENTRIES.name, folded(kind, name))
    txn.set_index(CONFIG_ENTRIES.name)


def insert_config_entry(txn: WriteTransaction, row: ConfigEntry, at: int) -> None:
    """Write an entry as it is, from a command or a snapshot, with what hangs on it."""
    kind = kind_of(row)
    if isinstance(row, IngressGatewayConfigEntry | TerminatingGatewayConfigEntry):
        before: Any = _entry(txn, kind, row.name)
        gateway_services.on_entry_set(txn, row, before, at)
    txn.put(CONFIG_ENTRIES, folded(kind, row.name), ConfigEntryRequest(entry=row))
    txn.raise_index(CONFIG_ENTRIES.name, value=at)


# ---------------------------------------------------------------- does it fit?


class _Proposed:
    """The entries as they would be with one of them replaced or gone."""

    def __init__(
        self, txn: ReadTransaction, kind: str, name: str, entry: ConfigEntry | None
    ) -> None:
        self.txn = txn
        self.kind = kind
        self.name = name
        self.entry = entry

    def find(self, wanted: type[E], kind: str, name: str) -> E | None:
        """The entry of this kind and name."""
        entry = self.entry
        if (kind, name) != (self.kind, self.name):
            entry = _entry(self.txn, kind, name)
        return entry if isinstance(entry, wanted) else None

    def chain_entries(self, service: str) -> ChainEntries:
        """All entries that the chain of a service may lead to."""
        found = ChainEntries(global_proxy=self.find(ProxyConfigEntry, PROXY_DEFAULTS, GLOBAL_PROXY))
        reached = {service}
        splitters = [service]
        router = self.find(ServiceRouterConfigEntry, SERVICE_ROUTER, service)
        if router is not None:
            found.routers[service] = router
            splitters = list(related_of_router(router))
        resolvers = self._splitters(splitters, found)
        reached.update(resolvers)
        reached.update(self._resolvers(resolvers, found))
        for name in reached:
            defaults = self.find(ServiceConfigEntry, SERVICE_DEFAULTS, name)
            if defaults is not None:
                found.services[name] = defaults
        return found

    def _splitters(self, todo: list[str], found: ChainEntries) -> list[str]:
        seen: dict[str, None] = {}
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen[name] = None
            splitter = self.find(ServiceSplitterConfigEntry, SERVICE_SPLITTER, name)
            if splitter is not None:
                found.splitters[name] = splitter
                todo.extend(related_of_splitter(splitter))
        return list(seen)

    def _resolvers(self, todo: list[str], found: ChainEntries) -> list[str]:
        todo = list(todo)
        seen: dict[str, None] = {}
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen[name] = None
            resolver = self.find(ServiceResolverConfigEntry, SERVICE_RESOLVER, name)
            if resolver is not None:
                found.resolvers[name] = resolver
                todo.extend(related_of_resolver(resolver))
        return list(seen)


def protocol_of_service(txn: ReadTransaction, service: str) -> str:
    """The protocol of a service by its own defaults or the global ones."""
    proposed = _Proposed(txn, "", "", None)
    alone = ChainEntries(global_proxy=proposed.find(ProxyConfigEntry, PROXY_DEFAULTS, GLOBAL_PROXY))
    defaults = proposed.find(ServiceConfigEntry, SERVICE_DEFAULTS, service)
    if defaults is not None:
        alone.services[service] = defaults
    return compile_chain(service, _DATACENTER, alone).protocol


def _refuse_misfit(txn: ReadTransaction, kind: str, name: str, new: ConfigEntry | None) -> None:
    if kind not in KINDS:
        raise RpcError(f"unhandled kind {quote(kind)} during validation of {quote(name)}")
    if kind == PROXY_DEFAULTS and name != GLOBAL_PROXY:
        return
    if kind == INGRESS_GATEWAY:
        _refuse_clash(txn, name, INGRESS_GATEWAY, TERMINATING_GATEWAY)
        if new is None:
            return  # what is left of an ingress gateway is always consistent
    if kind == TERMINATING_GATEWAY:
        _refuse_clash(txn, name, TERMINATING_GATEWAY, INGRESS_GATEWAY)
    chains, ingresses = _touched(txn, kind, name, new)
    for ingress in ingresses:
        chains.update(_named_services(ingress))
    proposed = _Proposed(txn, kind, name, new)
    verdicts: dict[str, tuple[str, str]] = {}
    for service in sorted(chains):
        chain = compile_chain(service, _DATACENTER, proposed.chain_entries(service))
        verdicts[service] = (chain.protocol, chain.nodes[chain.start].type)
    for ingress in ingresses:
        for listener in ingress.listeners or ():
            _refuse_protocols(listener, verdicts, strict=kind == INGRESS_GATEWAY)


def _refuse_clash(txn: ReadTransaction, name: str, own_kind: str, other_kind: str) -> None:
    if _entry(txn, other_kind, name) is not None:
        raise RpcError(
            f"cannot create a {quote(own_kind)} config entry with name {quote(name)}, "
            f"a {quote(other_kind)} config entry with that name already exists"
        )


def _touched(
    txn: ReadTransaction, kind: str, name: str, new: ConfigEntry | None
) -> tuple[set[str], list[IngressGatewayConfigEntry]]:
    """The services whose chains must be compiled again, and the ingresses to check."""
    if isinstance(new, IngressGatewayConfigEntry):
        return set(), [new]
    everything = kind == PROXY_DEFAULTS
    chains = set() if everything else {name}
    ingresses: list[IngressGatewayConfigEntry] = []
    for entry in _entries(txn, b""):
        if not everything and name not in _links(entry):
            continue
        if isinstance(entry, IngressGatewayConfigEntry):
            ingresses.append(entry)
        elif kind_of(entry) in (SERVICE_ROUTER, SERVICE_SPLITTER, SERVICE_RESOLVER):
            chains.add(entry.name)
    return chains, ingresses


def _links(entry: ConfigEntry) -> set[str]:
    """The services that an entry names."""
    if isinstance(entry, ServiceRouterConfigEntry):
        return set(related_of_router(entry))
    if isinstance(entry, ServiceSplitterConfigEntry):
        return set(related_of_splitter(entry))
    if isinstance(entry, ServiceResolverConfigEntry):
        return set(related_of_resolver(entry))
    if isinstance(entry, IngressGatewayConfigEntry):
        return _named_services(entry)
    return set()


def _named_services(ingress: IngressGatewayConfigEntry) -> set[str]:
    listed = (service for one in ingress.listeners or () for service in one.services or ())
    return {service.name for service in listed if service.name != WILDCARD}


def _refuse_protocols(
    listener: IngressListener, verdicts: dict[str, tuple[str, str]], *, strict: bool
) -> None:
    """RpcError for a service that speaks another protocol than the listener.

    A plain resolver behind a tcp listener may, unless the ingress itself is what changes: so
    defaults can be raised to http before the listener is.
    """
    for service in listener.services or ():
        if service.name == WILDCARD:
            continue
        protocol, top_type = verdicts.get(service.name, ("", ""))
        if protocol == listener.protocol:
            continue
        if strict or listener.protocol != "tcp" or top_type != RESOLVER:
            raise RpcError(
                f"service {quote(service.name)} has protocol {quote(protocol)}, which does not "
                f"match defined listener protocol {quote(listener.protocol)}"
            )
