"""The network gives every request one outcome, and keeps the order of each connection."""

import random

import pytest

from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    EntryKind,
    Index,
    Input,
    LeaderGone,
    Lost,
    Peer,
    ServerAddress,
    ServerId,
    Term,
    Token,
)
from server_tests.sim.agenda import Agenda
from server_tests.sim.kv import Body
from server_tests.sim.network import Network

PATIENCE_US = 100_000


class Ear:
    """A server that only listens."""

    def __init__(self, name: str) -> None:
        self.id = ServerId(name)
        self.is_up = True
        self.life = 1
        self.heard: list[Input] = []

    def hear(self, message: Input, body: Body | None = None) -> None:
        """Keep it."""
        self.heard.append(message)

    @property
    def indexes(self) -> list[int]:
        """Of the requests with entries, in the order in which they came."""
        return [one.previous_index for one in self.heard if isinstance(one, AppendEntries)]


class Pair:
    """Two servers and the network between them."""

    def __init__(self, seed: int) -> None:
        self.agenda = Agenda()
        self.network = Network(self.agenda, random.Random(seed), 1_000, PATIENCE_US)
        self.here, self.there = Ear("here"), Ear("there")
        self.network.endpoints = {self.here.id: self.here, self.there.id: self.there}

    def ask(self, number: int) -> None:
        """Send a request with entries; its token and previous index are the number."""
        request = AppendEntries(
            token=Token(number),
            term=Term(1),
            leader=Peer(self.here.id, ServerAddress("here:8300")),
            previous_index=Index(number),
            entries=(Entry(Index(number + 1), Term(1), EntryKind.NOOP),),
        )
        self.network.ask(self.here, self.there.id, request, None)

    def answer_all(self, *, backwards: bool = False) -> None:
        """Answer all that was heard at the other side."""
        questions = [one for one in self.there.heard if isinstance(one, AppendEntries)]
        for one in reversed(questions) if backwards else questions:
            self.network.answer(AppendReply(token=one.token, term=Term(1), accepted=True))

    def run(self, duration_us: int = 50_000) -> None:
        """Let time pass."""
        self.agenda.run_until(self.agenda.now_us + duration_us)


@pytest.mark.parametrize("seed", range(20))
def test_a_connection_keeps_the_order_of_requests_and_of_replies(seed: int) -> None:
    pair = Pair(seed)
    for number in range(1, 20):
        pair.ask(number)
    pair.run()
    assert pair.there.indexes == list(range(1, 20))
    pair.answer_all(backwards=True)
    pair.run()
    assert [one.token for one in pair.here.heard if isinstance(one, AppendReply)] == list(
        range(1, 20)
    )


def test_a_request_over_a_cut_link_is_lost_when_patience_ends_and_arrives_if_it_heals() -> None:
    pair = Pair(1)
    pair.network.set_cut({(pair.here.id, pair.there.id)})
    pair.ask(1)
    pair.run(PATIENCE_US - 10_000)
    assert not pair.here.heard
    pair.network.set_cut(set())
    pair.run(5_000)
    assert pair.there.indexes == [1]

    pair.network.set_cut({(pair.there.id, pair.here.id)})
    pair.answer_all()
    pair.run(PATIENCE_US)
    assert pair.here.heard == [Lost(token=Token(1))]


def test_nothing_comes_twice_and_nothing_is_forgotten_whatever_breaks() -> None:
    late = 0
    for seed in range(60):
        pair = Pair(seed)
        die = random.Random(seed)
        for number in range(1, 30):
            pair.ask(number)
            pair.run(die.randrange(2_000))
            if die.random() < 0.2:
                pair.network.reset_one()
            if die.random() < 0.3:
                pair.answer_all()
        pair.answer_all()
        pair.run(3 * PATIENCE_US)
        outcomes = [one.token for one in pair.here.heard if not isinstance(one, LeaderGone)]
        assert sorted(outcomes) == list(range(1, 30))
        assert len(set(pair.there.indexes)) == len(pair.there.indexes)
        late += pair.network.counts["late request"]
    assert late, "what was under way on a broken connection still arrives, at times"


def test_nobody_answers_for_a_server_that_is_down() -> None:
    pair = Pair(1)
    pair.there.is_up = False
    pair.ask(1)
    pair.run()
    assert pair.here.heard == [Lost(token=Token(1))]


def follower_told(pair: Pair) -> list[LeaderGone]:
    pair.run()
    return [one for one in pair.there.heard if isinstance(one, LeaderGone)]


def test_a_follower_is_told_when_the_connection_with_its_leaders_heartbeats_ends() -> None:
    pair = Pair(1)
    leader = Peer(pair.here.id, ServerAddress("here:8300"))
    heartbeat = AppendEntries(token=Token(1), term=Term(1), leader=leader)
    pair.network.ask(pair.here, pair.there.id, heartbeat, None)
    pair.ask(2)
    pair.run()
    assert pair.network.reset_heartbeats(pair.here)
    assert follower_told(pair) == [LeaderGone(leader=leader)]
    pair.network.gone(pair.here, silently=False)  # the connection for entries is none of them
    assert len(follower_told(pair)) == 1


@pytest.mark.parametrize("silently", [True, False])
def test_a_process_that_ends_is_noticed_and_a_machine_is_not(silently: bool) -> None:
    pair = Pair(1)
    leader = Peer(pair.here.id, ServerAddress("here:8300"))
    heartbeat = AppendEntries(token=Token(1), term=Term(1), leader=leader)
    pair.network.ask(pair.here, pair.there.id, heartbeat, None)
    pair.run()
    pair.network.gone(pair.here, silently=silently)
    assert bool(follower_told(pair)) is not silently
