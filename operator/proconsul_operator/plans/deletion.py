"""The end of a cluster, when there is more to do than Kubernetes does by owner references.

The finalizer is there only then: for volumes that go, or for a last snapshot. Volumes go after the
pods, and what is kept with them (guard, keys) goes with them.
"""

from typing import Final

from proconsul_operator.api.group import FINALIZER, FORCE_DELETE
from proconsul_operator.api.values import unix_s
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Decision,
    DeleteObject,
    DeleteVolume,
    SetFinalizer,
    wait,
)
from proconsul_operator.plans.create import acl_secret, authority_secret
from proconsul_operator.plans.drift import is_foreign
from proconsul_operator.plans.observe import Observed, Ref
from proconsul_operator.plans.quorum import judge
from proconsul_operator.plans.snapshot import one_snapshot
from proconsul_operator.plans.steps import Step

FINAL_SNAPSHOT_S: Final = 600.0


def has_work(observed: Observed) -> bool:
    """Deletion is more than what Kubernetes does."""
    storage = observed.spec.storage
    return storage is not None and (storage.on_delete == "Delete" or storage.final_snapshot)


def note_finalizer(observed: Observed) -> Decision | None:
    """The finalizer, where there is work, and only there."""
    held = FINALIZER in observed.cluster.metadata.finalizers
    if held == has_work(observed):
        return None
    return _finalizer(observed, Step.NOTE_FINALIZER, present=not held)


def _finalizer(observed: Observed, step: Step, *, present: bool) -> Decision:
    meta = observed.cluster.metadata
    action = SetFinalizer(kind="ProconsulCluster", name=meta.name, uid=meta.uid, present=present)
    why = "its deletion has work to do" if present else "there is nothing left to do"
    return Decision(step=step, action=action, target=meta.name, why=why)


def plan(observed: Observed) -> Decision | None:
    """The next act of a deletion; None if the cluster is not deleted."""
    meta = observed.cluster.metadata
    if meta.deletion_timestamp is None:
        return None
    if FINALIZER not in meta.finalizers:
        return wait(Step.AWAIT_PODS_GONE, "Kubernetes deletes it", seconds=LOOK_LATER_S)
    return (
        _last_snapshot(observed)
        or _volumes(observed)
        or _finalizer(observed, Step.LET_GO, present=False)
    )


def _last_snapshot(observed: Observed) -> Decision | None:
    storage = observed.spec.storage
    asked = storage is not None and storage.final_snapshot
    if not asked or FORCE_DELETE in observed.annotations or observed.stateful_set is None:
        return None
    if not judge(observed).quorate or any(pod.terminating for pod in observed.pods):
        return _give_up(observed, "there is no quorum")
    meta = observed.cluster.metadata
    taken = one_snapshot(
        observed,
        name=f"{meta.name}-final-{meta.uid[:8]}",
        make=Step.FINAL_SNAPSHOT,
        await_=Step.AWAIT_FINAL_SNAPSHOT,
    )
    if taken.failed or not taken.name:
        return _give_up(observed, taken.failed or "no schedule says where to")
    return taken.decision


def _give_up(observed: Observed, why: str) -> Decision:
    begun = observed.cluster.metadata.deletion_timestamp
    assert begun is not None
    late = observed.now_s > unix_s(begun) + FINAL_SNAPSHOT_S
    way = f"; go on without it with the annotation {FORCE_DELETE}" if late else ""
    return wait(
        Step.AWAIT_FINAL_SNAPSHOT, f"the last snapshot cannot be taken: {why}{way}", seconds=5.0
    )


def _volumes(observed: Observed) -> Decision | None:
    storage = observed.spec.storage
    if storage is None or storage.on_delete != "Delete":
        return None
    return _set(observed) or _claims(observed) or _kept(observed)


def _set(observed: Observed) -> Decision | None:
    held = observed.stateful_set
    if held is not None and not held.terminating:
        return Decision(
            step=Step.DROP_SET,
            action=DeleteObject(kind="StatefulSet", name=observed.wanted.name, uid=held.uid),
            target=observed.wanted.name,
            why="its pods go before its volumes",
        )
    if held is not None or observed.pods:
        return wait(Step.AWAIT_PODS_GONE, f"{len(observed.pods)} pods are going")
    return None


def _claims(observed: Observed) -> Decision | None:
    for volume in observed.volumes:
        if not volume.terminating:
            return Decision(
                step=Step.DELETE_VOLUME,
                action=DeleteVolume(
                    name=volume.name, uid=volume.uid, resource_version=volume.resource_version
                ),
                target=volume.name,
                why="onDelete is Delete",
            )
    return None


def _kept(observed: Observed) -> Decision | None:
    wanted = observed.wanted
    kept = (
        Ref("ConfigMap", wanted.guard),
        Ref("Secret", f"{wanted.name}-gossip"),
        Ref("Secret", acl_secret(wanted)),
        Ref("Secret", authority_secret(wanted)),
    )
    for ref in kept:
        child = observed.children.get(ref)
        if child is not None and not is_foreign(observed, ref):
            return Decision(
                step=Step.DELETE_KEPT,
                action=DeleteObject(kind=ref.kind, name=ref.name, uid=child.uid),
                target=f"{ref.kind} {ref.name}",
                why="it went with the volumes",
            )
    return None
