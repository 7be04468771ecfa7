"""The newest good snapshot is read again: damage is told, silence of the store is not damage."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from operator_tests.plans.operator import Operator
from operator_tests.plans.stories import reason, well
from operator_tests.plans.verification_world import DAMAGED, GOOD, JOB_S, TICK_S, Backups
from operator_tests.plans.world import World
from proconsul_operator.api.conditions import ClusterCondition, condition_of
from proconsul_operator.api.schedule import Retention
from proconsul_operator.api.values import unix_s
from proconsul_operator.plans import verification
from proconsul_operator.plans.findings import BACKUP_MAX_S
from proconsul_operator.plans.status import last_good_s
from proconsul_operator.plans.steps import Step

HOUR_S = 3600.0
KEEP_TWO = {"retention": Retention(keep_last=2)}
WORDS = "pvc://backups/b.snap: b is bad"


def two(**asked: Any) -> Backups:
    """Two snapshots, an hour apart, the second one of now."""
    world = Backups(asked)
    world.take("a")
    world.now_s += HOUR_S
    world.take("b")
    return world


def backup_of(world: Backups) -> tuple[World, Operator]:
    """The cluster of these records, after a cycle of its own."""
    cluster, operator = well()
    cluster.schedules = (world.held,)
    cluster.snapshots.update(world.records)
    cluster.now_s = world.now_s
    operator.cycle()
    return cluster, operator


def backup_ready(world: Backups) -> str:
    """The reason of the cluster's condition."""
    return reason(backup_of(world)[0], ClusterCondition.BACKUP_READY)


def test_the_newest_is_read_again_when_nobody_has_for_the_interval() -> None:
    world = two()
    world.run(HOUR_S - 2 * TICK_S)
    assert world.looked_at() == []
    world.run(2 * TICK_S + 2 * JOB_S)
    assert world.looked_at() == ["b"]
    status = world.records["b"].status
    assert status.checked_at == status.verified_at
    assert unix_s(status.checked_at or "") > unix_s(status.completed_at or "")
    for _ in range(2):
        world.run_an_interval()
    assert world.looked_at() == ["b", "b", "b"]
    assert world.warnings() == []


@pytest.mark.parametrize(
    ("happens", "word"), [(Backups.spoil, "ArchiveBroken"), (Backups.lose, "ObjectAbsent")]
)
def test_damage_is_told_once_and_the_backup_is_ready_again_with_the_next_good_one(
    happens: Any, word: str
) -> None:
    world = two()
    assert backup_ready(world) == "Recent"
    happens(world, "b")
    world.run_an_interval()
    assert world.verified("b") == ("False", word)
    (event,) = world.events
    assert (event.reason, event.message, event.warning) == (
        "SnapshotVerificationFailed", WORDS, True,
    )  # fmt: skip
    cluster, operator = backup_of(world)
    held = condition_of(cluster.cluster.status.conditions, ClusterCondition.BACKUP_READY)
    assert held is not None
    assert (held.status, held.reason) == ("False", "NotVerified")
    assert held.message == f"b is not verified: {word}: b is bad"
    observed = operator.observe(cluster.objects)
    assert last_good_s(observed) == unix_s(world.records["a"].status.completed_at or "")
    world.run(3 * HOUR_S)
    assert len(world.events) == 1
    world.take("c")
    assert backup_ready(world) == "Recent"
    world.run_an_interval()
    assert world.verified("c") == ("True", "Completed")


def test_a_damaged_one_is_final_and_the_next_that_is_kept_is_looked_at_instead() -> None:
    world = two(**KEEP_TWO)
    world.spoil("b")
    world.run_an_interval()
    world.objects["b"] = GOOD
    world.run(3 * HOUR_S)
    assert world.verified("b")[0] == "False"
    assert world.looked_at()[-1] == "a"
    assert world.verified("a") == ("True", "Completed")


def test_what_retention_took_away_is_not_missed() -> None:
    world = two(retention=Retention(keep_last=1))
    assert "a" not in world.objects
    world.spoil("b")
    world.run_an_interval()
    world.run(3 * HOUR_S)
    assert set(world.looked_at()) == {"b"}
    assert world.warnings() == ["SnapshotVerificationFailed"]


