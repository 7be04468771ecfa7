"""Routers, splitters and resolvers by themselves."""

import math

import pytest

from proconsul.model.config_entry import (
    ServiceResolverConfigEntry,
    ServiceResolverFailover,
    ServiceResolverRedirect,
    ServiceResolverSubset,
    ServiceRoute,
    ServiceRouteDestination,
    ServiceRouteHTTPMatch,
    ServiceRouteHTTPMatchHeader,
    ServiceRouteHTTPMatchQueryParam,
    ServiceRouteMatch,
    ServiceRouterConfigEntry,
    ServiceSplit,
    ServiceSplitterConfigEntry,
)
from proconsul.model.discovery_rules import (
    SUBSET_BYTES_MAX,
    complaints_about_resolver,
    complaints_about_router,
    complaints_about_splitter,
    normalised_router,
    normalised_splitter,
)
from proconsul.wire.golang import Duration, Float32


def route(
    http: ServiceRouteHTTPMatch | None = None, to: ServiceRouteDestination | None = None
) -> ServiceRoute:
    match = None if http is None else ServiceRouteMatch(http=http)
    return ServiceRoute(match=match, destination=to)


def router(*routes: ServiceRoute) -> ServiceRouterConfigEntry:
    return ServiceRouterConfigEntry(name="web", routes=list(routes))


def test_methods_are_stored_in_capitals_and_destinations_with_a_namespace() -> None:
    get = ServiceRouteHTTPMatch(methods=["get", "Zork"])
    to = ServiceRouteDestination(service="api")
    made = normalised_router(router(route(get, to), route(None, to), route(get)))
    beside, alone, nowhere = made.routes or []
    assert beside.match is not None
    assert beside.match.http == ServiceRouteHTTPMatch(methods=["GET", "ZORK"])
    assert beside.destination == ServiceRouteDestination(service="api", namespace="default")
    assert (alone.destination, nowhere.destination) == (to, None)
    assert normalised_router(ServiceRouterConfigEntry(name="web")).routes is None


@pytest.mark.parametrize(
    ("http", "words"),
    [
        (ServiceRouteHTTPMatch(path_exact="a"), "PathExact doesn't start with '/': \"a\""),
        (ServiceRouteHTTPMatch(path_prefix="a"), "PathPrefix doesn't start with '/': \"a\""),
        (
            ServiceRouteHTTPMatch(path_exact="/a", path_regex="a"),
            "should only contain at most one of PathExact, PathPrefix, or PathRegex",
        ),
        (
            ServiceRouteHTTPMatch(header=[ServiceRouteHTTPMatchHeader(exact="a")]),
            "Header[0] missing required Name field",
        ),
        (
            ServiceRouteHTTPMatch(
                header=[ServiceRouteHTTPMatchHeader(name="a", exact="a", regex="b")]
            ),
            "Header[0] should only contain one of Present, Exact, Prefix, Suffix, or Regex",
        ),
        (
            ServiceRouteHTTPMatch(query_param=[ServiceRouteHTTPMatchQueryParam(name="a")]),
            "QueryParam[0] should only contain one of Present, Exact, or Regex",
        ),
        (ServiceRouteHTTPMatch(methods=["GET", "GET"]), 'Methods contains "GET" more than once'),
    ],
)
def test_a_match_that_is_wrong_is_told_with_its_route(
    http: ServiceRouteHTTPMatch, words: str
) -> None:
    assert next(complaints_about_router(router(route(), route(http)))) == f"Route[1] {words}"


def test_a_prefix_is_rewritten_only_where_one_is_matched() -> None:
    to = ServiceRouteDestination(prefix_rewrite="/b")
    wrong = "cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix"
    for http in (None, ServiceRouteHTTPMatch(path_regex="/a")):
        assert list(complaints_about_router(router(route(http, to)))) == [f"Route[0] {wrong}"]
    for http in (ServiceRouteHTTPMatch(path_exact="/a"), ServiceRouteHTTPMatch(path_prefix="/a")):
        assert list(complaints_about_router(router(route(http, to)))) == []


# ---------------------------------------------------------------- splitters


def splitter(*weights: float) -> ServiceSplitterConfigEntry:
    splits = [
        ServiceSplit(weight=Float32.of(weight), service=str(number))
        for number, weight in enumerate(weights)
    ]
    return ServiceSplitterConfigEntry(name="web", splits=splits)


def test_weights_are_stored_in_hundredths() -> None:
    made = normalised_splitter(splitter(33.337, 66.664, -0.005))
    assert [split.weight.shortest() for split in made.splits or ()] == [33.34, 66.66, -0.01]


