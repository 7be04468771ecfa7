"""The body of a configuration entry."""

import json
from typing import Any

import pytest

from proconsul.api.config_body import decoded_entry
from proconsul.model.catalog import ExposeConfig, ExposePath, MeshGatewayConfig
from proconsul.model.config_entry import (
    KINDS,
    ProxyConfigEntry,
    ServiceConfigEntry,
    ServiceRoute,
    ServiceRouteDestination,
    ServiceRouteHTTPMatch,
    ServiceRouteMatch,
    ServiceRouterConfigEntry,
)
from proconsul.wire.golang import Duration
from proconsul.wire.json_decode import BodyError


def refusal(body: Any) -> str:
    with pytest.raises(BodyError) as caught:
        decoded_entry(body if isinstance(body, bytes) else json.dumps(body).encode())
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", ["Kind", "kind"])
def test_the_kind_says_what_is_read(kind: str, key: str) -> None:
    entry = decoded_entry(json.dumps({key: kind, "Name": "a"}).encode())
    assert entry == KINDS[kind](kind=kind, name="a")


def test_snake_case_does_as_well() -> None:
    body: dict[str, Any] = {
        "kind": "service-defaults",
        "name": "web",
        "mesh_gateway": {"mode": "local"},
        "external_sni": "x",
        "expose": {"paths": [{"path": "/a", "listener_port": 80, "local_path_port": 81}]},
    }
    assert decoded_entry(json.dumps(body).encode()) == ServiceConfigEntry(
        kind="service-defaults",
        name="web",
        mesh_gateway=MeshGatewayConfig(mode="local"),
        external_sni="x",
        expose=ExposeConfig(paths=[ExposePath(path="/a", listener_port=80, local_path_port=81)]),
    )
    body = {
        "kind": "service-router",
        "name": "web",
        "routes": [
            {
                "match": {"http": {"path_prefix": "/a"}},
                "destination": {
                    "service_subset": "v1",
                    "prefix_rewrite": "/",
                    "request_timeout": "1s",
                    "num_retries": 3,
                    "retry_on_connect_failure": True,
                    "retry_on_status_codes": [500],
                },
            }
        ],
    }
    destination = ServiceRouteDestination(
        service_subset="v1",
        prefix_rewrite="/",
        request_timeout=Duration(1_000_000_000),
        num_retries=3,
        retry_on_connect_failure=True,
        retry_on_status_codes=[500],
    )
    match = ServiceRouteMatch(http=ServiceRouteHTTPMatch(path_prefix="/a"))
    assert decoded_entry(json.dumps(body).encode()) == ServiceRouterConfigEntry(
        kind="service-router",
        name="web",
        routes=[ServiceRoute(match=match, destination=destination)],
    )


def test_numbers_in_the_settings_of_proxies_are_floats() -> None:
    entry = decoded_entry(b'{"Kind":"proxy-defaults","Name":"global","Config":{"n":1,"m":[2,3]}}')
    assert isinstance(entry, ProxyConfigEntry)
    assert entry.config is not None
    assert repr(entry.config) == "{'n': 1.0, 'm': [2.0, 3.0]}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "EOF"),
        (b"[]", "'' expected a map, got 'slice'"),
        (b'"x"', "'' expected a map, got 'string'"),
        (b"5", "'' expected a map, got 'float64'"),
        (b"true", "'' expected a map, got 'bool'"),
        (b"null", "Payload does not contain a kind/Kind key at the top level"),
        (b"{}", "Payload does not contain a kind/Kind key at the top level"),
        ({"Kind": 1}, "Kind value in payload is not a string"),
        ({"Kind": None, "kind": "proxy-defaults"}, "Kind value in payload is not a string"),
        ({"Kind": "mesh"}, "invalid config entry kind: mesh"),
        (b'{"a":1e400}', "json: cannot unmarshal number 1e400 into Go value of type float64"),
        (
            {"Kind": "proxy-defaults", "Zork": 1},
            '1 error occurred:\n\t* invalid config key "Zork"\n\n',
        ),
        (
            {"Kind": "service-resolver", "Redirect": {"x_namespace": "a"}},
            '1 error occurred:\n\t* invalid config key "Redirect.x_namespace", namespaces are a '
            "consul enterprise feature\n\n",
        ),
        (
            {"Kind": "proxy-defaults", "Name": {}},
            "1 error(s) decoding:\n\n* 'Name' expected type 'string', got unconvertible type "
            "'map[string]interface {}'",
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_in_consuls_words(body: Any, words: str) -> None:
    assert refusal(body) == words


def test_indexes_are_taken_and_left_aside() -> None:
    body = {"Kind": "service-defaults", "Name": "a", "CreateIndex": "x", "ModifyIndex": 7}
    assert decoded_entry(json.dumps(body).encode()).modify_index == 0


@pytest.mark.parametrize("depth", [990, 100_000])
def test_what_nests_without_an_end_is_refused(depth: int) -> None:
    config = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"Kind":"proxy-defaults","Name":"global","Config":' + config + b"}"
    assert "deep" in refusal(body) or "depth" in refusal(body)
