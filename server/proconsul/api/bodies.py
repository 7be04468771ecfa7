"""How the bodies of requests differ from the structs that they fill (wire/json_decode.py).

One row a type: the snake-case names and duration texts that Consul's own UnmarshalJSON takes,
and the fields of later Consul versions, which today's clients send and which are left aside with
a warning in the log.
"""

from proconsul.api.go_names import with_go_names
from proconsul.api.txn_body import (
    BodyCheckFields,
    BodyDefinition,
    BodyKV,
    BodyServiceFields,
)
from proconsul.local.definitions import CheckDefinition
from proconsul.model.catalog import (
    ConnectProxyConfig,
    DeregisterRequest,
    ExposePath,
    Node,
    NodeService,
    RegisterRequest,
    ServiceConnect,
    ServiceDefinition,
    Upstream,
)
from proconsul.model.health import CheckType, HealthCheck, HealthCheckDefinition
from proconsul.model.operator import AutopilotConfig
from proconsul.model.session import Session
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_decode import Shape

_LATER_ENTERPRISE = frozenset({"partition", "peername", "locality"})
_CHECK_DURATIONS = frozenset({"interval", "timeout", "ttl", "deregister_critical_service_after"})
_CHECK_NAMES = {
    "args": "script_args",
    "script_args": "script_args",
    "deregister_critical_service_after": "deregister_critical_service_after",
    "docker_container_id": "docker_container_id",
    "tls_skip_verify": "tls_skip_verify",
}
_LATER_CHECK = _LATER_ENTERPRISE | {
    "tlsservername",
    "disableredirects",
    "tcpusetls",
    "udp",
    "h2ping",
    "h2pingusetls",
    "osservice",
    "failuresbeforewarning",
    "exposedport",
    "sessionname",
}

_SHAPES: dict[type[GoStruct], Shape] = {
    AutopilotConfig: Shape(
        durations=frozenset({"last_contact_threshold", "server_stabilization_time"}),
        own_decoder=False,  # its durations have one each
    ),
    Node: Shape(newer=_LATER_ENTERPRISE),
    NodeService: Shape(
        newer=_LATER_ENTERPRISE | {"socketpath", "ports", "ai"},
        hidden=frozenset({"locally_registered_as_sidecar"}),
    ),
    RegisterRequest: Shape(newer=_LATER_ENTERPRISE),
    DeregisterRequest: Shape(
        ignored=frozenset({"address"}), newer=_LATER_ENTERPRISE, own_decoder=True
    ),
    HealthCheck: Shape(newer=_LATER_CHECK | {"interval", "timeout"}),
    HealthCheckDefinition: Shape(durations=_CHECK_DURATIONS, lenient=True),
    CheckDefinition: Shape(
        other_names=_CHECK_NAMES | {"service_id": "service_id"},
        durations=_CHECK_DURATIONS,
        newer=_LATER_CHECK,
    ),
    CheckType: Shape(
        other_names=_CHECK_NAMES,
        durations=_CHECK_DURATIONS,
        ignored=frozenset({"serviceid", "service_id"}),
        newer=_LATER_CHECK,
    ),
    ServiceDefinition: Shape(
        other_names={
            "enable_tag_override": "enable_tag_override",
            "tagged_addresses": "tagged_addresses",
        },
        newer=_LATER_ENTERPRISE | {"socketpath", "ports", "exposedport", "ai"},
    ),
    ServiceConnect: Shape(other_names={"sidecar_service": "sidecar_service"}, lenient=True),
    ConnectProxyConfig: Shape(
        other_names={
            "destination_service_name": "destination_service_name",
            "destination_service_id": "destination_service_id",
            "local_service_address": "local_service_address",
            "local_service_port": "local_service_port",
            "mesh_gateway": "mesh_gateway",
        },
        newer=frozenset(
            {
                "mode",
                "transparentproxy",
                "localservicesocketpath",
                "envoyextensions",
                "mutualtlsmode",
            }
        ),
    ),
    Upstream: Shape(
        other_names={
            "destination_type": "destination_type",
            "destination_namespace": "destination_namespace",
            "destination_name": "destination_name",
            "local_bind_port": "local_bind_port",
            "local_bind_address": "local_bind_address",
            "mesh_gateway": "mesh_gateway",
        },
        newer=frozenset(
            {
                "destinationpartition",
                "destinationpeer",
                "localbindsocketpath",
                "localbindsocketmode",
                "centrallyconfigured",
            }
        ),
        hidden=frozenset({"ingress_hosts"}),
    ),
    ExposePath: Shape(
        other_names={"local_path_port": "local_path_port", "listener_port": "listener_port"}
    ),
    BodyKV: Shape(newer=frozenset({"partition"})),
    BodyServiceFields: Shape(newer=_LATER_ENTERPRISE | {"socketpath", "ports", "datacenter"}),
    BodyCheckFields: Shape(newer=_LATER_CHECK),
    BodyDefinition: Shape(durations=BodyDefinition.durations, lenient=True),
    Session: Shape(durations=frozenset({"lock_delay"}), lenient=True),
}

SHAPES = with_go_names(_SHAPES)
