"""What makes a router, a splitter or a resolver wrong by itself, and how it is stored.

After agent/structs/config_entry_discoverychain.go. Whether a chain of them compiles is another
question: store/discovery_chain.py.
"""

import re
from collections.abc import Container, Iterator

from msgspec.structs import replace

from proconsul.model.config_entry import (
    ServiceResolverConfigEntry,
    ServiceResolverFailover,
    ServiceResolverRedirect,
    ServiceRoute,
    ServiceRouteHTTPMatch,
    ServiceRouteHTTPMatchHeader,
    ServiceRouteHTTPMatchQueryParam,
    ServiceRouterConfigEntry,
    ServiceSplit,
    ServiceSplitterConfigEntry,
)
from proconsul.wire.golang import Float32, format_duration, quote

ANY_SUBSET = "*"
NAMESPACE = "default"  # there are no others without Consul Enterprise
SUBSET_BYTES_MAX = 63  # it becomes a label of a host name
WEIGHT_LIMIT = 2.0**63
WHOLE = 100 * 100  # all of the traffic, in hundredths of a percent

_SUBSET = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)


# ---------------------------------------------------------------- routers


def normalised_router(entry: ServiceRouterConfigEntry) -> ServiceRouterConfigEntry:
    """Methods in capitals; a destination beside a match has the namespace of the router."""
    if entry.routes is None:
        return entry
    return replace(entry, routes=[_normalised_route(route) for route in entry.routes])


def _normalised_route(route: ServiceRoute) -> ServiceRoute:
    match = route.match
    if match is None or match.http is None:
        return route
    destination = route.destination
    if destination is not None:
        destination = replace(destination, namespace=destination.namespace or NAMESPACE)
    methods = match.http.methods and [method.upper() for method in match.http.methods]
    http = replace(match.http, methods=methods)
    return replace(route, match=replace(match, http=http), destination=destination)


def complaints_about_router(entry: ServiceRouterConfigEntry) -> Iterator[str]:
    """What is wrong with its routes, in their order."""
    for number, route in enumerate(entry.routes or ()):
        for complaint in _complaints_about_route(route):
            yield f"Route[{number}] {complaint}"


def _complaints_about_route(route: ServiceRoute) -> Iterator[str]:
    http = route.match.http if route.match is not None else None
    if http is not None:
        yield from _complaints_about_match(http)
    destination = route.destination
    if (
        destination is not None
        and destination.prefix_rewrite
        and not (http is not None and (http.path_exact or http.path_prefix))
    ):
        yield "cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix"


def _complaints_about_match(http: ServiceRouteHTTPMatch) -> Iterator[str]:
    for name, path in (("PathExact", http.path_exact), ("PathPrefix", http.path_prefix)):
        if path and not path.startswith("/"):
            yield f"{name} doesn't start with '/': {quote(path)}"
    if _how_many(http.path_exact, http.path_prefix, http.path_regex) > 1:
        yield "should only contain at most one of PathExact, PathPrefix, or PathRegex"
    for number, header in enumerate(http.header or ()):
        for complaint in _complaints_about_header(header):
            yield f"Header[{number}] {complaint}"
    for number, param in enumerate(http.query_param or ()):
        for complaint in _complaints_about_param(param):
            yield f"QueryParam[{number}] {complaint}"
    yield from _complaints_about_methods(http.methods or [])


