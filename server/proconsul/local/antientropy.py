"""What must be told to the catalog, so that it has this node as it is.

Full sync: `compare` marks every entry that the catalog has not, or has otherwise; then, as
after any local change, `steps` gives the requests one by one. It is a generator because each
answer matters to the next request (a registration also carries the node, so the next may skip
it): call `settle` before asking for more. Facts: local/state.go, updateSyncState, SyncChanges.
"""

from collections.abc import Iterable, Iterator
from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace

from proconsul.local.state import CheckEntry, LocalState, ServiceEntry, Source
from proconsul.model.catalog import (
    DeregisterRequest,
    Node,
    NodeService,
    NodeSpecificRequest,
    RegisterRequest,
)
from proconsul.model.health import HealthCheck
from proconsul.wire.golang import SECOND, Duration

CONSUL_SERVICE_ID = "consul"  # of servers: the leader registers it, nobody removes it here
SERF_CHECK_ID = "serfHealth"  # of every member: the leader's, too
READ_MAX_STALE = Duration(2 * SECOND)


class Tokens(Struct, frozen=True, kw_only=True):
    """The agent's ACL tokens: `user` where a definition has none, `agent` for the node."""

    agent: str
    user: str


class Outcome(Enum):
    """What became of a step."""

    DONE = auto()
    DENIED = auto()  # by ACLs: not tried again until something changes


class Step(Struct, frozen=True, kw_only=True):
    """One request to send; the versions say what of the local state it carries."""

    method: str
    request: RegisterRequest | DeregisterRequest
    services: dict[str, int]
    checks: dict[str, int]
    what: str  # for the log


def read_request(state: LocalState, tokens: Tokens) -> NodeSpecificRequest:
    """How the catalog is asked what it has of this node."""
    return NodeSpecificRequest(
        datacenter=state.node.datacenter,
        node=state.node.name,
        token=tokens.agent or tokens.user,
        allow_stale=True,
        max_stale_duration=READ_MAX_STALE,
    )


def compare(
    state: LocalState,
    node: Node | None,
    services: Iterable[NodeService],
    checks: Iterable[HealthCheck],
) -> None:
    """Mark what differs from the catalog; what only the catalog has is marked as deleted."""
    if (
        node is None
        or node.id != state.node.id
        or node.tagged_addresses != state.node.tagged_addresses
        or node.meta != state.node_meta
    ):
        state.node_in_sync = False
    _compare_services(state, {service.id: service for service in services})
    _compare_checks(state, {check.check_id: check for check in checks})


def _compare_services(state: LocalState, remote: dict[str, NodeService]) -> None:
    for service_id, entry in state.services.items():
        if service_id not in remote:
            entry.in_sync = False
    for service_id, theirs in remote.items():
        ours = state.services.get(service_id)
        if ours is None:
            if service_id != CONSUL_SERVICE_ID:
                state.services[service_id] = ServiceEntry(
                    service=None, token="", source=Source.REMOTE, version=0, deleted=True
                )
            continue
        if ours.deleted or ours.service is None:
            continue
        if ours.service.enable_tag_override:
            # Go copies into a fresh slice, so nil becomes empty.
            ours.service = replace(ours.service, tags=list(theirs.tags or ()))
        ours.in_sync = same_service(ours.service, theirs)


def _compare_checks(state: LocalState, remote: dict[str, HealthCheck]) -> None:
    for check_id, entry in state.checks.items():
        if check_id not in remote:
            entry.in_sync = False
    for check_id, theirs in remote.items():
        ours = state.checks.get(check_id)
        if ours is None:
            if check_id != SERF_CHECK_ID:
                state.checks[check_id] = CheckEntry(
                    check=None, token="", source=Source.REMOTE, version=0, deleted=True
                )
            continue
        if ours.deleted or ours.check is None:
            continue
        # An output that is deferred goes when its time comes, not with this sweep.
        deferred = ours.deferred_until_s is not None and state.check_update_interval_s > 0
        ours.in_sync = same_check(ours.check, theirs, with_output=not deferred)


def same_service(one: NodeService, other: NodeService) -> bool:
    """Whether two services are equal but for their indexes."""
    return _bare_service(one) == _bare_service(other)


def _bare_service(service: NodeService) -> NodeService:
    return replace(service, create_index=0, modify_index=0, locally_registered_as_sidecar=False)


def same_check(one: HealthCheck, other: HealthCheck, *, with_output: bool) -> bool:
    """Whether two checks are equal but for their indexes and their type."""
    return _bare_check(one, with_output) == _bare_check(other, with_output)


def _bare_check(check: HealthCheck, with_output: bool) -> HealthCheck:
    output = check.output if with_output else ""
    return replace(check, create_index=0, modify_index=0, type="", output=output)


# ---------------------------------------------------------------- requests


def steps(state: LocalState, tokens: Tokens) -> Iterator[Step]:
    """The requests that bring the catalog up to date; `settle` each before the next."""
    if not state.node_in_sync:
        token = tokens.agent or tokens.user
        yield _register(state, token, services={}, checks={}, what="node info")
    for service_id in list(state.services):
        service = state.services.get(service_id)
        if service is not None and service.deleted:
            yield _forget_service(state, tokens, service_id, service)
        elif service is not None and not service.in_sync:
            yield _register_service(state, tokens, service_id, service)
    for check_id in list(state.checks):
        check = state.checks.get(check_id)
        if check is not None and check.deleted:
            yield _forget_check(state, tokens, check_id, check)
        elif check is not None and not check.in_sync:
            yield _register_check(state, tokens, check_id, check)


