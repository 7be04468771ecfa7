"""Which claim wins, and what comes of it. See gossip/claims.py."""

import pytest

from proconsul.gossip.address import Address
from proconsul.gossip.messages import Alive, Dead, NodeState
from proconsul.gossip.settings import GossipSettings
from server_tests.gossip.bench import VSN, Bench, alive, at, bench, dead, names, suspect

# -------------------------------------------------------------------- alive


def test_somebody_new_is_a_member_and_everybody_is_told() -> None:
    us = bench("a")
    us.hear(alive("b", 9, meta=b"tags"))
    assert us.state("b") is NodeState.ALIVE
    assert us.ears.heard == [("joined", "b")]
    assert us.counts["memberlist.msg.alive"] == 1
    us.pass_time(1.0)
    assert alive("b", 9, meta=b"tags") in us.said(Alive)


def test_the_same_again_is_no_news() -> None:
    us = bench("a")
    us.hear(alive("a"))
    assert us.ears.heard == []
    assert us.untold() == 0


def test_other_tags_need_a_new_incarnation() -> None:
    us = bench("a")
    us.hear(alive("a", incarnation=1, meta=b"new"))
    assert us.ears.heard == []
    us.hear(alive("a", incarnation=2, meta=b"new"))
    assert us.ears.heard == [("updated", "a")]
    node = us.us.node("a")
    assert node is not None
    assert node.meta == b"new"


def test_a_new_incarnation_with_the_same_tags_is_told_on_and_changes_nothing() -> None:
    us = bench("a")
    us.hear(alive("a", incarnation=2))
    assert us.ears.heard == []
    assert us.untold() == 1


@pytest.mark.parametrize("vsn", [b"", b"\x01", bytes([1, 5, 2]), VSN[:5], VSN + b"\x00"])
def test_an_alive_without_six_versions_is_neither_kept_nor_told(vsn: bytes) -> None:
    us = bench("a")
    us.hear(alive("b", 9, vsn=vsn))
    us.hear(alive("a", incarnation=7, vsn=vsn))
    assert us.state("b") is None
    assert us.untold() == 0
    assert us.lines("ignoring alive message for 'b' (10.0.0.9:8301) because Vsn is not present")


@pytest.mark.parametrize(
    "vsn", [bytes([0, 5, 2, 2, 5, 4]), bytes([1, 0, 2, 2, 5, 4]), bytes([6, 5, 2, 2, 5, 4])]
)
def test_impossible_versions_are_ignored(vsn: bytes) -> None:
    us = bench("a")
    us.hear(alive("b", 9, vsn=vsn))
    assert us.state("b") is None
    assert us.lines("protocol version(s) are wrong")


def test_who_has_no_name_or_no_address_is_ignored() -> None:
    us = bench("a")
    us.hear(alive("", 9))
    us.hear(Alive(incarnation=1, node="b", address=Address(b"\x01\x02", 8301), meta=b"", vsn=VSN))
    assert names(us.us.nodes()) == {"us", "a"}


def test_without_a_port_ours_is_meant() -> None:
    us = bench("a")
    us.hear(Alive(incarnation=1, node="b", address=at(9, port=0), meta=b"", vsn=VSN))
    node = us.us.node("b")
    assert node is not None
    assert node.address == at(9)


def test_what_fits_in_no_packet_is_not_taken_since_it_could_not_be_told() -> None:
    us = bench("a")
    us.hear(alive("b", 9, meta=bytes(1200)))  # more than others send, less than a packet
    us.hear(alive("c", 10, meta=bytes(1400)))
    assert us.state("b") is NodeState.ALIVE
    assert us.state("c") is None
    assert us.lines("fits in no packet")


def test_the_delegate_can_refuse_a_member() -> None:
    us = bench("a")
    us.ears.refused["b"] = "Member 'b' part of wrong datacenter 'dc2'"
    us.hear(alive("b", 9))
    assert us.state("b") is None
    assert us.lines("ignoring alive message for 'b': Member 'b' part of wrong datacenter 'dc2'")


def test_the_delegate_can_refuse_what_a_member_has_become() -> None:
    us = bench("a")
    us.ears.refused["a"] = "no"
    us.hear(alive("a", incarnation=2, meta=b"new"))
    node = us.us.node("a")
    assert node is not None
    assert node.meta == b""


