"""Checks, and what stands in their definitions."""

from typing import ClassVar

from proconsul.model.query import QueryMeta, QueryOptions, QuerySource
from proconsul.wire.golang import Duration
from proconsul.wire.gostruct import GoStruct


class HealthCheckDefinition(GoStruct, frozen=True, kw_only=True):
    """How a check is made; kept for whoever makes it, Consul's servers do not."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {
            "http",
            "tls_skip_verify",
            "header",
            "method",
            "body",
            "tcp",
            "interval",
            "output_max_size",
            "timeout",
            "deregister_critical_service_after",
            "script_args",
            "docker_container_id",
            "shell",
            "grpc",
            "grpc_use_tls",
            "alias_node",
            "alias_service",
            "ttl",
        }
    )

    http: str = ""
    tls_skip_verify: bool = False
    header: dict[str, list[str] | None] | None = None
    method: str = ""
    body: str = ""
    tcp: str = ""
    interval: Duration = Duration(0)
    output_max_size: int = 0
    timeout: Duration = Duration(0)
    deregister_critical_service_after: Duration = Duration(0)
    script_args: list[str] | None = None
    docker_container_id: str = ""
    shell: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    alias_node: str = ""
    alias_service: str = ""
    ttl: Duration = Duration(0)


class HealthCheck(GoStruct, frozen=True, kw_only=True):
    """A check of a node, or of a service on it, with its last result."""

    filter_skip: ClassVar[frozenset[str]] = frozenset(
        {"definition", "create_index", "modify_index"}
    )

    node: str = ""
    check_id: str = ""
    name: str = ""
    status: str = ""
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: list[str] | None = None
    type: str = ""
    definition: HealthCheckDefinition = HealthCheckDefinition()
    create_index: int = 0
    modify_index: int = 0


class CheckType(GoStruct, frozen=True, kw_only=True):
    """What an agent is told to check, and how."""

    check_id: str = ""
    name: str = ""
    status: str = ""
    notes: str = ""
    script_args: list[str] | None = None
    http: str = ""
    header: dict[str, list[str] | None] | None = None
    method: str = ""
    body: str = ""
    tcp: str = ""
    interval: Duration = Duration(0)
    alias_node: str = ""
    alias_service: str = ""
    docker_container_id: str = ""
    shell: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    tls_skip_verify: bool = False
    timeout: Duration = Duration(0)
    ttl: Duration = Duration(0)
    success_before_passing: int = 0
    failures_before_critical: int = 0
    proxy_http: str = ""
    proxy_grpc: str = ""
    deregister_critical_service_after: Duration = Duration(0)
    output_max_size: int = 0


class ChecksInStateRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for the checks that have a status, or any."""

    datacenter: str = ""
    node_meta_filters: dict[str, str] | None = None
    state: str = ""
    source: QuerySource = QuerySource()


class IndexedHealthChecks(QueryMeta, frozen=True, kw_only=True):
    """Answer: checks."""

    health_checks: list[HealthCheck] | None = None
