"""What is done again and again. See gossip/rhythm.py."""

from proconsul.gossip.rhythm import Rhythm


def test_it_is_due_once_an_interval() -> None:
    rhythm = Rhythm(1.0, 10.5)
    assert not rhythm.is_due(10.4)
    assert rhythm.is_due(10.5)
    assert not rhythm.is_due(11.4)
    assert rhythm.is_due(11.7)
    assert rhythm.next_s == 12.5


def test_what_was_missed_is_not_made_up_for() -> None:
    rhythm = Rhythm(1.0, 10.0)
    assert rhythm.is_due(15.0)
    assert not rhythm.is_due(15.0)
    assert rhythm.next_s == 16.0
