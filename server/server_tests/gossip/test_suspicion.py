"""How long a suspect may refute. See gossip/suspicion.py."""

import pytest

from proconsul.gossip.settings import GossipSettings
from proconsul.gossip.suspicion import ACCUSER_CHARS_MAX, Suspicion

SETTINGS = GossipSettings(suspicion_mult=4, suspicion_max_timeout_mult=6, probe_interval_s=1.0)


def suspicion(listed: int) -> Suspicion:
    return Suspicion("a", settings=SETTINGS, listed=listed, heard_s=100.0)


@pytest.mark.parametrize("listed", [1, 2, 3])
def test_where_too_few_could_agree_nobody_is_waited_for(listed: int) -> None:
    case = suspicion(listed)
    assert case.confirmations_wanted == 0
    assert case.ends_s == 104.0
    assert not case.confirm("b")


def test_the_more_agree_the_less_time_is_left() -> None:
    case = suspicion(5)
    assert case.ends_s == 124.0
    assert case.confirm("b")
    assert case.ends_s == pytest.approx(111.38, abs=0.01)  # measured on real agents: 11.4 s
    assert case.confirm("c")
    assert case.ends_s == pytest.approx(104.0)


def test_a_larger_pool_waits_longer() -> None:
    assert suspicion(10).ends_s == 124.0
    assert suspicion(1000).ends_s == pytest.approx(172.0)  # 3 x 4 s x 6


def test_each_accuser_counts_once_and_the_first_never() -> None:
    case = suspicion(5)
    assert not case.confirm("a")
    assert case.confirm("b")
    assert not case.confirm("b")
    assert case.confirmations == 1


def test_no_more_accusers_are_remembered_than_count() -> None:
    case = suspicion(1000)
    news = [case.confirm(f"liar{number}") for number in range(10_000)]
    assert news.count(True) == case.confirmations_wanted == 2
    assert case.ends_s == pytest.approx(112.0)


def test_accusers_with_endless_names_are_told_apart_by_their_beginning() -> None:
    case = suspicion(9)
    assert case.confirm("x" * ACCUSER_CHARS_MAX + "1")
    assert not case.confirm("x" * ACCUSER_CHARS_MAX + "2")
    assert case.confirm("y")
