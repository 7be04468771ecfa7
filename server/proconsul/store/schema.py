"""The tables: name, row type, how keys are made, and in which other orders rows are found.

A key is its parts, each followed by a NUL, the case-insensitive ones lower-cased: so iteration
is in the order of Consul's own indexes (wire/fsm.md section 3). A row is stored as the msgpack
bytes of its struct, which are the bytes of its record in a snapshot.

A secondary is a table of its own: its keys are what the rows are looked up by, followed by the
key of the row; its values are the keys of the rows. Writing a row keeps it (transaction.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from proconsul.model.acl import ACL, ACLAuthMethod, ACLBindingRule, ACLPolicy, ACLRole, ACLToken
from proconsul.model.catalog import GatewayService, Node, ServiceNode
from proconsul.model.config_entry import ConfigEntryRequest
from proconsul.model.connect_ca import CAConfiguration, CAConsulProviderState, CARoot
from proconsul.model.coordinate import Coordinate
from proconsul.model.federation_state import FederationState
from proconsul.model.health import HealthCheck
from proconsul.model.intention import Intention
from proconsul.model.kv import DirEntry, Tombstone
from proconsul.model.operator import AutopilotConfig
from proconsul.model.prepared_query import PreparedQuery
from proconsul.model.session import Session
from proconsul.model.snapshot_record import IndexEntry
from proconsul.wire.gostruct import GoStruct

T = TypeVar("T", bound=GoStruct)

CONNECT_PROXY = "connect-proxy"  # structs.ServiceKindConnectProxy


@dataclass(frozen=True, slots=True)
class Secondary(Generic[T]):
    """One more order of a table's rows; `prefixes` are what one row is found by."""

    name: str
    prefixes: Callable[[T], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """A table of rows of one type."""

    name: str
    row: type[T]
    secondaries: tuple[Secondary[T], ...] = ()


def lower(text: str) -> str:
    """Lower case as Go's strings.ToLower: each character for itself, never more than one."""
    if text.isascii():
        return text.lower()
    return "".join(character.lower()[0] for character in text)


def folded(*parts: str) -> bytes:
    """A key of case-insensitive parts."""
    return b"".join([lower(part).encode("utf-8", "surrogateescape") + b"\0" for part in parts])


def exact(*parts: str) -> bytes:
    """A key of parts as they are."""
    return b"".join(part.encode("utf-8", "surrogateescape") + b"\0" for part in parts)


def text(key: str) -> bytes:
    """A KV key: its bytes, and nothing behind them."""
    return key.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=1024)  # of the names of tables, services and nodes those written most
def index_key(name: str) -> bytes:
    """The key of an entry of the index table, whose names are spelled as the last writer did."""
    return text(lower(name))


def hex_digits(uuid: str) -> bytes:
    """A UUID without its hyphens, whose beginnings are what UUID prefixes match."""
    return text(uuid.replace("-", "").lower())


def hex_flaw(digits: str) -> str:
    """What Go's encoding/hex says against these digits; "" if all are fine."""
    for character in digits:
        if character not in "0123456789abcdefABCDEF":
            shown = f" '{character}'" if character.isprintable() else ""
            return f"encoding/hex: invalid byte: U+{ord(character):04X}{shown}"
    return ""


# ---------------------------------------------------------------- what rows are found by


def _node_id(node: Node) -> Iterator[bytes]:
    if node.id:
        yield hex_digits(node.id) + b"\0"


def _node_meta(node: Node) -> Iterator[bytes]:
    for key, value in (node.meta or {}).items():
        if key:
            yield exact(key, value)


def _service_name(service: ServiceNode) -> Iterator[bytes]:
    if service.service_name:
        yield folded(service.service_name)


def _service_kind(service: ServiceNode) -> Iterator[bytes]:
    yield folded(service.service_kind)


def _service_connect(service: ServiceNode) -> Iterator[bytes]:
    if service.service_kind == CONNECT_PROXY:
        yield folded(service.service_proxy.destination_service_name)
    elif service.service_connect.native:
        yield folded(service.service_name)


def _check_service(check: HealthCheck) -> Iterator[bytes]:
    if check.service_name:
        yield folded(check.service_name)


def _check_status(check: HealthCheck) -> Iterator[bytes]:
    yield exact(check.status)


def _key_session(entry: DirEntry) -> Iterator[bytes]:
    if entry.session:
        yield folded(entry.session)


