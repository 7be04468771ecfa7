"""What a restore names may not be there: a snapshot's record, its archive, the cluster itself.

It may come a moment later, by the same `kubectl apply`, so the restore is Pending and says for what
it waits, and nothing of the cluster is touched or held up meanwhile. After a limit that it states
it fails: a wish that lies about for months must not come true by a name that somebody reuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proconsul_operator.api.places import LocalRef
from proconsul_operator.api.restore import ProconsulRestore, RestorePhase
from proconsul_operator.api.snapshot import ProconsulSnapshot, SnapshotPhase
from proconsul_operator.api.values import time_text, unix_s
from proconsul_operator.plans.actions import LOOK_LATER_S, Decision, wait
from proconsul_operator.plans.restore_record import note
from proconsul_operator.plans.steps import Step

NAMED_S: Final = 300.0
"""How long an object may be missing that a restore names, from the restore's creation."""
UNFINISHED_S: Final = 3600.0
"""How long a snapshot may take that is there: twice what its Job may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What is missing: one word for programs, a sentence for people, and how long it may be so."""

    reason: str
    message: str
    waits_s: float


def lack_of_archive(named: LocalRef | None, snapshots: Sequence[ProconsulSnapshot]) -> Lack | None:
    """Of the archive that a record tells of; None if it is there, or no record is named."""
    if named is None:
        return None
    who = f"ProconsulSnapshot {named.name}"
    record = next((each for each in snapshots if each.metadata.name == named.name), None)
    if record is None:
        return Lack(reason="SnapshotNotFound", message=f"{who} is not there", waits_s=NAMED_S)
    status = record.status
    if status.phase in (SnapshotPhase.FAILED, SnapshotPhase.EXPIRED):
        message = f"{who} has no archive: it is {status.phase}"
        return Lack(reason="SnapshotFailed", message=message, waits_s=0.0)
    if record.metadata.deletion_timestamp is not None:
        message = f"{who} is being deleted"
        return Lack(reason="SnapshotNotFound", message=message, waits_s=0.0)
    if not status.location:
        message = f"{who} has no archive yet"
        return Lack(reason="SnapshotNotCompleted", message=message, waits_s=UNFINISHED_S)
    return None


def lack_of_cluster(restore: ProconsulRestore, *, there: bool) -> Lack | None:
    """Of the cluster that is to be restored into; one that was there and is gone is no wait."""
    if there:
        return None
    name = restore.spec.cluster_ref.name
    if has_begun(restore):
        message = f"ProconsulCluster {name} was deleted"
        return Lack(reason="ClusterDeleted", message=message, waits_s=0.0)
    message = f"ProconsulCluster {name} is not there"
    return Lack(reason="ClusterNotFound", message=message, waits_s=NAMED_S)


def has_begun(restore: ProconsulRestore) -> bool:
    """It holds a lock, or did."""
    return restore.status.phase not in ("", RestorePhase.PENDING)


def is_of_another(restore: ProconsulRestore, uid: str) -> bool:
    """It began with a cluster of that name that is no more."""
    return bool(restore.status.cluster_uid) and restore.status.cluster_uid != uid


def settle(now_s: float, restore: ProconsulRestore, lack: Lack) -> Decision:
    """Fail if its time is up, else say what is waited for, once."""
    made = restore.metadata.creation_timestamp
    until_s = (now_s if made is None else unix_s(made)) + lack.waits_s
    if now_s >= until_s:
        return fail(now_s, restore, lack)
    message = f"{lack.message}; it is waited for until {time_text(until_s)}"
    if (restore.status.phase, restore.status.message) == (RestorePhase.PENDING, message):
        return wait(Step.AWAIT_SOURCE, message, target=restore.metadata.name, seconds=LOOK_LATER_S)
    return note(
        now_s, restore, RestorePhase.PENDING, step=Step.NOTE_LACK, reason=lack.reason,
        event=lack.reason, message=message,
    )  # fmt: skip


def fail(now_s: float, restore: ProconsulRestore, lack: Lack) -> Decision:
    """For good."""
    return note(
        now_s, restore, RestorePhase.FAILED, step=Step.REFUSE_RESTORE, reason=lack.reason,
        message=f"{lack.message}. A new ProconsulRestore is a new try",
        completed_at=time_text(now_s),
    )  # fmt: skip


def replaced(now_s: float, restore: ProconsulRestore) -> Decision:
    """The cluster is another by now: what was decided for the first is not for this one."""
    name = restore.spec.cluster_ref.name
    message = f"ProconsulCluster {name} was deleted and made anew while it was restored"
    return fail(now_s, restore, Lack(reason="ClusterReplaced", message=message, waits_s=0.0))
