"""The agent's services and checks at work: the state, the files behind it, the checks that run.

Steps of a change, for `local_agent` and `local_loading` to put together: admit (decide, may
refuse), persist (the disk may refuse), enter or leave (cannot fail). Hold `changing` from the
first to the last, so that nothing comes in between.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from msgspec import Struct, structs

from proconsul.config.schema import Checks, Config
from proconsul.local import persistence
from proconsul.local.antientropy import Tokens
from proconsul.local.checks import CheckKind, CheckRules, admit, deregister_after_s, kind_of
from proconsul.local.failure import LocalError
from proconsul.local.persistence import FileChange, Saved, SavedCheck, SavedService, SavedState
from proconsul.local.services import Admitted, PortRange
from proconsul.local.state import LocalState, NodeIdentity, Source
from proconsul.local.validation import dns_warnings
from proconsul.model.health import CheckType, HealthCheck
from proconsul.runtime.check_dial import TlsContexts
from proconsul.runtime.check_runners import CheckRunners
from proconsul.runtime.local_alias import CatalogAliasSource
from proconsul.runtime.local_files import LocalFiles
from proconsul.runtime.local_sync import Call
from proconsul.wire.golang import quote

logger = logging.getLogger(__name__)


class LocalSettings(Struct, frozen=True, kw_only=True):
    """What the configuration says; times in seconds."""

    node: NodeIdentity
    node_meta: dict[str, str]
    rules: CheckRules
    check_update_interval_s: float
    discard_check_output: bool
    reap_interval_s: float
    sync_interval_s: float
    sidecar_ports: PortRange


def settings_from_config(
    settings: Config, node: NodeIdentity, node_meta: dict[str, str]
) -> LocalSettings:
    """What the configuration says about local services and checks."""
    return LocalSettings(
        node=node,
        node_meta=node_meta,
        rules=rules_from_config(settings.checks),
        check_update_interval_s=settings.checks.update_interval_s,
        discard_check_output=settings.checks.discard_output,
        reap_interval_s=settings.checks.reap_interval_s,
        sync_interval_s=settings.ae_interval_s,
        sidecar_ports=PortRange(
            first=settings.ports.sidecar_min_port, last=settings.ports.sidecar_max_port
        ),
    )


def rules_from_config(checks: Checks) -> CheckRules:
    """What the configuration lets checks do; a reload may change it."""
    return CheckRules(
        enable_local_scripts=checks.enable_script_checks or checks.enable_local_script_checks,
        enable_remote_scripts=checks.enable_script_checks,
        output_size_bytes_max=checks.output_max_size_bytes,
        deregister_after_min_s=checks.deregister_interval_min_s,
    )


class ServiceWatches:
    """Who waits for a change of which service."""

    def __init__(self) -> None:
        self._last_version = 0
        self._versions: dict[str, int] = {}
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}

    def version_of(self, service_id: str) -> int:
        """A number that changes with the service and the set of its checks; 0 if unknown."""
        return self._versions.get(service_id, 0)

    async def wait_for_change(self, service_id: str, version: int, timeout_s: float) -> bool:
        """Wait until `version_of` is no longer `version`; False if the time is over first."""
        if self.version_of(service_id) != version:
            return True
        changed = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(service_id, set())
        waiters.add(changed)
        try:
            async with asyncio.timeout(timeout_s):
                await changed
        except TimeoutError:
            return False
        finally:
            waiters.discard(changed)
            if not waiters:
                self._waiters.pop(service_id, None)
        return True

    def changed(self, service_id: str, *, exists: bool) -> None:
        """Wake who waits for it."""
        self._last_version += 1
        if exists:
            self._versions[service_id] = self._last_version
        else:
            self._versions.pop(service_id, None)
        for waiter in self._waiters.get(service_id, ()):
            if not waiter.done():
                waiter.set_result(None)


class LocalRegistry:
    """See the module. Implements `local.state.Listener`."""

    def __init__(
        self,
        settings: LocalSettings,
        *,
        files: LocalFiles | None,
        call: Call,
        tokens: Callable[[], Tokens],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        want_sync: Callable[[], None],
        dice: random.Random,
        tls: TlsContexts,
    ) -> None:
        self.settings = settings
        self.changing = asyncio.Lock()
        self.watches = ServiceWatches()
        self.saved_states: dict[str, SavedState] = {}
        self._files = files
        self._dice = dice
        self._want_sync = want_sync
        self._types: dict[str, CheckType] = {}
        self.state = LocalState(
            settings.node,
            self,
            check_update_interval_s=settings.check_update_interval_s,
            discard_check_output=settings.discard_check_output,
        )
        aliases = CatalogAliasSource(self.state, call, tokens)
        self.runners = CheckRunners(self._report, aliases, spawn, dice, tls)

    # ------------------------------------------------------------ disk

    async def read_saved(self) -> Saved:
        """What the data directory has. Raises OSError."""
        if self._files is None:
            return Saved(services=(), checks=(), states=(), unreadable={})
        saved = await asyncio.to_thread(self._files.load)
        for path, why in saved.unreadable.items():
            logger.error("ignoring the file %s: %s", path, why)
        return saved

    async def persist(self, changes: Sequence[FileChange]) -> None:
        """Do file changes. Raises OSError. Even if cancelled it returns only when they ended."""
        if self._files is None or not changes:
            return
        work = asyncio.ensure_future(asyncio.to_thread(self._files.apply, changes))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise

    # ------------------------------------------------------------ state, once all is decided

    def admit_check(
        self, check: HealthCheck, how: CheckType | None, token: str, source: Source
    ) -> SavedCheck:
        """Complete a check that is registered by itself. Raises LocalError."""
        if check.service_id:
            service = self.state.service(check.service_id)
            if service is None:
                raise LocalError(f"ServiceID {quote(check.service_id)} does not exist")
            check = structs.replace(check, service_name=service.service, service_tags=service.tags)
        if not check.check_id:
            raise LocalError("CheckID missing")
        if how is not None:
            how = admit(how, source, self.settings.rules)
        return SavedCheck(check=check, type=how, token=token, source=source)

    def enter_service(self, admitted: Admitted) -> None:
        """Take a service and its checks into the state, and run these."""
        for warning in dns_warnings(admitted.service):
            logger.warning("%s", warning)
        self.state.set_service(admitted.service, admitted.token, admitted.source)
        for health, how in admitted.checks:
            self.enter_check(
                SavedCheck(check=health, type=how, token=admitted.token, source=admitted.source)
            )

    def enter_check(self, saved: SavedCheck) -> None:
        """Take a check into the state, and run it; one that was there keeps how it stands."""
        check_id = saved.check.check_id
        check = with_known_state(saved.check, self.state.check(check_id))
        kept = self.saved_states.pop(check_id, None)
        if kept is not None and saved.type is not None and kind_of(saved.type) is CheckKind.TTL:
            check = structs.replace(check, status=kept.status, output=kept.output)
        self.state.set_check(check, saved.token, saved.source)
        self._types.pop(check_id, None)
        if saved.type is None:
            self.runners.stop(check_id)
            return
        self._types[check_id] = saved.type
        self.runners.start(check_id, saved.type, saved.token, self.settings.rules)

    def leave_service(self, service_id: str) -> None:
        """Drop a service and its checks from the state."""
        for check_id in self.state.checks_of(service_id, node_checks=False):
            self.leave_check(check_id)
        self.state.remove_service(service_id)

    def leave_check(self, check_id: str) -> None:
        """Drop a check from the state, and run it no more."""
        self._types.pop(check_id, None)
        self.runners.stop(check_id)
        self.state.remove_check(check_id)

    def overdue(self) -> list[tuple[str, str]]:
        """(check, service): whose service is to go, the check having been critical too long."""
        now_s = asyncio.get_running_loop().time()
        overdue: dict[str, str] = {}
        for check_id, critical_s in self.state.critical_for_s(now_s).items():
            check, how = self.state.check(check_id), self._types.get(check_id)
            if check is None or how is None or not check.service_id:
                continue
            limit_s = deregister_after_s(how, self.settings.rules)
            if limit_s is not None and critical_s > limit_s:
                overdue.setdefault(check.service_id, check_id)
        return [(check_id, service_id) for service_id, check_id in overdue.items()]

    # ------------------------------------------------------------ changes (state.Listener)

    def _report(self, check_id: str, status: str, output: str) -> None:
        now_s = asyncio.get_running_loop().time()
        self.state.update_check(check_id, status, output, now_s, self._dice.random())

    def sync_needed(self) -> None:
        """See state.Listener."""
        self._want_sync()

    def service_changed(self, service_id: str) -> None:
        """See state.Listener."""
        self.watches.changed(service_id, exists=self.state.service(service_id) is not None)

    def health_changed(self, service_id: str) -> None:
        """See state.Listener."""
        self.runners.health_changed(service_id)

    def output_deferred(self, until_s: float) -> None:
        """See state.Listener."""
        asyncio.get_running_loop().call_at(
            until_s, lambda: self.state.release_deferred(asyncio.get_running_loop().time())
        )


def service_changes(admitted: Admitted) -> list[FileChange]:
    """What keeps a service and its checks on disk."""
    # Checks first: a check without its service is dropped at the next start, a service
    # without its checks would look healthy.
    changes: list[FileChange] = [
        persistence.save_check(
            SavedCheck(check=health, type=how, token=admitted.token, source=admitted.source)
        )
        for health, how in admitted.checks
    ]
    saved = SavedService(service=admitted.service, token=admitted.token, source=admitted.source)
    return [*changes, persistence.save_service(saved)]


def with_known_state(check: HealthCheck, before: HealthCheck | None) -> HealthCheck:
    """The check with the status and output that it had before."""
    if before is None:
        return check
    return structs.replace(check, status=before.status, output=before.output)
