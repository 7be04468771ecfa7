"""Services and checks of configuration files, from checked keys to definitions.

Source: agent/config/builder.go (serviceVal, checkVal), agent/structs (Validate).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from proconsul.config.definitions import (
    CheckDefinition,
    Expose,
    ExposePath,
    MeshGateway,
    Proxy,
    ServiceAddress,
    ServiceConnect,
    ServiceDefinition,
    Upstream,
    Weights,
)
from proconsul.config.settings import Settings

META_PAIRS_MAX = 64
META_KEY_BYTES_MAX = 128
META_VALUE_BYTES_MAX = 512
_WEIGHT_MAX = 65535

_KINDS = ("connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway")
_GATEWAYS = _KINDS[1:]
_GATEWAY_META = ("consul-wan-federation",)

Block = Mapping[str, object]
Read = TypeVar("Read")


def check_definition(block: Block, settings: Settings) -> CheckDefinition:
    """A check; a bad duration becomes one of the problems of `settings`."""
    check_id = _text(block, "id")

    def nanoseconds(key: str) -> int:
        text = block.get(key)
        return (
            settings.nanoseconds(f"check[{check_id}].{key}", str(text)) if text is not None else 0
        )

    header = block.get("header")
    return CheckDefinition(
        id=check_id,
        name=_text(block, "name"),
        notes=_text(block, "notes"),
        service_id=_text(block, "service_id"),
        token=_text(block, "token"),
        status=_text(block, "status"),
        script_args=_texts(block, "args"),
        http=_text(block, "http"),
        header={
            name: tuple(str(each) for each in values)
            for name, values in (header.items() if isinstance(header, dict) else ())
        },
        method=_text(block, "method"),
        body=_text(block, "body"),
        tcp=_text(block, "tcp"),
        interval_ns=nanoseconds("interval"),
        docker_container_id=_text(block, "docker_container_id"),
        shell=_text(block, "shell"),
        grpc=_text(block, "grpc"),
        grpc_use_tls=_flag(block, "grpc_use_tls"),
        tls_skip_verify=_flag(block, "tls_skip_verify"),
        alias_node=_text(block, "alias_node"),
        alias_service=_text(block, "alias_service"),
        timeout_ns=nanoseconds("timeout"),
        ttl_ns=nanoseconds("ttl"),
        success_before_passing=_number(block, "success_before_passing"),
        failures_before_critical=_number(block, "failures_before_critical"),
        deregister_critical_service_after_ns=nanoseconds("deregister_critical_service_after"),
        output_max_size_bytes=_number(block, "output_max_size", 4096),
    )


def service_definition(block: Block, settings: Settings) -> ServiceDefinition:
    """A service; what is wrong with it becomes one of the problems of `settings`."""
    name = _text(block, "name")
    kind = _text(block, "kind")
    kind = kind if kind in _KINDS else ""
    meta = {key: str(value) for key, value in _block(block, "meta").items()}
    wrong = meta_problem(meta, allowed=_GATEWAY_META if kind == "mesh-gateway" else ())
    if wrong:
        settings.problems.append(f"invalid meta for service {name}: {wrong}")
    checks = [*_blocks(block, "checks"), *([_block(block, "check")] if "check" in block else [])]
    return ServiceDefinition(
        kind=kind,
        id=_text(block, "id"),
        name=name,
        tags=_texts(block, "tags"),
        address=_text(block, "address"),
        tagged_addresses={
            tag: ServiceAddress(address=_text(given, "address"), port=_number(given, "port"))
            for tag, given in _block(block, "tagged_addresses").items()
            if isinstance(given, dict)
        },
        meta=meta,
        port=_number(block, "port"),
        checks=tuple(check_definition(each, settings) for each in checks),
        token=_text(block, "token"),
        weights=_weights(block, name, settings),
        enable_tag_override=_flag(block, "enable_tag_override"),
        proxy=_optional(block, "proxy", lambda given: _proxy(given, settings)),
        connect=_optional(block, "connect", lambda given: _connect(given, settings)),
    )


def meta_problem(meta: Mapping[str, str], *, allowed: tuple[str, ...] = ()) -> str:
    """What is wrong with metadata of a node or service, empty for nothing."""
    if len(meta) > META_PAIRS_MAX:
        return f"Node metadata cannot contain more than {META_PAIRS_MAX} key/value pairs"
    for key, value in meta.items():
        wrong = _pair_problem(key, value, allowed)
        if wrong:
            return f"Couldn't load metadata pair ('{key}', '{value}'): {wrong}"
    return ""


def _pair_problem(key: str, value: str, allowed: tuple[str, ...]) -> str:
    if not key:
        return "Key cannot be blank"
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", key):
        return "Key contains invalid characters"
    if len(key.encode()) > META_KEY_BYTES_MAX:
        return f"Key is too long (limit: {META_KEY_BYTES_MAX} characters)"
    if key.startswith("consul-") and key not in allowed:
        return "Key prefix 'consul-' is reserved for internal use"
    if len(value.encode()) > META_VALUE_BYTES_MAX:
        return f"Value is too long (limit: {META_VALUE_BYTES_MAX} characters)"
    return ""


def _weights(block: Block, name: str, settings: Settings) -> Weights:
    given = _block(block, "weights")
    weights = Weights(passing=_number(given, "passing", 1), warning=_number(given, "warning", 1))
    wrong = ""
    if weights.passing < 1:
        wrong = "Passing must be greater than 0"
    elif weights.warning < 0:
        wrong = "Warning must be greater or equal than 0"
    elif max(weights.passing, weights.warning) > _WEIGHT_MAX:
        wrong = "DNS Weight must be between 0 and 65535"
    if wrong:
        settings.problems.append(f"Invalid weight definition for service {name}: {wrong}")
    return weights


def _mesh_gateway(block: Block, settings: Settings) -> MeshGateway:
    mode = _text(_block(block, "mesh_gateway"), "mode")
    if mode not in ("", "none", "local", "remote"):
        settings.problems.append(f'Invalid Mesh Gateway Mode: "{mode}"')
        mode = ""
    return MeshGateway(mode=mode)


def _proxy(block: Block, settings: Settings) -> Proxy:
    expose = _block(block, "expose")
    return Proxy(
        destination_service_name=_text(block, "destination_service_name"),
        destination_service_id=_text(block, "destination_service_id"),
        local_service_address=_text(block, "local_service_address"),
        local_service_port=_number(block, "local_service_port"),
        config=dict(_block(block, "config")),
        upstreams=tuple(_upstream(each, settings) for each in _blocks(block, "upstreams")),
        mesh_gateway=_mesh_gateway(block, settings),
        expose=Expose(
            checks=_flag(expose, "checks"),
            paths=tuple(
                ExposePath(
                    listener_port=_number(each, "listener_port"),
                    path=_text(each, "path"),
                    local_path_port=_number(each, "local_path_port"),
                    protocol=_text(each, "protocol"),
                )
                for each in _blocks(expose, "paths")
            ),
        ),
    )


def _upstream(block: Block, settings: Settings) -> Upstream:
    return Upstream(
        destination_type=_text(block, "destination_type") or "service",
        destination_namespace=_text(block, "destination_namespace"),
        destination_name=_text(block, "destination_name"),
        datacenter=_text(block, "datacenter"),
        local_bind_address=_text(block, "local_bind_address"),
        local_bind_port=_number(block, "local_bind_port"),
        config=dict(_block(block, "config")),
        mesh_gateway=_mesh_gateway(block, settings),
    )


def _connect(block: Block, settings: Settings) -> ServiceConnect:
    sidecar = _optional(block, "sidecar_service", lambda given: service_definition(given, settings))
    if sidecar is not None and sidecar.id:
        settings.problems.append("sidecar_service can't specify an ID")
    if sidecar is not None and sidecar.connect and sidecar.connect.sidecar_service:
        settings.problems.append("sidecar_service can't have a nested sidecar_service")
    return ServiceConnect(native=_flag(block, "native"), sidecar_service=sidecar)


def service_problems(service: ServiceDefinition) -> list[str]:
    """What the mesh's rules say against a service."""
    proxy = service.proxy or Proxy()
    if service.kind == "connect-proxy":
        return _proxy_problems(service, proxy)
    if service.kind in _GATEWAYS:
        return _gateway_problems(service, proxy)
    return []


