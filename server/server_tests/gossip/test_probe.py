"""How it is found out whether a member is there. See gossip/probe.py."""

import pytest

from proconsul.gossip.messages import Ack, IndirectPing, Nack, NodeState, Ping, Suspect, User
from proconsul.gossip.settings import GossipSettings
from server_tests.gossip.bench import US, VSN, Bench, alive, at

OLD_VSN = bytes([1, 2, 2, 2, 5, 4])  # knows no stream pings, no nacks, no checksums


def bench(*members: str, settings: GossipSettings | None = None) -> Bench:
    """All answer pings, except a, which is at address 2."""
    made = Bench(settings)
    made.know(*members)
    made.answering.discard(at(2))
    return made


def test_everybody_is_pinged_in_turn_once_an_interval() -> None:
    us = bench("a", "b", "c")
    us.answering.add(at(2))
    us.pass_time(12.0)
    assert [len(us.pings(name)) for name in "abc"] == [4, 4, 4]
    assert us.ears.heard == []
    assert us.us.health_score() == 0


def test_a_ping_says_who_is_meant_and_where_the_answer_goes() -> None:
    us = bench("a")
    ping = us.wait_for_ping("a")
    assert (ping.node, ping.source, ping.source_node) == ("a", US, "us")
    assert us.sent[-1][0] == at(2)


def test_the_delegate_learns_how_long_a_direct_ack_took_and_what_it_carried() -> None:
    us = bench("a")
    ping = us.wait_for_ping("a")
    us.pass_time(0.042)
    us.hear(Ack(seq_no=ping.seq_no, payload=b"coordinate"))
    ((name, rtt_s, payload),) = us.ears.rtts
    assert (name, payload) == ("a", b"coordinate")
    assert rtt_s == pytest.approx(0.042)


def test_an_ack_of_nothing_that_was_asked_is_ignored() -> None:
    us = bench("a")
    ping = us.wait_for_ping("a")
    us.hear(Ack(seq_no=ping.seq_no + 1, payload=b"x"), Nack(seq_no=77))
    assert us.ears.rtts == []
    us.pass_time(0.6)
    assert us.said(IndirectPing) == []  # there is nobody to help
    us.hear(Ack(seq_no=ping.seq_no))
    us.hear(Ack(seq_no=ping.seq_no))
    us.pass_time(0.3)
    assert us.state("a") is NodeState.ALIVE


def test_who_does_not_answer_is_asked_by_others_and_on_a_stream() -> None:
    us = bench("a", "b", "c", "d", "e", "f")
    ping = us.wait_for_ping("a")
    us.forget()
    us.pass_time(0.49)
    assert us.said(IndirectPing) == []
    us.pass_time(0.02)
    helpers = {to for to, message in us.sent if isinstance(message, IndirectPing)}
    assert len(helpers) == 3
    assert not {US, at(2)} & helpers
    assert us.said(IndirectPing)[0] == IndirectPing(
        seq_no=ping.seq_no, target=at(2), node="a", nack=True, source=US, source_node="us"
    )
    (exchange,) = us.exchanges
    assert exchange.to == at(2)
    assert exchange.wants_answer
    assert exchange.patience_s == pytest.approx(0.5, abs=0.01)
    assert us.framing.stream_reader(is_answer=False).feed(exchange.data) == ping


def test_an_ack_through_a_helper_saves_and_says_nothing_about_the_way() -> None:
    us = bench("a", "b", "c")
    ping = us.wait_for_ping("a")
    us.pass_time(0.6)
    us.hear(Ack(seq_no=ping.seq_no), source=at(3))
    us.pass_time(2.0)
    assert us.said(Suspect) == []
    assert "a" not in [name for name, _, _ in us.ears.rtts]


def test_who_answers_in_no_way_is_suspect_and_everybody_is_told() -> None:
    us = bench("a", "b", "c")
    us.wait_for_ping("a")
    us.pass_time(0.9)
    assert us.state("a") is NodeState.ALIVE
    us.pass_time(0.4)
    assert us.state("a") is NodeState.SUSPECT
    assert us.lines("Suspect a has failed, no acks received")
    assert Suspect(incarnation=1, node="a", accuser="us") in us.said(Suspect)


