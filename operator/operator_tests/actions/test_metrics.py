"""What the operator counts: names that dashboards rely on, and figures of what was observed."""

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from operator_tests.plans.certificates_world import Leaf
from operator_tests.plans.operator import Operator
from operator_tests.plans.records import record
from operator_tests.plans.stories import DESTINATION
from operator_tests.plans.world import NAME, SPACE, World
from proconsul_operator.actions.metrics import Metrics
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import SnapshotStatus
from proconsul_operator.api.values import read, unix_s

P = "proconsul_operator_"
SNAPSHOT = f"{P}cluster_last_snapshot_timestamp_seconds"
SCHEDULED = f"{P}cluster_scheduled_since_timestamp_seconds"
CERTIFICATE = f"{P}cluster_certificate_expiry_timestamp_seconds"
DAY = "2027-01-02T00:00:00Z"
BEFORE = "2027-01-01T00:00:00Z"
NAMES = {
    f"{P}reconcile": {"kind", "result"},
    f"{P}reconcile_seconds": {"kind"},
    f"{P}acts": {"step"},
    f"{P}api_requests": {"verb", "resource", "code"},
    f"{P}leader": set(),
    f"{P}queue_depth": set(),
    f"{P}last_success_timestamp_seconds": {"namespace", "name"},
    f"{P}cluster_quorate": {"namespace", "name"},
    f"{P}cluster_ready_members": {"namespace", "name"},
    f"{P}cluster_wanted_members": {"namespace", "name"},
    CERTIFICATE: {"namespace", "name"},
    SNAPSHOT: {"namespace", "name"},
    SCHEDULED: {"namespace", "name"},
}
"""A name here is a promise, as dashboards and alerts are written with it."""


def figures(metrics: Metrics, name: str) -> list[float]:
    """Of all samples of this name."""
    text = metrics.text().decode()
    families = text_string_to_metric_families(text)
    return [each.value for family in families for each in family.samples if each.name == name]


def taken(name: str, at: str, phase: str, world: World) -> None:
    """A record that came to this end."""
    status = SnapshotStatus(phase=phase, completed_at=at)
    world.snapshots[name] = msgspec.structs.replace(record(name), status=status)


def scheduled(name: str, at: str, cluster: str = NAME) -> ProconsulSnapshotSchedule:
    """One that was made at that time."""
    spec = {
        "clusterRef": {"name": cluster},
        "schedule": "0 2 * * *",
        "template": {"destination": DESTINATION},
    }
    meta = {"name": name, "uid": f"{name}-uid", "creationTimestamp": at}
    return read(ProconsulSnapshotSchedule, {"metadata": meta, "spec": spec})


def look(metrics: Metrics, world: World) -> None:
    """One look of an operator."""
    metrics.looked(Operator(world).observe(world.objects))


def test_names_and_labels_are_the_promised_ones() -> None:
    held = {name: made for name, made in vars(Metrics()).items() if name != "registry"}
    found = {made._name: set(made._labelnames) for made in held.values()}
    assert found == NAMES


def test_the_newest_good_snapshot_has_its_time() -> None:
    metrics, world = Metrics(), World()
    look(metrics, world)
    assert figures(metrics, SNAPSHOT) == [], "no snapshot is not one of 1970"
    taken("a", BEFORE, "Completed", world)
    taken("b", DAY, "Completed", world)
    taken("c", "2027-01-03T00:00:00Z", "Failed", world)
    look(metrics, world)
    assert figures(metrics, SNAPSHOT) == [unix_s(DAY)]


def test_a_schedule_counts_from_when_it_was_made() -> None:
    metrics, world = Metrics(), World()
    look(metrics, world)
    assert figures(metrics, SCHEDULED) == [], "nobody asked for backups"
    world.schedules = (scheduled("a", DAY), scheduled("b", BEFORE))
    look(metrics, world)
    assert figures(metrics, SCHEDULED) == [unix_s(BEFORE)]
    world.schedules = (scheduled("of-another", BEFORE, cluster="other"),)
    look(metrics, world)
    assert figures(metrics, SCHEDULED) == []


def test_a_dropped_record_does_not_take_the_time_with_it() -> None:
    metrics, world = Metrics(), World()
    taken("a", DAY, "Completed", world)
    operator = Operator(world)
    operator.cycle()
    del world.snapshots["a"]
    again = Metrics()  # of another process: the status is what is left
    look(again, world)
    look(metrics, world)
    assert figures(again, SNAPSHOT) == figures(metrics, SNAPSHOT) == [unix_s(DAY)]


@pytest.mark.parametrize("snapshots_of", [NAME, "other"])
def test_the_snapshots_of_another_cluster_are_not_counted(snapshots_of: str) -> None:
    metrics, world = Metrics(), World()
    status = SnapshotStatus(phase="Completed", completed_at=DAY)
    made = record("a", clusterRef={"name": snapshots_of})
    world.snapshots["a"] = msgspec.structs.replace(made, status=status)
    look(metrics, world)
    assert len(figures(metrics, SNAPSHOT)) == (snapshots_of == NAME)


def test_what_nobody_knows_any_more_is_not_shown() -> None:
    metrics, world = Metrics(), World()
    world.certificates.leaf = Leaf(name="leaf", issuer="ca", trusts=("ca",), ends_s=5.0)
    look(metrics, world)
    assert figures(metrics, CERTIFICATE) == [5.0]
    world.certificates.leaf = None
    look(metrics, world)
    assert figures(metrics, CERTIFICATE) == []
    metrics.forget(SPACE, NAME)
    assert f'name="{NAME}"' not in metrics.text().decode()
