"""Whether the entries of a service fit together: Consul's discovery chain, compiled.

A chain starts at a service's router, splitter or resolver and ends in resolvers. Compiling it in
`apply` decides whether an entry is taken, so every server must come to the same verdict, in
the same words (agent/consul/discoverychain/compile.go).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct, field

from proconsul.errors import RpcError
from proconsul.model.config_entry import (
    ProxyConfigEntry,
    ServiceConfigEntry,
    ServiceResolverConfigEntry,
    ServiceResolverFailover,
    ServiceRouterConfigEntry,
    ServiceSplitterConfigEntry,
)
from proconsul.wire.golang import quote

NAMESPACE = "default"
ROUTER = "router"
SPLITTER = "splitter"
RESOLVER = "resolver"

_ADVANCED_PROTOCOLS = frozenset({"http", "http2", "grpc"})
_POP = "_popvisit"


class ChainEntries(Struct, frozen=True):
    """The entries that can be reached from one service, by service name."""

    routers: dict[str, ServiceRouterConfigEntry] = field(default_factory=dict)
    splitters: dict[str, ServiceSplitterConfigEntry] = field(default_factory=dict)
    resolvers: dict[str, ServiceResolverConfigEntry] = field(default_factory=dict)
    services: dict[str, ServiceConfigEntry] = field(default_factory=dict)
    global_proxy: ProxyConfigEntry | None = None


class Target(Struct, frozen=True):
    """A subset of a service in a datacenter."""

    service: str
    subset: str
    datacenter: str
    namespace: str = NAMESPACE

    @property
    def id(self) -> str:
        """Its name in a chain, and in error texts."""
        parts = (self.subset, self.service, self.namespace, self.datacenter)
        return ".".join(parts if self.subset else parts[1:])

    def rewritten(self, service: str, subset: str, namespace: str, datacenter: str) -> "Target":
        """What a redirect or failover makes of it; another service forgets the subset."""
        elsewhere = service not in ("", self.service)
        return Target(
            service=service or self.service,
            subset=subset or ("" if elsewhere else self.subset),
            namespace=namespace or self.namespace,
            datacenter=datacenter or self.datacenter,
        )


class Node(Struct):
    """A step of the chain; `next` are the keys of the steps behind it, in order."""

    type: str
    name: str
    next: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Its name in the graph."""
        return f"{self.type}:{self.name}"


class Chain(Struct, frozen=True):
    """A compiled chain: its protocol, where it starts, and its steps by key."""

    protocol: str
    start: str
    nodes: dict[str, Node]


def compile_chain(service: str, datacenter: str, entries: ChainEntries) -> Chain:
    """The chain of a service; RpcError says why the entries do not fit together."""
    if not service:
        raise RpcError("serviceName is required")
    return _Compiler(service, datacenter, entries).compile()


def related_of_router(entry: ServiceRouterConfigEntry) -> Iterator[str]:
    """The services that a router leads to, itself among them."""
    yield entry.name
    for route in entry.routes or ():
        if route.destination is not None and route.destination.service:
            yield route.destination.service


def related_of_splitter(entry: ServiceSplitterConfigEntry) -> Iterator[str]:
    """The other services that a splitter leads to."""
    for split in entry.splits or ():
        if split.service not in ("", entry.name):
            yield split.service


def related_of_resolver(entry: ServiceResolverConfigEntry) -> Iterator[str]:
    """The other services that a resolver leads to."""
    hops = [failover.service for failover in (entry.failover or {}).values()]
    if entry.redirect is not None:
        hops.append(entry.redirect.service)
    for service in hops:
        if service not in ("", entry.name):
            yield service