def _proxy_problems(service: ServiceDefinition, proxy: Proxy) -> list[str]:
    problems = []
    if not proxy.destination_service_name.strip():
        problems.append("Proxy.DestinationServiceName must be non-empty for Connect proxy services")
    if service.port == 0:
        problems.append("Port must be set for a Connect proxy")
    if service.connect and service.connect.native:
        problems.append("A Proxy cannot also be Connect Native, only typical services")
    return problems + _upstream_problems(proxy.upstreams) + _expose_problems(proxy.expose.paths)


def _upstream_problems(upstreams: tuple[Upstream, ...]) -> list[str]:
    problems: list[str] = []
    names: set[str] = set()
    binds: set[str] = set()
    for upstream in upstreams:
        wrong = _upstream_problem(upstream)
        name = (
            f'[type="{upstream.destination_type}", name="{upstream.destination_name}", '
            f'namespace="{upstream.destination_namespace}", datacenter="{upstream.datacenter}"]'
        )
        bind = f"{upstream.local_bind_address or '127.0.0.1'}:{upstream.local_bind_port}"
        if wrong:
            problems.append(wrong)
            continue
        if name in names:
            problems.append(f"upstreams cannot contain duplicates of {name}")
        elif bind in binds:
            problems.append(
                "upstreams cannot contain duplicates by local bind address and port; "
                f'"{bind}" is specified twice'
            )
        names.add(name)
        binds.add(bind)
    return problems


