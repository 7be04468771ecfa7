"""See gossip/reconnect.py."""

import random

from proconsul.gossip.effects import MemberStatus, PoolMember
from proconsul.gossip.reconnect import to_reconnect
from server_tests.gossip.bench import at


def failed(*names: str) -> list[PoolMember]:
    return [
        PoolMember(
            name=name,
            address=at(1),
            tags={},
            status=MemberStatus.FAILED,
            protocol=(1, 5, 2),
            delegate=(2, 5, 4),
            since_s=0.0,
        )
        for name in names
    ]


def test_where_nobody_failed_nobody_is_tried() -> None:
    assert to_reconnect([], 5, random.Random(1).randrange) is None


def test_all_together_try_each_failed_member_about_once() -> None:
    die = random.Random(1)
    tried = [to_reconnect(failed("a", "b"), 20, die.randrange) for _ in range(20 * 100)]
    names = [member.name for member in tried if member is not None]
    assert 80 < names.count("a") < 120
    assert 80 < names.count("b") < 120


def test_where_more_failed_than_are_there_somebody_is_tried_each_time() -> None:
    die = random.Random(1)
    for present in (0, 1, 3):
        tried = [to_reconnect(failed("a", "b", "c"), present, die.randrange) for _ in range(100)]
        assert None not in tried