def test_what_retention_takes_away_during_a_look_is_no_news() -> None:
    world = two(retention=Retention(keep_last=1))
    world.run(HOUR_S)
    while not world.looked_at():
        world.cycle()
        world.pass_time(1.0)
    world.take("c")
    assert "b" not in world.objects
    world.run(4 * JOB_S)
    assert world.verified("b") == ("True", "Completed")
    assert world.warnings() == []


def test_a_damaged_record_is_not_the_newest_verified_one_that_is_kept() -> None:
    world = two(successful_records=2)
    world.spoil("b")
    world.run_an_interval()
    world.take("c", verify="None")
    world.run(4 * TICK_S)
    assert set(world.records) == {"a", "b", "c"}
    world.take("d")
    world.run(4 * TICK_S)
    assert set(world.records) == {"c", "d"}


def test_a_store_that_is_away_is_counted_and_harms_no_record() -> None:
    world = two()
    world.away = True
    world.run_an_interval()
    status = world.records["b"].status
    assert (status.verified, status.verify_failures) == (True, 1)
    assert world.verified("b") == ("True", "Completed")
    held = condition_of(status.conditions, verification._VERIFIED)
    assert held is not None
    assert "nobody answers" in held.message
    assert backup_ready(world) == "Recent"
    world.run(HOUR_S)
    assert world.records["b"].status.verify_failures > 3, "it is tried again before the hour"
    assert world.warnings() == ["SnapshotNotChecked"]
    world.now_s += BACKUP_MAX_S
    assert backup_ready(world) == "TooOld", "by age, and by nothing else"

    world.away = False
    world.run(HOUR_S)
    assert world.records["b"].status.verify_failures == 0
    held = condition_of(world.records["b"].status.conditions, verification._VERIFIED)
    assert held is not None
    assert held.message == ""


def test_damage_that_came_while_the_store_was_away_is_found_when_it_is_back() -> None:
    world = two()
    world.away = True
    world.spoil("b")
    world.run_an_interval()
    assert world.verified("b")[0] == "True"
    world.away = False
    world.run_an_interval()
    assert world.verified("b")[0] == "False"


def test_no_second_look_is_begun_while_one_lasts() -> None:
    world = two()
    world.hangs = True
    world.run_an_interval()
    world.take("c", by_hand=True)
    world.run(5 * HOUR_S)
    assert world.looked_at() == ["b"]
    assert world.cycle().step is Step.AWAIT_VERIFICATION
    world.hangs = False
    world.run_an_interval()
    assert world.looked_at()[:2] == ["b", "c"]


def test_killed_after_it_asked_for_a_look_it_asks_for_no_other() -> None:
    world = two()
    world.spoil("b")
    world.run(HOUR_S + 4 * JOB_S, kill_after=Step.VERIFY_AGAIN)
    assert world.steps.count(Step.VERIFY_AGAIN) == len(world.jobs)
    assert world.looked_at().count("b") == 1
    assert world.verified("b") == ("False", "ArchiveBroken")


def test_never_is_never_and_what_nobody_verified_is_not_verified_again() -> None:
    for world in (Backups({"verify_interval": "0s"}), Backups()):
        world.take("a", verify="None" if world.held.spec.verify_interval != "0s" else "Archive")
        world.spoil("a")
        world.run(9 * HOUR_S)
        assert world.looked_at() == []


def test_the_newest_of_the_cluster_is_looked_at_whoever_asked_for_it() -> None:
    world = two()
    world.now_s += TICK_S
    world.take("by-hand", by_hand=True)
    world.take("of-another", by_hand=True, clusterRef={"name": "other"})
    del world.records["of-another"]  # ScheduleCycle gives a plan the records of its cluster only
    world.run_an_interval()
    assert sorted(world.looked_at()) == ["b", "by-hand"]
    world.lose("by-hand")
    world.run_an_interval()
    assert world.verified("by-hand") == ("False", "ObjectAbsent")
    assert backup_ready(world) == "NotVerified"


