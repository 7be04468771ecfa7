"""Before a change the server is asked about a configuration, and a snapshot is taken if asked."""

import pytest

from operator_tests.plans.operator import Operator
from operator_tests.plans.stories import is_whole, reason, reasons, schedule, well
from operator_tests.plans.world import BAD_KEY, BROKEN, NAME, TICK_S, World
from proconsul_operator.api.conditions import ClusterCondition, condition_of, holds
from proconsul_operator.plans.observe import Ref
from proconsul_operator.plans.steps import Step
from proconsul_operator.plans.upgrade import SNAPSHOT_MAX_S

DEGRADED = ClusterCondition.DEGRADED
CONFIG = Ref("ConfigMap", f"{NAME}-config")
ASKED = {"update": {"preUpgradeSnapshot": True}}


def message(world: World) -> str:
    """Of the condition Degraded."""
    found = condition_of(world.cluster.status.conditions, DEGRADED)
    assert found is not None
    return found.message


def tags(world: World) -> set[str]:
    """Of the images that run."""
    return {pod.tag for pod in world.objects.pods.values()}


def scheduled() -> tuple[World, Operator]:
    """A cluster that is well and has a place for its snapshots."""
    world, operator = well(**ASKED)
    world.schedules = (schedule(),)
    return world, operator


def test_a_changed_configuration_is_asked_about_before_it_goes_anywhere() -> None:
    world, operator = well()
    world.edit(config={"raft_trailing_logs": 5})
    operator.settle()
    assert operator.steps[:3] == [Step.CHECK_CONFIG, Step.APPLY_CHILDREN, Step.APPLY_TEMPLATE]
    assert operator.steps.count(Step.CHECK_CONFIG) == 1


def test_a_bad_one_is_told_in_the_servers_words_and_nothing_moves() -> None:
    world, operator = well()
    before = world.objects.things[CONFIG].manifest
    world.edit(config={BAD_KEY: 1, "raft_trailing_logs": 5})
    operator.settle()
    assert operator.steps == [Step.CHECK_CONFIG]
    assert world.objects.things[CONFIG].manifest is before
    assert reason(world, DEGRADED) == "ConfigInvalid"
    assert f"the server refuses spec.config: invalid config key {BAD_KEY}" in message(world)
    assert reasons(operator).count("ConfigInvalid") == 1
    assert not holds(world.cluster.status.conditions, ClusterCondition.READY)


def test_a_good_one_after_a_bad_one_is_taken() -> None:
    world, operator = well()
    world.edit(config={BAD_KEY: 1})
    operator.settle()
    world.edit(config={"raft_trailing_logs": 5})
    operator.settle()
    assert operator.steps.count(Step.ROLL_POD) == 3
    assert reason(world, DEGRADED) == "Healthy"


def test_one_that_a_cluster_began_with_goes_on_when_only_the_size_changes() -> None:
    world = World(replicas=3, gossip={}, tls={}, config={BAD_KEY: 1})
    operator = Operator(world)
    operator.run(cycles=8)
    world.edit(replicas=5, gossip={}, tls={}, config={BAD_KEY: 1})
    operator.run(cycles=8)
    assert '"bootstrap_expect": 5' in world.objects.things[CONFIG].manifest["data"]["server.json"]
    world.edit(replicas=5, gossip={}, tls={})
    operator.settle()
    assert is_whole(world, 5)
    assert reason(world, DEGRADED) == "Healthy"


@pytest.mark.parametrize("stale", [1, 2, 3])
@pytest.mark.parametrize("cycles", range(1, 9))
def test_it_is_asked_about_on_a_view_from_before_there_were_servers(
    cycles: int, stale: int
) -> None:
    world = World(replicas=3)
    operator = Operator(world)
    operator.run(cycles=cycles)
    has_one = CONFIG in world.objects.things
    operator.kill()
    world.edit(replicas=3, config={BAD_KEY: 1})
    for _ in range(12):
        operator.cycle(stale=stale)
        operator.pass_time()
    assert (BAD_KEY in str(world.objects.things[CONFIG].manifest)) is not has_one
    assert not has_one or reason(world, DEGRADED) == "ConfigInvalid"


