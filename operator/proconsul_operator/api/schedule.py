"""ProconsulSnapshotSchedule: snapshots by the clock, by a CronJob that needs no operator."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proconsul_operator.api.conditions import Conditions
from proconsul_operator.api.places import Destination, LocalRef
from proconsul_operator.api.snapshot import CONSISTENCY_TEXT, VERIFY_TEXT, Consistency, Verify
from proconsul_operator.api.values import (
    Duration,
    Metadata,
    Name,
    Natural,
    Part,
    Text,
    Time,
)

RECORDS_MAX = 1000


class SnapshotTemplate(Part, frozen=True, kw_only=True):
    """What each snapshot is like."""

    destination: Annotated[
        Destination, Meta(description="Where they are put: exactly one of s3, pvc and http.")
    ]
    consistency: Annotated[Consistency, Meta(description=CONSISTENCY_TEXT)] = "Leader"
    verify: Annotated[Verify, Meta(description=VERIFY_TEXT)] = "Archive"


class Retention(Part, frozen=True, kw_only=True):
    """Which are kept: the newest `keepLast`, and all younger than `maxAge`.

    The newest that was verified is always kept.
    """

    keep_last: Annotated[
        Annotated[int, Meta(ge=1, le=10000)] | None, Meta(description="How many at least.")
    ] = None
    max_age: Annotated[Duration | None, Meta(description="Younger ones are kept.")] = None


class ScheduleSpec(Part, frozen=True, kw_only=True):
    """When, what, where to, and how long it is kept."""

    cluster_ref: Annotated[LocalRef, Meta(description="The ProconsulCluster.")]
    schedule: Annotated[
        str,
        Meta(min_length=1, max_length=128, description="As in a CronJob: five fields, or @daily."),
    ]
    time_zone: Annotated[
        str, Meta(min_length=1, max_length=64, description="Name of the time zone it is meant in.")
    ] = "Etc/UTC"
    suspend: Annotated[bool, Meta(description="Take none for now.")] = False
    starting_deadline_seconds: Annotated[
        int, Meta(ge=10, le=604800, description="How late one may still begin.")
    ] = 3600
    concurrency_policy: Annotated[
        Literal["Forbid", "Replace"],
        Meta(description="When the one before still runs: leave this one out, or end that one."),
    ] = "Forbid"
    template: Annotated[SnapshotTemplate, Meta(description="What each snapshot is like.")]
    retention: Annotated[
        Retention | None,
        Meta(
            description="What is kept: the newest keepLast, and all younger than maxAge; the "
            "newest verified one always. Without it: everything."
        ),
    ] = None
    verify_interval: Annotated[
        Duration,
        Meta(
            description="How long the newest verified one, and the cluster's newest, go without "
            "being read again and compared with its checksum; at least 1m, and 0s for never."
        ),
    ] = "6h"
    successful_records: Annotated[
        int, Meta(ge=0, le=RECORDS_MAX, description="Records of good ones that are kept.")
    ] = 10
    failed_records: Annotated[
        int, Meta(ge=0, le=RECORDS_MAX, description="Records of failed ones that are kept.")
    ] = 5
    run_now: Annotated[
        str, Meta(max_length=63, description="Another text than before: one snapshot at once.")
    ] = ""


class SuccessfulRun(Part, frozen=True, kw_only=True):
    """The last that ended well."""

    time: Annotated[Time | None, Meta(description="When it was taken.")] = None
    name: Annotated[Name, Meta(description="Its ProconsulSnapshot.")]
    index: Annotated[Natural, Meta(description="Its Raft index.")] = 0


class ScheduleStatus(Part, frozen=True, kw_only=True):
    """What it came to."""

    observed_generation: Annotated[Natural, Meta(description="The generation it is about.")] = 0
    last_scheduled: Annotated[Time | None, Meta(description="When one last began.")] = None
    last_successful: Annotated[
        SuccessfulRun | None, Meta(description="The last that ended well.")
    ] = None
    next_schedule: Annotated[Time | None, Meta(description="When the next is due.")] = None
    active: Annotated[Natural, Meta(description="Jobs that run.")] = 0
    cron_job_name: Annotated[Text, Meta(description="The CronJob.")] = ""
    consecutive_failures: Annotated[
        Natural, Meta(description="How many failed since the last good one.")
    ] = 0
    run_now: Annotated[Text, Meta(description="The value of runNow that was carried out.")] = ""
    conditions: Annotated[Conditions, Meta(description="Ready and LastSnapshotSucceeded.")] = ()


class ProconsulSnapshotSchedule(Part, frozen=True, kw_only=True):
    """Snapshots of a cluster by the clock."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: Annotated[ScheduleSpec, Meta(description="When, what, and how long it is kept.")]
    status: Annotated[ScheduleStatus, Meta(description="What it came to.")] = msgspec.field(
        default_factory=ScheduleStatus
    )
