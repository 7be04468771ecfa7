"""Services and checks at the start and at a reload: from configuration files, then from disk.

A file wins over what the data directory kept of the same id, which is dropped then. Checks keep
the state that they had before a reload; after a restart only TTL checks do, while it is fresh.
Nothing is awaited between the first change and the last: nobody, the sync with the catalog
least of all, may see services missing that are there again a moment later.
"""

import logging
from collections.abc import Mapping, Sequence

from msgspec import structs

from proconsul.config import definitions as config
from proconsul.local import persistence
from proconsul.local.definitions import (
    check_from_config,
    check_type,
    health_check,
    service_from_config,
)
from proconsul.local.failure import BadDefinitionError, LocalError
from proconsul.local.persistence import FileChange, Remove, SavedCheck, SavedService
from proconsul.local.services import Registration, admit_service, registrations
from proconsul.local.state import Source, Status
from proconsul.model.health import HealthCheck
from proconsul.runtime.local_registry import LocalRegistry, with_known_state
from proconsul.wire.golang import quote

logger = logging.getLogger(__name__)


async def load(
    registry: LocalRegistry,
    services: Sequence[config.ServiceDefinition],
    checks: Sequence[config.CheckDefinition],
    now_unix_s: float,
) -> None:
    """Register all of it, in place of what there was; the caller holds `registry.changing`.

    Raises LocalError on a bad definition, when part of the others is registered; OSError.
    """
    saved = await registry.read_saved()
    known = registry.state.live_checks()
    registry.saved_states = {
        state.check_id: state for state in saved.states if state.expires_unix_s > now_unix_s
    }
    for service_id in registry.state.live_services():
        registry.leave_service(service_id)
    for check_id in registry.state.live_checks():
        registry.leave_check(check_id)
    outdated: list[FileChange] = []
    for service in services:
        _load_service(registry, service, known)
    for saved_service in saved.services:
        outdated += _restore_service(registry, saved_service, known)
    for check in checks:
        _load_check(registry, check, known)
    for saved_check in saved.checks:
        outdated += _restore_check(registry, saved_check, known)
    await registry.persist(outdated)


def _load_service(
    registry: LocalRegistry, configured: config.ServiceDefinition, known: Mapping[str, HealthCheck]
) -> None:
    definition = service_from_config(configured)
    try:
        wanted = registrations(
            definition,
            definition.token,
            registry.state.live_services(),
            registry.settings.sidecar_ports,
        )
        for one in wanted:
            registry.enter_service(admit_service(one, Source.LOCAL, registry.settings.rules, known))
    except (LocalError, BadDefinitionError) as failure:
        raise LocalError(
            f"Failed to register service {quote(definition.name)}: {failure}"
        ) from failure


def _load_check(
    registry: LocalRegistry, configured: config.CheckDefinition, known: Mapping[str, HealthCheck]
) -> None:
    definition = check_from_config(configured)
    check = health_check(definition)
    check = with_known_state(check, known.get(check.check_id))
    try:
        saved = registry.admit_check(check, check_type(definition), definition.token, Source.LOCAL)
    except LocalError as failure:
        raise LocalError(f"Failed to register check '{definition.name}': {failure}") from failure
    registry.enter_check(saved)


def _restore_service(
    registry: LocalRegistry, saved: SavedService, known: Mapping[str, HealthCheck]
) -> list[FileChange]:
    """Returns what to do about its file: the configuration files may define it now."""
    service_id = saved.service.id
    if registry.state.service(service_id) is not None:
        return persistence.forget_service(service_id)
    registration = Registration(service=saved.service, checks=(), token=saved.token)
    registry.enter_service(
        admit_service(registration, saved.source, registry.settings.rules, known)
    )
    return []


def _restore_check(
    registry: LocalRegistry, saved: SavedCheck, known: Mapping[str, HealthCheck]
) -> list[FileChange]:
    check_id = saved.check.check_id
    if registry.state.check(check_id) is not None:
        return [Remove(path=persistence.check_path(check_id))]
    check = structs.replace(saved.check, status=Status.CRITICAL)
    check = with_known_state(check, known.get(check_id))
    try:
        registry.enter_check(registry.admit_check(check, saved.type, saved.token, saved.source))
    except LocalError as failure:
        logger.warning("failed to restore check %s: %s", check_id, failure)
        return persistence.forget_check(check_id)
    return []