def _upstream_problem(upstream: Upstream) -> str:
    if upstream.destination_type not in ("service", "prepared_query"):
        return f'unknown upstream destination type: "{upstream.destination_type}"'
    if not upstream.destination_name:
        return "upstream destination name cannot be empty"
    return "" if upstream.local_bind_port else "upstream local bind port cannot be zero"


def _expose_problems(paths: tuple[ExposePath, ...]) -> list[str]:
    problems: list[str] = []
    for at, path in enumerate(paths):
        before = paths[:at]
        if not path.path:
            problems.append("expose.paths: empty path exposed")
        if any(path.path == other.path for other in before):
            problems.append("expose.paths: duplicate paths exposed")
        if any(path.listener_port == other.listener_port for other in before):
            problems.append("expose.paths: duplicate listener ports exposed")
        if not 0 < path.listener_port <= 65535:
            problems.append(f"expose.paths: invalid listener port: {path.listener_port}")
        if path.protocol.lower() not in ("", "http", "http2"):
            problems.append(
                f"protocol '{path.protocol.lower()}' not supported for path: {path.path}, "
                "must be in: [http http2]"
            )
    return problems


def _gateway_problems(service: ServiceDefinition, proxy: Proxy) -> list[str]:
    kind = service.kind
    problems = []
    if service.port == 0 and kind != "ingress-gateway":
        problems.append(f"Port must be non-zero for a {kind}")
    if service.connect and service.connect.sidecar_service:
        problems.append(f"A {kind} cannot have a sidecar service defined")
    given = {
        "DestinationServiceName": proxy.destination_service_name,
        "DestinationServiceID": proxy.destination_service_id,
        "LocalServiceAddress": proxy.local_service_address,
        "LocalServicePort": proxy.local_service_port,
        "Upstreams": proxy.upstreams,
    }
    problems += [
        f"The Proxy.{name} configuration is invalid for a {kind}"
        for name, value in given.items()
        if value
    ]
    return problems


def _text(block: Block, key: str) -> str:
    value = block.get(key)
    return value if isinstance(value, str) else ""


def _flag(block: Block, key: str) -> bool:
    return block.get(key) is True


def _number(block: Block, key: str, default: int = 0) -> int:
    value = block.get(key)
    return value if isinstance(value, int) else default


def _texts(block: Block, key: str) -> tuple[str, ...]:
    value = block.get(key)
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def _block(block: Block, key: str) -> Block:
    value = block.get(key)
    return value if isinstance(value, dict) else {}


def _blocks(block: Block, key: str) -> list[Block]:
    value = block.get(key)
    listed = value if isinstance(value, list) else []
    return [each for each in listed if isinstance(each, dict)]


def _optional(block: Block, key: str, read: Callable[[Block], Read]) -> Read | None:
    value = block.get(key)
    return read(value) if isinstance(value, dict) else None