def test_what_is_changed_before_there_are_servers_is_found_good_before_they_start() -> None:
    world = World(replicas=3)
    operator = Operator(world)
    while CONFIG not in world.objects.things:
        operator.run(cycles=1)
    world.edit(replicas=3, config={BAD_KEY: 1})
    operator.run(cycles=8)
    assert not world.objects.pods
    assert reason(world, DEGRADED) == "ConfigInvalid"
    world.edit(replicas=3, config={"raft_trailing_logs": 5})
    operator.settle()
    assert is_whole(world, 3)
    assert "raft_trailing_logs" in str(world.objects.things[CONFIG].manifest)
    assert Step.ROLL_POD not in operator.steps


def test_first_servers_that_wait_for_a_better_one_are_nothing_that_is_in_hand() -> None:
    world = World(replicas=3)
    operator = Operator(world)
    operator.run(cycles=2)
    world.edit(replicas=3, config={BAD_KEY: 1})
    operator.run(cycles=8)
    assert operator.last is not None
    assert operator.last.step is Step.CONFIG_REFUSED
    assert not holds(world.cluster.status.conditions, ClusterCondition.PROGRESSING)


def test_one_that_is_too_large_to_be_checked_is_told_before_there_are_servers_too() -> None:
    world = World(replicas=3)
    operator = Operator(world)
    operator.run(cycles=2)
    world.edit(replicas=3, config={"node_meta": {"a": "x" * 300_000}})
    operator.run(cycles=8)
    assert "can be checked" in message(world)
    assert not world.objects.jobs
    assert not world.objects.pods


def test_a_cluster_that_wakes_for_the_first_time_waits_for_the_answer() -> None:
    world = World(replicas=0)
    operator = Operator(world)
    operator.settle()
    world.edit(replicas=3, config={"raft_trailing_logs": 5})
    assert operator.cycle().step is Step.CHECK_CONFIG
    assert operator.cycle().step is Step.AWAIT_CONFIG_CHECK
    operator.settle()
    assert is_whole(world, 3)
    assert Step.ROLL_POD not in operator.steps


def test_a_set_that_vanishes_while_a_bad_one_is_refused_comes_back_with_what_there_was() -> None:
    world, operator = well()
    before = world.objects.things[CONFIG].manifest
    world.edit(config={BAD_KEY: 1})
    operator.settle()
    del world.objects.things[Ref("StatefulSet", NAME)]
    for pod in list(world.objects.pods.values()):
        world.stop(pod)
    operator.settle()
    assert is_whole(world, 3)
    assert world.objects.things[CONFIG].manifest is before
    assert reason(world, DEGRADED) == "ConfigInvalid"


@pytest.mark.parametrize("text", ["[]", "null", "3"])
def test_what_somebody_wrote_is_put_right_though_it_is_no_configuration_at_all(text: str) -> None:
    world, operator = well()
    thing = world.objects.things[CONFIG]
    thing.manifest = {**thing.manifest, "data": {"server.json": text}}
    thing.version += 1
    operator.kill()
    operator.settle()
    assert world.objects.things[CONFIG].manifest["data"]["server.json"] != text


def test_the_old_one_after_a_bad_one_is_no_change_at_all() -> None:
    world, operator = well()
    world.edit(config={BAD_KEY: 1})
    operator.settle()
    world.edit()
    operator.settle()
    assert operator.steps == [Step.CHECK_CONFIG]
    assert holds(world.cluster.status.conditions, ClusterCondition.READY)


def test_a_check_that_never_ran_holds_back_too_and_says_how_to_try_again() -> None:
    world, operator = well()
    world.failing_jobs.add("CheckConfig")
    world.edit(config={"raft_trailing_logs": 5})
    operator.settle()
    assert "could not be checked: it was told to" in message(world)
    (name,) = world.objects.jobs
    assert f"delete job {name}" in message(world)
    world.failing_jobs.clear()
    del world.objects.jobs[name]
    operator.settle()
    assert operator.steps.count(Step.ROLL_POD) == 3


def test_while_the_server_is_asked_the_spec_is_not_called_fulfilled() -> None:
    world, operator = well()
    world.edit(config={"log_level": "DEBUG"})
    assert operator.cycle().step is Step.CHECK_CONFIG
    assert reason(world, ClusterCondition.READY) == "ConfigCheck"
    assert operator.cycle().step is Step.AWAIT_CONFIG_CHECK
    assert world.cluster.status.phase == "Updating"
    assert "RollingUpdateStarted" not in reasons(operator)


def test_another_size_goes_on_meanwhile_and_asks_nobody_itself() -> None:
    world, operator = well()
    world.edit(replicas=5)
    operator.settle()
    assert Step.CHECK_CONFIG not in operator.steps
    world.edit(replicas=3, config={BAD_KEY: 1})
    operator.settle()
    assert is_whole(world, 3)
    assert reason(world, DEGRADED) == "ConfigInvalid"


