"""Nobody is stopped, removed or promoted on a guess: each objection, and when there is none."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from operator_tests.plans.operator import Operator
from operator_tests.plans.stories import well
from operator_tests.plans.world import NAME, World
from proconsul_operator.plans.observe import Local, Observed, Pod, Unknown
from proconsul_operator.plans.safety import (
    LAG_MAX,
    best_heir,
    is_only_voter,
    lag_of,
    leader_of,
    leads,
    objection_to_removing,
    objection_to_stopping,
    unwell_pods,
)


def seen(world: World, operator: Operator) -> Observed:
    """As it is at this moment."""
    return operator.observe(world.objects.copied())


def followers(observed: Observed) -> list[Pod]:
    """All but the leader, the first first."""
    return [pod for pod in observed.pods if not leads(observed, pod)]


def behind(observed: Observed, pod: Pod, entries: int) -> Observed:
    """The same, with a member that says it is that many entries behind the leader."""
    assert isinstance(pod.local, Local)
    late = replace(pod.local, applied_index=pod.local.leader_commit_index - entries)
    pods = tuple(replace(each, local=late) if each is pod else each for each in observed.pods)
    return replace(observed, pods=pods)


def test_of_three_that_are_well_any_may_be_stopped() -> None:
    observed = seen(*well())
    assert [objection_to_stopping(observed, pod) for pod in observed.pods] == [None] * 3


def _crash(world: World) -> None:
    world.crash(int(_follower(world)[-1]))


def _silence(world: World) -> None:
    pod = world.objects.pods[_follower(world)]
    pod.silent = True


def _stop(world: World) -> None:
    world.delete_pod(int(_follower(world)[-1]))


def _lose_disk(world: World) -> None:
    world.lose_disk(int(_follower(world)[-1]))
    for _ in range(3):
        world.tick()


def _follower(world: World) -> str:
    """The last one."""
    leader = world.configuration.by_id(world.leader_id)
    assert leader is not None
    return max(name for name in world.objects.pods if name != leader.name)


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (_crash, "is not ready"),
        (_stop, "is not ready"),
        (_silence, "does not answer"),
        (_lose_disk, "has no vote yet"),
    ],
)
def test_while_one_is_not_well_no_other_is_stopped(
    happens: Callable[[World], None], says: str
) -> None:
    world, operator = well()
    sick = _follower(world)
    happens(world)
    observed = seen(world, operator)
    for pod in observed.pods:
        if pod.name != sick:
            assert says in (objection_to_stopping(observed, pod) or "")


def test_the_sick_one_itself_may_be_stopped_as_it_lowers_nothing() -> None:
    world, operator = well()
    _crash(world)
    observed = seen(world, operator)
    sick = observed.pod_named(_follower(world))
    assert sick is not None
    assert objection_to_stopping(observed, sick) is None


def test_whoever_is_far_behind_is_waited_for_before_another_goes() -> None:
    observed = seen(*well())
    first, second = followers(observed)
    assert objection_to_stopping(behind(observed, first, LAG_MAX), second) is None
    told = objection_to_stopping(behind(observed, first, LAG_MAX + 1), second)
    assert f"{first.name} is more than {LAG_MAX} entries behind" in (told or "")


def test_of_two_none_may_be_stopped_and_one_may_leave() -> None:
    world, operator = well()
    world.move_leader(0)
    observed = seen(world, operator)
    leader = leader_of(observed)
    two = tuple(each for each in leader.configuration.servers if each.name != f"{NAME}-2")
    assert observed.stateful_set is not None
    left = replace(
        observed,
        leader=replace(leader, configuration=replace(leader.configuration, servers=two)),
        pods=observed.pods[:2],
        stateful_set=replace(observed.stateful_set, replicas=2),
    )
    told = objection_to_stopping(left, left.pods[1])
    assert told == f"without {NAME}-1 1 of 2 voters would be well, 2 must be"
    assert objection_to_removing(left, left.pods[1]) is None


def test_a_pod_beyond_the_size_is_unrest() -> None:
    observed = seen(*well())
    assert observed.stateful_set is not None
    smaller = replace(observed, stateful_set=replace(observed.stateful_set, replicas=2))
    assert unwell_pods(smaller) == (f"{NAME}-2",)


def test_only_a_cluster_of_one_has_nobody_to_take_over() -> None:
    alone, three = seen(*well(replicas=1)), seen(*well())
    assert is_only_voter(alone, alone.pods[0])
    assert not any(is_only_voter(three, pod) for pod in three.pods)


def test_the_heir_is_well_and_least_behind_and_never_the_leader_itself() -> None:
    observed = seen(*well())
    first, second = followers(observed)
    voters = leader_of(observed).configuration.voters
    heir = best_heir(behind(observed, first, 5), voters)
    assert heir is not None
    assert heir.name == second.name


def test_without_anybody_who_is_well_there_is_no_heir() -> None:
    observed = seen(*well())
    leader = leader_of(observed)
    sick = tuple(replace(each, healthy=each.id == leader.id) for each in leader.healths)
    alone = replace(observed, leader=replace(leader, healths=sick))
    assert best_heir(alone, leader.configuration.voters) is None


def test_what_autopilot_saw_seconds_ago_makes_nobody_late() -> None:
    """Under load its last round is thousands of entries old: for the leader as for the others."""
    observed = seen(*well())
    leader = leader_of(observed)
    loaded = replace(observed, leader=replace(leader, commit_index=leader.commit_index + 9000))
    for pod in loaded.pods:
        assert lag_of(loaded, pod.id) == 0
        assert objection_to_stopping(loaded, pod) is None


def test_of_a_member_that_says_nothing_autopilots_last_round_tells_how_late_it_is() -> None:
    observed = seen(*well())
    leader, pod = leader_of(observed), followers(observed)[0]
    healths = tuple(
        replace(each, last_index=60 if each.id == pod.id else 100) for each in leader.healths
    )
    quiet = replace(pod, local=Unknown(why="", since_s=0.0))
    unknown = replace(
        observed,
        pods=tuple(quiet if each is pod else each for each in observed.pods),
        leader=replace(leader, healths=healths),
    )
    assert lag_of(unknown, pod.id) == 40
