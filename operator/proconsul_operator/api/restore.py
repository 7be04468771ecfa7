"""ProconsulRestore: a snapshot put back, or a cluster brought back from fewer than a quorum.

A spec never changes, and what loses data needs the cluster's name said twice. One restore at a time
owns a cluster (group.RESTORE_LOCK).
"""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proconsul_operator.api.cluster import MEMBERS_MAX, ClusterSpec
from proconsul_operator.api.conditions import Conditions
from proconsul_operator.api.places import Destination, LocalRef, Location
from proconsul_operator.api.values import (
    Message,
    Metadata,
    Name,
    Natural,
    OptionalName,
    Part,
    Text,
    Time,
    Word,
)

RestoreMode = Literal["InPlace", "NewCluster", "RecoverQuorum"]


class RestorePhase(StrEnum):
    """How far it is; the last two are final."""

    PENDING = "Pending"
    VALIDATING = "Validating"
    SAFETY_SNAPSHOT = "SafetySnapshot"
    FENCING = "Fencing"
    REFORMING = "Reforming"
    RESTORING = "Restoring"
    REJOINING = "Rejoining"
    VERIFYING = "Verifying"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class RestoreSpec(Part, frozen=True, kw_only=True):
    """What is brought back, and into what. Immutable."""

    mode: Annotated[
        RestoreMode,
        Meta(
            description="InPlace: the snapshot takes the place of the cluster's data. NewCluster: "
            "a cluster is made of it. RecoverQuorum: no snapshot; the best survivor begins alone."
        ),
    ]
    cluster_ref: Annotated[
        LocalRef, Meta(description="The ProconsulCluster; with NewCluster the one to be made.")
    ]
    snapshot_ref: Annotated[
        LocalRef | None, Meta(description="A completed ProconsulSnapshot of the same namespace.")
    ] = None
    location: Annotated[
        Location | None, Meta(description="Where the snapshot lies, if it has no record.")
    ] = None
    new_cluster: Annotated[
        ClusterSpec | None, Meta(description="The new cluster, with NewCluster and only then.")
    ] = None
    acknowledge_data_loss: Annotated[
        OptionalName,
        Meta(description="The cluster's name again: yes, what it holds (or held) may be lost."),
    ] = ""
    safety_snapshot: Annotated[
        Literal["Required", "IfPossible", "Skip"],
        Meta(description="Whether what is there is saved before it is replaced."),
    ] = "IfPossible"
    safety_destination: Annotated[
        Destination | None,
        Meta(
            description="Where that is put. Without it: to the destination of the cluster's "
            "ProconsulSnapshotSchedule."
        ),
    ] = None
    survivor: Annotated[
        Word,
        Meta(description="RecoverQuorum: the ID of the member to begin with; else the best log."),
    ] = ""


class Survivor(Part, frozen=True, kw_only=True):
    """A member that still has its disk, and what is on it."""

    name: Annotated[Name, Meta(description="Node name.")]
    id: Annotated[Word, Meta(description="Server ID.")] = ""
    last_term: Annotated[Natural, Meta(description="Term of the last entry of its log.")] = 0
    last_index: Annotated[Natural, Meta(description="Index of the last entry of its log.")] = 0
    commit_index: Annotated[Natural, Meta(description="What it knows to be committed.")] = 0


class RestoreStatus(Part, frozen=True, kw_only=True):
    """How far it is and what was decided; what a restarted operator goes on from."""

    observed_generation: Annotated[Natural, Meta(description="The generation it is about.")] = 0
    phase: Annotated[Word, Meta(description="Pending to Succeeded or Failed.")] = ""
    cluster_uid: Annotated[Word, Meta(description="UID of the cluster that it began with.")] = ""
    epoch: Annotated[Natural, Meta(description="Number of the recovery; 0 if none is needed.")] = 0
    survivors: Annotated[
        tuple[Survivor, ...],
        Meta(max_length=MEMBERS_MAX, extra={"list_map": "name"}, description="Who was found."),
    ] = ()
    chosen: Annotated[Text, Meta(description="ID of the survivor that begins.")] = ""
    from_index: Annotated[Natural, Meta(description="Raft index before.")] = 0
    to_index: Annotated[Natural, Meta(description="Raft index after.")] = 0
    safety_snapshot_name: Annotated[
        Text, Meta(description="The ProconsulSnapshot of what was there.")
    ] = ""
    new_cluster_id: Annotated[Word, Meta(description="Cluster ID, if a new one was made.")] = ""
    started_at: Annotated[Time | None, Meta(description="When it began.")] = None
    completed_at: Annotated[Time | None, Meta(description="When it ended.")] = None
    message: Annotated[Message, Meta(description="What holds, and what may be missing.")] = ""
    conditions: Annotated[Conditions, Meta(description="Complete and Failed.")] = ()


class ProconsulRestore(Part, frozen=True, kw_only=True):
    """A snapshot put back, or a cluster brought back after its quorum was lost."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: Annotated[RestoreSpec, Meta(description="What is brought back. Immutable.")]
    status: Annotated[RestoreStatus, Meta(description="How far it is.")] = msgspec.field(
        default_factory=RestoreStatus
    )