def test_more_members_than_the_limit_are_not_taken() -> None:
    us = Bench(GossipSettings(nodes_max=5))
    for number in range(2, 100):
        us.hear(alive(f"m{number}", number))
    assert len(us.us.nodes()) == 5
    assert len(us.lines("which is the limit")) == 1
    us.hear(alive("m3", 3, incarnation=2, meta=b"known ones go on"))
    assert us.ears.heard[-1] == ("updated", "m3")


# -------------------------------------------------------------------- another address


def test_a_living_members_name_cannot_be_taken() -> None:
    us = bench("a")
    us.hear(alive("a", 99, incarnation=50))
    node = us.us.node("a")
    assert node is not None
    assert node.address == at(2)
    assert us.ears.heard == [("conflicted", "a")]
    assert us.lines("Conflicting address for a. Mine: 10.0.0.2:8301 Theirs: 10.0.0.99:8301")


def test_who_left_may_come_back_elsewhere_at_once_even_with_a_lower_incarnation() -> None:
    us = bench("a")
    us.hear(alive("a", incarnation=8), dead("a", incarnation=8, accuser="a"))
    us.hear(alive("a", 99, incarnation=1))
    node = us.us.node("a")
    assert node is not None
    assert (node.address, node.state) == (at(99), NodeState.ALIVE)
    assert us.ears.heard == [("left", "a"), ("joined", "a")]
    assert us.lines("Updating address for left or failed node a from 10.0.0.2:8301 to")


def test_the_name_of_the_dead_can_be_taken_after_a_while() -> None:
    us = bench("a", "b")
    us.hear(dead("a"))
    us.now_s += 29.9
    us.hear(alive("a", 99))
    assert us.state("a") is NodeState.DEAD
    us.now_s += 0.2
    us.hear(alive("a", 99))
    assert us.state("a") is NodeState.ALIVE
    assert us.ears.heard == [("dead", "a"), ("conflicted", "a"), ("joined", "a")]


def test_without_a_time_to_reclaim_the_name_of_the_dead_is_kept() -> None:
    us = bench("a", settings=GossipSettings(dead_node_reclaim_s=0.0))
    us.hear(dead("a"))
    us.now_s += 1000.0
    us.hear(alive("a", 99))
    assert us.state("a") is NodeState.DEAD


def test_a_suspects_name_cannot_be_taken() -> None:
    us = bench("a")
    us.hear(suspect("a"))
    us.now_s += 1000.0
    us.hear(alive("a", 99, incarnation=2))
    assert us.ears.heard == [("conflicted", "a")]


# -------------------------------------------------------------------- suspect


def test_a_suspect_that_does_not_refute_is_dead_in_time() -> None:
    us = bench("a", "b")  # of three, nobody can confirm: 4 s
    us.hear(suspect("a"))
    assert us.state("a") is NodeState.SUSPECT
    assert us.counts["memberlist.msg.suspect"] == 1
    us.pass_time(3.9)
    assert us.state("a") is NodeState.SUSPECT
    us.pass_time(0.2)
    assert us.state("a") is NodeState.DEAD
    assert us.ears.heard == [("dead", "a")]
    assert us.lines("Marking a as failed, suspect timeout reached (0 peer confirmations)")
    us.pass_time(1.0)
    assert dead("a", accuser="us") in us.said(Dead)


def test_a_refuted_suspicion_does_not_kill() -> None:
    us = bench("a", "b")
    us.hear(suspect("a"))
    us.pass_time(3.9)
    us.hear(alive("a", incarnation=2))
    assert us.state("a") is NodeState.ALIVE
    us.pass_time(60.0)
    assert us.ears.heard == []


def test_an_old_alive_does_not_refute() -> None:
    us = bench("a", "b")
    us.hear(suspect("a"))
    us.hear(alive("a", incarnation=1))
    assert us.state("a") is NodeState.SUSPECT


def test_an_old_suspicion_is_ignored_and_a_newer_one_is_not() -> None:
    us = bench("a")
    us.hear(alive("a", incarnation=5))
    us.hear(suspect("a", incarnation=4))
    assert us.state("a") is NodeState.ALIVE
    us.hear(suspect("a", incarnation=6))
    assert us.state("a") is NodeState.SUSPECT
    us.hear(alive("a", incarnation=6))
    assert us.state("a") is NodeState.SUSPECT


