"""What is claimed about us, and what we say of ourselves. See gossip/claims.py."""

import pytest

from proconsul.gossip.claims import INCARNATION_MAX
from proconsul.gossip.messages import Alive, Dead, NodeState, Suspect
from server_tests.gossip.bench import US, VSN, alive, bench, dead, suspect


@pytest.mark.parametrize("accusation", [suspect("us", 1), dead("us", 1), dead("us", 1, "us")])
def test_an_accusation_is_refuted_by_a_new_incarnation(accusation: Suspect | Dead) -> None:
    us = bench("a", "b")
    us.hear(accusation)
    assert us.state("us") is NodeState.ALIVE
    assert us.us.health_score() == 1
    assert us.lines("Refuting a")
    us.pass_time(1.0)
    told = us.said(Alive)[0]
    assert (told.node, told.incarnation, told.address, told.meta) == ("us", 2, US, b"our meta")
    assert us.ears.heard == []


def test_a_refutation_beats_the_incarnation_of_the_accusation() -> None:
    us = bench("a")
    us.hear(suspect("us", 41))
    assert us.own_incarnation() == 42
    us.hear(suspect("us", 41))
    assert us.own_incarnation() == 42


def test_no_incarnation_is_beyond_what_the_wire_can_carry() -> None:
    us = bench("a")
    us.hear(suspect("us", INCARNATION_MAX))
    assert us.own_incarnation() == INCARNATION_MAX
    us.hear(dead("us", INCARNATION_MAX))
    assert us.own_incarnation() == INCARNATION_MAX


def test_our_own_words_come_back_and_need_no_answer() -> None:
    us = bench("a")
    us.hear(Alive(incarnation=1, node="us", address=US, meta=b"our meta", vsn=VSN))
    us.hear(Alive(incarnation=0, node="us", address=US, meta=b"older", vsn=VSN))
    assert us.own_incarnation() == 1


@pytest.mark.parametrize(("incarnation", "meta"), [(1, b"another"), (2, b"our meta"), (9, b"x")])
def test_what_we_never_said_is_refuted(incarnation: int, meta: bytes) -> None:
    """We were somebody else in an earlier life, which others remember."""
    us = bench("a")
    us.hear(Alive(incarnation=incarnation, node="us", address=US, meta=meta, vsn=VSN))
    assert us.own_incarnation() == incarnation + 1
    assert us.lines("Refuting an alive message for 'us'")


def test_our_name_at_another_address_is_a_conflict() -> None:
    us = bench("a")
    us.hear(alive("us", 99, incarnation=7))
    assert us.own_incarnation() == 1
    assert us.ears.heard == [("conflicted", "us")]


def test_new_tags_are_a_new_incarnation() -> None:
    us = bench("a")
    us.ears.own_meta = b"other meta"
    us.us.update(us.now_s)
    us.pass_time(1.0)
    assert us.said(Alive)[0].meta == b"other meta"
    assert us.own_incarnation() == 2
    assert us.us.health_score() == 0
    assert us.ears.heard == []


# -------------------------------------------------------------------- leave


def test_who_leaves_says_so_as_often_as_anything_and_no_longer_refutes() -> None:
    us = bench("a", "b")
    assert not us.us.is_leave_told
    us.us.leave(us.now_s)
    assert not us.us.is_leave_told
    us.pass_time(1.0)
    assert us.said(Dead) == [dead("us", accuser="us")] * 4
    assert us.us.is_leave_told
    us.hear(dead("us", incarnation=5))
    us.hear(suspect("us", incarnation=5))
    us.hear(Alive(incarnation=6, node="us", address=US, meta=b"", vsn=VSN))
    assert us.state("us") is NodeState.LEFT
    assert us.untold() == 0


def test_to_leave_twice_is_to_leave_once() -> None:
    us = bench("a")
    us.us.leave(us.now_s)
    us.us.leave(us.now_s)
    us.pass_time(5.0)
    assert len(us.said(Dead)) == 4


def test_where_nobody_is_left_to_hear_it_a_leave_is_told_at_once() -> None:
    us = bench("a")
    us.hear(dead("a", accuser="a"))
    us.us.leave(us.now_s)
    assert us.us.is_leave_told
    assert us.us.alive_count() == 0


def test_news_of_our_tags_does_not_revive_us_after_a_leave() -> None:
    us = bench("a", "b")
    us.us.leave(us.now_s)
    us.ears.own_meta = b"late"
    us.us.update(us.now_s)
    us.pass_time(2.0)
    assert us.said(Alive) == []
    assert us.state("us") is NodeState.LEFT