def test_what_somebody_wrote_into_the_configuration_is_put_right_without_a_question() -> None:
    world, operator = well()
    thing = world.objects.things[CONFIG]
    thing.manifest = {**thing.manifest, "data": {"server.json": "{}"}}
    thing.version += 1
    operator.settle()
    assert operator.steps == [Step.APPLY_CHILDREN]


def test_a_snapshot_is_there_before_the_template_changes() -> None:
    world, operator = scheduled()
    world.edit(image={"tag": "1.1.0"}, **ASKED)
    operator.settle()
    assert operator.steps[:2] == [Step.UPGRADE_SNAPSHOT, Step.APPLY_TEMPLATE]
    assert set(world.snapshots) == {f"{NAME}-upgrade-2"}
    assert tags(world) == {"1.1.0"}
    ends = [each for each in reasons(operator) if each.startswith("RollingUpdate")]
    assert ends == ["RollingUpdateStarted", "RollingUpdateDone"]


def test_nothing_else_than_an_image_takes_one() -> None:
    world, operator = scheduled()
    world.edit(config={"raft_trailing_logs": 5}, **ASKED)
    operator.settle()
    assert operator.steps.count(Step.ROLL_POD) == 3
    assert world.snapshots == {}


def test_a_bad_configuration_is_not_worth_a_snapshot() -> None:
    world, operator = scheduled()
    world.edit(image={"tag": "1.1.0"}, config={BAD_KEY: 1}, **ASKED)
    operator.settle()
    assert operator.steps == [Step.CHECK_CONFIG]
    assert reason(world, DEGRADED) == "ConfigInvalid"


def test_a_snapshot_that_fails_stops_the_upgrade_until_a_person_says_otherwise() -> None:
    world, operator = scheduled()
    world.failing_jobs.add("Snapshot")
    world.edit(image={"tag": "1.1.0"}, **ASKED)
    operator.settle()
    assert tags(world) == {"1.0.0"}
    assert reason(world, DEGRADED) == "SnapshotFailed"
    assert "proconsul.io/skip-snapshot" in message(world)
    world.annotate(skip_snapshot="true")
    operator.settle()
    assert tags(world) == {"1.1.0"}


def test_one_that_takes_too_long_stops_it_and_goes_on_when_it_is_done_after_all() -> None:
    world, operator = scheduled()
    world.slow_snapshots = True
    world.edit(image={"tag": "1.1.0"}, **ASKED)
    operator.run(cycles=int(SNAPSHOT_MAX_S / TICK_S) - 2)
    assert reason(world, DEGRADED) == "Healthy"
    operator.run(cycles=6)
    assert reason(world, DEGRADED) == "SnapshotFailed"
    assert "10 minutes" in message(world)
    world.slow_snapshots = False
    operator.settle()
    assert tags(world) == {"1.1.0"}


def test_without_a_place_for_it_the_upgrade_does_not_begin() -> None:
    world, operator = well(**ASKED)
    world.edit(image={"tag": "1.1.0"}, **ASKED)
    operator.settle()
    assert tags(world) == {"1.0.0"}
    assert "no ProconsulSnapshotSchedule" in message(world)
    world.schedules = (schedule(),)
    operator.settle()
    assert tags(world) == {"1.1.0"}


def test_the_way_back_from_a_bad_image_waits_for_no_snapshot() -> None:
    world, operator = scheduled()
    world.annotate(allow_version=BROKEN)
    world.edit(image={"tag": BROKEN}, **ASKED)
    operator.run(cycles=12)
    assert BROKEN in tags(world)
    world.failing_jobs.add("Snapshot")
    world.edit(**ASKED)
    operator.settle()
    assert tags(world) == {"1.0.0"}
    assert set(world.snapshots) == {f"{NAME}-upgrade-2"}


def test_without_a_quorum_mending_goes_before_a_snapshot() -> None:
    world, operator = well(replicas=1, **ASKED)
    world.schedules = (schedule(),)
    world.annotate(allow_version=BROKEN, skip_snapshot="true")
    world.edit(replicas=1, image={"tag": BROKEN}, **ASKED)
    operator.run(cycles=12)
    assert tags(world) == {BROKEN}
    world.set_metadata(annotations={})
    world.edit(replicas=1, image={"tag": "1.0.0"}, **ASKED)
    operator.settle()
    assert is_whole(world, 1)
