"""The tables: name, row type, and in which other orders rows are found.

How keys are made stands in keys.py. A row is stored as the msgpack bytes of its struct, which are
the bytes of its record in a snapshot.

A secondary is a table of its own: its keys are what the rows are looked up by, followed by the
key of the row; its values are the keys of the rows. Writing a row keeps it (transaction.py).
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

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
from proconsul.store import orders
from proconsul.store.key_rows import decode_entry, encode_entry
from proconsul.wire.gostruct import GoStruct, encode

T = TypeVar("T", bound=GoStruct)


class Secondary(Struct, Generic[T], frozen=True):
    """One more order of a table's rows; `prefixes` are what one row is found by, each once."""

    name: str
    prefixes: Callable[[T], list[bytes]]


class Table(Struct, Generic[T], frozen=True):
    """A table of rows of one type."""

    name: str
    row: type[T]
    secondaries: tuple[Secondary[T], ...] = ()
    encode: Callable[[T], bytes] = encode  # a row
    decode: Callable[[bytes], T] | None = None  # the same, back; None: wire/rows.py


NODES_BY_ID = Secondary("nodes.id", orders.node_id)
NODES_BY_META = Secondary("nodes.meta", orders.node_meta)
SERVICES_BY_NAME = Secondary("services.name", orders.service_name)
SERVICES_BY_KIND = Secondary("services.kind", orders.service_kind)
SERVICES_BY_CONNECT = Secondary("services.connect", orders.service_connect)
CHECKS_BY_NAME = Secondary("checks.service", orders.check_service)
CHECKS_BY_STATUS = Secondary("checks.status", orders.check_status)
KVS_BY_SESSION = Secondary("kvs.session", orders.key_session)
SESSIONS_BY_NODE = Secondary("sessions.node", orders.session_node)
SESSIONS_BY_CHECK = Secondary("sessions.check", orders.session_checks)
GATEWAYS_BY_SERVICE = Secondary("gateway-services.service", orders.gateway_service)
QUERIES_BY_SESSION = Secondary("prepared-queries.session", orders.query_session)

# ---------------------------------------------------------------- the tables

INDEXES = Table("index", IndexEntry)  # index_key(name)
NODES = Table("nodes", Node, (NODES_BY_ID, NODES_BY_META))  # folded(node)
SERVICES = Table(  # folded(node, service id)
    "services", ServiceNode, (SERVICES_BY_NAME, SERVICES_BY_KIND, SERVICES_BY_CONNECT)
)
CHECKS = Table("checks", HealthCheck, (CHECKS_BY_NAME, CHECKS_BY_STATUS))  # folded(node, check id)
COORDINATES = Table("coordinates", Coordinate)  # folded(node, segment)
KVS = Table("kvs", DirEntry, (KVS_BY_SESSION,), encode_entry, decode_entry)  # text(key)
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
