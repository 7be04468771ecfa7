"""Conditions: what holds of an object, why, and since when.

Every condition of a kind is always there, Unknown before it was looked at. The time is that of the
last change of the status, so a new reason or message does not move it. Values in, values out: the
caller tells the time.

A reason is a promise as well: alerts and scripts match on it. So REASONS says which reason may
stand with which status of which condition, and a pair that it does not know is our mistake.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

from proconsul_operator.api.values import Message, Natural, Part, Time, time_text


class Truth(StrEnum):
    """Unknown is a value of its own: not seen is never the same as not so."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Part, frozen=True, kw_only=True):
    """One of them, as Kubernetes' own metav1.Condition has it."""

    type: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=316,
            pattern=r"^[A-Za-z][A-Za-z0-9]*$",
            description="What it is about.",
        ),
    ]
    status: Annotated[Truth, Meta(description="True, False or Unknown.")]
    reason: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1024,
            pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            description="Why, in one word.",
        ),
    ]
    message: Annotated[Message, Meta(description="Why, in a sentence.")] = ""
    observed_generation: Annotated[
        Natural, Meta(description="The generation of the object that it was found for.")
    ] = 0
    last_transition_time: Annotated[Time, Meta(description="When its status last changed.")]


CONDITIONS_MAX: Final = 16
Conditions = Annotated[
    tuple[Condition, ...], Meta(max_length=CONDITIONS_MAX, extra={"list_map": "type"})
]


class ClusterCondition(StrEnum):
    """The conditions of a ProconsulCluster, in the order in which they are shown."""

    READY = "Ready"
    QUORATE = "Quorate"
    ALL_MEMBERS_READY = "AllMembersReady"
    ALL_MEMBERS_UPDATED = "AllMembersUpdated"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    DATA_VOLUMES_READY = "DataVolumesReady"
    BACKUP_READY = "BackupReady"
    TLS_READY = "TLSReady"
    GOSSIP_KEY_CONSISTENT = "GossipKeyConsistent"
    CLUSTER_ID_MISMATCH = "ClusterIDMismatch"
    PAUSED = "Paused"
    EPHEMERAL = "Ephemeral"


class SnapshotCondition(StrEnum):
    """The conditions of a ProconsulSnapshot."""

    COMPLETE = "Complete"
    FAILED = "Failed"
    VERIFIED = "Verified"


class ScheduleCondition(StrEnum):
    """The conditions of a ProconsulSnapshotSchedule."""

    READY = "Ready"
    LAST_SNAPSHOT_SUCCEEDED = "LastSnapshotSucceeded"


class RestoreCondition(StrEnum):
    """The conditions of a ProconsulRestore."""

    COMPLETE = "Complete"
    FAILED = "Failed"


NOT_YET_OBSERVED: Final = "NotYetObserved"

_C = ClusterCondition
_T, _F, _U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN

# Unknown with NotYetObserved may stand anywhere.
REASONS: Final[Mapping[ClusterCondition, Mapping[Truth, frozenset[str]]]] = {
    _C.READY: {
        _T: frozenset({"AsSpecified"}),
        _F: frozenset(
            {
                "Creating", "RollingUpdate", "Scaling", "QuorumLost", "Paused", "Hibernated",
                "MembersNotReady", "Degraded", "Recovering", "Restoring", "Deleting", "ConfigCheck",
            }
        ),
        _U: frozenset({"OperatorCannotReach"}),
    },
    _C.QUORATE: {
        _T: frozenset({"LeaderAnswered"}),
        _F: frozenset({"NoLeader", "MajorityUnreachable", "MajorityLost", "Hibernated"}),
        _U: frozenset({"OperatorCannotReach"}),
    },
    _C.ALL_MEMBERS_READY: {
        _T: frozenset({"AllReady"}),
        _F: frozenset({"PodNotReady", "PodPending", "Unschedulable", "Hibernated"}),
        _U: frozenset(),
    },
    _C.ALL_MEMBERS_UPDATED: {
        _T: frozenset({"AllUpdated"}),
        _F: frozenset({"RollingUpdate", "WaitingForQuorum", "ManualApprovalNeeded"}),
        _U: frozenset(),
    },
    _C.PROGRESSING: {
        _T: frozenset(
            {
                "Bootstrap", "RollingUpdate", "ScaleUp", "ScaleIn", "Hibernation", "VolumeResize",
                "GossipRotation", "CertificateRenewal", "AuthorityRotation", "MemberReplacement",
                "Recovery", "Restore", "Deletion", "ConfigCheck",
                "UpgradeSnapshot",
            }
        ),
        _F: frozenset({"Idle"}),
        _U: frozenset(),
    },
    _C.DEGRADED: {
        _T: frozenset(
            {
                "RolloutStuck", "ScaleBlocked", "VersionSkewRefused", "ConfigInvalid",
                "ForeignObject", "ImmutableField", "ClusterIDMismatch", "SnapshotFailed",
                "SnapshotMissing", "ACLNotEnforced",
            }
        ),
        _F: frozenset({"Healthy"}),
        _U: frozenset(),
    },
    _C.DATA_VOLUMES_READY: {
        _T: frozenset({"AllBound", "NoVolumes"}),
        _F: frozenset({"PVCPending", "NodeGone", "ResizePending", "ResizeUnsupported"}),
        _U: frozenset(),
    },
    _C.BACKUP_READY: {
        _T: frozenset({"Recent"}),
        _F: frozenset({"LastFailed", "TooOld", "NotVerified"}),
        _U: frozenset({"NoSchedule"}),
    },
    _C.TLS_READY: {
        _T: frozenset({"AllValid"}),
        _F: frozenset({"Expiring", "MismatchBetweenMembers", "SecretMissing"}),
        _U: frozenset({"NotEnabled", "OperatorCannotReach"}),
    },
    _C.GOSSIP_KEY_CONSISTENT: {
        _T: frozenset({"SameKey"}),
        _F: frozenset({"RotationInProgress", "MemberMissingKey"}),
        _U: frozenset({"NotEnabled", "OperatorCannotReach"}),
    },
    _C.CLUSTER_ID_MISMATCH: {
        _T: frozenset({"DifferentIDs"}),
        _F: frozenset({"SameID"}),
        _U: frozenset({"OperatorCannotReach"}),
    },
    _C.PAUSED: {
        _T: frozenset({"BySpec", "ByAnnotation"}),
        _F: frozenset({"NotPaused"}),
        _U: frozenset(),
    },
    _C.EPHEMERAL: {
        _T: frozenset({"NoVolumes"}),
        _F: frozenset({"HasVolumes"}),
        _U: frozenset(),
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was just found about one condition."""

    type: StrEnum
    status: Truth
    reason: str
    message: str = ""

    def __post_init__(self) -> None:
        """A pair of status and reason that is not in the table is our mistake."""
        if isinstance(self.type, ClusterCondition):
            known = REASONS[self.type][self.status]
            fresh = self.status is Truth.UNKNOWN and self.reason == NOT_YET_OBSERVED
            assert fresh or self.reason in known, (
                f"{self.type} is never {self.status} for {self.reason}"
            )


def settle(
    held: Iterable[Condition],
    found: Iterable[Finding],
    *,
    types: type[StrEnum],
    generation: int,
    now_s: float,
) -> tuple[Condition, ...]:
    """All conditions of a kind after `found` was found for this generation of the object.

    What was not looked at stays as it was, its generation too; what nobody ever looked at is
    Unknown. `now_s`: seconds since 1970. Conditions of a type that we do not know are let go.
    """
    before = {condition.type: condition for condition in held}
    news = {finding.type.value: finding for finding in found}
    now = time_text(now_s)

    def after(each: StrEnum) -> Condition:
        old = before.get(each.value)
        new = news.get(each.value)
        if new is None:
            if old is not None:
                return old
            new = Finding(type=each, status=Truth.UNKNOWN, reason=NOT_YET_OBSERVED)
        same = old is not None and old.status is new.status
        return Condition(
            type=each.value,
            status=new.status,
            reason=new.reason,
            message=new.message,
            observed_generation=generation,
            last_transition_time=old.last_transition_time if old is not None and same else now,
        )

    return tuple(after(each) for each in types)


def condition_of(held: Iterable[Condition], kind: StrEnum) -> Condition | None:
    """The condition of this type, if it is there."""
    return next((condition for condition in held if condition.type == kind.value), None)


def holds(held: Iterable[Condition], kind: StrEnum) -> bool:
    """The condition is there and True; Unknown is not enough."""
    condition = condition_of(held, kind)
    return condition is not None and condition.status is Truth.TRUE