class _Compiler:
    def __init__(self, service: str, datacenter: str, entries: ChainEntries) -> None:
        self.service = service
        self.datacenter = datacenter
        self.entries = entries
        self.protocol = ""
        self.uses_advanced_features = False
        self.nodes: dict[str, Node] = {}

    def compile(self) -> Chain:
        start = self._assemble()
        self._refuse_circles(start)
        self._flatten_splitters()
        self._remove_unused(start)
        if self.uses_advanced_features and self.protocol not in _ADVANCED_PROTOCOLS:
            raise RpcError(
                f"discovery chain {quote(self.service)} uses a protocol {quote(self.protocol)} "
                "that does not permit advanced routing or splitting behavior"
            )
        return Chain(protocol=self.protocol, start=start, nodes=self.nodes)

    # ---------------------------------------------------------------- assembling

    def _assemble(self) -> str:
        router = self.entries.routers.get(self.service)
        if router is None:
            return self._splitter_or_resolver(self._target(self.service)).key
        node = Node(ROUTER, f"{router.name}.{NAMESPACE}")
        self.uses_advanced_features = True
        self._record_protocol_of(router.name)
        for route in router.routes or ():
            destination = route.destination
            service = (destination.service if destination else "") or self.service
            namespace = (destination.namespace if destination else "") or NAMESPACE
            subset = destination.service_subset if destination else ""
            target = Target(service, subset, self.datacenter, namespace)
            step = self._resolver(target) if subset else self._splitter_or_resolver(target)
            node.next.append(step.key)
        node.next.append(self._splitter_or_resolver(self._target(router.name)).key)
        self.nodes[node.key] = node
        return node.key

    def _target(self, service: str) -> Target:
        return Target(service, "", self.datacenter)

    def _splitter_or_resolver(self, target: Target) -> Node:
        return self._splitter(target.service) or self._resolver(target)

    def _splitter(self, service: str) -> Node | None:
        node = Node(SPLITTER, f"{service}.{NAMESPACE}")
        if node.key in self.nodes:
            return self.nodes[node.key]
        splitter = self.entries.splitters.get(service)
        if splitter is None:
            return None
        # Recorded before its splits: they may lead back here.
        self.nodes[node.key] = node
        for split in splitter.splits or ():
            name = split.service or service
            step = None
            if name != service and not split.service_subset:
                step = self._splitter(name)
            if step is None:
                step = self._resolver(Target(name, split.service_subset, self.datacenter))
            node.next.append(step.key)
        self.uses_advanced_features = True
        return node

    def _resolver(self, target: Target, for_failover: bool = False) -> Node:
        seen: list[str] = []
        while True:
            node = Node(RESOLVER, target.id)
            if node.key in self.nodes:
                return self.nodes[node.key]
            self._record_protocol_of(target.service)
            resolver = self.entries.resolvers.get(target.service) or ServiceResolverConfigEntry(
                name=target.service
            )
            seen.append(target.id)
            if target.id in seen[:-1]:
                raise RpcError(f"detected circular resolver redirect: [{' -> '.join(seen)}]")
            hop = _hop(target, resolver)
            if hop is None:
                break
            target = hop
        if target.subset and target.subset not in (resolver.subsets or {}):
            raise RpcError(
                f"service {quote(target.service)} does not have a subset named "
                f"{quote(target.subset)}"
            )
        self._refuse_external(target, resolver)
        if for_failover:
            return node
        self.nodes[node.key] = node
        for elsewhere in _failover_targets(target, resolver):
            self._resolver(elsewhere, for_failover=True)
        return node

    def _refuse_external(self, target: Target, resolver: ServiceResolverConfigEntry) -> None:
        defaults = self.entries.services.get(target.service)
        if defaults is None or not defaults.external_sni:
            return
        for present, what in (
            (resolver.redirect is not None, "redirects"),
            (bool(resolver.subsets), "subsets"),
            (bool(resolver.failover), "failover"),
        ):
            if present:
                raise RpcError(
                    f"service {quote(target.service)} has an external SNI set; "
                    f"cannot define {what} for external services"
                )

    def _record_protocol_of(self, service: str) -> None:
        defaults = self.entries.services.get(service)
        if defaults is not None:
            named = defaults.protocol
        else:
            named = _global_protocol(self.entries.global_proxy)
        protocol = named.lower() or "tcp"
        if not self.protocol:
            self.protocol = protocol
        elif self.protocol != protocol:
            raise RpcError(
                f"discovery chain {quote(self.service)} uses inconsistent protocols; service "
                f"{quote(service)} has {quote(protocol)} which is not {quote(self.protocol)}"
            )

    # ---------------------------------------------------------------- the finished graph

    def _refuse_circles(self, start: str) -> None:
        todo, visited, chain = [start], set[str](), list[str]()
        while todo:
            current = todo.pop()
            if current == _POP:
                visited.discard(chain.pop())
                continue
            chain.append(current)
            if current in visited:
                raise RpcError(f"detected circular reference: [{' -> '.join(chain)}]")
            visited.add(current)
            todo.append(_POP)
            todo.extend(self.nodes[current].next)

    def _flatten_splitters(self) -> None:
        changed = True
        while changed:
            changed = False
            for node in self.nodes.values():
                if node.type == SPLITTER and any(key.startswith(SPLITTER) for key in node.next):
                    node.next = list(self._past_splitters(node.next))
                    changed = True

    def _past_splitters(self, keys: Iterable[str]) -> Iterator[str]:
        for key in keys:
            node = self.nodes[key]
            if node.type == SPLITTER:
                yield from node.next
            else:
                yield key

    def _remove_unused(self, start: str) -> None:
        used: set[str] = set()
        todo = [start]
        while todo:
            key = todo.pop()
            if key not in used:
                used.add(key)
                todo.extend(self.nodes[key].next)
        self.nodes = {key: node for key, node in self.nodes.items() if key in used}


def _hop(target: Target, resolver: ServiceResolverConfigEntry) -> Target | None:
    """Where a resolver sends a target on: by its redirect, or to its default subset."""
    redirect = resolver.redirect
    if redirect is not None:
        elsewhere = target.rewritten(
            redirect.service, redirect.service_subset, redirect.namespace, redirect.datacenter
        )
        if elsewhere.id != target.id:
            return elsewhere
    if not target.subset and resolver.default_subset:
        return target.rewritten("", resolver.default_subset, "", "")
    return None


def _failover_targets(target: Target, resolver: ServiceResolverConfigEntry) -> Iterator[Target]:
    plans = resolver.failover or {}
    plan: ServiceResolverFailover | None = plans.get(target.subset) or plans.get("*")
    if plan is None:
        return
    for datacenter in plan.datacenters or [""]:
        elsewhere = target.rewritten(plan.service, plan.service_subset, plan.namespace, datacenter)
        if elsewhere.id != target.id:
            yield elsewhere


def _global_protocol(proxy: ProxyConfigEntry | None) -> str:
    """`protocol` of the global proxy's config, read as loosely as mapstructure does."""
    found = ""
    for key, value in ((proxy.config if proxy else None) or {}).items():
        if key == "protocol":
            return _weak_text(value)
        if key.lower() == "protocol":
            found = _weak_text(value)
    return found


def _weak_text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:f}".rstrip("0").rstrip(".")
    return ""
