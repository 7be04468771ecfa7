"""Bigger volumes: each claim is asked to grow, then the StatefulSet is made anew around its pods.

The claim's template cannot change, so the set is deleted without its pods and made again with the
same selector. If the operator dies in between, the set is made with as many pods as are there
(create.py). Not while anything else is in hand, and not while a change is withheld: the new set
would bring it in.
"""

from proconsul_operator.api.values import size_bytes
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Decision,
    OrphanStatefulSet,
    ResizeVolume,
    wait,
)
from proconsul_operator.plans.change import is_withheld
from proconsul_operator.plans.observe import Observed, Volume
from proconsul_operator.plans.rollout import set_of
from proconsul_operator.plans.steps import Step


def wanted_bytes(observed: Observed) -> int:
    """The size that the spec asks for; 0 without storage."""
    storage = observed.spec.storage
    return 0 if storage is None else size_bytes(storage.size)


def _small(observed: Observed) -> tuple[Volume, ...]:
    wanted = wanted_bytes(observed)
    return tuple(
        volume
        for volume in observed.volumes
        if volume.requested_bytes < wanted and not volume.left and not volume.terminating
    )


def why_not_grown(observed: Observed) -> str:
    """Why claims stay smaller than the spec asks, with the way out; "" if they do not."""
    stuck = [volume for volume in _small(observed) if volume.expandable is not True]
    if not stuck:
        return ""
    names = ", ".join(volume.name for volume in stuck)
    if stuck[0].expandable is None:
        return (
            f"whether the class of {names} lets volumes grow is not known: the operator finds or "
            "may read no such StorageClass. Claims that you grow yourself are taken over"
        )
    return (
        f"the class of {names} does not let volumes grow: set allowVolumeExpansion there if its "
        "provisioner can, or restore a snapshot into a new cluster"
    )


def grow(observed: Observed) -> Decision | None:
    """The next claim to grow, or the set's template."""
    storage = observed.spec.storage
    if storage is None:
        return None
    wanted = size_bytes(storage.size)
    if why_not_grown(observed):
        return None  # the status says ResizeUnsupported
    for volume in _small(observed):
        return Decision(
            step=Step.GROW_VOLUME,
            action=ResizeVolume(
                name=volume.name,
                uid=volume.uid,
                resource_version=volume.resource_version,
                size=storage.size,
            ),
            target=volume.name,
            why=f"{storage.size} is wanted",
        )
    live = set_of(observed)
    smaller = bool(live.volume_size) and size_bytes(live.volume_size) < wanted
    if smaller and not is_withheld(observed):
        return Decision(
            step=Step.ORPHAN_SET,
            action=OrphanStatefulSet(uid=live.uid, resource_version=live.resource_version),
            target=observed.wanted.name,
            why="its claims' template cannot change: it is made again around its pods",
        )
    for volume in observed.volumes:
        if volume.capacity_bytes < volume.requested_bytes and not volume.left:
            return wait(
                Step.AWAIT_RESIZE,
                f"{volume.name} grows {volume.resize_error}".strip(),
                target=volume.name,
                seconds=LOOK_LATER_S,
            )
    return None
