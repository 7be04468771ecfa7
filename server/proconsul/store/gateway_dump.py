"""What a gateway is said to serve (GatewayServices in Consul's state/catalog.go).

A service that an ingress gateway takes by a wildcard is only served if it speaks the protocol of
the listener, so the entries that say how it speaks are read, too.
"""

from proconsul.model.catalog import GatewayService, ServiceInfo
from proconsul.store import gateway_services, health
from proconsul.store.config_entries import protocol_of_service
from proconsul.store.schema import CONFIG_ENTRIES
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet


def served(
    txn: ReadTransaction, watch: WatchSet | None, gateway: str
) -> tuple[int, list[GatewayService]]:
    """(index, the services behind a gateway)."""
    index, mappings = gateway_services.services_of_gateway(txn, watch, gateway)
    found: list[GatewayService] = []
    for mapping in mappings:
        if mapping.service.name == gateway_services.WILDCARD:
            continue
        if mapping.from_wildcard and mapping.gateway_kind == gateway_services.INGRESS:
            if watch is not None:
                watch.prefix(CONFIG_ENTRIES.name)
            index = max(index, txn.table_index(CONFIG_ENTRIES.name))
            if protocol_of_service(txn, mapping.service.name) != mapping.protocol:
                continue
        found.append(mapping)
    return index, found


def dump(
    txn: ReadTransaction, watch: WatchSet | None, gateway: str
) -> tuple[int, list[ServiceInfo]]:
    """The instances of these services; a service without any stands for itself."""
    index, mappings = served(txn, watch, gateway)
    infos: list[ServiceInfo] = []
    for mapping in mappings:
        at, found = health.check_service_nodes(txn, watch, mapping.service.name)
        index = max(index, at)
        infos += [
            ServiceInfo(
                node=one.node, service=one.service, checks=one.checks, gateway_service=mapping
            )
            for one in found
        ] or [ServiceInfo(gateway_service=mapping)]
    return index, infos
