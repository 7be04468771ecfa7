"""Services and checks as a configuration file defines them.

The agent's local state takes them from here, at start and at every reload.
"""

from __future__ import annotations

import msgspec


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """DNS weights of an instance that passes, or warns."""

    passing: int = 1
    warning: int = 1


class ServiceAddress(msgspec.Struct, frozen=True, kw_only=True):
    """One tagged address of a service."""

    address: str = ""
    port: int = 0


class CheckDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A health check from a file; its kind is told by which of its fields are set.

    Times are nanoseconds. `output_max_size_bytes` limits what is kept of its output.
    """

    id: str = ""
    name: str = ""
    notes: str = ""
    service_id: str = ""
    token: str = ""
    status: str = ""
    script_args: tuple[str, ...] = ()
    http: str = ""
    header: dict[str, tuple[str, ...]] = {}
    method: str = ""
    body: str = ""
    tcp: str = ""
    interval_ns: int = 0
    docker_container_id: str = ""
    shell: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    tls_skip_verify: bool = False
    alias_node: str = ""
    alias_service: str = ""
    timeout_ns: int = 0
    ttl_ns: int = 0
    success_before_passing: int = 0
    failures_before_critical: int = 0
    deregister_critical_service_after_ns: int = 0
    output_max_size_bytes: int = 4096


class MeshGateway(msgspec.Struct, frozen=True, kw_only=True):
    """Through which gateways traffic to other datacenters goes; empty is the default."""

    mode: str = ""


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """A service that a proxy connects to."""

    destination_type: str = "service"
    destination_namespace: str = ""
    destination_name: str = ""
    datacenter: str = ""
    local_bind_address: str = ""
    local_bind_port: int = 0
    config: dict[str, object] = {}
    mesh_gateway: MeshGateway = MeshGateway()


class ExposePath(msgspec.Struct, frozen=True, kw_only=True):
    """A path that a proxy lets through without TLS."""

    listener_port: int = 0
    path: str = ""
    local_path_port: int = 0
    protocol: str = ""


class Expose(msgspec.Struct, frozen=True, kw_only=True):
    """What a proxy lets through without TLS."""

    checks: bool = False
    paths: tuple[ExposePath, ...] = ()


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """What a connect proxy stands in front of."""

    destination_service_name: str = ""
    destination_service_id: str = ""
    local_service_address: str = ""
    local_service_port: int = 0
    config: dict[str, object] = {}
    upstreams: tuple[Upstream, ...] = ()
    mesh_gateway: MeshGateway = MeshGateway()
    expose: Expose = Expose()


class ServiceConnect(msgspec.Struct, frozen=True, kw_only=True):
    """How a service takes part in the mesh."""

    native: bool = False
    sidecar_service: ServiceDefinition | None = None


class ServiceDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A service from a file, with its checks."""

    kind: str = ""
    id: str = ""
    name: str = ""
    tags: tuple[str, ...] = ()
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] = {}
    meta: dict[str, str] = {}
    port: int = 0
    checks: tuple[CheckDefinition, ...] = ()
    token: str = ""
    weights: Weights = Weights()
    enable_tag_override: bool = False
    proxy: Proxy | None = None
    connect: ServiceConnect | None = None