def _register(
    state: LocalState,
    token: str,
    *,
    services: dict[str, int],
    checks: dict[str, int],
    what: str,
) -> Step:
    request = RegisterRequest(
        datacenter=state.node.datacenter,
        id=state.node.id,
        node=state.node.name,
        address=state.node.address,
        tagged_addresses=state.node.tagged_addresses,
        node_meta=state.node_meta,
        skip_node_update=state.node_in_sync,
        token=token,
    )
    return Step(
        method="Catalog.Register", request=request, services=services, checks=checks, what=what
    )


def _register_service(
    state: LocalState, tokens: Tokens, service_id: str, entry: ServiceEntry
) -> Step:
    token = entry.token or tokens.user
    # Checks ride along, to come into being with their service; but only under the same
    # token, or they would borrow the rights of the service's.
    riding = {
        key: check
        for key, check in state.checks.items()
        if check.check is not None
        and not (check.deleted or check.in_sync)
        and check.check.service_id == service_id
        and (check.token or tokens.user) == token
    }
    step = _register(
        state,
        token,
        services={service_id: entry.version},
        checks={key: check.version for key, check in riding.items()},
        what=f"service {service_id}",
    )
    checks = [check.check for check in riding.values() if check.check is not None]
    alone = checks[0] if len(checks) == 1 else None
    assert isinstance(step.request, RegisterRequest), "_register makes one"
    request = replace(
        step.request,
        service=entry.service,
        check=alone,
        checks=None if alone is not None else (checks or None),
    )
    return Step(
        method=step.method,
        request=request,
        services=step.services,
        checks=step.checks,
        what=step.what,
    )


def _register_check(state: LocalState, tokens: Tokens, check_id: str, entry: CheckEntry) -> Step:
    assert entry.check is not None, "only a deleted entry has no check"
    entry.deferred_until_s = None
    step = _register(
        state,
        entry.token or tokens.user,
        services={},
        checks={check_id: entry.version},
        what=f"check {check_id}",
    )
    service = state.service(entry.check.service_id) if entry.check.service_id else None
    assert isinstance(step.request, RegisterRequest), "_register makes one"
    request = replace(step.request, service=service, check=entry.check)
    return Step(
        method=step.method,
        request=request,
        services=step.services,
        checks=step.checks,
        what=step.what,
    )


def _forget_service(
    state: LocalState, tokens: Tokens, service_id: str, entry: ServiceEntry
) -> Step:
    request = DeregisterRequest(
        datacenter=state.node.datacenter,
        node=state.node.name,
        service_id=service_id,
        token=entry.token or tokens.user,
    )
    return Step(
        method="Catalog.Deregister",
        request=request,
        services={service_id: entry.version},
        checks={},
        what=f"service {service_id}",
    )


def _forget_check(state: LocalState, tokens: Tokens, check_id: str, entry: CheckEntry) -> Step:
    request = DeregisterRequest(
        datacenter=state.node.datacenter,
        node=state.node.name,
        check_id=check_id,
        token=entry.token or tokens.user,
    )
    return Step(
        method="Catalog.Deregister",
        request=request,
        services={},
        checks={check_id: entry.version},
        what=f"check {check_id}",
    )


# ---------------------------------------------------------------- answers


def settle(state: LocalState, step: Step, outcome: Outcome) -> None:
    """Take note of an answer. What has changed since the step was made stays out of sync."""
    if isinstance(step.request, RegisterRequest):
        _settle_registration(state, step, outcome)
    else:
        _settle_removal(state, step, outcome)


def _settle_registration(state: LocalState, step: Step, outcome: Outcome) -> None:
    # A denied node registration counts as done as well, or it would be tried on every change.
    if outcome is Outcome.DONE or not (step.services or step.checks):
        state.node_in_sync = True
    for entry in _unchanged(state, step):
        entry.in_sync = not entry.deleted


def _settle_removal(state: LocalState, step: Step, outcome: Outcome) -> None:
    for entry in _unchanged(state, step):
        entry.in_sync = True
    if outcome is Outcome.DENIED:
        return
    for service_id, version in step.services.items():
        gone = state.services.get(service_id)
        if gone is None or gone.version != version:
            continue
        del state.services[service_id]
        # The catalog has removed the checks with their service.
        for key, check in list(state.checks.items()):
            if check.deleted and check.check is not None and check.check.service_id == service_id:
                del state.checks[key]
    for check_id, version in step.checks.items():
        check_entry = state.checks.get(check_id)
        if check_entry is not None and check_entry.version == version:
            del state.checks[check_id]


def _unchanged(state: LocalState, step: Step) -> Iterator[ServiceEntry | CheckEntry]:
    for service_id, version in step.services.items():
        service = state.services.get(service_id)
        if service is not None and service.version == version:
            yield service
    for check_id, version in step.checks.items():
        check = state.checks.get(check_id)
        if check is not None and check.version == version:
            yield check
