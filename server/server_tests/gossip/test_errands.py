"""Pings for others. See gossip/errands.py."""

from proconsul.gossip.address import Address
from proconsul.gossip.errands import ERRANDS_MAX, Numbers
from proconsul.gossip.messages import Ack, IndirectPing, Nack, Ping
from server_tests.gossip.bench import US, Bench, at

ASKER, TARGET = at(7), at(8)


def request(
    seq_no: int = 500, *, nack: bool = True, source: Address | None = ASKER, port: int = 8301
) -> IndirectPing:
    target = Address(TARGET.ip, port)
    return IndirectPing(
        seq_no=seq_no, target=target, node="x", nack=nack, source=source, source_node="asker"
    )


def asked(asking: IndirectPing) -> tuple[Bench, Ping]:
    us = Bench()
    us.tell_all()
    us.hear(asking, source=at(66, port=4444))
    (ping,) = us.said(Ping)
    assert us.sent[-1][0] == TARGET
    us.forget()
    return us, ping


def test_the_target_is_pinged_in_our_own_name() -> None:
    _, ping = asked(request())
    assert (ping.node, ping.source, ping.source_node) == ("x", US, "us")


def test_its_ack_goes_to_the_asker_under_the_number_that_it_gave() -> None:
    us, ping = asked(request())
    us.hear(Ack(seq_no=ping.seq_no, payload=b"coordinate"), source=TARGET)
    assert us.sent == [(ASKER, Ack(seq_no=500))]
    us.pass_time(2.0)
    assert us.said(Nack) == []


def test_an_ack_is_passed_on_once() -> None:
    us, ping = asked(request())
    us.hear(Ack(seq_no=ping.seq_no), Ack(seq_no=ping.seq_no), source=TARGET)
    assert len(us.said(Ack)) == 1


def test_an_asker_that_does_not_say_where_it_is_is_answered_where_the_packet_came_from() -> None:
    us, ping = asked(request(source=None))
    us.hear(Ack(seq_no=ping.seq_no), source=TARGET)
    assert us.sent == [(at(66, port=4444), Ack(seq_no=500))]


def test_without_an_ack_in_time_there_is_a_nack() -> None:
    us, ping = asked(request())
    us.pass_time(0.49)
    assert us.sent == []
    us.pass_time(0.02)
    assert us.sent == [(ASKER, Nack(seq_no=500))]
    us.hear(Ack(seq_no=ping.seq_no), source=TARGET)
    assert us.said(Ack) == []


def test_who_wants_no_nack_gets_none() -> None:
    us, _ = asked(request(nack=False))
    us.pass_time(2.0)
    assert us.sent == []


def test_a_target_without_a_port_has_ours() -> None:
    asked(request(port=0))


def test_nobody_is_asked_for_at_an_address_that_is_none() -> None:
    us = Bench()
    us.tell_all()
    nowhere = Address(b"\x01\x02\x03", 8301)
    target = request().target
    us.hear(
        IndirectPing(seq_no=1, target=nowhere, node="x", nack=True, source=ASKER),
        IndirectPing(seq_no=2, target=target, node="x", nack=True, source=nowhere),
    )
    us.pass_time(1.0)
    assert {to for to, _ in us.sent} == {ASKER, target}


def test_there_is_a_limit_to_what_others_can_make_us_do_at_a_time() -> None:
    us = Bench()
    us.tell_all()
    for number in range(ERRANDS_MAX + 100):
        us.hear(request(number))
    assert len(us.said(Ping)) == ERRANDS_MAX
    assert len(us.lines("indirect pings are pending")) == 1
    us.pass_time(0.6)
    assert len(us.said(Nack)) == ERRANDS_MAX
    us.hear(request(1))
    assert len(us.said(Ping)) == ERRANDS_MAX + 1


def test_numbers_come_round_and_are_never_0() -> None:
    numbers = Numbers()
    assert [numbers.next(), numbers.next()] == [1, 2]
    numbers = Numbers(last=0xFFFF_FFFE)
    assert [numbers.next(), numbers.next()] == [0xFFFF_FFFF, 1]