def test_who_answers_on_a_stream_only_stays_alive_with_a_warning() -> None:
    us = bench("a", "b")
    ping = us.wait_for_ping("a")
    us.pass_time(0.6)
    us.end(us.exchanges[-1], Ack(seq_no=ping.seq_no))
    us.pass_time(0.9)
    assert us.state("a") is NodeState.ALIVE
    assert us.lines("Was able to connect to a over TCP but UDP probes failed")


@pytest.mark.parametrize("answer", [None, Ack(seq_no=9999), User(b"hello")])
def test_a_stream_that_fails_or_brings_something_else_saves_nobody(
    answer: Ack | User | None,
) -> None:
    us = bench("a", "b")
    us.wait_for_ping("a")
    us.pass_time(0.6)
    us.end(us.exchanges[-1], answer, "connection refused")
    us.pass_time(0.6)
    assert us.state("a") is NodeState.SUSPECT
    assert us.lines("Failed fallback TCP ping: ")


def test_a_stream_that_answers_after_the_end_changes_nothing() -> None:
    us = bench("a", "b")
    ping = us.wait_for_ping("a")
    us.pass_time(1.1)
    us.end(us.exchanges[0], Ack(seq_no=ping.seq_no))
    assert us.state("a") is NodeState.SUSPECT


def test_the_next_probe_begins_when_a_failed_one_ends() -> None:
    us = bench("a", "b")
    us.wait_for_ping("a")
    us.forget()
    us.pass_time(1.01)
    assert len(us.pings("b")) + len(us.pings("a")) == 1


def test_a_suspect_hears_of_it_with_each_ping() -> None:
    us = bench("a", "b", "c", "d", "e")
    us.hear(Suspect(incarnation=1, node="a", accuser="b"))
    us.tell_all()
    ping = us.wait_for_ping("a")
    assert us.packets[-1] == (
        at(2),
        [ping, Suspect(incarnation=1, node="a", accuser="us")],
    )


def test_who_refutes_during_the_probe_is_not_suspected_in_its_new_incarnation() -> None:
    us = bench("a", "b", "c")
    us.wait_for_ping("a")
    us.hear(alive("a", incarnation=2))
    us.pass_time(1.5)
    assert us.state("a") is NodeState.ALIVE


def test_old_members_are_asked_for_what_they_understand_only() -> None:
    us = Bench()
    us.hear(alive("a", 2, vsn=OLD_VSN), alive("b", 3, vsn=OLD_VSN))
    us.answering.add(at(3))
    us.wait_for_ping("a")
    us.pass_time(0.6)
    assert [request.nack for request in us.said(IndirectPing)] == [False]
    assert us.exchanges == []


# -------------------------------------------------------------------- our own health


def test_missing_nacks_say_that_the_fault_is_ours() -> None:
    us = bench("a", "b", "c", "d")
    ping = us.wait_for_ping("a")
    us.pass_time(0.6)
    us.hear(Nack(seq_no=ping.seq_no))
    us.pass_time(0.45)
    assert us.us.health_score() == 2


def test_where_all_helpers_send_nacks_the_fault_is_not_ours() -> None:
    us = bench("a", "b", "c", "d")
    ping = us.wait_for_ping("a")
    us.pass_time(0.6)
    for _ in range(5):  # more than were asked: no more than none can be missing
        us.hear(Nack(seq_no=ping.seq_no))
    us.pass_time(0.45)
    assert us.state("a") is NodeState.SUSPECT
    assert us.us.health_score() == 0


def test_without_helpers_each_failure_counts_one() -> None:
    us = bench("a")
    us.wait_for_ping("a")
    us.pass_time(1.05)
    assert us.us.health_score() == 1


