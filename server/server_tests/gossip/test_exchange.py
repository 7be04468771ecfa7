"""Full exchanges of states. See gossip/exchange.py."""

import pytest

from proconsul.gossip.address import Address
from proconsul.gossip.exchange import incompatible, interval_s
from proconsul.gossip.messages import (
    Ack,
    Alive,
    Dead,
    NodeState,
    PushedNode,
    PushPull,
    Refusal,
    Suspect,
)
from proconsul.gossip.settings import GossipSettings
from server_tests.gossip.bench import US, VSN, Bench, at, names, row

LEFT, DEAD, SUSPECT = NodeState.LEFT, NodeState.DEAD, NodeState.SUSPECT


def us_as(state: int, incarnation: int) -> PushedNode:
    return PushedNode(
        name="us", address=US, meta=b"", incarnation=incarnation, state=state, vsn=VSN
    )


# -------------------------------------------------------------------- what we say


def test_we_say_all_that_we_know_ourselves_too() -> None:
    us = Bench()
    us.know("a", "b", "c")
    us.hear(
        Suspect(incarnation=1, node="a", accuser="c"),
        Dead(incarnation=1, node="b", accuser="a"),
        Dead(incarnation=1, node="c", accuser="c"),
    )
    us.ears.own_state = b"Serf's part"
    answer = us.push(state=b"")
    states = {node.name: node.state for node in answer.nodes}
    assert states == {"us": NodeState.ALIVE, "a": SUSPECT, "b": DEAD, "c": LEFT}
    assert answer.user_state == b"Serf's part"
    mine = next(node for node in answer.nodes if node.name == "us")
    assert (mine.address, mine.meta, mine.vsn, mine.incarnation) == (US, b"our meta", VSN, 1)


@pytest.mark.parametrize("join", [True, False])
def test_an_answer_is_of_the_kind_of_its_question(join: bool) -> None:
    assert Bench().push(join=join).join is join


def test_we_answer_with_what_we_knew_before() -> None:
    us = Bench()
    answer = us.push(row("a"), join=True)
    assert names(answer.nodes) == {"us"}
    assert names(us.us.nodes()) == {"us", "a"}


# -------------------------------------------------------------------- what others say


def test_who_is_alive_there_is_alive_here() -> None:
    us = Bench()
    us.push(row("a", 2, meta=b"tags"), row("b", 3), join=True, state=b"Serf's part")
    assert us.ears.heard == [("joined", "a"), ("joined", "b")]
    assert us.ears.merged == [(b"Serf's part", True)]


def test_without_a_part_for_the_delegate_it_hears_of_none() -> None:
    us = Bench()
    us.push(row("a"))
    assert us.ears.merged == []


def test_who_is_dead_there_may_refute_here() -> None:
    us = Bench()
    us.know("a", "b", "c")
    us.push(row("a", 2, DEAD), row("b", 3, SUSPECT))
    assert us.state("a") is SUSPECT
    assert us.state("b") is SUSPECT
    us.pass_time(1.0)
    assert Suspect(incarnation=1, node="a", accuser="us") in us.said(Suspect)


def test_who_left_there_left_here() -> None:
    us = Bench()
    us.know("a")
    us.push(row("a", 2, LEFT))
    assert us.ears.heard == [("left", "a")]


def test_of_the_gone_that_we_do_not_know_we_need_not_know() -> None:
    us = Bench()
    us.push(row("a", 2, DEAD), row("b", 3, LEFT), row("c", 4, SUSPECT))
    assert names(us.us.nodes()) == {"us"}


def test_a_state_of_a_later_version_says_nothing() -> None:
    us = Bench()
    us.know("a")
    us.push(row("a", 2, 9, incarnation=7), join=True)
    assert us.state("a") is NodeState.ALIVE


@pytest.mark.parametrize("state", [DEAD, SUSPECT, LEFT])
def test_after_a_restart_we_refute_what_is_believed_of_our_earlier_life(state: int) -> None:
    us = Bench()
    us.push(us_as(state, 5), row("a"))
    assert us.own_incarnation() == 6
    us.pass_time(1.0)
    assert any(told.node == "us" and told.incarnation == 6 for told in us.said(Alive))


