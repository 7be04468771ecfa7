"""What the leader fills in, and what it refuses, before the log."""

from typing import Any

import pytest

from proconsul.endpoints.catalog_checks import checked_registration, uuid_flaw
from proconsul.errors import RpcError
from proconsul.model.catalog import NodeService, RegisterRequest
from proconsul.model.health import HealthCheck, HealthCheckDefinition
from proconsul.wire.golang import SECOND, Duration

EVERY_S = Duration(SECOND)


def of_node(**more: Any) -> RegisterRequest:
    return RegisterRequest(datacenter="dc1", node="n2", address="10.0.0.2", **more)


def test_a_service_without_an_id_gets_its_name() -> None:
    request = checked_registration(of_node(service=NodeService(service="web")))
    assert request.service is not None
    assert request.service.id == "web"


def test_the_single_check_joins_the_list_and_belongs_to_the_node() -> None:
    request = checked_registration(
        of_node(check=HealthCheck(name="one"), checks=[HealthCheck(check_id="two")])
    )
    assert request.check is None
    assert [(check.check_id, check.node) for check in request.checks or ()] == [
        ("two", "n2"),
        ("one", "n2"),
    ]


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        (HealthCheckDefinition(), ""),
        (HealthCheckDefinition(http="http://x"), ""),
        (HealthCheckDefinition(http="http://x", interval=EVERY_S), "http"),
        (HealthCheckDefinition(http="http://x", grpc="x", interval=EVERY_S), "grpc"),
        (HealthCheckDefinition(tcp="x:1", interval=EVERY_S), "tcp"),
        (HealthCheckDefinition(tcp="x:1", ttl=EVERY_S, interval=EVERY_S), "ttl"),
        (HealthCheckDefinition(alias_service="x"), "alias"),
        (HealthCheckDefinition(script_args=["x"]), "script"),
        (
            HealthCheckDefinition(script_args=["x"], docker_container_id="d", interval=EVERY_S),
            "docker",
        ),
    ],
)
def test_a_check_has_the_type_of_its_definition(
    definition: HealthCheckDefinition, kind: str
) -> None:
    request = checked_registration(of_node(check=HealthCheck(name="c", definition=definition)))
    assert [check.type for check in request.checks or ()] == [kind]


def test_a_type_that_is_given_stays() -> None:
    check = HealthCheck(name="c", type="own", definition=HealthCheckDefinition(ttl=EVERY_S))
    request = checked_registration(of_node(check=check))
    assert [check.type for check in request.checks or ()] == ["own"]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (RegisterRequest(), "Must provide node"),
        (RegisterRequest(node="n2"), "Must provide address if SkipNodeUpdate is not set"),
        (of_node(id="x"), "Bad node ID: uuid string is wrong length"),
        (of_node(service=NodeService(id="x")), "Must provide service name with ID"),
        (of_node(service=NodeService(service="x", address="::")), "Invalid service address"),
        (
            of_node(service=NodeService(service="x", kind="mesh-gateway")),
            "1 error occurred:\n\t* Port must be non-zero for a mesh-gateway\n\n",
        ),
    ],
)
def test_what_could_never_be_right_is_refused(request_: RegisterRequest, text: str) -> None:
    with pytest.raises(RpcError) as refusal:
        checked_registration(request_)
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("11111111-0000-4000-8000-00000000000A", ""),
        ("", "uuid string is wrong length"),
        ("11111111-0000-4000-8000-00000000000", "uuid string is wrong length"),
        ("1111111110000-4000-8000-000000000001", "uuid is improperly formatted"),
        ("11111111-0000-4000-8000-00000000000z", "encoding/hex: invalid byte: U+007A 'z'"),
    ],
)
def test_a_uuid_has_36_characters_of_which_4_are_dashes(text: str, flaw: str) -> None:
    assert uuid_flaw(text) == flaw
