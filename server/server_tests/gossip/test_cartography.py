"""See gossip/cartography.py."""

import random

from proconsul.gossip.cartography import Cartography
from proconsul.gossip.coordinates import ORIGIN, Coordinate

NEAR = Coordinate(vec=(0.01, *[0.0] * 7))


def test_the_last_coordinate_of_each_member_is_known_and_our_own() -> None:
    ours = Cartography("us", random.Random(1).randrange)
    assert ours.get("us") == ours.own == ORIGIN
    assert ours.get("x") is None
    assert ours.measured("x", ORIGIN, 0.1) is None
    assert ours.measured("x", NEAR, 0.1) is None
    assert ours.get("x") == NEAR
    assert ours.get("us") == ours.own != ORIGIN


def test_one_that_is_not_used_is_not_known() -> None:
    ours = Cartography("us", random.Random(1).randrange)
    assert ours.measured("x", NEAR, 11.0) is not None
    assert ours.get("x") is None


def test_who_is_no_member_any_more_is_nowhere() -> None:
    ours = Cartography("us", random.Random(1).randrange)
    ours.measured("x", NEAR, 0.1)
    ours.forget("x")
    ours.forget("y")
    assert ours.get("x") is None