def test_after_a_restart_with_other_tags_these_win() -> None:
    us = Bench()
    us.push(us_as(NodeState.ALIVE, 1), row("a"))
    assert us.own_incarnation() == 2


def test_without_a_port_ours_is_meant() -> None:
    us = Bench()
    here = PushedNode(
        name="a",
        address=Address(at(2).ip, 0),
        meta=b"",
        incarnation=1,
        state=NodeState.ALIVE,
        vsn=VSN,
    )
    us.push(here, join=True)
    node = us.us.node("a")
    assert node is not None
    assert node.address == at(2)
    assert us.ears.asked_to_merge[0][0].address == at(2)


# -------------------------------------------------------------------- what is refused


def test_a_refused_join_is_answered_and_nothing_of_it_is_taken() -> None:
    us = Bench()
    us.ears.refuses_merge = "Member 'a' part of wrong datacenter 'dc2'"
    us.push(row("a"), row("b", 3), join=True, state=b"x")
    assert names(us.us.nodes()) == {"us"}
    assert us.ears.merged == []
    assert us.lines("Failed push/pull merge: Member 'a' part of wrong datacenter 'dc2'")


def test_the_delegate_sees_all_that_would_join_and_how_they_are() -> None:
    us = Bench()
    us.push(row("a"), row("b", 3, LEFT), row("c", 4, 77), join=True)
    (nodes,) = us.ears.asked_to_merge
    assert [(node.name, node.state) for node in nodes] == [
        ("a", NodeState.ALIVE),
        ("b", LEFT),
        ("c", DEAD),
    ]


def test_only_a_join_can_be_refused_as_a_whole() -> None:
    us = Bench()
    us.ears.refuses_merge = "no"
    us.ears.refused["b"] = "not b"
    us.push(row("a"), row("b", 3), join=False)
    assert names(us.us.nodes()) == {"us", "a"}


@pytest.mark.parametrize("vsn", [b"", VSN[:3], VSN + b"\x01"])
def test_a_push_with_other_than_six_versions_is_refused(vsn: bytes) -> None:
    us = Bench()
    us.push(row("a", vsn=vsn), row("b", 3))
    assert names(us.us.nodes()) == {"us"}
    assert us.lines("Node 'a' protocol version (0) is incompatible: [1, 5]")


def test_even_the_dead_must_have_spoken_what_all_understand() -> None:
    us = Bench()
    us.push(row("a", 2, DEAD, vsn=bytes([1, 9, 9, 2, 5, 4])), row("b", 3))
    assert names(us.us.nodes()) == {"us"}
    assert us.lines("Node 'a' protocol version (9) is incompatible: [1, 5]")


def test_versions_are_compatible_where_their_ranges_meet() -> None:
    new, old = bytes([2, 6, 3, 3, 6, 4]), bytes([1, 3, 3, 2, 4, 4])
    assert incompatible([VSN, new], [("a", bytes([1, 5, 2, 2, 5, 4]))]) is None
    assert incompatible([new, old], [("a", new), ("b", old)]) is None
    assert (
        incompatible([new, bytes([1, 2, 2, 2, 5, 4])], [("a", new)])
        == "Node 'a' protocol version (3) is incompatible: [2, 2]"
    )
    assert (
        incompatible([new, old], [("a", bytes([1, 3, 3, 2, 4, 2]))])
        == "Node 'a' delegate protocol version (2) is incompatible: [3, 4]"
    )


# -------------------------------------------------------------------- join


def test_a_join_says_all_hears_all_and_ends() -> None:
    us = Bench()
    token = us.us.join(at(2), "a", us.now_s)
    us.settle()
    (exchange,) = us.exchanges
    assert (exchange.token, exchange.to, exchange.patience_s) == (token, at(2), 10.0)
    said = us.framing.stream_reader(is_answer=False).feed(exchange.data)
    assert isinstance(said, PushPull)
    assert said.join
    assert names(said.nodes) == {"us"}
    assert us.joined == []
    us.end(exchange, PushPull(join=True, nodes=(row("a"), row("b", 3)), user_state=b"s"))
    assert us.joined == [(token, None)]
    assert names(us.us.nodes()) == {"us", "a", "b"}
    assert us.ears.merged == [(b"s", True)]


