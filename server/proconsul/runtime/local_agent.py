"""The one object through which the rest of the server sees the agent's own services and checks.

It puts the pure parts (local/) to work: definitions are admitted, kept on disk, then enter the
state; checks run; the catalog is told. Every change is on disk before it is acknowledged, and
one change is made at a time. Times come from the running loop's clock, but for the expiry of
persisted TTL states, which must outlive the process: those are wall time.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from msgspec import Struct, structs
from msgspec.structs import replace

from proconsul.config import definitions as config
from proconsul.local import maintenance, persistence
from proconsul.local.antientropy import Tokens
from proconsul.local.checks import CheckRules, aggregated_status, complaint_about, kind_of
from proconsul.local.definitions import CheckDefinition, check_type, health_check
from proconsul.local.failure import BadDefinitionError, LocalError
from proconsul.local.persistence import SavedState
from proconsul.local.services import Registration, admit_service, registrations, sidecar_id
from proconsul.local.state import STATUSES, Source
from proconsul.local.validation import validate_definition
from proconsul.model.catalog import NodeService, ServiceDefinition
from proconsul.model.health import CheckType, HealthCheck
from proconsul.runtime.check_dial import TlsContexts
from proconsul.runtime.local_files import LocalFiles
from proconsul.runtime.local_loading import load
from proconsul.runtime.local_registry import LocalRegistry, LocalSettings, service_changes
from proconsul.runtime.local_sync import Call, CatalogSync
from proconsul.wire.golang import quote

logger = logging.getLogger(__name__)


class ServiceHealth(Struct, frozen=True, kw_only=True):
    """A service of this agent with its checks and the node's; `status` is the worst."""

    status: str
    service: NodeService
    checks: tuple[HealthCheck, ...]


