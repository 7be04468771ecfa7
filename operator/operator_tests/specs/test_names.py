"""Names of Jobs and CronJobs, however long and strange the names that they are made of."""

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from operator_tests.plans.records import record
from operator_tests.plans.stories import restore, schedule
from proconsul_operator.actions.records import record as record_of_run
from proconsul_operator.api.places import Destination, Pvc
from proconsul_operator.plans import restore_record
from proconsul_operator.plans import schedule as schedules
from proconsul_operator.plans import snapshot as snapshots
from proconsul_operator.specs.names import HEAD_MAX, head

LABEL_MAX = 63  # of a Job's name, as it is a label of its pods, and of any label's value
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
UID = "4d1c0e2f-0000-4000-8000-000000000001"

parts = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?\Z")
names = st.lists(parts, min_size=1, max_size=9).map(lambda held: ".".join(held)[:253].rstrip("-."))


def named(name: str) -> list[str]:
    """All that is named after records of this name."""
    snapshot = record(name)
    meta = msgspec.structs.replace(snapshot.metadata, name=name, uid=UID)
    snapshot = msgspec.structs.replace(snapshot, metadata=meta)
    asked = restore(mode="RecoverQuorum")
    asked = msgspec.structs.replace(asked, metadata=meta)
    nightly = msgspec.structs.replace(schedule(), metadata=meta)
    whats = ("check", "put", "before", "after")
    made = record_of_run(
        namespace="n", cluster="c", schedule=name, verify="None", consistency="Leader",
        destination=Destination(pvc=Pvc(claim_name="b")), run="1", result={},
    )  # fmt: skip
    return [
        snapshots.job_name(snapshot),
        f"{snapshots.job_name(snapshot)}-rm",
        schedules.run_now_job(nightly),
        made["metadata"]["name"],
        *(restore_record.job_name(asked, what) for what in whats),
    ]


@given(names)
def test_a_job_can_have_the_name_that_is_made_for_it(name: str) -> None:
    for made in named(name):
        assert SUBDOMAIN.fullmatch(made), made
        assert len(made) <= LABEL_MAX, made


@given(names, names)
def test_two_names_stay_two_and_the_same_stays_the_same(one: str, other: str) -> None:
    assert (head(one) == head(other)) == (one == other)


def test_a_short_name_is_kept_as_it_is() -> None:
    assert head("nightly.prod") == "nightly.prod"
    assert head("a" * HEAD_MAX) == "a" * HEAD_MAX


def test_a_name_is_not_cut_so_that_what_is_left_is_none() -> None:
    cut_at_dot = "a" * (HEAD_MAX - 10) + ".b" + "c" * 60
    assert SUBDOMAIN.fullmatch(f"{head(cut_at_dot)}-x")
    assert head("a" * 100) != head("a" * 101)