def _session_node(session: Session) -> Iterator[bytes]:
    yield folded(session.node)


def check_ids(session: Session) -> list[str]:
    """All checks that a session depends on."""
    named = [*(session.checks or ()), *(session.node_checks or ())]
    return named + [check.id for check in session.service_checks or ()]


def _session_checks(session: Session) -> Iterator[bytes]:
    for check_id in check_ids(session):
        yield folded(session.node, check_id)


def _gateway_service(mapping: GatewayService) -> Iterator[bytes]:
    yield folded(mapping.service.name)


def _query_session(query: PreparedQuery) -> Iterator[bytes]:
    if query.session:
        yield folded(query.session)


NODES_BY_ID = Secondary("nodes.id", _node_id)
NODES_BY_META = Secondary("nodes.meta", _node_meta)
SERVICES_BY_NAME = Secondary("services.name", _service_name)
SERVICES_BY_KIND = Secondary("services.kind", _service_kind)
SERVICES_BY_CONNECT = Secondary("services.connect", _service_connect)
CHECKS_BY_NAME = Secondary("checks.service", _check_service)
CHECKS_BY_STATUS = Secondary("checks.status", _check_status)
KVS_BY_SESSION = Secondary("kvs.session", _key_session)
SESSIONS_BY_NODE = Secondary("sessions.node", _session_node)
SESSIONS_BY_CHECK = Secondary("sessions.check", _session_checks)
GATEWAYS_BY_SERVICE = Secondary("gateway-services.service", _gateway_service)
QUERIES_BY_SESSION = Secondary("prepared-queries.session", _query_session)

# ---------------------------------------------------------------- the tables

INDEXES = Table("index", IndexEntry)  # index_key(name)
NODES = Table("nodes", Node, (NODES_BY_ID, NODES_BY_META))  # folded(node)
SERVICES = Table(  # folded(node, service id)
    "services", ServiceNode, (SERVICES_BY_NAME, SERVICES_BY_KIND, SERVICES_BY_CONNECT)
)
CHECKS = Table("checks", HealthCheck, (CHECKS_BY_NAME, CHECKS_BY_STATUS))  # folded(node, check id)
COORDINATES = Table("coordinates", Coordinate)  # folded(node, segment)
KVS = Table("kvs", DirEntry, (KVS_BY_SESSION,))  # text(key)
TOMBSTONES = Table("tombstones", Tombstone)  # text(key)
SESSIONS = Table("sessions", Session, (SESSIONS_BY_NODE, SESSIONS_BY_CHECK))  # folded(id)
PREPARED_QUERIES = Table("prepared-queries", PreparedQuery, (QUERIES_BY_SESSION,))  # folded(id)
AUTOPILOT = Table("autopilot-config", AutopilotConfig)  # b""
INTENTIONS = Table("connect-intentions", Intention)  # folded(id)
CA_ROOTS = Table("connect-ca-roots", CARoot)  # exact(id)
CA_CONFIG = Table("connect-ca-config", CAConfiguration)  # b""
CA_PROVIDER_STATE = Table("connect-ca-builtin", CAConsulProviderState)  # exact(id)
GATEWAY_SERVICES = Table(  # folded(gateway, service) + port
    "gateway-services", GatewayService, (GATEWAYS_BY_SERVICE,)
)
FEDERATION_STATES = Table("federation-states", FederationState)  # folded(datacenter)
ACL_TOKENS = Table("acl-tokens", ACLToken)  # exact(secret id)
ACL_POLICIES = Table("acl-policies", ACLPolicy)  # folded(id)
ACL_ROLES = Table("acl-roles", ACLRole)  # folded(id)
ACL_BINDING_RULES = Table("acl-binding-rules", ACLBindingRule)  # folded(id)
ACL_AUTH_METHODS = Table("acl-auth-methods", ACLAuthMethod)  # folded(name)
ACLS = Table("acls", ACL)  # legacy, folded(id)
# A request without an op: the entry behind the name of its kind. folded(kind, name)
CONFIG_ENTRIES = Table("config-entries", ConfigEntryRequest)
META = "meta"  # of the state itself, in no snapshot: b"applied" is the index of the last entry

# The tables that have other orders, by name.
ORDERED: dict[str, Table[Any]] = {
    table.name: table
    for table in (NODES, SERVICES, CHECKS, KVS, SESSIONS, PREPARED_QUERIES, GATEWAY_SERVICES)
}
