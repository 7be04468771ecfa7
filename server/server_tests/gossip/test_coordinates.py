"""See gossip/coordinates.py."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip.coordinates import (
    DIMENSIONS,
    ERROR_MAX,
    HEIGHT_MIN_S,
    ORIGIN,
    RTT_MAX_S,
    Coordinate,
    NetworkPosition,
)

rtts = st.floats(0.0001, 0.5)
anything = st.floats(allow_nan=True, allow_infinity=True)


def position(seed: int = 1) -> NetworkPosition:
    return NetworkPosition(random.Random(seed).randrange)


def here(*vec: float, height: float = HEIGHT_MIN_S, adjustment: float = 0.0) -> Coordinate:
    padded = (*vec, *[0.0] * (DIMENSIONS - len(vec)))
    return Coordinate(vec=padded, height=height, adjustment=adjustment)


# -------------------------------------------------------------------- distances


def test_a_distance_is_the_way_between_the_points_and_both_heights() -> None:
    one, other = here(0.0, 3.0, height=0.25), here(4.0, height=0.5)
    assert one.distance_s(other) == other.distance_s(one) == pytest.approx(5.75)


def test_adjustments_count_as_long_as_something_remains() -> None:
    one = here(1.0, height=0.0, adjustment=-0.4)
    assert one.distance_s(here(height=0.0, adjustment=-0.5)) == pytest.approx(0.1)
    assert one.distance_s(here(height=0.0, adjustment=-0.7)) == pytest.approx(1.0)
    assert one.raw_distance_s(here(height=0.0, adjustment=-0.5)) == pytest.approx(1.0)


# -------------------------------------------------------------------- learning


def test_who_knows_nothing_is_at_the_origin() -> None:
    found = position().coordinate
    assert found == ORIGIN == Coordinate(vec=(0.0,) * 8, error=1.5, adjustment=0.0, height=10e-6)


@given(rtts, st.integers(0, 1000))
def test_two_members_agree_on_how_far_they_are(rtt_s: float, seed: int) -> None:
    one, other = position(seed), position(seed + 1)
    for _ in range(300):
        assert one.measured("other", other.coordinate, rtt_s) is None
        assert other.measured("one", one.coordinate, rtt_s) is None
    found_s = one.coordinate.distance_s(other.coordinate)
    assert found_s == pytest.approx(rtt_s, rel=0.1, abs=1e-4)
    assert one.coordinate.error < 0.5
    assert one.resets == other.resets == 0


def test_a_pool_in_three_cities_finds_out_who_is_where() -> None:
    """Members that never measured each other are told apart too."""
    die = random.Random(3)
    city = [number % 3 for number in range(12)]
    between_s = [[0.001, 0.03, 0.09], [0.03, 0.001, 0.07], [0.09, 0.07, 0.001]]
    members = [position(number) for number in range(12)]
    for _ in range(4000):
        one, other = die.sample(range(12), 2)
        if {one, other} == {0, 5}:
            continue
        rtt_s = between_s[city[one]][city[other]] * die.uniform(0.95, 1.1)
        members[one].measured(str(other), members[other].coordinate, rtt_s)
    near_s = members[0].coordinate.distance_s(members[3].coordinate)
    far_s = members[0].coordinate.distance_s(members[5].coordinate)
    assert near_s < 0.01
    assert far_s == pytest.approx(0.09, rel=0.2)


def test_one_odd_measurement_moves_nobody() -> None:
    calm, disturbed = position(), position()
    other = here(0.01)
    for number in range(200):
        calm.measured("x", other, 0.02)
        disturbed.measured("x", other, 5.0 if number % 10 == 5 else 0.02)
    assert disturbed.coordinate == calm.coordinate


def test_what_was_measured_is_forgotten_with_the_member() -> None:
    mine = position()
    other = here(0.01)
    for _ in range(3):
        mine.measured("x", other, 0.02)
    mine.forget("x")
    before = mine.coordinate
    mine.measured("x", other, 5.0)
    assert mine.coordinate.distance_s(before) > 0.1


def test_a_time_of_zero_is_taken() -> None:
    """Coarse clocks measure it."""
    mine = position()
    assert mine.measured("x", here(0.01), 0.0) is None
    assert mine.coordinate.is_finite


def test_gravity_holds_the_pool_at_the_origin() -> None:
    mine = position()
    far = here(100.0)
    for _ in range(1000):
        mine.measured("x", far, 0.01)
    assert mine.coordinate.distance_s(ORIGIN) < 100.0


# -------------------------------------------------------------------- what is no measurement


@pytest.mark.parametrize("rtt_s", [-0.001, RTT_MAX_S + 0.001, math.nan, math.inf])
def test_a_time_that_is_no_round_trip_is_not_used(rtt_s: float) -> None:
    mine = position()
    problem = mine.measured("x", here(0.01), rtt_s)
    assert problem is not None
    assert "round trip time not in valid range" in problem
    assert mine.coordinate == ORIGIN


@pytest.mark.parametrize(
    "other",
    [
        here(math.nan),
        here(math.inf),
        here(height=math.nan),
        here(height=-1.0),
        here(adjustment=-math.inf),
        Coordinate(error=math.nan),
        Coordinate(error=-1.0),
    ],
)
def test_a_coordinate_that_is_none_is_not_used(other: Coordinate) -> None:
    mine = position()
    assert mine.measured("x", other, 0.1) == "coordinate is invalid"
    assert mine.coordinate == ORIGIN


def test_a_coordinate_of_another_space_is_not_used() -> None:
    assert position().measured("x", Coordinate(vec=(0.0,) * 7), 0.1) == (
        "dimensions aren't compatible"
    )


@pytest.mark.parametrize("huge", [1e200, 1e308])
def test_who_is_pulled_out_of_the_world_begins_anew(huge: float) -> None:
    mine = position()
    mine.measured("x", here(0.01), 0.1)
    mine.measured("liar", here(huge), 0.1)
    assert mine.resets == 1
    assert mine.coordinate == ORIGIN
    for _ in range(100):
        mine.measured("x", here(0.01), 0.1)
    assert mine.resets == 1, "the lie is not remembered"
    assert mine.coordinate.error < ERROR_MAX


@given(
    st.lists(
        st.tuples(
            st.lists(anything, min_size=7, max_size=9), anything, anything, anything, anything
        )
    )
)
def test_whatever_others_say_we_stay_somewhere(
    said: list[tuple[list[float], float, float, float, float]],
) -> None:
    mine = position()
    for vec, error, adjustment, height, rtt_s in said:
        other = Coordinate(vec=tuple(vec), error=error, adjustment=adjustment, height=height)
        mine.measured("x", other, rtt_s)
        assert mine.coordinate.is_finite
        assert mine.coordinate.error <= ERROR_MAX
        assert mine.coordinate.height >= HEIGHT_MIN_S
