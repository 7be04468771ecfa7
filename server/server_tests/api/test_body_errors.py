"""Values of a wrong kind are refused in the words of Go (captured from Consul 1.8.7)."""

import pytest

from proconsul.api.agent_bodies import AgentToken, CheckUpdate
from proconsul.api.bodies import SHAPES
from proconsul.api.txn_body import BodyOp
from proconsul.local.definitions import CheckDefinition
from proconsul.model.catalog import DeregisterRequest, RegisterRequest, ServiceDefinition
from proconsul.model.operator import AutopilotConfig
from proconsul.model.session import Session
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_decode import BodyDecoder, BodyError

DECODER = BodyDecoder(SHAPES)
START = "json: cannot unmarshal "
IN_SERVICE = "into Go struct field NodeService.Service"


def complaint(struct_type: type[GoStruct], body: str) -> str:
    with pytest.raises(BodyError) as refused:
        DECODER.decode(struct_type, body.encode())
    return str(refused.value).removeprefix(START)


@pytest.mark.parametrize(
    ("struct_type", "body", "told"),
    [
        (
            CheckUpdate,
            '{"Status":5}',
            "number into Go struct field checkUpdate.Status of type string",
        ),
        (AgentToken, "[]", "array into Go value of type api.AgentToken"),
        (
            RegisterRequest,
            '{"ID":5}',
            "number into Go struct field RegisterRequest.ID of type types.NodeID",
        ),
        (RegisterRequest, '{"Service":{"Port":"x"}}', f"string {IN_SERVICE}.Port of type int"),
        (RegisterRequest, '{"Service":{"Port":8e1}}', f"number 8e1 {IN_SERVICE}.Port of type int"),
        (
            RegisterRequest,
            '{"Service":{"CreateIndex":-1}}',
            f"number -1 {IN_SERVICE}.CreateIndex of type uint64",
        ),
        (
            RegisterRequest,
            '{"Service":{"Weights":{"Passing":"x"}}}',
            "string into Go struct field Weights.Service.Weights.Passing of type int",
        ),
        (
            RegisterRequest,
            '{"Service":{"Proxy":{"Upstreams":[{"LocalBindPort":"x"}]}}}',
            f"string {IN_SERVICE}.Proxy of type int",
        ),
        (
            RegisterRequest,
            '{"Service":{"Proxy":{"MeshGateway":{"Mode":5}}}}',
            f"number {IN_SERVICE}.Proxy of type structs.MeshGatewayMode",
        ),
        (
            RegisterRequest,
            '{"Checks":{}}',
            "object into Go struct field RegisterRequest.Checks of type structs.HealthChecks",
        ),
        (DeregisterRequest, '{"Node":5}', "number into Go struct field .Node of type string"),
        (
            DeregisterRequest,
            "[]",
            "array into Go value of type struct { Address string; *structs.Alias }",
        ),
        (
            CheckDefinition,
            '{"service_id":5}',
            "number into Go struct field .service_id of type string",
        ),
        (CheckDefinition, '{"Args":"x"}', "string into Go struct field .args of type []string"),
        (
            CheckDefinition,
            '{"Header":{"a":"b"}}',
            "string into Go struct field .Header of type []string",
        ),
        (
            ServiceDefinition,
            '{"Check":{"Name":1}}',
            "number into Go struct field .Check of type string",
        ),
        (
            ServiceDefinition,
            '{"Checks":{}}',
            "object into Go struct field .Checks of type structs.CheckTypes",
        ),
        (
            ServiceDefinition,
            '{"TaggedAddresses":{"a":5}}',
            "number into Go struct field .TaggedAddresses of type structs.ServiceAddress",
        ),
        (
            ServiceDefinition,
            '{"Connect":{"SidecarService":{"Port":"a"}}}',
            "string into Go struct field .Connect of type int",
        ),
        (Session, '{"Checks":[5]}', "number into Go struct field .Checks of type types.CheckID"),
        (
            Session,
            "5",
            "number into Go value of type struct { LockDelay interface {}; *structs.Alias }",
        ),
        (
            AutopilotConfig,
            '{"MinQuorum":"x"}',
            "string into Go struct field AutopilotConfiguration.MinQuorum of type uint",
        ),
    ],
)
def test_the_place_and_the_kind_are_told(struct_type: type[GoStruct], body: str, told: str) -> None:
    assert complaint(struct_type, body) == told


def test_a_list_at_the_top_has_its_own_name() -> None:
    with pytest.raises(BodyError, match=r"object into Go value of type api\.TxnOps"):
        DECODER.decode_list(BodyOp, b"{}")
    with pytest.raises(
        BodyError, match=r"number into Go struct field TxnOp\.KV of type api\.KVTxnOp"
    ):
        DECODER.decode_list(BodyOp, b'[{"KV":5}]')


def test_a_duration_of_another_kind_is_nothing_or_refused_as_its_type_has_it() -> None:
    assert DECODER.decode(Session, b'{"LockDelay":[]}')[0].lock_delay == 0
    told = 'strconv.ParseFloat: parsing "true": invalid syntax'
    assert complaint(AutopilotConfig, '{"LastContactThreshold":true}') == told


def test_a_number_beyond_all_bounds_is_told_as_it_was_written() -> None:
    body = '{"Proxy":{"Config":{"a":1e999}}}'
    assert complaint(ServiceDefinition, body) == (
        "number 1e999 into Go struct field .Proxy of type float64"
    )
