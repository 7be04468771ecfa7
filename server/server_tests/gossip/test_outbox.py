"""What rides with what, and how much fits. See gossip/outbox.py."""

from proconsul.gossip.messages import Ack, Alive, Ping, User
from proconsul.gossip.packets import Kind
from proconsul.gossip.settings import GossipSettings
from server_tests.gossip.bench import PEER, Bench, alive, at, names


def test_an_answer_takes_along_what_is_to_be_told_claims_first() -> None:
    us = Bench()
    us.know("a")
    us.hear(alive("b", 3))
    us.ears.to_tell = [b"an event"]
    us.forget()
    us.hear(Ping(seq_no=5, node="us"))
    ((_, messages),) = us.packets
    assert messages == [Ack(seq_no=5, payload=b"where we are"), alive("b", 3), User(b"an event")]


def test_a_round_tells_a_few_members_what_is_to_be_told() -> None:
    us = Bench()
    us.know(*"abcdefgh")
    us.hear(alive("new", 50))
    us.forget()
    us.us.tick(us.us.next_tick_s())
    us.now_s += 0.2
    us.us.tick(us.now_s)
    us.settle()
    targets = [to for to, messages in us.packets if messages == [alive("new", 50)]]
    assert len(targets) == len(set(targets)) == 3


def test_each_is_told_as_often_as_the_size_of_the_pool_asks_for() -> None:
    us = Bench()
    us.know(*"abcdefghijkl")
    us.hear(alive("new", 50))
    us.pass_time(10.0)
    assert us.said(Alive).count(alive("new", 50)) == 8


def test_with_nothing_to_tell_nothing_is_sent_but_pings() -> None:
    us = Bench()
    us.know("a", "b")
    us.pass_time(10.0)
    assert {type(message) for _, message in us.sent} == {Ping}


def test_with_nobody_to_tell_nothing_is_used_up() -> None:
    us = Bench()
    us.ears.to_tell = [b"an event"]
    us.pass_time(100.0)
    assert us.ears.to_tell == [b"an event"]
    assert us.untold() == 2, "the event, and that we are there"


def test_no_packet_is_larger_than_the_limit() -> None:
    us = Bench(GossipSettings(packet_bytes_max=1400))
    for number in range(2, 200):
        us.hear(alive(f"member{number}", number, meta=bytes(number)))
        us.ears.to_tell.append(bytes(number))
    us.answering = {at(number) for number in range(2, 200)}
    us.pass_time(60.0)
    for _ in range(20):
        us.hear(Ping(seq_no=5, node="us"))
    assert 1300 < max(map(len, us.raw)) <= 1400
    assert max(len(messages) for _, messages in us.packets) > 5


def test_gossip_has_a_checksum_for_who_understands_it_and_answers_have_none() -> None:
    us = Bench()
    us.hear(alive("a", 2), alive("old", 3, vsn=bytes([1, 4, 2, 2, 5, 4])))
    us.forget()
    us.hear(Ping(seq_no=5, node="us"))
    assert [data[0] for data in us.raw] == [Kind.COMPOUND]
    us.forget()
    us.answering = {at(2), at(3)}
    us.pass_time(0.3)
    kinds = {
        to: data[0]
        for (to, messages), data in zip(us.packets, us.raw, strict=True)
        if not isinstance(messages[0], Ping)
    }
    assert kinds == {at(2): Kind.CHECKSUM, at(3): Kind.COMPOUND}


def test_a_user_message_to_one_address_goes_alone() -> None:
    us = Bench()
    us.hear(alive("b", 3))
    us.forget()
    us.us.send_user(PEER, b"an answer")
    us.settle()
    assert us.packets == [(PEER, [User(b"an answer")])]


def test_what_is_sent_and_received_is_counted_in_bytes() -> None:
    us = Bench()
    us.know("a")
    us.forget()
    us.hear(Ping(seq_no=5, node="us"))
    assert us.counts["memberlist.udp.sent"] == sum(map(len, us.raw)) > 0
    assert us.counts["memberlist.udp.received"] > 0


def test_news_replaces_what_it_makes_untrue() -> None:
    us = Bench()
    us.know("a", "b")
    us.hear(alive("a", incarnation=2, meta=b"two"))
    us.hear(alive("a", incarnation=3, meta=b"three"))
    us.pass_time(3.0)
    assert {told.meta for told in us.said(Alive)} == {b"three"}
    assert names(us.us.nodes()) == {"us", "a", "b"}