@pytest.mark.parametrize(
    ("answer", "failure", "problem"),
    [
        (None, "dial tcp 10.0.0.2:8301: connection refused", "connection refused"),
        (Refusal("remote state is encrypted"), "", "remote error: remote state is encrypted"),
        (Ack(seq_no=1), "", "received Ack, expected PushPull"),
        (
            PushPull(join=True, nodes=(row("a", vsn=b""),), user_state=b""),
            "",
            "protocol version (0) is incompatible",
        ),
    ],
)
def test_a_join_that_fails_says_why(
    answer: PushPull | Refusal | Ack | None, failure: str, problem: str
) -> None:
    us = Bench()
    token = us.us.join(at(2), "", us.now_s)
    us.settle()
    us.end(us.exchanges[0], answer, failure)
    ((ended, why),) = us.joined
    assert ended == token
    assert why is not None
    assert problem in why
    assert names(us.us.nodes()) == {"us"}


def test_our_delegate_can_refuse_what_we_wanted_to_join() -> None:
    us = Bench()
    us.ears.refuses_merge = "wrong datacenter"
    us.us.join(at(2), "", us.now_s)
    us.settle()
    us.end(us.exchanges[0], PushPull(join=True, nodes=(row("a"),), user_state=b""))
    assert us.joined == [(1, "wrong datacenter")]
    assert names(us.us.nodes()) == {"us"}


def test_several_joins_are_told_apart() -> None:
    us = Bench()
    first = us.us.join(at(2), "", us.now_s)
    second = us.us.join(at(3), "", us.now_s)
    us.settle()
    us.end(us.exchanges[1], None, "timeout")
    us.end(us.exchanges[1], None, "timeout")
    assert us.joined == [(second, "timeout")]
    us.end(us.exchanges[0], PushPull(join=True, nodes=(row("a"),), user_state=b""))
    assert us.joined == [(second, "timeout"), (first, None)]


# -------------------------------------------------------------------- now and then


def test_now_and_then_we_exchange_with_somebody() -> None:
    us = Bench()
    us.know("a")
    us.pass_time(30.1)
    (exchange,) = us.exchanges
    said = us.framing.stream_reader(is_answer=False).feed(exchange.data)
    assert isinstance(said, PushPull)
    assert not said.join
    us.end(exchange, PushPull(join=False, nodes=(row("a"), row("b", 3)), user_state=b"s"))
    assert names(us.us.nodes()) == {"us", "a", "b"}
    assert us.ears.merged == [(b"s", False)]
    assert us.joined == []
    us.forget()
    us.answering.add(at(3))
    us.pass_time(30.1)
    assert len(us.exchanges) == 1


def test_in_a_large_pool_there_is_more_time_between_them() -> None:
    us = Bench()
    us.know(*(f"m{number}" for number in range(70)))
    begun = 0
    for _ in range(36):
        us.pass_time(10.0)
        for exchange in us.exchanges:
            us.end(exchange, None, "connection refused")
        begun += len(us.exchanges)
        us.forget()
    assert begun == 4  # one each 90 s


def test_one_that_does_not_end_is_not_followed_by_another() -> None:
    us = Bench()
    us.know("a")
    us.pass_time(200.0)
    assert len(us.exchanges) == 1
    us.end(us.exchanges[0], None, "i/o timeout")
    assert us.lines("Push/Pull with a failed: i/o timeout")
    us.pass_time(30.1)
    assert len(us.exchanges) == 2


def test_only_the_living_are_asked() -> None:
    us = Bench()
    us.know("a", "b")
    us.hear(Dead(incarnation=1, node="a", accuser="a"), Dead(incarnation=1, node="b", accuser="c"))
    us.pass_time(100.0)
    assert us.exchanges == []


@pytest.mark.parametrize(
    ("listed", "seconds"), [(1, 30), (32, 30), (33, 60), (64, 60), (65, 90), (1000, 180)]
)
def test_the_larger_the_pool_the_rarer_are_exchanges(listed: int, seconds: float) -> None:
    assert interval_s(GossipSettings(), listed) == seconds
