"""What rows are found by in the other orders of their tables: the beginnings of keys there."""

from proconsul.model.catalog import GatewayService, Node, ServiceNode
from proconsul.model.health import HealthCheck
from proconsul.model.kv import DirEntry
from proconsul.model.prepared_query import PreparedQuery
from proconsul.model.service_rules import CONNECT_PROXY
from proconsul.model.session import Session
from proconsul.store.keys import exact, folded, hex_digits


def node_id(node: Node) -> list[bytes]:
    """Its ID, if it has one."""
    return [hex_digits(node.id) + b"\0"] if node.id else []


def node_meta(node: Node) -> list[bytes]:
    """Each pair of its metadata."""
    return [exact(key, value) for key, value in (node.meta or {}).items() if key]


def service_name(service: ServiceNode) -> list[bytes]:
    """The name of the service."""
    return [folded(service.service_name)] if service.service_name else []


def service_kind(service: ServiceNode) -> list[bytes]:
    """Its kind, "" for the ordinary ones."""
    return [folded(service.service_kind)]


def service_connect(service: ServiceNode) -> list[bytes]:
    """The service that it speaks Connect for, if it does."""
    if service.service_kind == CONNECT_PROXY:
        return [folded(service.service_proxy.destination_service_name)]
    if service.service_connect.native:
        return [folded(service.service_name)]
    return []


def check_service(check: HealthCheck) -> list[bytes]:
    """The service that is shown with it."""
    return [folded(check.service_name)] if check.service_name else []


def check_status(check: HealthCheck) -> list[bytes]:
    """How it is."""
    return [exact(check.status)]


def key_session(entry: DirEntry) -> list[bytes]:
    """The session that holds it."""
    return [folded(entry.session)] if entry.session else []


def session_node(session: Session) -> list[bytes]:
    """The node that it lives on."""
    return [folded(session.node)]


def check_ids(session: Session) -> list[str]:
    """All checks that a session depends on."""
    named = [*(session.checks or ()), *(session.node_checks or ())]
    return named + [check.id for check in session.service_checks or ()]


def session_checks(session: Session) -> list[bytes]:
    """The checks that it depends on, each once."""
    return list(dict.fromkeys(folded(session.node, check_id) for check_id in check_ids(session)))


def gateway_service(mapping: GatewayService) -> list[bytes]:
    """The service behind the gateway."""
    return [folded(mapping.service.name)]


def query_session(query: PreparedQuery) -> list[bytes]:
    """The session that it is bound to."""
    return [folded(query.session)] if query.session else []
