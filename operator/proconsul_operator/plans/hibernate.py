"""Size 0: a clean stop that keeps the volumes, and the way back to the same size.

Before the stop the size is written into the status, and a snapshot is taken where the cluster's
schedule says. Back it goes to that size only: another one would be a cluster that does not know its
members.
"""

from proconsul_operator.api.group import SKIP_SNAPSHOT
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Decision,
    RecordStatus,
    SetReplicas,
    wait,
)
from proconsul_operator.plans.change import before_founding
from proconsul_operator.plans.observe import Observed
from proconsul_operator.plans.rollout import set_of
from proconsul_operator.plans.snapshot import one_snapshot
from proconsul_operator.plans.steps import Step


def remembered_size(observed: Observed) -> int:
    """To what a cluster without servers comes back; 0 if nobody knows."""
    if not observed.was_founded:
        return observed.spec.replicas
    kept = max((each.ordinal + 1 for each in observed.volumes if not each.left), default=0)
    return observed.status.replicas_before_hibernation or kept


def asleep(observed: Observed) -> Decision | None:
    """A set of size 0: it stays, or wakes."""
    if observed.size:
        return None
    if observed.spec.replicas == 0:
        return wait(Step.HIBERNATED, "replicas is 0", seconds=LOOK_LATER_S)
    size = remembered_size(observed)
    if observed.spec.replicas != size:
        return wait(
            Step.SCALE_BLOCKED,
            f"it had {size} servers when it was put to sleep: set replicas to {size} first",
            seconds=LOOK_LATER_S,
        )
    wake = _set_replicas(observed, Step.WAKE, size, f"{size} servers are wanted again")
    return before_founding(observed) or wake


def fall_asleep(observed: Observed) -> Decision | None:
    """The way to size 0."""
    if observed.spec.replicas != 0 or observed.size == 0:
        return None
    if observed.spec.storage is None:
        return wait(
            Step.SCALE_BLOCKED,
            "without storage a cluster that sleeps has lost everything: delete it instead",
            seconds=LOOK_LATER_S,
        )
    if observed.status.replicas_before_hibernation != observed.size:
        return Decision(
            step=Step.REMEMBER_SIZE,
            action=RecordStatus(fields={"replicas_before_hibernation": observed.size}),
            target=observed.wanted.name,
            why=f"it shall come back with {observed.size} servers",
        )
    return _snapshot(observed) or _set_replicas(
        observed, Step.HIBERNATE, 0, "replicas is 0: all servers stop, volumes stay"
    )


def _snapshot(observed: Observed) -> Decision | None:
    if SKIP_SNAPSHOT in observed.annotations:
        return None
    taken = one_snapshot(
        observed,
        name=f"{observed.wanted.name}-hibernation-{observed.cluster.metadata.generation}",
        make=Step.HIBERNATION_SNAPSHOT,
        await_=Step.AWAIT_HIBERNATION_SNAPSHOT,
    )
    if not taken.failed:
        return taken.decision
    return wait(
        Step.SCALE_BLOCKED,
        f"the snapshot before the stop failed: {taken.failed}. Do without it with the annotation "
        f"{SKIP_SNAPSHOT}",
        seconds=LOOK_LATER_S,
    )


def _set_replicas(observed: Observed, step: Step, replicas: int, why: str) -> Decision:
    held = set_of(observed)
    return Decision(
        step=step,
        action=SetReplicas(uid=held.uid, resource_version=held.resource_version, replicas=replicas),
        target=observed.wanted.name,
        why=why,
    )
