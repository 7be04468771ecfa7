"""The agent's own services and checks, and which of them the catalog has as they are.

Agent side of anti-entropy (agent/local/state.go). An entry that is removed stays, marked as
deleted, until the catalog has forgotten it, too: only then may its token be forgotten.
Pure: the caller gives the time in seconds of any steady clock, and the die (0.0 to 1.0).
Whoever must act on a change is told at once through the `Listener`.
"""

from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from proconsul.local.failure import LocalError
from proconsul.model.catalog import NodeService
from proconsul.model.health import HealthCheck
from proconsul.wire.golang import quote


class Source(StrEnum):
    """Where a definition came from; the words stand in the data directory."""

    LOCAL = "local"  # a configuration file
    REMOTE = "remote"  # the HTTP API


class Status:
    """The states of a check."""

    PASSING = "passing"
    WARNING = "warning"
    CRITICAL = "critical"


STATUSES = frozenset({Status.PASSING, Status.WARNING, Status.CRITICAL})


class ServiceEntry(Struct, kw_only=True):
    """A service of this agent; `service` is None if only the catalog knew it.

    `version` tells apart what a sync sent from what has changed since.
    """

    service: NodeService | None
    token: str
    source: Source
    version: int
    in_sync: bool = False
    deleted: bool = False


class CheckEntry(Struct, kw_only=True):
    """A check of this agent; `check` is None if only the catalog knew it.

    `critical_since_s` is when it last became critical; None while it is not.
    `deferred_until_s` is when a change of its output alone goes to the catalog.
    """

    check: HealthCheck | None
    token: str
    source: Source
    version: int
    critical_since_s: float | None = None
    deferred_until_s: float | None = None
    in_sync: bool = False
    deleted: bool = False


class NodeIdentity(Struct, frozen=True, kw_only=True):
    """How this node stands in the catalog."""

    id: str
    name: str
    datacenter: str
    address: str
    tagged_addresses: dict[str, str] | None


class Listener(Protocol):
    """Who acts on changes of the local state; must not change it from within."""

    def sync_needed(self) -> None:
        """Something is no longer as the catalog has it."""

    def service_changed(self, service_id: str) -> None:
        """A service or the set of its checks has changed: blocking readers look again."""

    def health_changed(self, service_id: str) -> None:
        """Checks of the service (of the node, if empty) have changed: for alias checks."""

    def output_deferred(self, until_s: float) -> None:
        """`LocalState.release_deferred` has work at that time."""


