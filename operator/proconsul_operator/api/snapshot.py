"""ProconsulSnapshot: one snapshot, taken once; the object is its record.

A spec never changes and a failure is final: a new object is a new try. The record outlives its
cluster, so it has no owner.
"""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proconsul_operator.api.cluster_parts import Keep
from proconsul_operator.api.conditions import Conditions
from proconsul_operator.api.places import Destination, LocalRef
from proconsul_operator.api.values import (
    Duration,
    Message,
    Metadata,
    Natural,
    Part,
    Text,
    Time,
    Word,
)

Consistency = Literal["Leader", "Stale"]
Verify = Literal["None", "Archive", "Restore"]

CONSISTENCY_TEXT = "Leader: all that was committed. Stale: any member, with or without a leader."
VERIFY_TEXT = (
    "None; Archive: its sums and its meta data; Restore: loaded into a throw-away server as well."
)


class SnapshotPhase(StrEnum):
    """How far it is; the last three are final."""

    PENDING = "Pending"
    RUNNING = "Running"
    UPLOADING = "Uploading"
    VERIFYING = "Verifying"
    COMPLETED = "Completed"
    FAILED = "Failed"
    EXPIRED = "Expired"


class SnapshotSpec(Part, frozen=True, kw_only=True):
    """What is to be saved, and where to. Immutable."""

    cluster_ref: Annotated[LocalRef, Meta(description="The ProconsulCluster.")]
    destination: Annotated[
        Destination, Meta(description="Where it is put: exactly one of s3, pvc and http.")
    ]
    consistency: Annotated[Consistency, Meta(description=CONSISTENCY_TEXT)] = "Leader"
    verify: Annotated[Verify, Meta(description=VERIFY_TEXT)] = "Archive"
    ttl: Annotated[
        Duration | None,
        Meta(description="Age at which record and remote object are removed. Without it: never."),
    ] = None
    deletion_policy: Annotated[
        Keep, Meta(description="Delete removes the remote object together with the record.")
    ] = "Retain"


class SnapshotError(Part, frozen=True, kw_only=True):
    """Why there is none."""

    reason: Annotated[Word, Meta(description="In one word.")] = ""
    message: Annotated[Message, Meta(description="In a sentence.")] = ""


class SnapshotStatus(Part, frozen=True, kw_only=True):
    """What became of it."""

    observed_generation: Annotated[Natural, Meta(description="The generation it is about.")] = 0
    phase: Annotated[
        Word, Meta(description="Pending to Completed, Failed or Expired; for people.")
    ] = ""
    started_at: Annotated[Time | None, Meta(description="When its Job began.")] = None
    completed_at: Annotated[Time | None, Meta(description="When it ended.")] = None
    duration: Annotated[Duration | None, Meta(description="How long that took.")] = None
    attempts: Annotated[Natural, Meta(description="Pods that tried.")] = 0
    index: Annotated[Natural, Meta(description="Raft index of the snapshot.")] = 0
    term: Annotated[Natural, Meta(description="Raft term of the snapshot.")] = 0
    cluster_id: Annotated[Word, Meta(description="Cluster ID in it.")] = ""
    version: Annotated[Word, Meta(description="Version of the server that gave it.")] = ""
    size_bytes: Annotated[Natural, Meta(description="Size of the archive.")] = 0
    sha256: Annotated[Word, Meta(description="SHA-256 of the archive, in hex.")] = ""
    location: Annotated[str, Meta(max_length=4096, description="Where it lies, as a URL.")] = ""
    verified: Annotated[
        bool, Meta(description="It was checked as `verify` asks, and not found otherwise since.")
    ] = False
    verified_at: Annotated[
        Time | None, Meta(description="When it was last found as it should be.")
    ] = None
    checked_at: Annotated[
        Time | None, Meta(description="When it was last looked at again, whatever came of it.")
    ] = None
    verify_failures: Annotated[
        Natural, Meta(description="Looks in a row that came to nothing: the store did not answer.")
    ] = 0
    keys_checked: Annotated[Natural, Meta(description="Entries that were counted.")] = 0
    job_name: Annotated[Text, Meta(description="The Job that took it.")] = ""
    error: Annotated[SnapshotError | None, Meta(description="Why there is none.")] = None
    conditions: Annotated[Conditions, Meta(description="Complete, Failed and Verified.")] = ()


class ProconsulSnapshot(Part, frozen=True, kw_only=True):
    """A snapshot of a cluster: taken once, and the record of it."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: Annotated[SnapshotSpec, Meta(description="What is to be saved. Immutable.")]
    status: Annotated[SnapshotStatus, Meta(description="What became of it.")] = msgspec.field(
        default_factory=SnapshotStatus
    )
