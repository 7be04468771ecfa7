"""How Go prints the types of bodies, where our classes are named otherwise.

Clients see these names in the errors about values of a wrong kind. A type with an UnmarshalJSON
of its own is read through a struct without a name, which Go prints in full.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from proconsul.api.agent_bodies import AgentToken, CheckUpdate
from proconsul.api.txn_body import (
    BodyCheck,
    BodyCheckFields,
    BodyDefinition,
    BodyKV,
    BodyNode,
    BodyOp,
    BodyService,
    BodyServiceFields,
)
from proconsul.local.definitions import CheckDefinition
from proconsul.model.catalog import (
    ConnectProxyConfig,
    DeregisterRequest,
    MeshGatewayConfig,
    NodeService,
    RegisterRequest,
    ServiceConnect,
    ServiceDefinition,
)
from proconsul.model.coordinate import CoordinateUpdateRequest, NetworkCoordinate
from proconsul.model.health import CheckType, HealthCheck, HealthCheckDefinition
from proconsul.model.operator import AutopilotConfig
from proconsul.model.session import Session
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_decode import Shape


def _unnamed(*fields: str, alias: str = "structs.Alias") -> str:
    return f"struct {{ {'; '.join(fields)}; *{alias} }}"


def _snake(name: str, go_type: str, key: str) -> str:
    return f'{name} {go_type} "json:\\"{key}\\""'


_CHECK = (
    "Interval interface {}",
    "Timeout interface {}",
    "TTL interface {}",
    "DeregisterCriticalServiceAfter interface {}",
    _snake("Args", "[]string", "args"),
    _snake("ScriptArgsSnake", "[]string", "script_args"),
    _snake(
        "DeregisterCriticalServiceAfterSnake", "interface {}", "deregister_critical_service_after"
    ),
    _snake("DockerContainerIDSnake", "string", "docker_container_id"),
    _snake("TLSSkipVerifySnake", "bool", "tls_skip_verify"),
)
_SERVICE_ID_SNAKE = _snake("ServiceIDSnake", "string", "service_id")

TYPES: dict[type[GoStruct], str] = {
    AgentToken: "api.AgentToken",
    AutopilotConfig: "api.AutopilotConfiguration",
    BodyCheck: "api.CheckTxnOp",
    BodyCheckFields: "api.HealthCheck",
    BodyDefinition: _unnamed(
        "IntervalDuration interface {}",
        "TimeoutDuration interface {}",
        "DeregisterCriticalServiceAfterDuration interface {}",
        alias="api.Alias",
    ),
    BodyKV: "api.KVTxnOp",
    BodyNode: "api.NodeTxnOp",
    BodyOp: "api.TxnOp",
    BodyService: "api.ServiceTxnOp",
    BodyServiceFields: "api.AgentService",
    CheckDefinition: _unnamed(*_CHECK, _SERVICE_ID_SNAKE),
    CheckType: _unnamed(*_CHECK, _snake("ServiceID", "string", "ServiceID"), _SERVICE_ID_SNAKE),
    CheckUpdate: "agent.checkUpdate",
    ConnectProxyConfig: _unnamed(
        _snake("DestinationServiceNameSnake", "string", "destination_service_name"),
        _snake("DestinationServiceIDSnake", "string", "destination_service_id"),
        _snake("LocalServiceAddressSnake", "string", "local_service_address"),
        _snake("LocalServicePortSnake", "int", "local_service_port"),
    ),
    DeregisterRequest: _unnamed("Address string"),
    HealthCheckDefinition: _unnamed(
        "Interval interface {}",
        "Timeout interface {}",
        "DeregisterCriticalServiceAfter interface {}",
        "TTL interface {}",
    ),
    NetworkCoordinate: "coordinate.Coordinate",
    ServiceConnect: _unnamed(
        _snake("SidecarServiceSnake", "*structs.ServiceDefinition", "sidecar_service")
    ),
    ServiceDefinition: _unnamed(
        _snake("EnableTagOverrideSnake", "bool", "enable_tag_override"),
        _snake("TaggedAddressesSnake", "map[string]structs.ServiceAddress", "tagged_addresses"),
    ),
    Session: _unnamed("LockDelay interface {}"),
}

_INDEXES = {"create_index": "uint64", "modify_index": "uint64"}

FIELDS: dict[type[GoStruct], Mapping[str, str]] = {
    AutopilotConfig: {**_INDEXES, "max_trailing_logs": "uint64", "min_quorum": "uint"},
    BodyCheck: {"verb": "api.CheckOp"},
    BodyCheckFields: _INDEXES,
    BodyKV: {"verb": "api.KVOp", "flags": "uint64", "index": "uint64"},
    BodyNode: {"verb": "api.NodeOp", "node": "api.Node"},
    BodyService: {"verb": "api.ServiceOp"},
    BodyServiceFields: _INDEXES,
    CheckType: {"check_id": "types.CheckID", "output_max_size": "int"},
    ConnectProxyConfig: {"upstreams": "structs.Upstreams"},
    CoordinateUpdateRequest: {"coord": "coordinate.Coordinate"},
    HealthCheck: {**_INDEXES, "check_id": "types.CheckID"},
    HealthCheckDefinition: {"output_max_size": "uint"},
    MeshGatewayConfig: {"mode": "structs.MeshGatewayMode"},
    NodeService: _INDEXES,
    RegisterRequest: {**_INDEXES, "id": "types.NodeID", "checks": "structs.HealthChecks"},
    ServiceDefinition: {"checks": "structs.CheckTypes"},
    Session: {
        **_INDEXES,
        "behavior": "structs.SessionBehavior",
        "checks": "[]types.CheckID",
        "service_checks": "[]structs.ServiceCheck",
    },
}

LISTS: dict[type[GoStruct], str] = {BodyOp: "api.TxnOps"}


def with_go_names(shapes: Mapping[type[GoStruct], Shape]) -> dict[type[GoStruct], Shape]:
    """The shapes, with these names in them."""
    plain = Shape()
    return {
        each: replace(
            shapes.get(each, plain),
            go_type=TYPES.get(each, ""),
            field_types=FIELDS.get(each, {}),
            list_type=LISTS.get(each, ""),
        )
        for each in (*shapes, *TYPES, *FIELDS)
    }
