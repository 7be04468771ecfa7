"""See gossip/queries.py."""

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from proconsul.gossip import serf_codec
from proconsul.gossip.address import Address
from proconsul.gossip.asking import Asking
from proconsul.gossip.delegate import Node
from proconsul.gossip.effects import Effect, MemberStatus, QueryHeard
from proconsul.gossip.failure import SerfError
from proconsul.gossip.journal import Journal
from proconsul.gossip.lamport import Clock
from proconsul.gossip.member_table import MemberTable, pool_member
from proconsul.gossip.messages import NodeState
from proconsul.gossip.queries import (
    ANSWERABLE_MAX,
    PATIENCE_S_MAX,
    RELAYS_MAX,
    SLOT_QUERIES_MAX,
    Queries,
)
from proconsul.gossip.serf_messages import (
    NodeFilter,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
    SerfMessage,
)
from proconsul.gossip.settings import SerfSettings
from server_tests.gossip.bench import US, VSN, at

ASKER = at(77)
NOW_S = 1000.0


def query(
    ltime: int = 3, id_: int = 9, *, flags: int = 0, relay_factor: int = 0, name: str = "q"
) -> Query:
    return Query(
        ltime=ltime,
        id=id_,
        address=ASKER,
        source_node="them",
        filters=(),
        flags=flags,
        relay_factor=relay_factor,
        timeout_ns=2_000_000_000,
        name=name,
        payload=b"?",
    )


def response(payload: bytes = b"", *, flags: int = 0) -> QueryResponse:
    return QueryResponse(ltime=3, id=9, sender="us", flags=flags, payload=payload)


@dataclass
class Desk:
    """A member that hears queries; `others` are in its pool."""

    others: int = 0
    min_ltime: int = 1
    heard: list[QueryHeard] = field(default_factory=list)
    sent: list[tuple[Address, SerfMessage]] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        journal = Journal(self.effects, "serf")
        own = Node(name="us", address=US, meta=b"", vsn=VSN, state=NodeState.ALIVE)
        self.table = MemberTable(
            own=pool_member(own, {}, MemberStatus.ALIVE, NOW_S),
            settings=SerfSettings(),
            rows_max=1000,
            changed=lambda change, member, now_s: None,
            journal=journal,
        )
        for number in range(self.others):
            self.add(f"n{number}", number + 10)
        self.clock = Clock()
        self.asking = Asking(journal)
        self.queries = Queries(
            name="us",
            slots=8,
            min_ltime=self.min_ltime,
            response_bytes_max=1024,
            clock=self.clock,
            tags=dict,
            table=self.table,
            hear=lambda heard, now_s: self.heard.append(heard),
            send=lambda to, body: self.sent.append((to, serf_codec.decode(body))),
            asking=self.asking,
            dice=lambda sides: sides - 1,
            journal=journal,
        )

    def add(self, name: str, number: int, vsn: bytes = VSN) -> None:
        node = Node(name=name, address=at(number), meta=b"", vsn=vsn, state=NodeState.ALIVE)
        self.table.joined(node, {}, NOW_S)


def test_a_query_is_heard_once_and_told_on() -> None:
    desk = Desk()
    assert desk.queries.take(query(), NOW_S)
    assert not desk.queries.take(query(), NOW_S)
    assert desk.queries.take(query(id_=10), NOW_S)
    assert [heard.id for heard in desk.heard] == [9, 10]
    assert desk.heard[0] == QueryHeard(
        ltime=3, id=9, name="q", payload=b"?", source_node="them", until_s=NOW_S + 2
    )
    assert desk.clock.time == 4
    assert desk.sent == []


def test_whom_it_does_not_concern_tells_it_on_all_the_same() -> None:
    desk = Desk()
    other = replace(query(flags=QueryFlag.ACK), filters=(NodeFilter(("x",)),))
    assert desk.queries.take(other, NOW_S)
    assert desk.heard == []
    assert desk.sent == []


def test_a_query_that_is_not_to_be_told_on_is_not() -> None:
    desk = Desk()
    assert not desk.queries.take(query(flags=QueryFlag.NO_BROADCAST), NOW_S)
    assert len(desk.heard) == 1


def test_an_old_query_is_not_heard() -> None:
    desk = Desk(min_ltime=3)
    assert not desk.queries.take(query(2), NOW_S)
    desk.queries.take(query(20), NOW_S)
    assert not desk.queries.take(query(12), NOW_S)
    assert desk.queries.take(query(13), NOW_S)
    assert [heard.ltime for heard in desk.heard] == [20, 13]


def test_an_acknowledgement_is_sent_where_the_query_says() -> None:
    desk = Desk()
    desk.queries.take(query(flags=QueryFlag.ACK), NOW_S)
    assert desk.sent == [(ASKER, response(flags=QueryFlag.ACK))]


def test_an_answer_is_sent_where_the_query_says_and_once() -> None:
    desk = Desk()
    desk.queries.take(query(), NOW_S)
    desk.queries.respond(desk.heard[0], b"yes", NOW_S + 2)
    assert desk.sent == [(ASKER, response(b"yes"))]
    with pytest.raises(SerfError, match="response already sent"):
        desk.queries.respond(desk.heard[0], b"yes", NOW_S)


