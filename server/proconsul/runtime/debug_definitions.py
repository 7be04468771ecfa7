"""`DebugConfig`, continued: services and checks of configuration files, under Consul's names."""

from collections.abc import Mapping
from typing import Any

from proconsul.config.definitions import CheckDefinition, ServiceDefinition
from proconsul.wire.golang import format_duration

HIDDEN = "hidden"


def _run(check: CheckDefinition) -> dict[str, Any]:
    """What is common to checks of services and checks of their own."""
    return {
        "AliasNode": check.alias_node,
        "AliasService": check.alias_service,
        "Body": check.body,
        "DeregisterCriticalServiceAfter": format_duration(
            check.deregister_critical_service_after_ns
        ),
        "DockerContainerID": check.docker_container_id,
        "FailuresBeforeCritical": check.failures_before_critical,
        "GRPC": check.grpc,
        "GRPCUseTLS": check.grpc_use_tls,
        "HTTP": check.http,
        "Header": {name: list(values) for name, values in sorted(check.header.items())},
        "Interval": format_duration(check.interval_ns),
        "Method": check.method,
        "Name": check.name,
        "Notes": check.notes,
        "OutputMaxSize": check.output_max_size_bytes,
        "ScriptArgs": list(check.script_args),
        "Shell": check.shell,
        "Status": check.status,
        "SuccessBeforePassing": check.success_before_passing,
        "TCP": check.tcp,
        "TLSSkipVerify": check.tls_skip_verify,
        "TTL": format_duration(check.ttl_ns),
        "Timeout": format_duration(check.timeout_ns),
    }


def check_settings(check: CheckDefinition) -> dict[str, Any]:
    """A check of its own."""
    shown = _run(check) | {
        "EnterpriseMeta": {},
        "ID": check.id,
        "ServiceID": check.service_id,
        "Token": HIDDEN,
    }
    return dict(sorted(shown.items()))


def _service_check(check: CheckDefinition) -> dict[str, Any]:
    shown = _run(check) | {"CheckID": check.id, "ProxyGRPC": "", "ProxyHTTP": ""}
    return dict(sorted(shown.items()))


def service_settings(service: ServiceDefinition) -> dict[str, Any]:
    """A service with its checks."""
    return {
        "Address": service.address,
        "Check": _service_check(CheckDefinition(output_max_size_bytes=0)),
        "Checks": [_service_check(check) for check in service.checks],
        "Connect": None if service.connect is None else {"Native": service.connect.native},
        "EnableTagOverride": service.enable_tag_override,
        "EnterpriseMeta": {},
        "ID": service.id,
        "Kind": service.kind,
        "Meta": _sorted(service.meta),
        "Name": service.name,
        "Port": service.port,
        "Proxy": None,
        "TaggedAddresses": {
            name: {"Address": one.address, "Port": one.port}
            for name, one in sorted(service.tagged_addresses.items())
        },
        "Tags": list(service.tags),
        "Token": HIDDEN,
        "Weights": {"Passing": service.weights.passing, "Warning": service.weights.warning},
    }


def _sorted(pairs: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(pairs.items()))
