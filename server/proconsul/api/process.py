"""What the HTTP API asks of the running process itself: its agent, its logs, its end.

`agent.py` fills these protocols in; handlers know nothing else of the process.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from msgspec import Struct

from proconsul.api.probes import Verdict
from proconsul.local.definitions import CheckDefinition
from proconsul.local.state import Source
from proconsul.model.catalog import NodeService, ServiceDefinition
from proconsul.model.health import CheckType, HealthCheck
from proconsul.model.raft_local import RaftLocal
from proconsul.model.tls_local import TlsLocal


class Member(Struct, frozen=True, kw_only=True):
    """A member of the gossip pool; `status` is Serf's number (1 alive)."""

    name: str
    address: str
    port: int
    tags: dict[str, str]
    status: int
    protocol: tuple[int, int, int]  # min, max, current
    delegate: tuple[int, int, int]


class Figure(Struct, frozen=True, kw_only=True):
    """A measurement of the process under Prometheus' own names, which take no prefix."""

    name: str
    kind: str  # "gauge" or "counter"
    explanation: str
    value: float


class MetricsSettings(Struct, frozen=True, kw_only=True):
    """How metrics are named and shown (`telemetry` in the configuration)."""

    prefix: str  # in front of each name
    host: str  # between prefix and name of a gauge; "" leaves it out
    prometheus: bool  # whether that form may be asked for
    is_shown: Callable[[str], bool]  # by full name; what `prefix_filter` lets through


class ServiceHealth(Protocol):
    """A service of this agent with its checks and the node's."""

    @property
    def status(self) -> str:
        """The worst of the checks: passing, warning, critical, or maintenance."""

    @property
    def service(self) -> NodeService:
        """The service."""

    @property
    def checks(self) -> tuple[HealthCheck, ...]:
        """Its checks and the node's."""


class Local(Protocol):
    """The agent's own services and checks (runtime/local_agent.py).

    Writes raise BadDefinitionError (400) or LocalError (500) of proconsul.local.failure.
    """

    def services(self) -> dict[str, NodeService]:
        """All services by id."""

    def service(self, service_id: str) -> NodeService | None:
        """One service."""

    def checks(self) -> dict[str, HealthCheck]:
        """All checks by id."""

    def health_of_service(self, service_id: str) -> ServiceHealth | None:
        """The health of one service."""

    def health_of_named(self, name: str) -> list[Any]:
        """The ServiceHealth of each service of that name."""

    def version_of(self, service_id: str) -> int:
        """A number that changes with the service."""

    async def wait_for_change(self, service_id: str, version: int, timeout_s: float) -> bool:
        """Wait until `version_of` is another number; False when the time is over first."""

    async def add_service(
        self, definition: ServiceDefinition, token: str, *, source: Source, replace_checks: bool
    ) -> None:
        """Register a service with its checks, and its sidecar."""

    async def remove_service(self, service_id: str) -> None:
        """Remove a service; an unknown one is no error."""

    def check_to_add(self, definition: CheckDefinition) -> tuple[HealthCheck, CheckType]:
        """What a definition of a check means."""

    async def add_check(
        self, check: HealthCheck, how: CheckType | None, token: str, *, source: Source
    ) -> None:
        """Register a check."""

    async def remove_check(self, check_id: str) -> None:
        """Remove a check; an unknown one is no error."""

    async def update_ttl_check(self, check_id: str, status: str, output: str) -> None:
        """Take an application's report about itself."""

    async def set_node_maintenance(self, enable: bool, reason: str, token: str) -> None:
        """Take the node out of service, or back in."""

    async def set_service_maintenance(
        self, service_id: str, enable: bool, reason: str, token: str
    ) -> None:
        """Take a service out, or back in."""

    async def sync_changes(self) -> None:
        """Tell the catalog now; a failure is only logged."""


class OwnServer(Protocol):
    """The server behind the API (runtime/own_server.py)."""

    def probe(self, name: str) -> Verdict:
        """The verdict of one of PROBES."""

    def raft_local(self) -> RaftLocal:
        """Its own raft."""

    def tls_local(self) -> TlsLocal:
        """Its own certificate, and whom it trusts."""

    async def decommission(self) -> None:
        """Leave the cluster and take no part any more. Raises RpcError."""

    async def recommission(self) -> bool:
        """Undo that; False if there is nothing to undo."""


class Process(Protocol):
    """The running agent."""

    @property
    def local(self) -> Local:
        """Its own services and checks."""

    def self_description(self) -> dict[str, Any]:
        """The builtins of /v1/agent/self; its Member is a `Member`."""

    def members(self, wan: bool) -> list[Member]:
        """All known members."""

    def host(self) -> dict[str, Any]:
        """The builtins of /v1/agent/host."""

    def metrics(self) -> MetricsSettings:
        """How metrics are shown now."""

    def figures(self) -> list[Figure]:
        """Measurements of the process, taken now."""

    async def reload(self) -> None:
        """Read the configuration again; raises ConfigError."""

    async def leave(self) -> None:
        """Leave gracefully, then end the process."""

    async def join(self, address: str, wan: bool) -> int:
        """Join the pool through an address: how many were reached. Raises RpcError."""

    async def force_leave(self, node: str, prune: bool) -> None:
        """Make a failed member leave. Raises RpcError when there is none."""

    def monitor(self, level: str, as_json: bool) -> AsyncIterator[bytes]:
        """Log lines from now on."""

    async def set_token(self, kind: str, token: str) -> bool:
        """Set one of the agent's tokens; False for an unknown kind."""

    async def save_snapshot(self, stale: bool, token: str) -> tuple[int, AsyncIterator[bytes]]:
        """(index, archive bytes) of the whole state."""

    async def restore_snapshot(
        self, archive: AsyncIterator[bytes], token: str, restore_uid: str = ""
    ) -> bool:
        """Replace the state; raises RpcError with the reason, the state then is as before.

        False: the restore of that UID was done before, and nothing now; "" is done each time.
        """