def test_an_answer_that_comes_too_late_is_not_sent() -> None:
    desk = Desk()
    desk.queries.take(query(), NOW_S)
    with pytest.raises(SerfError, match="response is past the deadline"):
        desk.queries.respond(desk.heard[0], b"yes", NOW_S + 2.1)
    assert desk.sent == []


def test_an_answer_that_is_too_large_is_not_sent_but_a_smaller_one_may_be() -> None:
    desk = Desk()
    desk.queries.take(query(), NOW_S)
    largest = max(size for size in range(1024) if desk.queries.fits(desk.heard[0], bytes(size)))
    assert len(serf_codec.encode(response(bytes(largest)))) == 1024
    with pytest.raises(SerfError, match="response exceeds limit of 1024 bytes"):
        desk.queries.respond(desk.heard[0], bytes(largest + 1), NOW_S)
    desk.queries.respond(desk.heard[0], bytes(largest), NOW_S)


@pytest.mark.parametrize("timeout_ns", [-1, 0])
def test_an_asker_without_patience_gets_no_answer(timeout_ns: int) -> None:
    desk = Desk()
    desk.queries.take(replace(query(), timeout_ns=timeout_ns), NOW_S)
    assert desk.heard[0].until_s == NOW_S


def test_an_asker_with_endless_patience_is_not_believed() -> None:
    desk = Desk()
    desk.queries.take(replace(query(), timeout_ns=2**63 - 1), NOW_S)
    assert desk.heard[0].until_s == NOW_S + PATIENCE_S_MAX


# -------------------------------------------------------------------- relays


def test_an_answer_goes_by_way_of_others_too() -> None:
    desk = Desk(others=3)
    desk.queries.take(query(flags=QueryFlag.ACK, relay_factor=2), NOW_S)
    ack = serf_codec.encode(response(flags=QueryFlag.ACK))
    relay = Relay(address=ASKER, zone="", node="them", message=ack)
    assert desk.sent[0] == (ASKER, response(flags=QueryFlag.ACK))
    assert desk.sent[1:] == [(at(12), relay), (at(11), relay)]


def test_in_a_pool_that_is_too_small_nothing_is_relayed() -> None:
    desk = Desk(others=1)
    desk.queries.take(query(flags=QueryFlag.ACK, relay_factor=2), NOW_S)
    assert len(desk.sent) == 1


def test_only_who_is_alive_and_knows_how_relays() -> None:
    desk = Desk()
    desk.add("old", 20, vsn=bytes((1, 4, 2, 2, 5, 4)))
    desk.add("dead", 21)
    desk.table.gone("dead", NOW_S)
    desk.add("good", 22)
    desk.queries.take(query(flags=QueryFlag.ACK, relay_factor=3), NOW_S)
    assert [to for to, _ in desk.sent] == [ASKER, at(22)]


def test_there_are_no_more_relays_than_the_limit_whatever_the_asker_wants() -> None:
    desk = Desk(others=300)
    desk.queries.take(query(flags=QueryFlag.ACK, relay_factor=255), NOW_S)
    assert len(desk.sent) == 1 + RELAYS_MAX
    assert len({to for to, _ in desk.sent}) == 1 + RELAYS_MAX


def test_an_answer_that_is_too_large_with_its_wrapping_goes_the_direct_way_only() -> None:
    desk = Desk(others=3)
    desk.queries.take(query(relay_factor=2), NOW_S)
    desk.queries.respond(desk.heard[0], bytes(950), NOW_S)
    assert [to for to, _ in desk.sent] == [ASKER]


# -------------------------------------------------------------------- limits


def test_of_one_time_so_many_queries_are_heard() -> None:
    desk = Desk()
    for number in range(SLOT_QUERIES_MAX):
        assert desk.queries.take(query(id_=number), NOW_S)
    assert not desk.queries.take(query(id_=SLOT_QUERIES_MAX), NOW_S)
    assert len(desk.heard) == SLOT_QUERIES_MAX


def test_when_too_many_wait_for_an_answer_the_first_gets_none() -> None:
    desk = Desk()
    for number in range(ANSWERABLE_MAX + 1):
        desk.queries.take(query(3 + number, number), NOW_S)
    with pytest.raises(SerfError):
        desk.queries.respond(desk.heard[0], b"", NOW_S)
    desk.queries.respond(desk.heard[1], b"", NOW_S)


def test_who_is_dismissed_waits_no_more() -> None:
    desk = Desk()
    desk.queries.take(query(), NOW_S)
    desk.queries.dismiss(desk.heard[0])
    with pytest.raises(SerfError):
        desk.queries.respond(desk.heard[0], b"", NOW_S)


# -------------------------------------------------------------------- our own


def test_our_own_query_is_answered_without_a_packet() -> None:
    desk = Desk(others=3)
    ours = replace(query(flags=QueryFlag.ACK, relay_factor=2), source_node="us", address=US)
    ended: list[object] = []
    desk.asking.open(ours, token=1, asked=1, until_s=NOW_S + 2, ended=ended.append)
    assert desk.queries.take(ours, NOW_S)
    desk.queries.respond(desk.heard[0], b"yes", NOW_S)
    assert len(ended) == 1
    assert desk.sent == []


def test_a_query_of_an_earlier_life_of_ours_is_answered_by_packet() -> None:
    desk = Desk()
    desk.queries.take(replace(query(flags=QueryFlag.ACK), source_node="us"), NOW_S)
    assert [to for to, _ in desk.sent] == [ASKER]
