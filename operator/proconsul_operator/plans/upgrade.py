"""A snapshot before another image, where the spec asks for one: the way back that no revert gives.

It is taken before the template changes, so nothing has moved when it fails; then the change stops
and the status says so. It is taken once a change, and of the state before it: while pods of two
revisions are there, that state is over, and a way back must not wait. Without a quorum there is
nobody to take it from, and mending goes before.
"""

from typing import Final

from proconsul_operator.api.group import SKIP_SNAPSHOT
from proconsul_operator.api.values import unix_s
from proconsul_operator.plans.actions import Decision
from proconsul_operator.plans.observe import Observed, Ref
from proconsul_operator.plans.quorum import judge
from proconsul_operator.plans.refusals import Refusal
from proconsul_operator.plans.snapshot import Taken, one_snapshot
from proconsul_operator.plans.steps import Step

SNAPSHOT_MAX_S: Final = 600.0  # then a person should look; if it comes after all, all goes on


def changes_image(observed: Observed) -> bool:
    """The set's template has another image than the spec asks for."""
    child = observed.children.get(Ref("StatefulSet", observed.wanted.name))
    if observed.stateful_set is None or child is None:
        return False
    containers = child.manifest["spec"]["template"]["spec"]["containers"]
    images = [each["image"] for each in containers if each["name"] == "server"]
    return observed.wanted.image not in images


def taken(observed: Observed) -> Taken:
    """What became of the snapshot; empty where none is asked for or it is there."""
    if not _is_asked(observed) or not changes_image(observed):
        return Taken()
    name = f"{observed.wanted.name}-upgrade-{observed.cluster.metadata.generation}"
    held = next((each for each in observed.snapshots if each.metadata.name == name), None)
    if held is None and not _can_be_taken(observed):
        return Taken()
    found = one_snapshot(
        observed, name=name, make=Step.UPGRADE_SNAPSHOT, await_=Step.AWAIT_UPGRADE_SNAPSHOT
    )
    if found == Taken():
        return Taken(failed="no ProconsulSnapshotSchedule of this cluster says where it goes")
    began = None if held is None else held.metadata.creation_timestamp
    late = began is not None and observed.now_s - unix_s(began) > SNAPSHOT_MAX_S
    if found.decision is not None and late:
        return Taken(failed=f"it took more than {SNAPSHOT_MAX_S / 60:.0f} minutes", name=name)
    return found


def _is_asked(observed: Observed) -> bool:
    return observed.spec.update.pre_upgrade_snapshot and SKIP_SNAPSHOT not in observed.annotations


def _can_be_taken(observed: Observed) -> bool:
    assert observed.stateful_set is not None, "an image can change where there is a set"
    revision = observed.stateful_set.update_revision
    rolls = any(pod.revision != revision for pod in observed.pods)
    return not rolls and observed.size > 0 and judge(observed).quorate


def refusal(observed: Observed) -> Refusal | None:
    """Why the new image is not rolled out."""
    found = taken(observed)
    if not found.failed:
        return None
    again = f", try again by deleting ProconsulSnapshot {found.name}" if found.name else ""
    return Refusal(
        "SnapshotFailed",
        f"the snapshot before the upgrade failed: {found.failed}. Nothing was changed. Take the "
        f"image back{again}, or do without it with the annotation {SKIP_SNAPSHOT}",
    )


def act(observed: Observed) -> Decision | None:
    """Have it taken."""
    found = taken(observed).decision
    return found if found is not None and found.acts else None


def await_end(observed: Observed) -> Decision | None:
    """Its end, for which nothing else has waited."""
    found = taken(observed).decision
    return found if found is not None and not found.acts else None
