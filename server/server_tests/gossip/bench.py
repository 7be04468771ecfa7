"""One memberlist on a bench: the test plays everybody else, and the clock."""

import random
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from proconsul.gossip import packets
from proconsul.gossip.address import Address, address_of
from proconsul.gossip.delegate import Node
from proconsul.gossip.effects import Count, Effect, Exchange, Level, Log, SendPacket
from proconsul.gossip.framing import Framing
from proconsul.gossip.memberlist import Memberlist
from proconsul.gossip.merging import Merging, Moment
from proconsul.gossip.messages import (
    Ack,
    Alive,
    Dead,
    Message,
    NodeState,
    PacketMessage,
    Ping,
    PushedNode,
    PushPull,
    StreamMessage,
    Suspect,
)
from proconsul.gossip.settings import GossipSettings

VSN = bytes([1, 5, 2, 2, 5, 4])
US = address_of("10.0.0.1", 8301)
PEER = address_of("10.0.0.2", 8301)
START_S = 1000.0

M = TypeVar("M", bound=Message)


def at(number: int, port: int = 8301) -> Address:
    """An address for a peer."""
    return address_of(f"10.0.{number // 256}.{number % 256}", port)


def alive(
    name: str, number: int = 2, incarnation: int = 1, meta: bytes = b"", vsn: bytes = VSN
) -> Alive:
    """A claim that somebody is alive."""
    return Alive(incarnation=incarnation, node=name, address=at(number), meta=meta, vsn=vsn)


def row(
    name: str,
    number: int = 2,
    state: int = NodeState.ALIVE,
    incarnation: int = 1,
    meta: bytes = b"",
    vsn: bytes = VSN,
) -> PushedNode:
    """The same as a row of a full exchange."""
    return PushedNode(
        name=name, address=at(number), meta=meta, incarnation=incarnation, state=state, vsn=vsn
    )


def suspect(name: str, incarnation: int = 1, accuser: str = "b") -> Suspect:
    """A claim that somebody does not answer."""
    return Suspect(incarnation=incarnation, node=name, accuser=accuser)


def dead(name: str, incarnation: int = 1, accuser: str = "b") -> Dead:
    """A claim that somebody is dead, or by itself that it leaves."""
    return Dead(incarnation=incarnation, node=name, accuser=accuser)


class Ears:
    """A delegate that notes all that it hears."""

    def __init__(self) -> None:
        self.own_meta = b"our meta"
        self.heard: list[tuple[str, str]] = []  # what happened, to whom
        self.delivered: list[bytes] = []
        self.to_tell: list[bytes] = []
        self.own_state = b""
        self.merged: list[tuple[bytes, bool]] = []
        self.rtts: list[tuple[str, float, bytes]] = []
        self.refused: dict[str, str] = {}
        self.refuses_merge: str | None = None
        self.asked_to_merge: list[list[Node]] = []

    def meta(self) -> bytes:
        return self.own_meta

    def deliver(self, body: bytes, now_s: float) -> None:
        self.delivered.append(body)

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        taken = []
        while self.to_tell and len(self.to_tell[0]) + overhead <= limit:
            taken.append(self.to_tell.pop(0))
            limit -= len(taken[-1]) + overhead
        return taken

    def local_state(self, *, join: bool) -> bytes:
        return self.own_state

    def merge_remote_state(self, state: bytes, moment: Moment, *, join: bool) -> Merging:
        self.merged.append((state, join))
        yield from ()
        return None

    def ack_payload(self) -> bytes:
        return b"where we are"

    def ping_done(self, node: Node, rtt_s: float, payload: bytes, now_s: float) -> None:
        self.rtts.append((node.name, rtt_s, payload))

    def refuse_alive(self, node: Node) -> str | None:
        return self.refused.get(node.name)

    def refuse_merge(self, nodes: list[Node]) -> Merging:
        self.asked_to_merge.append(nodes)
        yield from ()
        return self.refuses_merge

    def joined(self, node: Node, now_s: float) -> None:
        self.heard.append(("joined", node.name))

    def gone(self, node: Node, now_s: float) -> None:
        self.heard.append((node.state.name.lower(), node.name))

    def updated(self, node: Node, now_s: float) -> None:
        self.heard.append(("updated", node.name))

    def conflicted(self, existing: Node, other: Node, now_s: float) -> None:
        self.heard.append(("conflicted", existing.name))


