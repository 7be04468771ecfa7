"""Which services stand behind which gateway (the gateway-services table of state/catalog.go).

The mapping is made from ingress and terminating gateway entries. A wildcard in an entry stands
for every ordinary service that is registered, so registrations move it, too.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from proconsul.model.catalog import GatewayService, NodeService, ServiceName
from proconsul.model.config_entry import (
    IngressGatewayConfigEntry,
    TerminatingGatewayConfigEntry,
)
from proconsul.store.keys import folded
from proconsul.store.schema import GATEWAY_SERVICES, GATEWAYS_BY_SERVICE, SERVICES, SERVICES_BY_KIND
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import WatchSet

WILDCARD = "*"
INGRESS = "ingress-gateway"
TERMINATING = "terminating-gateway"
CONSUL_SERVICE = "consul"

GatewayEntry = IngressGatewayConfigEntry | TerminatingGatewayConfigEntry


def mapping_key(gateway: str, service: str, port: int) -> bytes:
    """The key of a mapping."""
    return folded(gateway, service) + (port & (1 << 64) - 1).to_bytes(8, "big")


def services_of_gateway(
    txn: ReadTransaction, watch: WatchSet | None, gateway: str
) -> tuple[int, list[GatewayService]]:
    """(index, mappings) of one gateway, those of wildcards among them."""
    prefix = folded(gateway)
    if watch is not None:
        watch.prefix(GATEWAY_SERVICES.name, prefix)
    return txn.table_index(GATEWAY_SERVICES.name), list(txn.rows(GATEWAY_SERVICES, prefix))


def gateways_of(txn: ReadTransaction, service_name: str) -> Iterator[GatewayService]:
    """The mappings of one service."""
    return txn.rows_by(GATEWAY_SERVICES, GATEWAYS_BY_SERVICE, folded(service_name))


def on_entry_set(
    txn: WriteTransaction, new: GatewayEntry, before: GatewayEntry | None, at: int
) -> None:
    """Rewrite a gateway's mappings at index `at`, if its entry names other services now."""
    if before is not None and _listed(before) == _listed(new):
        return
    _remove_all_of(txn, new.name)
    for mapping in _mappings(new):
        if mapping.service.name == WILDCARD:
            _map_every_service(txn, mapping, at)
        else:
            _put_mapping(txn, mapping, at)
    txn.raise_index(GATEWAY_SERVICES.name, value=at)


def on_entry_deleted(txn: WriteTransaction, gateway: str) -> None:
    """Forget a gateway's mappings."""
    _remove_all_of(txn, gateway)
    txn.raise_index(GATEWAY_SERVICES.name)


def on_service_registered(txn: WriteTransaction, service: NodeService) -> None:
    """Put an ordinary service behind the gateways that take all."""
    if service.kind or service.service == CONSUL_SERVICE:
        return
    for wildcard in list(gateways_of(txn, WILDCARD)):
        _put_mapping(txn, _expanded(wildcard, service.service), txn.index)


def on_last_instance_removed(txn: WriteTransaction, service_name: str) -> None:
    """Forget the mappings that a service had by a wildcard; those by its own name stay."""
    for mapping in list(gateways_of(txn, service_name)):
        if mapping.from_wildcard:
            txn.remove(GATEWAY_SERVICES.name, _key_of(mapping))
            txn.raise_index(GATEWAY_SERVICES.name)


def _listed(entry: GatewayEntry) -> object:
    return entry.listeners if isinstance(entry, IngressGatewayConfigEntry) else entry.services


def _mappings(entry: GatewayEntry) -> Iterable[GatewayService]:
    gateway = ServiceName(name=entry.name)
    if isinstance(entry, IngressGatewayConfigEntry):
        for listener in entry.listeners or ():
            for service in listener.services or ():
                yield GatewayService(
                    gateway=gateway,
                    service=ServiceName(name=service.name),
                    gateway_kind=INGRESS,
                    hosts=service.hosts,
                    port=listener.port,
                    protocol=listener.protocol,
                )
        return
    for linked in entry.services or ():
        yield GatewayService(
            gateway=gateway,
            service=ServiceName(name=linked.name),
            gateway_kind=TERMINATING,
            ca_file=linked.ca_file,
            cert_file=linked.cert_file,
            key_file=linked.key_file,
            sni=linked.sni,
        )


def _map_every_service(txn: WriteTransaction, wildcard: GatewayService, at: int) -> None:
    instances = txn.rows_by(SERVICES, SERVICES_BY_KIND, folded(""))
    for name in dict.fromkeys(row.service_name for row in instances):
        if name == CONSUL_SERVICE:
            continue
        mapping = _expanded(wildcard, name)
        if txn.row(GATEWAY_SERVICES, _key_of(mapping)) is None:  # else it is named by itself
            _put_mapping(txn, mapping, at)
    # Kept for the services that are registered later.
    _put_mapping(txn, wildcard, at)


def _expanded(wildcard: GatewayService, service_name: str) -> GatewayService:
    return replace(wildcard, service=ServiceName(name=service_name), from_wildcard=True)


def _put_mapping(txn: WriteTransaction, mapping: GatewayService, at: int) -> None:
    key = _key_of(mapping)
    existing = txn.row(GATEWAY_SERVICES, key)
    if existing is not None:
        mapping = replace(mapping, create_index=existing.create_index)
        if _same(existing, mapping):
            return
    else:
        mapping = replace(mapping, create_index=at)
    txn.put(GATEWAY_SERVICES, key, replace(mapping, modify_index=at))
    txn.raise_index(GATEWAY_SERVICES.name, value=at)


def _same(one: GatewayService, other: GatewayService) -> bool:
    def shown(row: GatewayService) -> GatewayService:
        return replace(row, hosts=row.hosts or [], create_index=0, modify_index=0)

    return shown(one) == shown(other)


def _key_of(mapping: GatewayService) -> bytes:
    return mapping_key(mapping.gateway.name, mapping.service.name, mapping.port)


def _remove_all_of(txn: WriteTransaction, gateway: str) -> None:
    for key in list(txn.keys(GATEWAY_SERVICES.name, folded(gateway))):
        txn.remove(GATEWAY_SERVICES.name, key)
