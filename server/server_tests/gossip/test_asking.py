"""See gossip/asking.py."""

import math
from dataclasses import dataclass, field

import pytest

from proconsul.gossip.asking import OPEN_MAX, Asking
from proconsul.gossip.effects import Effect, Log, QueryEnded
from proconsul.gossip.failure import SerfError
from proconsul.gossip.journal import Journal
from proconsul.gossip.serf_messages import Query, QueryFlag, QueryResponse
from server_tests.gossip.bench import US

NOW_S = 1000.0


@dataclass
class Desk:
    """A member that asks."""

    ended: list[QueryEnded] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asking = Asking(Journal(self.effects, "serf"))

    def ask(
        self,
        ltime: int = 3,
        *,
        id_: int = 9,
        asked: int = 2,
        want_ack: bool = False,
        until_s: float = NOW_S + 2,
    ) -> None:
        query = Query(
            ltime=ltime,
            id=id_,
            address=US,
            source_node="us",
            filters=(),
            flags=QueryFlag.ACK if want_ack else QueryFlag.NONE,
            relay_factor=0,
            timeout_ns=0,
            name="q",
            payload=b"",
        )
        self.asking.open(query, token=ltime, asked=asked, until_s=until_s, ended=self.ended.append)

    def hear(
        self, sender: str, payload: bytes = b"", *, ltime: int = 3, id_: int = 9, ack: bool = False
    ) -> None:
        flags = QueryFlag.ACK if ack else QueryFlag.NONE
        self.asking.answered(
            QueryResponse(ltime=ltime, id=id_, sender=sender, flags=flags, payload=payload)
        )

    def lines(self) -> list[str]:
        return [effect.text for effect in self.effects if isinstance(effect, Log)]


def test_a_query_ends_when_all_have_answered() -> None:
    desk = Desk()
    desk.ask()
    desk.hear("a", b"1")
    assert desk.ended == []
    desk.hear("b", b"2")
    assert desk.ended == [
        QueryEnded(token=3, asked=2, acks=frozenset(), responses={"a": b"1", "b": b"2"})
    ]


def test_with_acknowledgements_it_waits_for_these_too() -> None:
    desk = Desk()
    desk.ask(want_ack=True)
    for sender in "ab":
        desk.hear(sender)
    desk.hear("a", ack=True)
    assert desk.ended == []
    desk.hear("b", ack=True)
    assert desk.ended[0].acks == {"a", "b"}


def test_acknowledgements_that_nobody_wants_do_not_count() -> None:
    desk = Desk()
    desk.ask()
    desk.hear("a", ack=True)
    desk.asking.tick(NOW_S + 2)
    assert desk.ended[0].acks == frozenset()


def test_it_ends_when_its_time_is_over() -> None:
    desk = Desk()
    desk.ask(3, until_s=NOW_S + 2)
    desk.ask(4, until_s=NOW_S + 1)
    desk.hear("a", b"1")
    assert desk.asking.next_s == NOW_S + 1
    desk.asking.tick(NOW_S + 1)
    assert [ended.token for ended in desk.ended] == [4]
    assert desk.asking.next_s == NOW_S + 2
    desk.asking.tick(NOW_S + 2)
    assert desk.ended[1].responses == {"a": b"1"}
    assert desk.asking.next_s == math.inf


def test_the_first_answer_of_a_member_counts() -> None:
    desk = Desk()
    desk.ask()
    desk.hear("a", b"1")
    desk.hear("a", b"2")
    desk.hear("b", b"3")
    assert desk.ended[0].responses == {"a": b"1", "b": b"3"}


def test_an_answer_that_comes_again_after_the_end_changes_nothing_and_is_no_surprise() -> None:
    desk = Desk()
    desk.ask(asked=1)
    desk.hear("a", b"1")
    desk.hear("a", b"1")
    desk.asking.tick(NOW_S + 2)
    assert len(desk.ended) == 1
    assert desk.lines() == []
    desk.hear("a", b"1")
    assert desk.lines() == ["serf: reply for non-running query (LTime: 3, ID: 9) From: a"]


def test_an_answer_to_another_query_does_not_count() -> None:
    desk = Desk()
    desk.ask(asked=1)
    desk.hear("a", id_=8)
    desk.hear("a", ltime=4)
    assert desk.ended == []
    assert desk.lines()[0] == "serf: reply for non-running query (LTime: 3, ID: 8) From: a"
    assert desk.asking.is_ours(3, 9)
    assert not desk.asking.is_ours(3, 8)
    assert not desk.asking.is_ours(4, 9)


def test_two_queries_of_one_time_both_end() -> None:
    desk = Desk()
    desk.ask(id_=9, asked=1)
    desk.ask(id_=10, asked=1)
    desk.hear("a", b"ten", id_=10)
    desk.hear("a", b"nine", id_=9)
    assert [ended.responses for ended in desk.ended] == [{"a": b"ten"}, {"a": b"nine"}]


def test_there_are_no_more_answers_than_members_were_asked() -> None:
    desk = Desk()
    desk.ask(asked=2, want_ack=True)
    for number in range(1000):
        desk.hear(f"made-up-{number}")
        desk.hear(f"made-up-{number}", ack=True)
    assert len(desk.ended) == 1
    assert len(desk.ended[0].responses) == len(desk.ended[0].acks) == 2


def test_a_query_that_waits_for_acknowledgements_takes_no_more_answers_either() -> None:
    desk = Desk()
    desk.ask(asked=2, want_ack=True)
    for number in range(3):
        desk.hear(f"n{number}")
    desk.asking.tick(NOW_S + 2)
    assert set(desk.ended[0].responses) == {"n0", "n1"}
    assert desk.lines() == ["serf: Failed to deliver query response, dropping"]


def test_no_more_queries_are_open_than_the_limit() -> None:
    desk = Desk()
    for ltime in range(OPEN_MAX):
        desk.asking.check_room()
        desk.ask(ltime)
    with pytest.raises(SerfError, match="256 queries are open"):
        desk.asking.check_room()
    desk.asking.tick(NOW_S + 2)
    desk.asking.check_room()
