"""What is told when, and how often. See gossip/broadcast.py."""

import random

import pytest

from proconsul.gossip.broadcast import PARTS_MAX, BroadcastQueue, transmit_limit


def queue(depth_max: int = 100) -> BroadcastQueue:
    return BroadcastQueue(depth_max=depth_max)


def take(waiting: BroadcastQueue, limit: int = 1000, sends_max: int = 4) -> list[bytes]:
    return waiting.take(overhead=2, limit=limit, sends_max=sends_max)


@pytest.mark.parametrize(
    ("listed", "limit"), [(1, 4), (9, 4), (10, 8), (99, 8), (100, 12), (999, 12), (1000, 16)]
)
def test_the_larger_the_pool_the_more_often_a_message_is_sent(listed: int, limit: int) -> None:
    assert transmit_limit(4, listed) == limit


def test_a_message_is_sent_as_often_as_the_limit_says() -> None:
    waiting = queue()
    ticket = waiting.put(b"news")
    for _ in range(3):
        assert take(waiting) == [b"news"]
        assert ticket in waiting
    assert take(waiting) == [b"news"]
    assert ticket not in waiting
    assert take(waiting) == []


def test_nothing_is_twice_in_one_packet() -> None:
    waiting = queue()
    waiting.put(b"one")
    waiting.put(b"two")
    assert sorted(take(waiting)) == [b"one", b"two"]


def test_news_takes_the_place_of_what_is_no_longer_true() -> None:
    waiting = queue()
    old = waiting.put(b"a is suspect", subject="a")
    take(waiting)
    new = waiting.put(b"a is alive", subject="a")
    waiting.put(b"b is alive", subject="b")
    assert old not in waiting
    assert new in waiting
    assert sorted(take(waiting)) == [b"a is alive", b"b is alive"]


def test_news_that_was_sent_already_is_replaced_too() -> None:
    waiting = queue()
    waiting.put(b"a is suspect", subject="a")
    take(waiting)
    take(waiting)
    waiting.put(b"a is dead", subject="a")
    assert take(waiting) == [b"a is dead"]
    assert len(waiting) == 1


def test_without_a_subject_nothing_replaces_anything() -> None:
    waiting = queue()
    waiting.put(b"event 1")
    waiting.put(b"event 1")
    assert take(waiting) == [b"event 1", b"event 1"]


def test_what_was_sent_least_goes_first_then_the_longest_then_the_newest() -> None:
    waiting = queue()
    waiting.put(b"old and long......")
    take(waiting)
    waiting.put(b"short")
    waiting.put(b"longer 1")
    waiting.put(b"longer 2")
    assert take(waiting) == [b"longer 2", b"longer 1", b"short", b"old and long......"]


def test_a_packet_is_filled_with_what_fits() -> None:
    waiting = queue()
    for size in (100, 60, 30, 5):
        waiting.put(bytes(size))
    sizes = [len(data) for data in take(waiting, limit=139)]
    assert sizes == [100, 30]  # 102 + 32 of 139: 60 is too long, 5 needs 7
    assert sum(sizes) + 2 * len(sizes) <= 139


def test_what_fits_in_no_packet_waits_and_keeps_nobody_up() -> None:
    waiting = queue()
    waiting.put(bytes(500))
    waiting.put(b"small")
    assert take(waiting, limit=100) == [b"small"]
    assert take(waiting, limit=1) == []


def test_a_packet_has_no_more_parts_than_a_compound_can_count() -> None:
    waiting = queue(1000)
    for number in range(600):
        waiting.put(b"%03d" % number)
    assert len(take(waiting, limit=60_000)) == PARTS_MAX


def test_a_full_queue_forgets_what_was_told_most_often() -> None:
    waiting = queue(3)
    waiting.put(b"told often")
    take(waiting)
    take(waiting)
    waiting.put(b"told once")
    take(waiting)
    waiting.put(b"new 1")
    waiting.put(b"new 2")
    assert len(waiting) == 3
    assert sorted(take(waiting)) == [b"new 1", b"new 2", b"told once"]


def test_a_queue_at_its_limit_takes_ever_more_and_holds_no_more() -> None:
    waiting = queue(50)
    for number in range(1000):
        waiting.put(b"%d" % number, subject=f"m{number % 70}")
    assert len(waiting) == 50


def test_pruned_it_keeps_what_is_freshest() -> None:
    waiting = queue()
    waiting.put(b"old")
    take(waiting)
    waiting.put(b"new")
    waiting.prune(1)
    assert take(waiting) == [b"new"]
    waiting.prune(0)
    assert len(waiting) == 0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_is_sent_as_often_as_it_should(seed: int) -> None:
    """Against a naive model: how often was each sent that nothing replaced?"""
    die = random.Random(seed)
    waiting = queue(10_000)
    current: dict[str, bytes] = {}
    sent: dict[bytes, int] = {}
    for step in range(300):
        if die.random() < 0.4:
            subject = f"m{die.randrange(10)}"
            data = f"{subject} {step} ".encode() + bytes(die.randrange(40))
            current[subject] = data
            sent[data] = 0
            waiting.put(data, subject=subject)
        for data in take(waiting, limit=die.randrange(10, 200), sends_max=5):
            assert data in current.values()
            sent[data] += 1
    while len(waiting):
        for data in take(waiting, sends_max=5):
            sent[data] += 1
    assert {sent[data] for data in current.values()} == {5}
    assert max(sent.values()) == 5