class LocalAgent:
    """The agent's own services and checks. Use it between `start` and `stop`."""

    def __init__(
        self,
        settings: LocalSettings,
        *,
        files: LocalFiles | None,
        call: Call,
        tokens: Callable[[], Tokens],
        cluster_size: Callable[[], int],
        wall_s: Callable[[], float],
        dice: random.Random,
        tls: TlsContexts,
    ) -> None:
        self._wall_s = wall_s
        self._registry = LocalRegistry(
            settings,
            files=files,
            call=call,
            tokens=tokens,
            spawn=self._spawn,
            want_sync=self._want_sync,
            dice=dice,
            tls=tls,
        )
        self._state = self._registry.state
        self._changing = self._registry.changing
        self._sync = CatalogSync(
            self._state, call, tokens, cluster_size, settings.sync_interval_s, dice
        )
        self._group: asyncio.TaskGroup | None = None
        self._serving: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ life

    async def start(
        self,
        services: Sequence[config.ServiceDefinition],
        checks: Sequence[config.CheckDefinition],
    ) -> None:
        """Take what the files define and what the data directory kept; run and sync it.

        Raises LocalError or BadDefinitionError on a bad definition, OSError on a bad disk.
        """
        assert self._serving is None, "start once"
        ready = asyncio.Event()
        self._serving = asyncio.create_task(self._serve(ready))
        await ready.wait()
        try:
            async with self._changing:
                await load(self._registry, services, checks, self._wall_s())
        except BaseException:
            await self.stop()
            raise
        self._state.set_node_meta(self._registry.settings.node_meta)
        self._spawn(self._sync.run())
        self._spawn(self._reap_forever())

    async def _serve(self, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            ready.set()
            await asyncio.Event().wait()  # until stop() cancels

    async def stop(self) -> None:
        """Stop checks and sync; what is registered stays so, here on disk and in the catalog."""
        if self._serving is None:
            return
        self._registry.runners.stop_all()
        self._serving.cancel()
        await asyncio.wait([self._serving])
        if not self._serving.cancelled():
            await self._serving  # it ended by a mistake of ours: raise it

    def _want_sync(self) -> None:
        self._sync.want_changes()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None, "start comes first"
        return self._group.create_task(work)

    # ------------------------------------------------------------ reading

    def services(self) -> dict[str, NodeService]:
        """All services by id, in order of registration."""
        return self._state.live_services()

    def service(self, service_id: str) -> NodeService | None:
        """One service."""
        return self._state.service(service_id)

    def checks(self) -> dict[str, HealthCheck]:
        """All checks by id, in order of registration."""
        return self._state.live_checks()

    def check(self, check_id: str) -> HealthCheck | None:
        """One check."""
        return self._state.check(check_id)

    def health_of_service(self, service_id: str) -> ServiceHealth | None:
        """The health of one service."""
        service = self._state.service(service_id)
        if service is None:
            return None
        checks = tuple(self._state.checks_of(service_id, node_checks=True).values())
        return ServiceHealth(status=aggregated_status(checks), service=service, checks=checks)

    def health_of_named(self, name: str) -> list[ServiceHealth]:
        """The health of each service of that name."""
        found = (
            self.health_of_service(key)
            for key, service in self.services().items()
            if service.service == name
        )
        return [health for health in found if health is not None]

    def stats(self) -> dict[str, str]:
        """How many there are, as `/v1/agent/self` shows it."""
        return {"services": str(len(self.services())), "checks": str(len(self.checks()))}

    def version_of(self, service_id: str) -> int:
        """A number that grows with each change of a service or of the set of its checks."""
        return self._registry.watches.version_of(service_id)

    async def wait_for_change(self, service_id: str, version: int, timeout_s: float) -> bool:
        """Wait until `version_of` is no longer `version`; False if the time is over first."""
        return await self._registry.watches.wait_for_change(service_id, version, timeout_s)

    # ------------------------------------------------------------ services

    def registrations(self, definition: ServiceDefinition, token: str) -> tuple[Registration, ...]:
        """What an API body asks to register: the service, then its sidecar if it wants one.

        Raises BadDefinitionError with Consul's text.
        """
        validate_definition(definition)
        return registrations(
            definition, token, self.services(), self._registry.settings.sidecar_ports
        )

    async def add_service(
        self, definition: ServiceDefinition, token: str, *, source: Source, replace_checks: bool
    ) -> None:
        """`registrations`, then `register` each."""
        for registration in self.registrations(definition, token):
            await self.register(registration, source=source, replace_checks=replace_checks)

    async def register(
        self, registration: Registration, *, source: Source, replace_checks: bool
    ) -> None:
        """Register a service and its checks, or neither; with `replace_checks`, only these.

        Raises LocalError, or OSError if the disk does not take it.
        """
        async with self._changing:
            # No known states: `enter_check` keeps those of the moment when it is on disk.
            admitted = admit_service(registration, source, self._registry.settings.rules, {})
            service_id = admitted.service.id
            kept = {health.check_id for health, _ in admitted.checks}
            before = self._state.checks_of(service_id, node_checks=False)
            dropped = [key for key in before if replace_checks and key not in kept]
            changes = service_changes(admitted)
            for check_id in dropped:
                changes += persistence.forget_check(check_id)
            await self._registry.persist(changes)
            self._registry.enter_service(admitted)
            for check_id in dropped:
                self._registry.leave_check(check_id)

    async def remove_service(self, service_id: str) -> None:
        """Remove a service with its checks and its sidecar; an unknown one is no error."""
        if not service_id:
            raise LocalError("ServiceID missing")
        async with self._changing:
            await self._remove_service(service_id)

    async def _remove_service(self, service_id: str) -> None:
        if self._state.service(service_id) is None:
            logger.warning("failed to deregister service %s: it does not exist", service_id)
            return
        checks = list(self._state.checks_of(service_id, node_checks=False))
        changes = persistence.forget_service(service_id)
        for check_id in checks:
            changes += persistence.forget_check(check_id)
        await self._registry.persist(changes)
        self._registry.leave_service(service_id)
        sidecar = self._state.service(sidecar_id(service_id))
        if sidecar is not None and sidecar.locally_registered_as_sidecar:
            await self._remove_service(sidecar.id)

    # ------------------------------------------------------------ checks

    def check_to_add(self, definition: CheckDefinition) -> tuple[HealthCheck, CheckType]:
        """What an API body asks to register. Raises BadDefinitionError with Consul's text."""
        if not definition.name:
            raise BadDefinitionError("Missing check name")
        if definition.status and definition.status not in STATUSES:
            raise BadDefinitionError("Bad check status")
        how = check_type(definition)
        complaint = complaint_about(how)
        if complaint:
            raise BadDefinitionError(f"Invalid check: {complaint}")
        check = structs.replace(health_check(definition), type=kind_of(how))
        service = self._state.service(check.service_id)
        if service is not None:
            check = structs.replace(check, service_name=service.service)
        return check, how

    async def add_check(
        self, check: HealthCheck, how: CheckType | None, token: str, *, source: Source
    ) -> None:
        """Register a check, or replace it, in which case it keeps its status and output.

        `how` is None for a check that nobody runs. Raises LocalError or OSError.
        """
        async with self._changing:
            saved = self._registry.admit_check(check, how, token, source)
            await self._registry.persist([persistence.save_check(saved)])
            self._registry.enter_check(saved)

    async def remove_check(self, check_id: str) -> None:
        """Remove a check; an unknown one is no error."""
        if not check_id:
            raise LocalError("CheckID missing")
        async with self._changing:
            await self._registry.persist(persistence.forget_check(check_id))
            self._registry.leave_check(check_id)

    async def update_ttl_check(self, check_id: str, status: str, output: str) -> None:
        """Take the report of an application about itself. Raises LocalError."""
        async with self._changing:
            runner = self._registry.runners.ttl(check_id)
            if runner is None:
                raise LocalError(f"CheckID {quote(check_id)} does not have associated TTL")
            kept = runner.update(status, output)
            saved = SavedState(
                check_id=check_id,
                status=status,
                output=kept,
                expires_unix_s=int(self._wall_s() + runner.ttl_s),
            )
            try:
                await self._registry.persist([persistence.save_state(saved)])
            except OSError as failure:
                raise LocalError(
                    f"failed persisting state for check {quote(check_id)}: {failure}"
                ) from failure

    # ------------------------------------------------------------ maintenance

    async def set_node_maintenance(self, enable: bool, reason: str, token: str) -> None:
        """Take the whole node out of service, or back in; twice is once."""
        if not enable:
            if self._state.check(maintenance.NODE_CHECK_ID) is not None:
                await self.remove_check(maintenance.NODE_CHECK_ID)
        elif self._state.check(maintenance.NODE_CHECK_ID) is None:
            await self.add_check(maintenance.node_check(reason), None, token, source=Source.LOCAL)

    async def set_service_maintenance(
        self, service_id: str, enable: bool, reason: str, token: str
    ) -> None:
        """Take one service out, or back in; twice is once. Raises LocalError."""
        service = self._state.service(service_id)
        if service is None:
            raise LocalError(f"No service registered with ID {quote(service_id)}")
        check_id = maintenance.service_check_id(service_id)
        if not enable:
            if self._state.check(check_id) is not None:
                await self.remove_check(check_id)
        elif self._state.check(check_id) is None:
            check = maintenance.service_check(service, reason)
            await self.add_check(check, None, token, source=Source.LOCAL)

    # ------------------------------------------------------------ catalog

    async def sync_changes(self) -> None:
        """Tell the catalog now; a failure is only logged, as the sync goes on by itself."""
        try:
            await self._sync.changes()
        except Exception as failure:
            logger.error("failed to sync changes: %s", failure)

    def request_full_sync(self) -> None:
        """A leader is there: a full sync that failed need not wait for its time."""
        self._sync.want_full()

    def end_sync(self) -> None:
        """This agent leaves: whoever is taken out of the catalog then does not come back."""
        self._sync.end()

    # ------------------------------------------------------------ definitions

    async def reload_definitions(
        self,
        services: Sequence[config.ServiceDefinition],
        checks: Sequence[config.CheckDefinition],
        *,
        rules: CheckRules,
        node_meta: dict[str, str],
        discard_check_output: bool,
    ) -> None:
        """Take new definitions in place of the old ones; states of checks are kept.

        Raises LocalError or BadDefinitionError; then only a part is registered, as in Consul.
        """
        async with self._changing:
            self._registry.settings = replace(
                self._registry.settings, rules=rules, node_meta=node_meta
            )
            await load(self._registry, services, checks, self._wall_s())
            self._state.discard_check_output = discard_check_output
        self._state.set_node_meta(node_meta)

    # ------------------------------------------------------------ reaping

    async def _reap_forever(self) -> None:
        while True:
            await asyncio.sleep(self._registry.settings.reap_interval_s)
            for check_id, service_id in self._registry.overdue():
                logger.info(
                    "check %s has been critical for too long; deregistering service %s",
                    check_id,
                    service_id,
                )
                try:
                    await self.remove_service(service_id)
                except OSError as failure:
                    logger.error("unable to deregister %s: %s", service_id, failure)
