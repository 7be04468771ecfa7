"""What counts as time in which we listened. See gossip/attention.py."""

import pytest

from proconsul.gossip.attention import Attention
from proconsul.gossip.settings import GossipSettings

SETTINGS = GossipSettings(probe_timeout_s=0.5)


def test_it_runs_with_the_time_while_calls_come_as_planned() -> None:
    attention = Attention(SETTINGS, 100.0)
    for step in range(1, 50):
        now_s = 100.0 + step * 0.2
        assert attention.called(now_s, planned_s=now_s - 0.01) == 0
        assert attention.heard_s == now_s


def test_nothing_is_late_while_nothing_is_planned() -> None:
    attention = Attention(SETTINGS, 100.0)
    assert attention.called(150.0, planned_s=160.0) == 0
    assert attention.heard_s == 150.0


def test_a_plan_that_was_made_a_moment_ago_is_late_since_then_only() -> None:
    attention = Attention(SETTINGS, 100.0)
    attention.called(105.0, planned_s=105.0)
    assert attention.called(105.1, planned_s=101.0) == 0
    assert attention.heard_s == 105.1


def test_it_stands_while_the_process_is_frozen_and_a_moment_more() -> None:
    attention = Attention(SETTINGS, 100.0)
    attention.called(104.0, planned_s=104.0)
    assert attention.called(114.2, planned_s=104.2) == pytest.approx(10.0)
    assert attention.heard_s == 104.0  # what others sent may not be read before the next call
    attention.called(114.5, planned_s=114.5)
    assert attention.heard_s == pytest.approx(104.0)
    attention.called(115.0, planned_s=115.0)
    assert attention.heard_s == pytest.approx(104.5)


def test_a_deadline_comes_later_by_what_was_missed() -> None:
    attention = Attention(SETTINGS, 100.0)
    assert attention.real_s(105.0) == pytest.approx(105.0)
    attention.called(114.0, planned_s=104.0)
    assert attention.real_s(105.0) == pytest.approx(115.5)


def test_it_never_goes_back() -> None:
    attention = Attention(SETTINGS, 100.0)
    heard_s, now_s = [attention.heard_s], 100.0
    for gap_s in (0.1, 3.0, 0.01, 5.0, 0.2, 0.2, 0.7, 60.0, 0.001):
        planned_s, now_s = now_s + 0.05, now_s + gap_s
        attention.called(now_s, planned_s)
        heard_s.append(attention.heard_s)
    assert heard_s == sorted(heard_s)


def test_it_runs_on_for_a_process_that_is_always_late() -> None:
    """Else it would never find out who is dead."""
    attention = Attention(SETTINGS, 100.0)
    now_s = 100.0
    for _ in range(100):
        planned_s, now_s = now_s + 0.2, now_s + 0.5
        assert attention.called(now_s, planned_s)
    assert attention.heard_s - 100.0 > 0.4 * 100 * 0.2