def test_nobody_is_suspected_who_is_unknown_dead_or_left() -> None:
    us = bench("a", "b")
    us.hear(dead("a"), dead("b", accuser="b"))
    us.hear(suspect("a"), suspect("b"), suspect("nobody"))
    assert us.state("a") is NodeState.DEAD
    assert us.state("b") is NodeState.LEFT
    assert us.state("nobody") is None


@pytest.mark.parametrize(
    ("accusers", "lives_s"), [("b", 24.0), ("bbb", 24.0), ("bc", 11.38), ("bcd", 4.0)]
)
def test_the_more_accuse_the_sooner_it_is_dead(accusers: str, lives_s: float) -> None:
    us = bench("a", "b", "c", "d", "e")  # and it acks, so that we do not accuse it ourselves
    for accuser in accusers:
        us.hear(suspect("a", accuser=accuser))
    us.pass_time(lives_s - 0.1)
    assert us.state("a") is NodeState.SUSPECT
    us.pass_time(0.2)
    assert us.state("a") is NodeState.DEAD


def test_a_confirmation_that_counts_is_told_on_and_others_are_not() -> None:
    us = bench("a", "b", "c", "d", "e")
    us.hear(suspect("a", accuser="b"))
    us.tell_all()
    us.hear(suspect("a", accuser="b"))
    assert us.untold() == 0
    us.hear(suspect("a", accuser="c"))
    assert us.untold() == 1
    us.tell_all()
    us.hear(suspect("a", accuser="d"))
    us.tell_all()
    us.hear(suspect("a", accuser="e"))
    assert us.untold() == 0


def test_a_death_without_all_confirmations_is_counted() -> None:
    us = bench("a", "b", "c", "d", "e")
    us.hear(suspect("a"))
    us.pass_time(24.1)
    assert us.state("a") is NodeState.DEAD
    assert us.counts["memberlist.degraded.timeout"] == 1


# -------------------------------------------------------------------- dead


def test_the_dead_are_dead_and_come_back_only_in_a_new_incarnation() -> None:
    us = bench("a", "b")
    us.hear(dead("a"))
    assert us.counts["memberlist.msg.dead"] == 1
    us.hear(alive("a", incarnation=1))
    assert us.state("a") is NodeState.DEAD
    us.hear(alive("a", incarnation=2))
    assert us.state("a") is NodeState.ALIVE
    assert us.ears.heard == [("dead", "a"), ("joined", "a")]


def test_who_says_itself_that_it_is_dead_left() -> None:
    us = bench("a", "b")
    us.hear(dead("a", accuser="a"))
    assert us.state("a") is NodeState.LEFT
    assert us.ears.heard == [("left", "a")]


def test_who_left_is_not_declared_dead_later() -> None:
    us = bench("a", "b")
    us.hear(dead("a", accuser="a"))
    us.hear(dead("a", incarnation=3))
    assert us.state("a") is NodeState.LEFT
    assert us.ears.heard == [("left", "a")]


def test_old_and_unknown_deaths_are_ignored() -> None:
    us = bench("a")
    us.hear(alive("a", incarnation=5))
    us.hear(dead("a", incarnation=4), dead("nobody"))
    assert us.state("a") is NodeState.ALIVE
    assert us.state("nobody") is None


def test_an_accuser_with_an_endless_name_is_believed_but_not_told_on() -> None:
    us = bench("a", "b")
    us.hear(dead("a", accuser="x" * 5000))
    assert us.state("a") is NodeState.DEAD
    assert us.untold() == 0


# -------------------------------------------------------------------- what it costs


def test_who_is_refused_again_and_again_costs_a_line_a_minute_for_each_reason() -> None:
    us = bench("a")
    us.ears.refused["b"] = "part of wrong datacenter 'dc2'"
    for _ in range(50):
        us.hear(alive("b", 9), alive("c", 10, vsn=b""), alive("a", 11))
        us.pass_time(0.1)
    assert len(us.lines("ignoring alive message for 'b': part of wrong datacenter 'dc2'")) == 1
    assert len(us.lines("ignoring alive message for 'c'")) == 1
    assert len(us.lines("Conflicting address for a.")) == 1
    us.ears.refused["b"] = "has conflicting node ID"
    us.hear(alive("b", 9))
    assert len(us.lines("ignoring alive message for 'b': has conflicting node ID")) == 1
    us.pass_time(60.0)
    us.hear(alive("b", 9), alive("a", 11))
    assert len(us.lines("ignoring alive message for 'b'")) == 3
    assert len(us.lines("Conflicting address for a.")) == 2
    assert us.state("b") is None
