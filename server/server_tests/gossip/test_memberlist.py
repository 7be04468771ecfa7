"""The whole of it: packets, streams, and when it wants to be called. See gossip/memberlist.py."""

import pytest

from proconsul.gossip.memberlist import ALONE_TICK_S
from proconsul.gossip.messages import Ack, Alive, Dead, NodeState, Ping, User
from proconsul.gossip.settings import GossipSettings
from server_tests.gossip.bench import PEER, START_S, US, Bench, alive, at, names


def dead(name: str, accuser: str) -> Dead:
    return Dead(incarnation=1, node=name, accuser=accuser)


# -------------------------------------------------------------------- packets


@pytest.mark.parametrize("meant", ["us", ""])
def test_a_ping_is_answered_where_it_says(meant: str) -> None:
    us = Bench()
    us.tell_all()
    us.hear(Ping(seq_no=5, node=meant, source=at(9), source_node="x"), source=PEER)
    assert us.sent == [(at(9), Ack(seq_no=5, payload=b"where we are"))]


def test_a_ping_that_does_not_say_is_answered_where_it_came_from() -> None:
    us = Bench()
    us.tell_all()
    us.hear(Ping(seq_no=5, node="us"), source=PEER)
    us.hear(Ping(seq_no=6, node="us", source=at(9, port=0)), source=PEER)
    assert [to for to, _ in us.sent] == [PEER, PEER]


def test_a_ping_for_somebody_else_is_not_answered() -> None:
    us = Bench()
    us.tell_all()
    us.hear(Ping(seq_no=5, node="them"))
    assert us.sent == []
    assert us.lines("Got ping for unexpected node 'them' from=10.0.0.2:8301")


def test_user_messages_are_the_delegates() -> None:
    us = Bench()
    us.hear(User(b"one"), User(b""), User(b"two"))
    us.accept(User(b"three"))
    assert us.ears.delivered == [b"one", b"two", b"three"]


def test_rubbish_is_logged_and_dropped() -> None:
    us = Bench()
    us.us.receive(b"\xff\x00rubbish", PEER, us.now_s)
    us.settle()
    assert us.lines("from=10.0.0.2:8301")
    assert names(us.us.nodes()) == {"us"}


# -------------------------------------------------------------------- streams


def test_a_ping_on_a_stream_is_answered_without_a_coordinate() -> None:
    us = Bench()
    assert us.accept(Ping(seq_no=5, node="us")) == Ack(seq_no=5)
    assert us.accept(Ping(seq_no=5, node="them")) is None
    assert us.counts["memberlist.tcp.accept"] == 2


def test_what_nobody_asked_for_on_a_stream_is_ignored() -> None:
    us = Bench()
    assert us.accept(Ack(seq_no=5)) is None
    us.us.exchange_done(99, None, "no such thing", us.now_s)
    us.settle()
    assert names(us.us.nodes()) == {"us"}


# -------------------------------------------------------------------- who is there


def test_at_first_there_are_only_we() -> None:
    us = Bench()
    (node,) = us.us.nodes()
    assert (node.name, node.address, node.meta) == ("us", US, b"our meta")
    assert node.state is NodeState.ALIVE
    assert (us.us.alive_count(), len(us.us.nodes()), us.us.health_score()) == (1, 1, 0)
    assert us.ears.heard == []


def test_the_first_that_we_meet_hears_who_we_are() -> None:
    us = Bench()
    us.hear(alive("a"))
    us.pass_time(1.0)
    assert any(told.node == "us" and told.incarnation == 1 for told in us.said(Alive))


def test_counted_are_the_living_and_the_listed() -> None:
    us = Bench()
    us.know("a", "b", "c")
    us.hear(dead("a", "b"), dead("b", "b"))
    assert (us.us.alive_count(), len(us.us.nodes())) == (2, 4)


def test_the_dead_and_the_left_are_forgotten_after_a_while() -> None:
    us = Bench()
    us.know("a", "b", "c")
    us.hear(dead("a", "b"), dead("b", "b"))
    us.pass_time(29.0)
    assert names(us.us.nodes()) == {"us", "a", "b", "c"}
    us.pass_time(5.0)
    assert names(us.us.nodes()) == {"us", "c"}
    us.hear(alive("a", 2))
    assert us.state("a") is NodeState.ALIVE


def test_the_last_other_one_is_forgotten_too() -> None:
    us = Bench()
    us.know("a")
    us.hear(dead("a", "b"))
    us.pass_time(40.0)
    assert names(us.us.nodes()) == {"us"}


def test_the_lately_dead_hear_gossip_and_can_refute_and_the_left_do_not() -> None:
    us = Bench()
    us.know("a", "b")
    us.hear(dead("a", "x"), dead("b", "b"))
    us.pass_time(2.0)
    assert dead("a", "x") in [message for to, message in us.sent if to == at(2)]
    assert at(3) not in {to for to, _ in us.sent}
    us.pass_time(40.0)
    us.forget()
    us.hear(alive("c", 77))
    us.pass_time(2.0)
    assert {to for to, _ in us.sent} == {at(77)}


# -------------------------------------------------------------------- when to call


def test_alone_nothing_is_due() -> None:
    us = Bench()
    assert us.us.next_tick_s() == START_S + ALONE_TICK_S
    us.pass_time(3600.0)
    assert us.sent == []
    assert us.exchanges == []


def test_early_calls_do_nothing() -> None:
    us = Bench()
    us.know("a", "b")
    us.us.tick(us.now_s)
    us.settle()
    us.forget()
    due_s = us.us.next_tick_s()
    for _ in range(10):
        us.us.tick(us.now_s)
    us.settle()
    assert us.sent == []
    assert us.us.next_tick_s() == due_s


def test_the_next_tick_comes_after_this_one_whatever_happens() -> None:
    us = Bench()
    us.know(*"abcdef")
    us.answering.clear()
    for _ in range(2000):
        due_s = us.us.next_tick_s()
        assert due_s >= us.now_s
        us.now_s = due_s
        us.us.tick(us.now_s)
        us.settle()
        assert us.us.next_tick_s() > us.now_s


def test_members_that_start_together_do_not_act_together() -> None:
    firsts = set()
    for seed in range(20):
        us = Bench(seed=seed)
        us.hear(alive("a"))
        firsts.add(us.us.next_tick_s())
    assert len(firsts) > 10


def test_a_quiet_pool_is_called_no_more_often_than_its_gossip_interval() -> None:
    us = Bench(GossipSettings(gossip_interval_s=0.2, probe_interval_s=1.0))
    us.know("a", "b")
    calls = 0
    end_s = us.now_s + 60.0
    while us.now_s < end_s:
        us.now_s = us.us.next_tick_s()
        us.us.tick(us.now_s)
        us.settle()
        calls += 1
    assert calls <= 60 * (5 + 1) + 5