def test_the_less_healthy_we_are_the_longer_we_wait_for_an_answer() -> None:
    us = bench("a", "b")
    us.answering.clear()
    us.hear(Suspect(incarnation=1, node="us", accuser="b"))
    us.hear(Suspect(incarnation=2, node="us", accuser="b"))
    assert us.us.health_score() == 2
    us.tell_all()
    us.wait_for_ping("a")
    us.pass_time(2.9)
    assert us.state("a") is NodeState.ALIVE
    us.pass_time(0.2)
    assert us.state("a") is NodeState.SUSPECT
    assert us.counts["memberlist.degraded.probe"] >= 1


def test_success_makes_us_healthy_again() -> None:
    us = bench("a", "b", "c")
    us.answering.add(at(2))
    for incarnation in range(1, 4):
        us.hear(Suspect(incarnation=incarnation, node="us", accuser="b"))
    assert us.us.health_score() == 3
    us.pass_time(4.0)
    assert us.us.health_score() == 0


# -------------------------------------------------------------------- when we stood still


@pytest.mark.parametrize("is_read_first", [True, False])
def test_a_frozen_process_blames_nobody_whose_answer_waits_unread(is_read_first: bool) -> None:
    us = bench("a", "b", "c")
    ping = us.wait_for_ping("a")
    us.now_s += 20.0  # the answer came at once, into the socket of a frozen process
    us.answering.add(at(2))
    if is_read_first:
        us.hear(Ack(seq_no=ping.seq_no))
        us.us.tick(us.now_s)
    else:
        us.us.tick(us.now_s)
        us.pass_time(0.01)
        us.hear(Ack(seq_no=ping.seq_no))
    us.settle()
    us.pass_time(30.0)
    assert us.said(Suspect) == []
    assert max(rtt_s for _, rtt_s, _ in us.ears.rtts) < 1.0  # nobody is 20 s away


def test_a_frozen_process_gives_suspects_the_time_that_it_did_not_listen() -> None:
    us = bench("a", "b")
    us.hear(Suspect(incarnation=1, node="a", accuser="b"))
    us.pass_time(3.8)
    us.now_s += 60.0
    us.us.tick(us.now_s)
    us.pass_time(0.3)
    us.hear(alive("a", incarnation=2))  # read at last
    us.pass_time(1.0)
    assert us.ears.heard == []


def test_who_is_silent_after_we_woke_too_is_suspect() -> None:
    us = bench("a", "b", "c")
    us.wait_for_ping("a")
    us.now_s += 20.0
    us.us.tick(us.now_s)
    us.settle()
    assert us.state("a") is NodeState.ALIVE
    us.pass_time(2.0)
    assert us.state("a") is NodeState.SUSPECT


def test_to_have_stood_still_is_a_sign_of_bad_health_and_is_said() -> None:
    us = bench("a", "b")
    us.pass_time(0.1)
    us.now_s += 20.0
    us.us.tick(us.now_s)
    us.settle()
    assert us.us.health_score() == 1
    assert us.lines("this process stood still or is too busy")


def test_a_process_that_is_always_late_still_finds_the_dead() -> None:
    us = bench("a", "b", "c")
    for _ in range(600):
        us.now_s = us.us.next_tick_s() + 0.3
        us.us.tick(us.now_s)
        us.settle()
    assert us.ears.heard == [("dead", "a")]


def test_little_jitter_is_not_lateness() -> None:
    us = bench("a", "b", "c")
    us.answering.add(at(2))
    for _ in range(200):
        us.now_s = us.us.next_tick_s() + 0.1
        us.us.tick(us.now_s)
        us.settle()
    assert us.us.health_score() == 0


def test_versions_in_use_are_our_own() -> None:
    node = bench("a").us.node("us")
    assert node is not None
    assert node.vsn == VSN


def test_with_the_fast_settings_of_dev_a_probe_ends_when_help_is_asked_for() -> None:
    us = bench("a", "b", settings=GossipSettings(probe_interval_s=0.1, probe_timeout_s=0.1))
    us.wait_for_ping("a")
    us.pass_time(0.11)
    assert us.said(IndirectPing)
    assert us.state("a") is NodeState.SUSPECT


def test_pings_are_numbered() -> None:
    us = bench("a", "b", "c")
    us.pass_time(5.0)
    numbers = [ping.seq_no for ping in us.said(Ping)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
