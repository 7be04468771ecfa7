"""See gossip/intents.py."""

from proconsul.gossip.intents import NAME_CHARS_MAX, Held, Intents


def held(ltime: int, *, since_s: float = 0.0, is_leave: bool = False) -> Held:
    return Held(is_leave=is_leave, ltime=ltime, since_s=since_s)


def test_the_newest_intent_of_a_name_is_held() -> None:
    intents = Intents(held_max=10)
    assert intents.hold("a", held(5))
    assert not intents.hold("a", held(5, is_leave=True))
    assert not intents.hold("a", held(4))
    assert intents.hold("a", held(6, is_leave=True))
    assert intents.take("a") == held(6, is_leave=True)
    assert intents.take("a") is None


def test_they_are_dropped_when_they_are_held_for_too_long() -> None:
    intents = Intents(held_max=10)
    intents.hold("a", held(1, since_s=10.0))
    intents.hold("b", held(1, since_s=11.0))
    intents.hold("c", held(1, since_s=12.0))
    intents.hold("a", held(2, since_s=13.0))
    intents.forget(11.0)
    assert len(intents) == 2
    assert intents.take("b") is None


def test_a_further_one_takes_the_place_of_the_oldest() -> None:
    intents = Intents(held_max=2)
    for name in "abc":
        assert intents.hold(name, held(1))
    assert len(intents) == 2
    assert intents.take("a") is None
    assert intents.take("c") is not None


def test_in_a_full_buffer_the_intent_of_a_name_makes_room_for_its_newer_one() -> None:
    intents = Intents(held_max=2)
    intents.hold("a", held(1))
    intents.hold("b", held(1))
    intents.hold("b", held(2))
    assert intents.take("a") == held(1)
    assert intents.take("b") == held(2)


def test_nothing_is_held_about_a_name_without_end() -> None:
    intents = Intents(held_max=2)
    assert intents.hold("x" * NAME_CHARS_MAX, held(1))
    assert not intents.hold("x" * (NAME_CHARS_MAX + 1), held(1))
    assert len(intents) == 1