class Bench:
    """See the module. What went out is in `sent` and `exchanges` until it is cleared."""

    def __init__(self, settings: GossipSettings | None = None, seed: int = 1) -> None:
        self.settings = settings or GossipSettings()
        self.now_s = START_S
        self.ears = Ears()
        self.effects: list[Effect] = []
        self.sent: list[tuple[Address, PacketMessage]] = []
        self.packets: list[tuple[Address, list[PacketMessage]]] = []
        self.raw: list[bytes] = []
        self.exchanges: list[Exchange] = []
        self.log: list[tuple[Level, str]] = []
        self.counts: Counter[str] = Counter()
        self.joined: list[tuple[int, str | None]] = []
        self.answering: set[Address] = set()  # who answers pings, at once
        self.framing = Framing(None, self.settings, bytes)
        self.us = Memberlist(
            name="us",
            address=US,
            vsn=VSN,
            settings=self.settings,
            framing=Framing(None, self.settings, bytes),
            delegate=self.ears,
            on_join=lambda token, failure, now_s: self.joined.append((token, failure)),
            dice=random.Random(seed).randrange,
            effects=self.effects,
            now_s=self.now_s,
        )

    # ---------------------------------------------------------------- what others do

    def hear(self, *messages: PacketMessage, source: Address = PEER) -> None:
        """A packet comes."""
        parts = [packets.encode(message) for message in messages]
        self.us.receive(self.framing.seal(parts, checksum=False), source, self.now_s)
        self.settle()

    def know(self, *names: str, answering: bool = True) -> None:
        """These are members: the first at address 2, and so on. Nothing is left to be told."""
        for number, name in enumerate(names, start=len(self.us.nodes()) + 1):
            self.hear(alive(name, number))
            if answering:
                self.answering.add(at(number))
        self.tell_all()
        self.ears.heard.clear()

    def end(self, exchange: Exchange, message: StreamMessage | None, failure: str = "") -> None:
        """A dialled stream ends, and all that came is taken in."""
        self.us.exchange_done(exchange.token, message, failure, self.now_s)
        self.merge_all()

    def accept(self, message: StreamMessage) -> StreamMessage | None:
        """Somebody dials us and says this."""
        data = self.us.answer(message, self.now_s)
        self.us.absorb(message, self.now_s)
        self.merge_all()
        return None if data is None else self.framing.stream_reader(is_answer=True).feed(data)

    def push(self, *rows: PushedNode, join: bool = False, state: bytes = b"") -> PushPull:
        """Somebody exchanges states with us; ours."""
        answer = self.accept(PushPull(join=join, nodes=rows, user_state=state))
        assert isinstance(answer, PushPull)
        return answer

    def merge_all(self) -> None:
        """Whatever was begun to be taken in is taken in."""
        while self.us.is_merging:
            self.us.go_on(self.now_s)
        self.settle()

    # ---------------------------------------------------------------- time

    def pass_time(self, seconds: float) -> None:
        """Time passes, and we are called when we want to be."""
        end_s = self.now_s + seconds
        for _ in range(100_000):
            due_s = self.us.next_tick_s()
            if due_s > end_s:
                break
            self.now_s = max(self.now_s, due_s)
            self.us.tick(self.now_s)
            self.settle()
        else:
            raise AssertionError("the clock of the memberlist stands")
        self.now_s = end_s

    def tell_all(self) -> None:
        """Whatever is to be told is told, in no time; then all that went out is forgotten."""
        while self.untold():
            pass
        self.forget()

    def untold(self) -> int:
        """How much is still to be told: what rides with an answer, if all of it fits."""
        self.hear(Ping(seq_no=1, node="us"), source=at(250))
        return len(self.packets[-1][1]) - 1

    def forget(self) -> None:
        """Forget what went out."""
        for noted in (self.sent, self.packets, self.raw, self.exchanges, self.log):
            noted.clear()
        self.counts.clear()

    def settle(self) -> None:
        """See what is to be done, and do it."""
        while self.effects:
            effects = list(self.effects)
            self.effects.clear()
            for effect in effects:
                self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case SendPacket():
                opened = self.framing.open(effect.data)
                assert not opened.complaints
                self.packets.append((effect.to, opened.messages))
                self.raw.append(effect.data)
                for message in opened.messages:
                    self.sent.append((effect.to, message))
                    if isinstance(message, Ping) and effect.to in self.answering:
                        self.hear(Ack(seq_no=message.seq_no), source=effect.to)
            case Exchange():
                self.exchanges.append(effect)
            case Log():
                self.log.append((effect.level, effect.text))
            case Count():
                self.counts[effect.name] += effect.by
            case _:
                raise AssertionError(f"{effect} is not memberlist's")

    # ---------------------------------------------------------------- what is to be seen

    def said(self, kind: type[M]) -> list[M]:
        """What was said by packet, of one kind."""
        return [message for _, message in self.sent if isinstance(message, kind)]

    def pings(self, name: str) -> list[Ping]:
        """The pings to a member."""
        return [ping for ping in self.said(Ping) if ping.node == name]

    def state(self, name: str) -> NodeState | None:
        """How a member is, as we know it; None for one that we do not know."""
        node = self.us.node(name)
        return None if node is None else node.state

    def own_incarnation(self) -> int:
        """In which incarnation we are, as others would hear."""
        rows = self.push().nodes
        return next(row.incarnation for row in rows if row.name == "us")

    def lines(self, part: str) -> list[str]:
        """Lines of the log with this in them."""
        return [text for _, text in self.log if part in text]

    def wait_for_ping(self, name: str) -> Ping:
        """Let time pass until a member is probed, not longer."""
        seen = len(self.pings(name))
        for _ in range(10_000):
            self.now_s = max(self.now_s, self.us.next_tick_s())
            self.us.tick(self.now_s)
            self.settle()
            if len(self.pings(name)) > seen:
                return self.pings(name)[-1]
        raise AssertionError(f"{name} is never probed")


def bench(*members: str, settings: GossipSettings | None = None) -> Bench:
    """One that knows these, who answer pings."""
    made = Bench(settings)
    made.know(*members)
    return made


def names(nodes: Iterable[Node | PushedNode]) -> set[str]:
    """Their names."""
    return {node.name for node in nodes}
