"""See gossip/lamport.py."""

from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip.lamport import LTIME_MAX, Clock

ltimes = st.integers(0, LTIME_MAX)


def test_a_clock_begins_at_one_or_after_what_was_seen_at_last() -> None:
    assert Clock().time == 1
    assert Clock(0).time == 1
    assert Clock(1).time == 2
    assert Clock(41).time == 42


def test_times_of_ours_are_each_later() -> None:
    clock = Clock()
    assert [clock.take() for _ in range(3)] == [1, 2, 3]


@given(st.lists(ltimes | st.none()))
def test_whatever_is_heard_a_clock_goes_up_only_and_what_we_say_is_later(
    heard: list[int | None],
) -> None:
    clock = Clock()
    latest = 0
    for ltime in heard:  # None: we say something
        before = clock.time
        if ltime is None:
            said = clock.take()
            assert said > latest or said == LTIME_MAX
            latest = said
        else:
            clock.witness(ltime)
            latest = max(latest, ltime)
        assert before <= clock.time <= LTIME_MAX


@given(ltimes, ltimes)
def test_the_order_in_which_two_are_heard_does_not_matter(one: int, other: int) -> None:
    first, second = Clock(), Clock()
    for clock, heard in ((first, (one, other)), (second, (other, one))):
        for ltime in heard:
            clock.witness(ltime)
    assert first.time == second.time


def test_after_the_last_time_of_all_comes_the_first_where_a_clock_may_begin_anew() -> None:
    clock = Clock(LTIME_MAX - 1, begins_anew=True)
    assert [clock.take() for _ in range(3)] == [LTIME_MAX, 1, 2]
    clock.witness(LTIME_MAX)
    assert clock.time == 1
    assert Clock(LTIME_MAX, begins_anew=True).time == 1


def test_the_last_time_of_all_is_not_passed() -> None:
    clock = Clock(LTIME_MAX)
    assert clock.time == LTIME_MAX
    assert clock.take() == LTIME_MAX
    assert clock.time == LTIME_MAX
