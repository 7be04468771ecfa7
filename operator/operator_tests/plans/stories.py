"""Stories of a cluster: where it begins, what happens, and what holds at the end.

Together they pass through every act of every plan of a cluster; test_kills.py kills the operator in
each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from operator_tests.plans.operator import Operator
from operator_tests.plans.world import BAD_KEY, BROKEN, NAME, UID, World
from proconsul_operator.api.conditions import ClusterCondition, condition_of
from proconsul_operator.api.group import FINALIZER, REPLACE_MEMBER, RESTORE_LOCK
from proconsul_operator.api.restore import ProconsulRestore
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import read, time_text
from proconsul_operator.plans.observe import Ref
from proconsul_operator.plans.steps import STEPS, Operation, Step

DESTINATION = {"pvc": {"claimName": "backups"}}
RESTORE_UID = "4d1c0e2f-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Story:
    """`change` happens to a settled cluster; without one the story is how it was made."""

    spec: dict[str, Any]
    change: Callable[[World], None] | None
    holds: Callable[[World], bool]
    scheduled: bool = False
    settled: bool = True

    def begin(self) -> tuple[World, Operator]:
        """The world just before the story."""
        world = World(**self.spec)
        if "bootstrap" in self.spec:
            archived(world)
        if self.scheduled:
            world.schedules = (schedule(),)
        operator = Operator(world)
        if self.change is not None:
            if self.settled:
                operator.settle()
            else:
                operator.run(cycles=30)
            operator.steps.clear()
            self.change(world)
        return world, operator


def schedule() -> ProconsulSnapshotSchedule:
    """One that says where snapshots go."""
    return read(
        ProconsulSnapshotSchedule,
        {
            "metadata": {"name": "nightly"},
            "spec": {
                "clusterRef": {"name": NAME},
                "schedule": "@daily",
                "template": {"destination": DESTINATION},
            },
        },
    )


def archived(world: World, phase: str = "Completed") -> None:
    """A snapshot of the night, and where it lies if it is completed."""
    where = "pvc://backups/a.snap" if phase == "Completed" else ""
    body = {
        "metadata": {"name": "nightly-1", "uid": "nightly-1-uid"},
        "spec": {"clusterRef": {"name": NAME}, "destination": DESTINATION},
        "status": {"phase": phase, "location": where},
    }
    world.snapshots["nightly-1"] = read(ProconsulSnapshot, body)


def restore(*, created_s: float = 0.0, **spec: Any) -> ProconsulRestore:
    """One that is asked for."""
    asked = {"clusterRef": {"name": NAME}, "acknowledgeDataLoss": NAME, **spec}
    meta: dict[str, Any] = {"name": "again", "namespace": "infra", "uid": RESTORE_UID}
    meta |= {"generation": 1, "creationTimestamp": time_text(created_s) if created_s else None}
    return read(ProconsulRestore, {"metadata": meta, "spec": asked})


def voters(world: World) -> list[str]:
    """Their names."""
    return sorted(server.name for server in world.configuration.voters)


def members(count: int) -> list[str]:
    """The first of them."""
    return [f"{NAME}-{ordinal}" for ordinal in range(count)]


def is_whole(world: World, count: int) -> bool:
    """So many pods, all ready, all voters, no learner."""
    ready = [pod for pod in world.objects.pods.values() if pod.ready_since_s is not None]
    return (
        voters(world) == members(count) == sorted(pod.name for pod in ready)
        and len(world.objects.pods) == count
        and not world.configuration.learners
        and bool(world.leader_id)
    )


def well(**spec: Any) -> tuple[World, Operator]:
    """A cluster as it is asked for, before anything happens to it."""
    world = World(**spec)
    operator = Operator(world)
    operator.settle()
    operator.steps.clear()
    operator.events.clear()
    return world, operator


def reasons(operator: Operator) -> list[str]:
    """Of the Events since it was well."""
    return [event.reason for event in operator.events]


def reason(world: World, kind: ClusterCondition) -> str:
    """Of a condition, as it stands in the status."""
    condition = condition_of(world.cluster.status.conditions, kind)
    assert condition is not None
    return condition.reason


def _edit(**spec: Any) -> Callable[[World], None]:
    return lambda world: world.edit(**spec)


def _shrink_with_last_leading(world: World) -> None:
    world.move_leader(4)
    world.edit(replicas=3)


def _person_shrinks_the_set(world: World) -> None:
    assert world.set is not None
    spec = {**world.set.manifest["spec"], "replicas": 2}
    world.set.manifest = {**world.set.manifest, "spec": spec}
    world.set.version += 1


def _grow_again(world: World) -> None:
    operator = Operator(world)
    world.edit(replicas=3)
    operator.settle()
    world.edit(replicas=5)


def _sleep_and_wake(world: World) -> None:
    operator = Operator(world)
    world.edit(replicas=0)
    operator.settle()
    world.edit(replicas=5)


def _give_up(world: World) -> None:
    pod = world.pod(1)
    assert pod is not None
    pod.annotations[REPLACE_MEMBER] = world.objects.disks[1].id
    world.crash(1)
    if world.leader_id == world.objects.disks[1].id:
        world.move_leader(0)


def _delete(world: World) -> None:
    world.set_metadata(deletion_timestamp=time_text(world.now_s))


def _certificate_ends(world: World) -> None:
    world.certificates.near_end(world.now_s)


def _authority_ends(world: World) -> None:
    world.certificates.authority_ends_s = world.now_s + 90 * 86400


def _authority_is_lost(world: World) -> None:
    world.certificates.authority = ""


def _ends_with_one_away(world: World) -> None:
    _certificate_ends(world)
    world.crash(2)
    Operator(world).run(cycles=5)
    assert _lasts_at_all(world), "nobody has to be there for it"
    world.heal()
    _certificate_ends(world)


def _lasts_at_all(world: World) -> bool:
    held = world.certificates.leaf
    return held is not None and held.ends_s > world.now_s + 86400 * 60


def _new_authority_with_one_away(world: World) -> None:
    _person_asks_for_another_authority(world)
    _away_for_a_while(world)


def _person_asks_for_another_authority(world: World) -> None:
    world.annotate(rotate_ca="1")


def _new_key_with_one_away(world: World) -> None:
    world.annotate(rotate_gossip="1")
    _away_for_a_while(world)


def _away_for_a_while(world: World) -> None:
    """Down while the operator does what it can; it is back when the story is told."""
    world.crash(2)
    operator = Operator(world)
    operator.run(cycles=40)
    begun = {step for step in operator.steps if STEPS[step].operation in AWAITED}
    assert begun <= MAY_BEGIN, f"{begun} with a member away"
    world.heal()


def _in_place(world: World) -> None:
    archived(world)
    world.restore = restore(
        created_s=world.now_s, mode="InPlace", snapshotRef={"name": "nightly-1"}
    )


def _of_nothing(world: World) -> None:
    _in_place(world)
    del world.snapshots["nightly-1"]


def _pending(world: World) -> bool:
    held = world.restore is not None and world.restore.status.phase == "Pending"
    return held and RESTORE_LOCK not in world.cluster.metadata.annotations and is_whole(world, 3)


def _bad_archive(world: World) -> None:
    world.failing_jobs.add("Validate")
    _in_place(world)


def _lose(*ordinals: int) -> Callable[[World], None]:
    def lose(world: World) -> None:
        archived(world)
        for ordinal in ordinals:
            world.lose_disk(ordinal)
        mode = "InPlace" if len(ordinals) == 3 else "RecoverQuorum"
        ref = {"snapshotRef": {"name": "nightly-1"}}
        source: dict[str, Any] = ref if mode == "InPlace" else {}
        world.restore = restore(mode=mode, **source)

    return lose


def _restored(world: World) -> bool:
    done = world.restore is not None and world.restore.status.phase == "Succeeded"
    free = RESTORE_LOCK not in world.cluster.metadata.annotations
    return done and free and is_whole(world, 3) and world.puts == [RESTORE_UID]


def _recovered(world: World) -> bool:
    assert world.restore is not None
    status = world.restore.status
    epochs = {disk.epoch for disk in world.objects.disks.values()}
    return status.phase == "Succeeded" and is_whole(world, 3) and epochs == {status.epoch} == {1}


def _anew(world: World) -> bool:
    assert world.restore is not None
    guard, recovered = world.objects.guard, _restored(world)
    return (
        recovered and guard is not None and guard.cluster_id == world.restore.status.new_cluster_id
    )


def _refused(world: World) -> bool:
    failed = world.restore is not None and world.restore.status.phase == "Failed"
    return failed and not world.puts and RESTORE_LOCK not in world.cluster.metadata.annotations


def _sizes(world: World, size: str) -> bool:
    return {disk.requested for disk in world.objects.disks.values()} == {size}


def _all_of(world: World, tag: str) -> bool:
    return is_whole(world, 3) and {pod.tag for pod in world.objects.pods.values()} == {tag}


def _asked(world: World) -> set[str]:
    return {job.uid for job in world.objects.jobs.values()}


def _one_key(world: World) -> bool:
    rings = {frozenset(ring) for ring in world.ring.values()}
    return len(world.keys) == 1 and rings == {frozenset(world.keys)}


def _lasts(world: World) -> bool:
    return _lasts_at_all(world) and len(set(world.certificates.issued)) == 1 and is_whole(world, 3)


def _by_second(world: World) -> bool:
    held = world.certificates
    for _ in range(5):  # until the last has taken what there is
        world.tick()
    return held.is_by_newest_alone() and len(set(held.issued)) == 2 and is_whole(world, 3)


AWAITED = (Operation.AUTHORITY_ROTATION, Operation.GOSSIP_ROTATION)
MAY_BEGIN: frozenset[Step] = frozenset()  # a member that is down comes back first

STORIES: dict[str, Story] = {
    "create": Story({}, None, lambda w: is_whole(w, 3)),
    "create with everything": Story(
        {"tls": {}, "gossip": {}, "acl": {"enabled": True}},
        None,
        lambda w: is_whole(w, 3) and w.acl is True,
    ),
    "create from a snapshot": Story(
        {"bootstrap": {"fromSnapshot": {"snapshotRef": {"name": "nightly-1"}}}},
        None,
        lambda w: is_whole(w, 3) and w.puts == [UID],
    ),
    "a bad first image": Story(
        {"image": {"tag": BROKEN}},
        _edit(image={"tag": "1.0.0"}),
        lambda w: is_whole(w, 3),
        settled=False,
    ),
    "a child no more": Story(
        {},
        _edit(networkPolicy={"enabled": False}),
        lambda w: Ref("NetworkPolicy", NAME) not in w.objects.things,
    ),
    "a new image": Story({}, _edit(image={"tag": "1.1.0"}), lambda w: _all_of(w, "1.1.0")),
    "another configuration": Story(
        {},
        _edit(config={"performance": {"raft_multiplier": 2}}),
        lambda w: is_whole(w, 3) and _asked(w) == {"CheckConfig"},
    ),
    "a bad configuration and a new image": Story(
        {},
        _edit(config={BAD_KEY: 1}, image={"tag": "1.1.0"}),
        lambda w: _all_of(w, "1.0.0"),
    ),
    "a new image after a snapshot": Story(
        {},
        _edit(image={"tag": "1.1.0"}, update={"preUpgradeSnapshot": True}),
        lambda w: _all_of(w, "1.1.0") and set(w.snapshots) == {f"{NAME}-upgrade-2"},
        True,
    ),
    "1 to 3": Story({"replicas": 1}, _edit(replicas=3), lambda w: is_whole(w, 3)),
    "3 to 5": Story({}, _edit(replicas=5), lambda w: is_whole(w, 5)),
    "3 to 1": Story({}, _edit(replicas=1), lambda w: is_whole(w, 1)),
    "5 to 3": Story({"replicas": 5}, _edit(replicas=3), lambda w: is_whole(w, 3)),
    "5 to 3, the last leads": Story(
        {"replicas": 5}, _shrink_with_last_leading, lambda w: is_whole(w, 3)
    ),
    "5 to 3 without volumes": Story(
        {"replicas": 5, "storage": {"size": "1Gi", "onScaleIn": "Delete"}},
        _edit(replicas=3, storage={"size": "1Gi", "onScaleIn": "Delete"}),
        lambda w: is_whole(w, 3) and set(w.objects.disks) == {0, 1, 2},
    ),
    "5 to 3 to 5": Story({"replicas": 5}, _grow_again, lambda w: is_whole(w, 5)),
    "3 to 5 with a new image": Story(
        {"replicas": 1},
        _edit(replicas=3, image={"tag": "1.1.0"}),
        lambda w: _all_of(w, "1.1.0"),
    ),
    "a person shrinks the set": Story({}, _person_shrinks_the_set, lambda w: is_whole(w, 3)),
    "to sleep": Story(
        {}, _edit(replicas=0), lambda w: not w.objects.pods and len(w.objects.disks) == 3, True
    ),
    "awake again": Story({"replicas": 5}, _sleep_and_wake, lambda w: is_whole(w, 5)),
    "volumes that shall go": Story(
        {},
        _edit(storage={"size": "10Gi", "onDelete": "Delete"}),
        lambda w: FINALIZER in w.cluster.metadata.finalizers,
    ),
    "a member given up": Story({}, _give_up, lambda w: is_whole(w, 3)),
    "bigger volumes": Story(
        {},
        _edit(storage={"size": "20Gi"}),
        lambda w: is_whole(w, 3) and _sizes(w, "20Gi"),
    ),
    "a new gossip key": Story({"gossip": {}}, lambda w: w.annotate(rotate_gossip="1"), _one_key),
    "a new gossip key, and a member is away": Story(
        {"gossip": {}}, _new_key_with_one_away, _one_key
    ),
    "a certificate ends": Story({"tls": {}}, _certificate_ends, _lasts),
    "a certificate ends while a member is away": Story({"tls": {}}, _ends_with_one_away, _lasts),
    "a new CA": Story({"tls": {}}, _person_asks_for_another_authority, _by_second),
    "a new CA, and a member is away": Story({"tls": {}}, _new_authority_with_one_away, _by_second),
    "a CA ends": Story({"tls": {}}, _authority_ends, _by_second),
    "a CA is lost": Story({"tls": {}}, _authority_is_lost, _by_second),
    "the end": Story(
        {"gossip": {}, "storage": {"size": "1Gi", "onDelete": "Delete", "finalSnapshot": True}},
        _delete,
        lambda w: not (w.objects.disks or w.objects.pods or w.objects.guard or w.keys),
        True,
    ),
    "restored in place": Story({}, _in_place, _restored, True),
    "a restore of what is not there": Story({}, _of_nothing, _pending),
    "a bad archive": Story({}, _bad_archive, _refused),
    "two of three disks lost": Story({}, _lose(0, 2), _recovered, True),
    "all disks lost": Story({}, _lose(0, 1, 2), _anew),
}
