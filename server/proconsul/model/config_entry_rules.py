"""What a configuration entry is made into before it is taken, and what makes it wrong.

The leader asks, once, before an entry goes into the log (agent/structs/config_entry.go,
config_entry_gateways.go); whether it fits the other entries is judged when it is applied
(store/config_entries.py). Routers, splitters and resolvers: model/discovery_rules.py.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from proconsul.model.config_entry import (
    INGRESS_GATEWAY,
    PROXY_DEFAULTS,
    SERVICE_DEFAULTS,
    SERVICE_RESOLVER,
    SERVICE_ROUTER,
    SERVICE_SPLITTER,
    TERMINATING_GATEWAY,
    ConfigEntry,
    IngressGatewayConfigEntry,
    IngressListener,
    LinkedService,
    ProxyConfigEntry,
    ServiceConfigEntry,
    ServiceSplitterConfigEntry,
    TerminatingGatewayConfigEntry,
    kind_of,
    poison_in,
)
from proconsul.model.discovery_rules import (
    complaints_about_resolver,
    complaints_about_router,
    complaints_about_splitter,
    normalised_router,
    normalised_splitter,
)
from proconsul.wire.golang import list_of_errors, quote

GLOBAL_PROXY = "global"  # the name of the only proxy-defaults
WILDCARD = "*"

CONFIG_DEPTH_MAX = 100  # of a proxy's settings; what writes and reads them recurses
META_PAIRS_MAX = 64
META_KEY_BYTES_MAX = 128
META_VALUE_BYTES_MAX = 512
HOST_BYTES_MAX = 256  # of a name on the wire of DNS: its labels, each behind its length
LABEL_BYTES_MAX = 63

_ESCAPED = re.compile(r"\\(\d{3}|.)", re.ASCII | re.DOTALL)  # one character of a name

PROTOCOLS = ("tcp", "http", "http2", "grpc")  # of an ingress listener


def normalised(entry: ConfigEntry) -> ConfigEntry:
    """The entry as it is stored: with its kind, protocols in lower case, defaults filled in."""
    kind = kind_of(entry)
    return _NORMALISERS.get(kind, _as_it_is)(replace(entry, kind=kind))


def complaint_about(entry: ConfigEntry) -> str:
    """The first thing that is wrong with a normalised entry, "" if nothing is."""
    return next(_complaints(entry), "")


def _complaints(entry: ConfigEntry) -> Iterator[str]:
    if isinstance(entry, ProxyConfigEntry):
        if poison_in(entry.config):
            yield "Config holds a null, which Consul 1.8 cannot read"
        if _nests_too_deep(entry.config):
            yield f"Config nests deeper than {CONFIG_DEPTH_MAX} levels"
    if kind_of(entry) in _NAMED and not entry.name:
        yield "Name is required"
    if isinstance(entry, ServiceSplitterConfigEntry) and not entry.splits:
        yield "no splits configured"
    wrong_meta = list(_complaints_about_meta(entry.meta or {}))
    if wrong_meta:
        yield list_of_errors(wrong_meta)
    yield from _CHECKERS.get(kind_of(entry), _fine)(entry)


def _nests_too_deep(config: Any) -> bool:
    level = [config]
    for _ in range(CONFIG_DEPTH_MAX + 1):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        level = inner
    return bool(level)


def _complaints_about_meta(meta: Mapping[str, str]) -> Iterator[str]:
    if len(meta) > META_PAIRS_MAX:
        yield f"Meta exceeds maximum element count {META_PAIRS_MAX}"
    for key, value in meta.items():
        if _size_bytes(key) > META_KEY_BYTES_MAX:
            yield f"Meta key {quote(key)} exceeds maximum length {META_KEY_BYTES_MAX}"
        if _size_bytes(value) > META_VALUE_BYTES_MAX:
            yield f"Meta value for key {quote(key)} exceeds maximum length {META_VALUE_BYTES_MAX}"


def _size_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _as_it_is(entry: ConfigEntry) -> ConfigEntry:
    return entry


def _fine(entry: Any) -> Iterable[str]:
    return ()


# ---------------------------------------------------------------- defaults


def _normalised_service(entry: ServiceConfigEntry) -> ServiceConfigEntry:
    return replace(entry, protocol=entry.protocol.lower())


def _normalised_proxy(entry: ProxyConfigEntry) -> ProxyConfigEntry:
    # There is one: whatever it was called, it is that.
    return replace(entry, name=GLOBAL_PROXY)


# ---------------------------------------------------------------- ingress gateways


def _normalised_ingress(entry: IngressGatewayConfigEntry) -> IngressGatewayConfigEntry:
    if entry.listeners is None:
        return entry
    listeners = [
        replace(listener, protocol=listener.protocol.lower() or "tcp")
        for listener in entry.listeners
    ]
    return replace(entry, listeners=listeners)


def _complaints_about_ingress(entry: IngressGatewayConfigEntry) -> Iterator[str]:
    ports: set[int] = set()
    for listener in entry.listeners or ():
        if listener.port in ports:
            yield f"port {listener.port} declared on two listeners"
        ports.add(listener.port)
        if listener.protocol not in PROTOCOLS:
            yield (
                "protocol must be 'tcp', 'http', 'http2', or 'grpc'. "
                f"'{listener.protocol}' is an unsupported protocol"
            )
        if not listener.services:
            yield f"No service declared for listener with port {listener.port}"
        yield from _complaints_about_listener(listener, tls=entry.tls.enabled)


def _complaints_about_listener(listener: IngressListener, *, tls: bool) -> Iterator[str]:
    where = f"(listener on port {listener.port})"
    services = listener.services or []
    if listener.protocol != "http" and len(services) > 1:
        yield f"Multiple services per listener are only supported for protocol = 'http' {where}"
    hosts: set[str] = set()
    for service in services:
        if listener.protocol == "tcp" and service.name == WILDCARD:
            yield f"Wildcard service name is only valid for protocol = 'http' {where}"
        if listener.protocol == "tcp" and service.hosts:
            yield (
                "Associating hosts to a service is not supported for the "
                f"{listener.protocol} protocol {where}"
            )
        if not service.name:
            yield f"Service name cannot be blank {where}"
        if service.name == WILDCARD and service.hosts:
            yield f"Associating hosts to a wildcard service is not supported {where}"
        for host in service.hosts or ():
            if host in hosts:
                yield f"Hosts must be unique within a specific listener {where}"
            hosts.add(host)
            yield from _complaints_about_host(host, tls=tls)


def _complaints_about_host(host: str, *, tls: bool) -> Iterator[str]:
    if host == WILDCARD:
        if tls:
            yield (
                "Host '*' is not allowed when TLS is enabled, all hosts must be valid DNS records "
                "to add as a DNSSAN"
            )
    elif not is_domain_name(host):
        yield f"Host {quote(host)} must be a valid DNS hostname"
    elif WILDCARD in host.removeprefix("*."):
        yield (
            f"Host {quote(host)} is not valid, a wildcard specifier is only allowed as the "
            "leftmost label"
        )


def is_domain_name(text: str) -> bool:
    """What miekg/dns takes as a domain name: it looks at the lengths, not at the characters."""
    name = _ESCAPED.sub("x", text).removesuffix(".")
    if not name:
        return bool(text)  # the root is one, nothing is none
    sizes = [_size_bytes(label) for label in name.split(".")]
    fit = all(0 < size <= LABEL_BYTES_MAX for size in sizes)
    return fit and sum(sizes) + len(sizes) <= HOST_BYTES_MAX


# ---------------------------------------------------------------- terminating gateways


def _complaints_about_terminating(entry: TerminatingGatewayConfigEntry) -> Iterator[str]:
    seen: set[str] = set()
    for service in entry.services or ():
        if not service.name:
            yield "Service name cannot be blank."
        if service.name in seen:
            yield f"Service {quote(service.name)} was specified more than once within a namespace"
        seen.add(service.name)
        if _has_half_of_tls(service):
            yield (
                f"Service {quote(service.name)} must have a CertFile, CAFile, and KeyFile "
                "specified for TLS origination"
            )


def _has_half_of_tls(service: LinkedService) -> bool:
    """A CA alone is enough, to check the other side; a certificate of its own needs all three."""
    own = bool(service.cert_file or service.key_file)
    return own and not (service.ca_file and service.cert_file and service.key_file)


# ---------------------------------------------------------------- by kind

_NAMED = frozenset({SERVICE_ROUTER, SERVICE_SPLITTER, SERVICE_RESOLVER})

_NORMALISERS: dict[str, Callable[[Any], ConfigEntry]] = {
    SERVICE_DEFAULTS: _normalised_service,
    PROXY_DEFAULTS: _normalised_proxy,
    SERVICE_ROUTER: normalised_router,
    SERVICE_SPLITTER: normalised_splitter,
    INGRESS_GATEWAY: _normalised_ingress,
}
_CHECKERS: dict[str, Callable[[Any], Iterable[str]]] = {
    SERVICE_ROUTER: complaints_about_router,
    SERVICE_SPLITTER: complaints_about_splitter,
    SERVICE_RESOLVER: complaints_about_resolver,
    INGRESS_GATEWAY: _complaints_about_ingress,
    TERMINATING_GATEWAY: _complaints_about_terminating,
}
