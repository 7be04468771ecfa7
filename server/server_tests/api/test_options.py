"""Parameters that many requests share are read, and refused, as Consul does."""

import pytest

from proconsul.api.failure import BadRequestError
from proconsul.api.http import Headers, Request
from proconsul.api.options import (
    parse_datacenter,
    parse_node_meta,
    parse_options,
    parse_source,
    parse_token,
    parse_uint64,
    refuse_namespaces,
    uint64_error,
)
from proconsul.wire.golang import SECOND


def ask(target: str, **headers: str) -> Request:
    fields = {name.replace("_", "-"): [value] for name, value in headers.items()}
    request = Request("GET", target, Headers(fields))
    request.remote_address = "127.0.0.1:40000"
    return request


def test_without_parameters_everything_has_its_default() -> None:
    options = parse_options(ask("/v1/kv/a"))
    assert not any(options.values())


def test_an_index_and_a_wait_make_a_blocking_query() -> None:
    options = parse_options(ask("/v1/kv/a?index=42&wait=10s"))
    assert options["min_query_index"] == 42
    assert options["max_query_time"] == 10 * SECOND


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("index=x", "Invalid index"),
        ("index=-1", "Invalid index"),
        ("index=18446744073709551616", "Invalid index"),
        ("wait=10", "Invalid wait time"),
        ("max_stale=x", 'Invalid max_stale value "x"'),
        (
            "stale&consistent",
            "Cannot specify ?stale with ?consistent, conflicting semantics.",
        ),
        (
            "cached&consistent",
            "Cannot specify ?cached with ?consistent, conflicting semantics.",
        ),
    ],
)
def test_bad_parameters_are_named(query: str, text: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_options(ask(f"/v1/kv/a?{query}"))
    assert refused.value.text == text
    assert refused.value.status == 400


def test_a_positive_max_stale_allows_stale_reads() -> None:
    assert parse_options(ask("/v1/kv/a?max_stale=1s"))["allow_stale"]
    assert not parse_options(ask("/v1/kv/a?max_stale=0s"))["allow_stale"]


def test_cache_control_is_read() -> None:
    options = parse_options(ask("/v1/x", cache_control="max-age=5, must-revalidate"))
    assert options["max_age"] == 5 * SECOND
    assert options["must_revalidate"]
    with pytest.raises(BadRequestError, match="Invalid Cache-Control header"):
        parse_options(ask("/v1/x", cache_control="max-age=soon"))


def test_a_token_is_taken_from_the_query_before_the_headers() -> None:
    assert parse_token(ask("/v1/x?token=q", x_consul_token="h")) == "q"
    assert parse_token(ask("/v1/x", x_consul_token="h", authorization="Bearer b")) == "h"
    assert parse_token(ask("/v1/x", authorization="bearer  b c")) == "b"
    assert parse_token(ask("/v1/x", authorization="Basic b")) == ""


def test_the_datacenter_of_the_query_wins() -> None:
    assert parse_datacenter(ask("/v1/x?dc=dc2"), "dc1", "dc3") == "dc2"
    assert parse_datacenter(ask("/v1/x"), "dc1", "dc3") == "dc3"
    assert parse_datacenter(ask("/v1/x"), "dc1") == "dc1"


def test_namespaces_are_refused_in_query_and_header() -> None:
    with pytest.raises(BadRequestError, match='Invalid query parameter: "ns"'):
        refuse_namespaces(ask("/v1/x?ns=a"))
    with pytest.raises(BadRequestError, match='Invalid header: "X-Consul-Namespace"'):
        refuse_namespaces(ask("/v1/x", x_consul_namespace="a"))
    refuse_namespaces(ask("/v1/x?ns="))


def test_node_meta_is_pairs_and_none_without() -> None:
    assert parse_node_meta(ask("/v1/x?node-meta=a:b&node-meta=c")) == {"a": "b", "c": ""}
    assert parse_node_meta(ask("/v1/x")) is None


def test_near_names_a_node_or_this_agent() -> None:
    assert parse_source(ask("/v1/x?near=n2"), "dc1", "n1").node == "n2"
    assert parse_source(ask("/v1/x?near=_agent"), "dc1", "n1").node == "n1"
    source = parse_source(ask("/v1/x", x_forwarded_for="10.0.0.1, 10.0.0.2"), "dc1", "n1")
    assert source.ip == "10.0.0.1"
    assert parse_source(ask("/v1/x"), "dc1", "n1").ip == "127.0.0.1"


def test_numbers_are_read_as_strconv_does() -> None:
    assert parse_uint64("18446744073709551615") == 2**64 - 1
    assert parse_uint64("18446744073709551616") is None
    assert parse_uint64("+1") is None
    assert uint64_error("x") == 'strconv.ParseUint: parsing "x": invalid syntax'
    too_large = "99999999999999999999"
    assert uint64_error(too_large).endswith("value out of range")
