"""Configuration entries of the mesh, and the blobs in which they travel.

An entry in a request stands behind the name of its kind, both in one raw string; a proxy-defaults
entry is such a string by itself, wherever it stands (wire/rpc.md section 2).
"""

from typing import Any, ClassVar

from msgspec.structs import replace

from proconsul.model.catalog import ExposeConfig, MeshGatewayConfig
from proconsul.model.query import QueryOptions, WriteRequest
from proconsul.wire import msgpack
from proconsul.wire.golang import Duration, Float32
from proconsul.wire.gostruct import (
    ConsulWordsError,
    GoStruct,
    WireError,
    fields_from_wire,
    fields_to_wire,
    from_wire,
    stands_as_blob,
    to_wire,
)


class ServiceConfigEntry(GoStruct, frozen=True, kw_only=True):
    """`service-defaults`: what holds for all instances of a service."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"mesh_gateway", "expose", "external_sni", "meta"}
    )
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    kind: str = ""
    name: str = ""
    protocol: str = ""
    mesh_gateway: MeshGatewayConfig = MeshGatewayConfig()
    expose: ExposeConfig = ExposeConfig()
    external_sni: str = ""
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


class ProxyConfigEntry(GoStruct, frozen=True, kw_only=True):
    """`proxy-defaults`: what holds for all proxies."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"mesh_gateway", "expose", "meta"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    kind: str = ""
    name: str = ""
    config: dict[str, Any] | None = None
    mesh_gateway: MeshGatewayConfig = MeshGatewayConfig()
    expose: ExposeConfig = ExposeConfig()
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


class ServiceRouteHTTPMatchHeader(GoStruct, frozen=True, kw_only=True):
    """What a header must be like."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"present", "exact", "prefix", "suffix", "regex", "invert"}
    )

    name: str = ""
    present: bool = False
    exact: str = ""
    prefix: str = ""
    suffix: str = ""
    regex: str = ""
    invert: bool = False


class ServiceRouteHTTPMatchQueryParam(GoStruct, frozen=True, kw_only=True):
    """What a parameter of the query must be like."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"present", "exact", "regex"})

    name: str = ""
    present: bool = False
    exact: str = ""
    regex: str = ""


class ServiceRouteHTTPMatch(GoStruct, frozen=True, kw_only=True):
    """What an HTTP request must be like; all of it has to hold."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"path_exact", "path_prefix", "path_regex", "header", "query_param", "methods"}
    )

    path_exact: str = ""
    path_prefix: str = ""
    path_regex: str = ""
    header: list[ServiceRouteHTTPMatchHeader] | None = None
    query_param: list[ServiceRouteHTTPMatchQueryParam] | None = None
    methods: list[str] | None = None


class ServiceRouteMatch(GoStruct, frozen=True, kw_only=True):
    """What a request must be like, by protocol."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"http"})

    http: ServiceRouteHTTPMatch | None = None


class ServiceRouteDestination(GoStruct, frozen=True, kw_only=True):
    """Where a route leads, and how requests are sent there."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {
            "service",
            "service_subset",
            "namespace",
            "prefix_rewrite",
            "request_timeout",
            "num_retries",
            "retry_on_connect_failure",
            "retry_on_status_codes",
        }
    )

    service: str = ""
    service_subset: str = ""
    namespace: str = ""
    prefix_rewrite: str = ""
    request_timeout: Duration = Duration(0)
    num_retries: int = 0
    retry_on_connect_failure: bool = False
    retry_on_status_codes: list[int] | None = None


class ServiceRoute(GoStruct, frozen=True, kw_only=True):
    """A rule of a router: what matches goes there."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"match", "destination"})

    match: ServiceRouteMatch | None = None
    destination: ServiceRouteDestination | None = None


class ServiceRouterConfigEntry(GoStruct, frozen=True, kw_only=True):
    """`service-router`: which requests to a service go where."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"meta"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    kind: str = ""
    name: str = ""
    routes: list[ServiceRoute] | None = None
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


class ServiceSplit(GoStruct, frozen=True, kw_only=True):
    """A share of a service's traffic, and where it goes."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"service", "service_subset", "namespace"}
    )

    weight: Float32 = Float32(0)
    service: str = ""
    service_subset: str = ""
    namespace: str = ""


class ServiceSplitterConfigEntry(GoStruct, frozen=True, kw_only=True):
    """`service-splitter`: how a service's traffic is shared out."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"meta"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    kind: str = ""
    name: str = ""
    splits: list[ServiceSplit] | None = None
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


class ServiceResolverSubset(GoStruct, frozen=True, kw_only=True):
    """The instances that a filter lets through."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"filter", "only_passing"})

    filter: str = ""
    only_passing: bool = False


class ServiceResolverRedirect(GoStruct, frozen=True, kw_only=True):
    """Where to go instead."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"service", "service_subset", "namespace", "datacenter"}
    )

    service: str = ""
    service_subset: str = ""
    namespace: str = ""
    datacenter: str = ""


class ServiceResolverFailover(GoStruct, frozen=True, kw_only=True):
    """Where to go when there is no healthy instance."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"service", "service_subset", "namespace", "datacenters"}
    )

    service: str = ""
    service_subset: str = ""
    namespace: str = ""
    datacenters: list[str] | None = None