class LocalState:
    """Services and checks by id; dictionaries keep the order of registration."""

    def __init__(
        self,
        node: NodeIdentity,
        listener: Listener,
        *,
        check_update_interval_s: float,
        discard_check_output: bool,
    ) -> None:
        self.node = node
        self.node_in_sync = False
        self.node_meta: dict[str, str] = {}
        self.services: dict[str, ServiceEntry] = {}
        self.checks: dict[str, CheckEntry] = {}
        self.discard_check_output = discard_check_output
        self.check_update_interval_s = check_update_interval_s
        self._listener = listener
        self._last_version = 0

    # ------------------------------------------------------------ reading

    def service(self, service_id: str) -> NodeService | None:
        """The registered service of that id."""
        entry = self.services.get(service_id)
        return None if entry is None or entry.deleted else entry.service

    def check(self, check_id: str) -> HealthCheck | None:
        """The registered check of that id."""
        entry = self.checks.get(check_id)
        return None if entry is None or entry.deleted else entry.check

    def live_services(self) -> dict[str, NodeService]:
        """All registered services by id."""
        return {
            key: entry.service
            for key, entry in self.services.items()
            if entry.service is not None and not entry.deleted
        }

    def live_checks(self) -> dict[str, HealthCheck]:
        """All registered checks by id."""
        return {
            key: entry.check
            for key, entry in self.checks.items()
            if entry.check is not None and not entry.deleted
        }

    def checks_of(self, service_id: str, *, node_checks: bool) -> dict[str, HealthCheck]:
        """The checks of a service, with those of the node if asked."""
        return {
            key: check
            for key, check in self.live_checks().items()
            if (check.service_id == service_id if check.service_id else node_checks)
        }

    # ------------------------------------------------------------ services

    def set_service(self, service: NodeService, token: str, source: Source) -> None:
        """Register a service, or replace it."""
        known = service.id in self.services
        self.services[service.id] = ServiceEntry(
            service=service, token=token, source=source, version=self._next_version()
        )
        self._listener.service_changed(service.id)
        if not known:
            self._listener.health_changed(service.id)
        self._listener.sync_needed()

    def remove_service(self, service_id: str) -> bool:
        """Mark a service as removed; False if there is none."""
        entry = self.services.get(service_id)
        if entry is None or entry.deleted:
            return False
        entry.in_sync, entry.deleted = False, True
        entry.version = self._next_version()
        self._listener.service_changed(service_id)
        self._listener.health_changed(service_id)
        self._listener.sync_needed()
        return True

    # ------------------------------------------------------------ checks

    def set_check(self, check: HealthCheck, token: str, source: Source) -> None:
        """Register a check, or replace it. Raises LocalError if its service is unknown."""
        if check.service_id and check.service_id not in self.services:
            raise LocalError(
                f"Check {quote(check.check_id)} refers to non-existent service "
                f"{quote(check.service_id)}"
            )
        output = "" if self.discard_check_output else check.output
        self.checks[check.check_id] = CheckEntry(
            check=replace(check, node=self.node.name, output=output),
            token=token,
            source=source,
            version=self._next_version(),
        )
        self._listener.health_changed(check.service_id)
        self._listener.service_changed(check.service_id)
        self._listener.sync_needed()

    def remove_check(self, check_id: str) -> bool:
        """Mark a check as removed; False if there is none."""
        entry = self.checks.get(check_id)
        if entry is None or entry.deleted:
            return False
        assert entry.check is not None, "only a deleted entry has no check"
        entry.in_sync, entry.deleted = False, True
        entry.version = self._next_version()
        self._listener.health_changed(entry.check.service_id)
        self._listener.service_changed(entry.check.service_id)
        self._listener.sync_needed()
        return True

    def update_check(
        self, check_id: str, status: str, output: str, now_s: float, die: float
    ) -> None:
        """Take the outcome of a run; a change of the output alone is synced later.

        A check that is gone by now is left alone: its last run may end after its removal.
        """
        entry = self.checks.get(check_id)
        if entry is None or entry.deleted or entry.check is None:
            return
        if self.discard_check_output:
            output = ""
        if status != Status.CRITICAL:
            entry.critical_since_s = None
        elif entry.critical_since_s is None:
            entry.critical_since_s = now_s
        before = entry.check
        if before.status == status and before.output == output:
            return
        entry.check = replace(before, status=status, output=output)
        entry.version = self._next_version()
        if before.status == status and self.check_update_interval_s > 0:
            self._defer(entry, now_s, die)
            return
        entry.in_sync = False
        # Not for an output alone: two aliases that follow each other would never come to rest.
        if before.status != status:
            self._listener.health_changed(before.service_id)
        self._listener.sync_needed()

    def _defer(self, entry: CheckEntry, now_s: float, die: float) -> None:
        if entry.deferred_until_s is None:
            # Between half of the interval and one and a half, so that nodes spread out.
            entry.deferred_until_s = now_s + self.check_update_interval_s * (0.5 + die)
            self._listener.output_deferred(entry.deferred_until_s)

    def release_deferred(self, now_s: float) -> None:
        """Let changed outputs whose time has come be synced."""
        released = False
        for entry in self.checks.values():
            if entry.deferred_until_s is not None and entry.deferred_until_s <= now_s:
                entry.deferred_until_s = None
                released = True
                if not entry.deleted:
                    entry.in_sync = False
        if released:
            self._listener.sync_needed()

    def critical_for_s(self, now_s: float) -> dict[str, float]:
        """How long each critical check has been so, in seconds."""
        return {
            key: now_s - entry.critical_since_s
            for key, entry in self.checks.items()
            if not entry.deleted and entry.critical_since_s is not None
        }

    # ------------------------------------------------------------ node

    def set_node_meta(self, meta: dict[str, str]) -> None:
        """Take the node's metadata, as configured."""
        if meta != self.node_meta:
            self.node_meta = dict(meta)
            self.node_in_sync = False
        self._listener.sync_needed()

    def _next_version(self) -> int:
        self._last_version += 1
        return self._last_version