@pytest.mark.parametrize(
    ("weights", "total"),
    [
        ((99.99,), "99.989998"),
        ((33.335, 66.665), "100.010002"),
        ((-100, 100), "0.000000"),
        ((), "0.000000"),
        ((1e30,), "-92233718306963456.000000"),
    ],
)
def test_weights_must_add_up(weights: tuple[float, ...], total: str) -> None:
    wrong = f"the sum of all split weights must be 100, not {total}"
    assert list(complaints_about_splitter(splitter(*weights))) == [wrong]


@pytest.mark.parametrize("weight", [math.inf, -math.inf, math.nan])
def test_a_weight_that_is_no_number_is_refused(weight: float) -> None:
    split = ServiceSplit(weight=Float32(weight))
    entry = normalised_splitter(ServiceSplitterConfigEntry(name="web", splits=[split]))
    assert next(complaints_about_splitter(entry)).startswith("the sum of all split weights")


def test_weights_that_add_up_within_a_hundredth_are_fine() -> None:
    assert list(complaints_about_splitter(splitter(33.33, 33.33, 33.34))) == []
    assert list(complaints_about_splitter(splitter(100.004))) == []


def test_a_destination_has_one_split() -> None:
    half = Float32(50)
    splits = [ServiceSplit(weight=half), ServiceSplit(weight=half, service="web")]
    entry = ServiceSplitterConfigEntry(name="web", splits=splits)
    assert list(complaints_about_splitter(entry)) == [
        'split destination occurs more than once: service="web", subset="", namespace=""'
    ]


# ---------------------------------------------------------------- resolvers


def with_subset(name: str) -> ServiceResolverConfigEntry:
    return ServiceResolverConfigEntry(name="web", subsets={name: ServiceResolverSubset()})


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a" * SUBSET_BYTES_MAX])
def test_subsets_become_labels(name: str) -> None:
    assert list(complaints_about_resolver(with_subset(name))) == []


@pytest.mark.parametrize("name", ["A", "-a", "a-", "a.b", "a\n", "\u00e4"])
def test_what_is_no_label_is_no_subset(name: str) -> None:
    [wrong] = complaints_about_resolver(with_subset(name))
    assert "begin or end with lower case alphanumeric characters" in wrong


def test_a_subset_has_a_length() -> None:
    [wrong] = complaints_about_resolver(with_subset("a" * (SUBSET_BYTES_MAX + 1)))
    assert wrong.endswith("is invalid: must be non-empty and 63 characters or fewer")
    assert next(complaints_about_resolver(with_subset(""))) == "Subset defined with empty name"


@pytest.mark.parametrize(
    ("redirect", "words"),
    [
        (ServiceResolverRedirect(), ["Redirect is empty"]),
        (ServiceResolverRedirect(datacenter="dc2"), []),
        (ServiceResolverRedirect(service="api", service_subset="v1"), []),
        (
            ServiceResolverRedirect(service="web", service_subset="v1"),
            ['Redirect.ServiceSubset "v1" is not a valid subset of "web"'],
        ),
        (
            ServiceResolverRedirect(service_subset="v1", datacenter="dc2"),
            ["Redirect.ServiceSubset defined without Redirect.Service"],
        ),
    ],
)
def test_redirects_are_checked(redirect: ServiceResolverRedirect, words: list[str]) -> None:
    entry = ServiceResolverConfigEntry(name="web", redirect=redirect)
    assert list(complaints_about_resolver(entry)) == words


@pytest.mark.parametrize(
    ("subset", "failover", "words"),
    [
        ("*", ServiceResolverFailover(service="api", service_subset="v9"), []),
        ("v1", ServiceResolverFailover(service_subset="v1"), []),
        ("v9", ServiceResolverFailover(service="api"), [": not a valid subset"]),
        (
            "*",
            ServiceResolverFailover(service_subset="v9"),
            ['.ServiceSubset "v9" is not a valid subset of ""'],
        ),
        (
            "*",
            ServiceResolverFailover(datacenters=["dc2", ""]),
            [".Datacenters: found empty datacenter"],
        ),
    ],
)
def test_failovers_are_checked(
    subset: str, failover: ServiceResolverFailover, words: list[str]
) -> None:
    entry = ServiceResolverConfigEntry(
        name="web", subsets={"v1": ServiceResolverSubset()}, failover={subset: failover}
    )
    wanted = [f'Bad Failover["{subset}"]{one}' for one in words]
    assert list(complaints_about_resolver(entry)) == wanted


def test_a_timeout_is_not_negative() -> None:
    entry = ServiceResolverConfigEntry(name="web", connect_timeout=Duration(-1_500_000_000))
    assert list(complaints_about_resolver(entry)) == ["Bad ConnectTimeout '-1.5s', must be >= 0"]
