"""Bodies are read as Go's encoding/json reads them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.api.bodies import SHAPES
from proconsul.model.catalog import NodeService, RegisterRequest, ServiceDefinition
from proconsul.model.health import CheckType, HealthCheckDefinition
from proconsul.model.kv import DirEntry
from proconsul.model.session import Session
from proconsul.wire.golang import MINUTE, SECOND
from proconsul.wire.json_decode import BodyDecoder, BodyError, parse


@pytest.fixture
def decoder() -> BodyDecoder:
    return BodyDecoder(SHAPES)


def test_names_of_fields_ignore_case(decoder: BodyDecoder) -> None:
    request, _ = decoder.decode(RegisterRequest, b'{"node": "n", "ADDRESS": "a", "NodeMeta": {}}')
    assert (request.node, request.address, request.node_meta) == ("n", "a", {})


def test_an_unknown_field_is_refused_by_name(decoder: BodyDecoder) -> None:
    with pytest.raises(BodyError, match='json: unknown field "Nodee"'):
        decoder.decode(RegisterRequest, b'{"Nodee": "n"}')


def test_an_unknown_field_deep_inside_is_refused_too(decoder: BodyDecoder) -> None:
    with pytest.raises(BodyError, match='json: unknown field "Tagz"'):
        decoder.decode(RegisterRequest, b'{"Service": {"Service": "s", "Tagz": []}}')


def test_a_field_of_a_newer_client_is_taken_and_named(decoder: BodyDecoder) -> None:
    body = b'{"Service": "s", "SocketPath": "/run/s", "Port": 1}'
    service, left_aside = decoder.decode(NodeService, body)
    assert service.port == 1
    assert left_aside == ["SocketPath"]


def test_null_leaves_a_field_as_it_is(decoder: BodyDecoder) -> None:
    service, _ = decoder.decode(NodeService, b'{"Service": null, "Port": null, "Tags": null}')
    assert service == NodeService()


def test_null_empties_what_a_default_had_filled(decoder: BodyDecoder) -> None:
    session = decoder.update(Session(node="n", checks=["serfHealth"]), b'{"Checks": null}')
    assert session.node == "n"
    assert session.checks is None


def test_nil_and_empty_are_kept_apart(decoder: BodyDecoder) -> None:
    assert decoder.decode(NodeService, b'{"Tags": []}')[0].tags == []
    assert decoder.decode(NodeService, b"{}")[0].tags is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"Port": "80"}', "string"),
        (b'{"Port": 80.5}', "number 80.5"),
        (b'{"Port": true}', "bool"),
        (b'{"Tags": {}}', "object"),
        (b'{"Service": []}', "array"),
    ],
)
def test_a_value_of_another_kind_is_refused(decoder: BodyDecoder, body: bytes, kind: str) -> None:
    with pytest.raises(BodyError, match=f"json: cannot unmarshal {kind} into Go struct field"):
        decoder.decode(NodeService, body)


def test_durations_are_texts_or_nanoseconds(decoder: BodyDecoder) -> None:
    texts, _ = decoder.decode(CheckType, b'{"Interval": "10s", "Timeout": "1m"}')
    assert (texts.interval, texts.timeout) == (10 * SECOND, MINUTE)
    numbers, _ = decoder.decode(HealthCheckDefinition, b'{"Interval": 5000000000}')
    assert numbers.interval == 5 * SECOND
    with pytest.raises(BodyError, match=r"invalid duration|missing unit"):
        decoder.decode(CheckType, b'{"Interval": "10"}')


def test_the_older_snake_case_names_are_taken(decoder: BodyDecoder) -> None:
    body = b'{"args": ["true"], "tls_skip_verify": true, "deregister_critical_service_after": "1m"}'
    check, _ = decoder.decode(CheckType, body)
    assert check.script_args == ["true"]
    assert check.tls_skip_verify
    assert check.deregister_critical_service_after == MINUTE


def test_the_proper_name_wins_over_the_older_one(decoder: BodyDecoder) -> None:
    check, _ = decoder.decode(CheckType, b'{"ScriptArgs": ["a"], "args": ["b"]}')
    assert check.script_args == ["a"]


def test_numbers_in_free_form_maps_are_floats(decoder: BodyDecoder) -> None:
    body = b'{"Name": "s", "Proxy": {"Config": {"n": 1, "list": [2, true], "t": "x"}}}'
    service, _ = decoder.decode(ServiceDefinition, body)
    assert service.proxy is not None
    assert service.proxy.config is not None
    assert json.dumps(service.proxy.config) == '{"n": 1.0, "list": [2.0, true], "t": "x"}'


def test_octets_come_in_base64(decoder: BodyDecoder) -> None:
    assert decoder.decode(DirEntry, b'{"Value": "aGk="}')[0].value == b"hi"
    with pytest.raises(BodyError, match="illegal base64"):
        decoder.decode(DirEntry, b'{"Value": "!"}')


def test_only_the_first_value_of_a_body_counts() -> None:
    assert parse(b'{"a": 1} and more') == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"  \n", b"{", b"nul", b"x"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BodyError):
        parse(body)


def test_an_empty_body_is_called_by_gos_name_for_it() -> None:
    with pytest.raises(BodyError, match=r"^EOF$"):
        parse(b"")


def test_half_of_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert parse(rb'{"a": ["\ud800x"], "\uDC00": "\ud83d\ude00"}') == {
        "a": ["\ufffdx"],
        "\ufffd": "\U0001f600",
    }


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(BodyError):
        parse(b"[" * 100_000)


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    assert parse(b'{"a": "\xff"}') == {"a": "\ufffd"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Node", "Service", "Tags", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_json_is_taken_or_refused_and_never_breaks_it(value: object) -> None:
    try:
        request, _ = BodyDecoder(SHAPES).decode(RegisterRequest, json.dumps(value).encode())
    except BodyError:
        return
    assert isinstance(request, RegisterRequest)