def test_one_that_is_being_deleted_is_let_go() -> None:
    world = two()
    held = world.records["b"]
    meta = msgspec.structs.replace(held.metadata, deletion_timestamp="2027-01-15T08:00:00Z")
    world.records["b"] = msgspec.structs.replace(held, metadata=meta)
    world.run_an_interval()
    assert "b" not in world.looked_at()


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        {"verified": False},
        {"verified": False, "error": {"reason": "spoilt, I swear", "message": "x"}},
    ],
)
def test_words_that_no_program_of_ours_says_are_no_verdict(result: Any) -> None:
    world = two()
    world.run(HOUR_S)
    world.cycle()
    (name,) = world.jobs
    world.jobs[name] = replace(world.jobs[name], succeeded=True, ended_s=world.now_s, result=result)
    world.cycle()
    world.now_s += verification.PATIENCE_S
    world.cycle()
    status = world.records["b"].status
    assert (status.verified, status.verify_failures) == (True, 1)


def test_clocks_that_disagree_lead_to_no_look_without_end() -> None:
    world = two()
    held = world.records["b"]
    ahead = msgspec.structs.replace(held.status, verified_at="2027-01-15T12:00:00Z")
    world.records["b"] = msgspec.structs.replace(held, status=ahead)
    world.now_s = verification.looked_s(world.records["b"]) + HOUR_S
    world.cycle()
    (name,) = world.jobs
    world.jobs[name] = replace(
        world.jobs[name], succeeded=True, ended_s=world.now_s - 9 * HOUR_S,
        result={"verified": True},
    )  # fmt: skip
    world.cycle()
    assert verification.job_name(world.records["b"]) != name


class Watched(RuleBasedStateMachine):
    """Snapshots come, objects go bad, the store comes and goes, the operator is killed."""

    @initialize(keep=st.sampled_from([None, 1, 3]))
    def begin(self, keep: int | None) -> None:
        rule_of = {} if keep is None else {"retention": Retention(keep_last=keep)}
        self.world = Backups(rule_of)
        self.count = 0
        self.take(by_hand=False, verify="Archive")

    @rule(by_hand=st.booleans(), verify=st.sampled_from(["Archive", "Restore", "None"]))
    def take(self, by_hand: bool, verify: str) -> None:
        self.world.now_s += 1
        self.count += 1
        self.world.take(f"s-{self.count:03d}", by_hand=by_hand, verify=verify)

    @rule(back=st.integers(0, 2), gone=st.booleans())
    def goes_bad(self, back: int, gone: bool) -> None:
        name = sorted(self.world.records)[-1 - back :][0]
        (self.world.lose if gone else self.world.spoil)(name)

    @rule(away=st.booleans())
    def store(self, away: bool) -> None:
        self.world.away = away

    @rule(cycles=st.integers(1, 5), killed=st.booleans())
    def work(self, cycles: int, killed: bool) -> None:
        self.world.run(TICK_S * cycles, kill_after=Step.VERIFY_AGAIN if killed else None)

    @rule(minutes=st.sampled_from([1, 11, 61, 600]))
    def nobody_works(self, minutes: int) -> None:
        self.world.pass_time(60.0 * minutes)

    @invariant()
    def only_one_runs(self) -> None:
        if hasattr(self, "world"):
            assert sum(1 for job in self.world.jobs.values() if job.succeeded is None) <= 1

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.away = False
        # Each look may find one bad, and then the one before it is looked at.
        for _ in range(2 + len(self.world.records)):
            self.world.pass_time(HOUR_S)
            self.world.run(5 * JOB_S)
        told = {n for n, each in self.world.records.items() if verification.is_damaged(each)}
        assert all(self.world.verified(name)[1] in DAMAGED for name in told)
        for name in self.newest():
            bad = self.world.objects.get(name) != GOOD
            assert (name in told) == bad, name

    def newest(self) -> set[str]:
        """Of the schedule's verified ones, and of all, those that were to be verified."""
        every = [self.world.records[name] for name in sorted(self.world.records)]
        asked = [each for each in every if each.spec.verify != "None"]
        own = [each.metadata.name for each in asked if each.metadata.labels]
        last = [every[-1].metadata.name] if every[-1].spec.verify != "None" else []
        return {*own[-1:], *last}


class TestWatched(Watched.TestCase):  # type: ignore[misc,valid-type]
    """As pytest finds it."""

    settings = settings(
        max_examples=60,
        stateful_step_count=20,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