class ServiceResolverConfigEntry(GoStruct, frozen=True, kw_only=True):
    """`service-resolver`: which instances a service has, and where to go without them."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"default_subset", "subsets", "redirect", "failover", "connect_timeout", "meta"}
    )
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    kind: str = ""
    name: str = ""
    default_subset: str = ""
    subsets: dict[str, ServiceResolverSubset] | None = None
    redirect: ServiceResolverRedirect | None = None
    failover: dict[str, ServiceResolverFailover] | None = None
    connect_timeout: Duration = Duration(0)
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


class GatewayTLSConfig(GoStruct, frozen=True, kw_only=True):
    """Whether a gateway speaks TLS."""

    enabled: bool = False


class IngressService(GoStruct, frozen=True, kw_only=True):
    """A service behind an ingress listener, and the host names that it answers to."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"meta"})

    name: str = ""
    hosts: list[str] | None = None
    meta: dict[str, str] | None = None


class IngressListener(GoStruct, frozen=True, kw_only=True):
    """A port of an ingress gateway and the services behind it."""

    port: int = 0
    protocol: str = ""
    services: list[IngressService] | None = None


class IngressGatewayConfigEntry(GoStruct, frozen=True, kw_only=True):
    """Which services a gateway offers to the outside."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"meta"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    kind: str = ""
    name: str = ""
    tls: GatewayTLSConfig = GatewayTLSConfig()
    listeners: list[IngressListener] | None = None
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


class LinkedService(GoStruct, frozen=True, kw_only=True):
    """A service behind a terminating gateway, and how to speak TLS to it."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"name", "ca_file", "cert_file", "key_file", "sni"}
    )

    name: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    sni: str = ""


class TerminatingGatewayConfigEntry(GoStruct, frozen=True, kw_only=True):
    """Which services outside of the mesh a gateway leads to."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"meta"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    kind: str = ""
    name: str = ""
    services: list[LinkedService] | None = None
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


ConfigEntry = (
    ServiceConfigEntry
    | ProxyConfigEntry
    | ServiceRouterConfigEntry
    | ServiceSplitterConfigEntry
    | ServiceResolverConfigEntry
    | IngressGatewayConfigEntry
    | TerminatingGatewayConfigEntry
)

SERVICE_DEFAULTS = "service-defaults"
PROXY_DEFAULTS = "proxy-defaults"
SERVICE_ROUTER = "service-router"
SERVICE_SPLITTER = "service-splitter"
SERVICE_RESOLVER = "service-resolver"
INGRESS_GATEWAY = "ingress-gateway"
TERMINATING_GATEWAY = "terminating-gateway"

KINDS: dict[str, type[ConfigEntry]] = {
    SERVICE_DEFAULTS: ServiceConfigEntry,
    PROXY_DEFAULTS: ProxyConfigEntry,
    SERVICE_ROUTER: ServiceRouterConfigEntry,
    SERVICE_SPLITTER: ServiceSplitterConfigEntry,
    SERVICE_RESOLVER: ServiceResolverConfigEntry,
    INGRESS_GATEWAY: IngressGatewayConfigEntry,
    TERMINATING_GATEWAY: TerminatingGatewayConfigEntry,
}
_KIND_OF: dict[type, str] = {entry_type: kind for kind, entry_type in KINDS.items()}


def kind_of(entry: ConfigEntry) -> str:
    """The kind by the entry's type, whatever its `kind` field says."""
    return _KIND_OF[type(entry)]


def entry_type(kind: str) -> type[ConfigEntry]:
    """The type of a kind's entries; WireError for a kind that Consul 1.8.7 does not know."""
    found = KINDS.get(kind)
    if found is None:
        raise ConsulWordsError(f"invalid config entry kind: {kind}")
    return found


def refuse_poison(config: Any) -> None:
    """Raise WireError for a null in it.

    Consul 1.8.7 cannot decode one, however deep: a server that applies it dies, and again at
    every restart. So it must never get into a log or a snapshot.
    """
    if poison_in(config):
        raise WireError("Config holds a null")


def poison_in(config: Any) -> bool:
    """Whether a proxy's `config`, if there is one, holds a null."""
    todo = [config] if config else []
    while todo:
        value = todo.pop()
        if value is None:
            return True
        if isinstance(value, dict):
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
    return False


class ConfigEntryRequest(WriteRequest, frozen=True, kw_only=True):
    """Write or delete a configuration entry; also its record in a snapshot (op "")."""

    op: str = ""
    datacenter: str = ""
    entry: Any = None  # a ConfigEntry


def _proxy_to_blob(entry: ProxyConfigEntry) -> bytes:
    return msgpack.pack(fields_to_wire(entry))


def _proxy_from_blob(data: bytes) -> ProxyConfigEntry:
    entry = fields_from_wire(ProxyConfigEntry, msgpack.unpack(data))
    refuse_poison(entry.config)
    return entry


def _request_to_blob(request: ConfigEntryRequest) -> bytes:
    fields = fields_to_wire(request)
    fields["Entry"] = to_wire(request.entry)
    return msgpack.pack(kind_of(request.entry)) + msgpack.pack(fields)


def _request_from_blob(data: bytes) -> ConfigEntryRequest:
    kind, fields = msgpack.unpack_all(data, 2)
    entry = from_wire(entry_type(kind), fields.pop("Entry", None) or {})
    return replace(fields_from_wire(ConfigEntryRequest, fields), entry=entry)


stands_as_blob(ProxyConfigEntry, _proxy_to_blob, _proxy_from_blob)
stands_as_blob(ConfigEntryRequest, _request_to_blob, _request_from_blob)


class ConfigEntryQuery(QueryOptions, frozen=True, kw_only=True):
    """Ask for one entry, or all of a kind."""

    kind: str = ""
    name: str = ""
    datacenter: str = ""
