"""Queries of every kind, about the things that the random commands are about."""

from collections.abc import Callable
from typing import Any

from proconsul.store import checks, health, kv, nodes, services, sessions
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet

IDS = [f"{digit * 8}-0000-0000-0000-000000000000" for digit in "abc"]

Query = Callable[[ReadTransaction, WatchSet | None], tuple[int, Any]]

QUERIES: dict[str, Query] = {
    "key": lambda txn, watch: kv.get(txn, watch, "a/b"),
    "keys": lambda txn, watch: kv.list_entries(txn, watch, "a/"),
    "all keys": lambda txn, watch: kv.list_entries(txn, watch, ""),
    "nodes": nodes.list_nodes,
    "node services": lambda txn, watch: nodes.node_services(txn, watch, "n1"),
    "node services by id": lambda txn, watch: nodes.node_services(txn, watch, "aaaa"),
    "services": services.services,
    "service": lambda txn, watch: services.service_nodes(txn, watch, "web"),
    "tagged": lambda txn, watch: services.service_tag_nodes(txn, watch, "web", ["b"]),
    "connect": lambda txn, watch: services.connect_service_nodes(txn, watch, "web"),
    "node checks": lambda txn, watch: checks.node_checks(txn, watch, "n1"),
    "service checks": lambda txn, watch: checks.service_checks(txn, watch, "web"),
    "critical": lambda txn, watch: checks.checks_in_state(txn, watch, "critical"),
    "health": lambda txn, watch: health.check_service_nodes(txn, watch, "web"),
    "tagged health": lambda txn, watch: health.check_service_tag_nodes(txn, watch, "web", ["a"]),
    "connect health": lambda txn, watch: health.check_connect_service_nodes(txn, watch, "web"),
    "dump": lambda txn, watch: health.service_dump(txn, watch, None),
    "proxies": lambda txn, watch: health.service_dump(txn, watch, "connect-proxy"),
    "node dump": health.node_dump,
    "node info": lambda txn, watch: health.node_info(txn, watch, "n2"),
    "session": lambda txn, watch: sessions.get(txn, watch, IDS[0]),
    "sessions": sessions.list_all,
    "node sessions": lambda txn, watch: sessions.of_node(txn, watch, "n1"),
}
