"""Which writes wait for those that are on their way, and for how long."""

from proconsul.raft.messages import Index
from proconsul.runtime.gathering import GROUP_MIN, GROUP_TIME_MAX_S, Gathering

SOON_S = GROUP_TIME_MAX_S / 2
LATE_S = GROUP_TIME_MAX_S * 2


def went(gathering: Gathering, last: int, committed: int, now_s: float) -> None:
    gathering.went(Index(last), Index(committed), now_s)


def test_a_write_waits_for_a_group_and_for_what_its_answers_bring() -> None:
    gathering = Gathering()
    went(gathering, 10, 0, 0.0)
    assert gathering.holds
    assert gathering.applied(Index(10), SOON_S)
    assert gathering.holds, "until the answers have gone out"
    gathering.end()
    assert not gathering.holds


def test_nobody_waits_for_a_few_writes() -> None:
    gathering = Gathering()
    went(gathering, GROUP_MIN - 1, 0, 0.0)
    assert not gathering.holds
    assert not gathering.applied(Index(GROUP_MIN - 1), SOON_S)


def test_several_small_groups_on_their_way_are_one_to_wait_for() -> None:
    gathering = Gathering()
    went(gathering, 2, 0, 0.0)
    went(gathering, GROUP_MIN, 0, 0.001)
    assert gathering.holds
    assert not gathering.applied(Index(2), SOON_S)
    assert gathering.applied(Index(GROUP_MIN), SOON_S)


def test_what_goes_all_the_same_is_not_waited_for() -> None:
    gathering = Gathering()
    went(gathering, 10, 0, 0.0)
    went(gathering, 11, 0, 0.001)  # a barrier, a change of the members
    assert gathering.applied(Index(10), SOON_S)


def test_a_group_is_late_when_it_takes_too_long_and_the_next_one_is_not_waited_for() -> None:
    gathering = Gathering()
    went(gathering, 10, 0, 0.0)
    assert not gathering.is_late(SOON_S)
    assert gathering.is_late(LATE_S)
    gathering.end()
    went(gathering, 30, 10, LATE_S)
    assert not gathering.holds
    assert not gathering.is_late(9 * LATE_S)


def test_once_groups_are_fast_again_they_are_waited_for_again() -> None:
    gathering = Gathering()
    went(gathering, 10, 0, 0.0)
    gathering.applied(Index(10), LATE_S)
    gathering.end()
    went(gathering, 30, 10, 1.0)
    assert not gathering.holds
    assert not gathering.applied(Index(30), 1.0 + SOON_S), "nothing waits for it"
    went(gathering, 50, 30, 2.0)
    assert gathering.holds


def test_nothing_is_held_while_all_is_committed() -> None:
    gathering = Gathering()
    went(gathering, 10, 10, 0.0)
    assert not gathering.holds
    assert not gathering.applied(Index(10), SOON_S)


def test_a_group_that_another_leader_cut_off_is_forgotten() -> None:
    gathering = Gathering()
    went(gathering, 10, 0, 0.0)
    gathering.end()
    went(gathering, 8, 3, LATE_S)
    assert not gathering.applied(Index(8), LATE_S + SOON_S)
    went(gathering, 20, 8, 2 * LATE_S)
    assert gathering.applied(Index(20), 2 * LATE_S + SOON_S)