def _complaints_about_methods(methods: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    for method in methods:
        if method in seen:
            yield f"Methods contains {quote(method)} more than once"
        seen.add(method)


def _complaints_about_header(header: ServiceRouteHTTPMatchHeader) -> Iterator[str]:
    if not header.name:
        yield "missing required Name field"
    if _how_many(header.present, header.exact, header.regex, header.prefix, header.suffix) != 1:
        yield "should only contain one of Present, Exact, Prefix, Suffix, or Regex"


def _complaints_about_param(param: ServiceRouteHTTPMatchQueryParam) -> Iterator[str]:
    if not param.name:
        yield "missing required Name field"
    if _how_many(param.present, param.exact, param.regex) != 1:
        yield "should only contain one of Present, Exact, or Regex"


def _how_many(*values: object) -> int:
    return sum(bool(value) for value in values)


# ---------------------------------------------------------------- splitters


def normalised_splitter(entry: ServiceSplitterConfigEntry) -> ServiceSplitterConfigEntry:
    """Weights in whole hundredths of a percent."""
    if entry.splits is None:
        return entry
    splits = [replace(split, weight=Float32.of(_hundredths(split) / 100)) for split in entry.splits]
    return replace(entry, splits=splits)


def _hundredths(split: ServiceSplit) -> int:
    """The weight, rounded as Go does: half away from zero, after a product of four bytes."""
    scaled = split.weight * 100
    if not abs(scaled) < WEIGHT_LIMIT:
        return -int(WEIGHT_LIMIT)  # what a processor makes of a number that no integer holds
    rounded = int(abs(float(Float32.of(scaled))) + 0.5)
    return rounded if scaled >= 0 else -rounded


def complaints_about_splitter(entry: ServiceSplitterConfigEntry) -> Iterator[str]:
    """What is wrong with its splits."""
    splits = entry.splits or []
    seen: set[tuple[str, str, str]] = set()
    for split in splits:
        goal = (split.service or entry.name, split.service_subset, split.namespace)
        if goal in seen:
            service, subset, namespace = (quote(part) for part in goal)
            yield (
                f"split destination occurs more than once: service={service}, "
                f"subset={subset}, namespace={namespace}"
            )
        seen.add(goal)
    total = sum(_hundredths(split) for split in splits)
    if total != WHOLE:
        yield f"the sum of all split weights must be 100, not {Float32.of(total / 100):f}"


# ---------------------------------------------------------------- resolvers


def complaints_about_resolver(entry: ServiceResolverConfigEntry) -> Iterator[str]:
    """What is wrong with its subsets, and with where it leads to."""
    subsets = entry.subsets or {}
    for name in subsets:
        if not name:
            yield "Subset defined with empty name"
        flaw = _flaw_of_subset(name)
        if flaw:
            yield f"Subset {quote(name)} is invalid: {flaw}"
    if entry.default_subset and entry.default_subset not in subsets:
        yield f"DefaultSubset {quote(entry.default_subset)} is not a valid subset"
    if entry.redirect is not None:
        if entry.failover:
            yield "Redirect and Failover cannot both be set"
        yield from _complaints_about_redirect(entry.redirect, entry.name, subsets)
    for subset, failover in (entry.failover or {}).items():
        for complaint in _complaints_about_failover(failover, subset, entry.name, subsets):
            yield f"Bad Failover[{quote(subset)}]{complaint}"
    if entry.connect_timeout < 0:
        yield f"Bad ConnectTimeout '{format_duration(entry.connect_timeout)}', must be >= 0"


def _flaw_of_subset(name: str) -> str:
    if len(name.encode("utf-8", "surrogateescape")) > SUBSET_BYTES_MAX:
        return f"must be non-empty and {SUBSET_BYTES_MAX} characters or fewer"
    if not _SUBSET.fullmatch(name):
        return (
            f"must be {SUBSET_BYTES_MAX} characters or fewer, begin or end with lower case "
            "alphanumeric characters, and contain lower case alphanumeric characters or '-' in "
            "between"
        )
    return ""


def _complaints_about_redirect(
    redirect: ServiceResolverRedirect, own_name: str, subsets: Container[str]
) -> Iterator[str]:
    if not redirect.service:
        if redirect.service_subset:
            yield "Redirect.ServiceSubset defined without Redirect.Service"
        if redirect.namespace:
            yield "Redirect.Namespace defined without Redirect.Service"
        if not redirect.datacenter:
            yield "Redirect is empty"
    elif redirect.service == own_name:
        subset = redirect.service_subset
        if subset and subset not in subsets:
            yield (
                f"Redirect.ServiceSubset {quote(subset)} is not a valid subset of "
                f"{quote(redirect.service)}"
            )


def _complaints_about_failover(
    failover: ServiceResolverFailover, subset: str, own_name: str, subsets: Container[str]
) -> Iterator[str]:
    if subset != ANY_SUBSET and subset not in subsets:
        yield ": not a valid subset"
    if not (
        failover.service or failover.service_subset or failover.namespace or failover.datacenters
    ):
        yield " one of Service, ServiceSubset, Namespace, or Datacenters is required"
    target = failover.service_subset
    if target and failover.service in ("", own_name) and target not in subsets:
        yield f".ServiceSubset {quote(target)} is not a valid subset of {quote(failover.service)}"
    if "" in (failover.datacenters or ()):
        yield ".Datacenters: found empty datacenter"
