"""A pool of memberlists on a network that exists in memory: time, chance and faults are ours.

Packets are late, lost, or cannot go one way; streams need both ways. A station is a process at an
address. It can be killed, started again there or elsewhere, or frozen: then what comes waits for
it, as in sockets, and it is not called. When it goes on, its clock may strike before it reads, or
after; both happen in real loops.

As agents do, a station tries to join until it has, and then tries now and then to reach who is
gone.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from proconsul.gossip.address import Address
from proconsul.gossip.delegate import Node
from proconsul.gossip.effects import Count, Effect, Exchange, Log, SendPacket
from proconsul.gossip.framing import Framing
from proconsul.gossip.memberlist import Memberlist
from proconsul.gossip.messages import NodeState, StreamMessage
from proconsul.gossip.settings import GossipSettings
from server_tests.gossip.bench import VSN, Ears, at

RECONNECT_S = 15.0
SOCKET_PACKETS_MAX = 500  # what a socket holds for a process that does not read


@dataclass(frozen=True)
class Verdict:
    """A station declares another gone."""

    at_s: float
    by: str
    of: str
    state: NodeState


class SimulatedEars(Ears):
    """Remembers who is gone, and tells the world."""

    def __init__(self, note: Callable[[Node, float], None]) -> None:
        super().__init__()
        self.note = note
        self.failed: dict[str, Address] = {}

    def joined(self, node: Node, now_s: float) -> None:
        self.failed.pop(node.name, None)

    def updated(self, node: Node, now_s: float) -> None:
        pass

    def gone(self, node: Node, now_s: float) -> None:
        self.note(node, now_s)
        if node.state is NodeState.DEAD:
            self.failed[node.name] = node.address

    def ping_done(self, node: Node, rtt_s: float, payload: bytes, now_s: float) -> None:
        assert 0 <= rtt_s < 1.0, f"{node.name} is {rtt_s} s away"


@dataclass(eq=False)
class Station:
    """A process, from its start to its end."""

    name: str
    address: Address
    memberlist: Memberlist
    ears: SimulatedEars
    effects: list[Effect]
    framing: Framing
    is_up: bool = True
    is_frozen: bool = False
    waiting: list[Callable[[], None]] = field(default_factory=list)  # while it is frozen
    log: list[tuple[float, str]] = field(default_factory=list)
    strike: int = 0  # the newest plan to call it
    has_joined: bool = False
    is_merging: bool = False


class World:
    """The network, the clock, and all that was ever declared."""

    def __init__(self, seed: int, settings: GossipSettings | None = None) -> None:
        self.die = random.Random(seed)
        self.settings = settings or GossipSettings()
        self.now_s = 1000.0
        self.loss = 0.0
        self.blocked: set[tuple[str, str]] = set()  # names, from and to
        self.streams_only: set[str] = set()  # names that no packet reaches or leaves
        self.verdicts: list[Verdict] = []
        self.stations: dict[Address, Station] = {}
        self.packets = 0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._addresses = itertools.count(1)

    # ---------------------------------------------------------------- time

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.now_s + delay_s, next(self._order), action))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_s = self.now_s + seconds
        while self._agenda and self._agenda[0][0] <= end_s:
            at_s, _, action = heapq.heappop(self._agenda)
            self.now_s = max(self.now_s, at_s)
            action()
        self.now_s = end_s

    def run_until(self, condition: Callable[[], bool], patience_s: float) -> float:
        """Let time pass until this is so. How long it took."""
        start_s = self.now_s
        while not condition():
            assert self.now_s - start_s < patience_s, f"still not so after {patience_s} s"
            self.run(0.05)
        return self.now_s - start_s

    # ---------------------------------------------------------------- stations

    def start(self, name: str, address: Address | None = None, meta: bytes = b"") -> Station:
        """Start a process; it joins the pool by whoever is up, or founds it."""
        address = address or at(next(self._addresses))
        ears = SimulatedEars(lambda node, now_s: self._declared(name, node, now_s))
        ears.own_meta = meta
        effects: list[Effect] = []

        def joined(failure: str | None) -> None:
            station.has_joined |= failure is None

        framing = Framing(None, self.settings, bytes)
        memberlist = Memberlist(
            name=name,
            address=address,
            vsn=VSN,
            settings=self.settings,
            framing=framing,
            delegate=ears,
            on_join=lambda token, failure, now_s: joined(failure),
            dice=self.die.randrange,
            effects=effects,
            now_s=self.now_s,
        )
        station = Station(name, address, memberlist, ears, effects, framing)
        self.stations[address] = station
        station.has_joined = len(self.up()) == 1
        self._seek(station)
        return station

    def join(self, station: Station, other: Station) -> None:
        """Have one join by another."""
        station.memberlist.join(other.address, other.name, self.now_s)
        self._settle(station)

    def pool(self, size: int) -> list[Station]:
        """Start so many, and let them find each other."""
        stations = [self.start(f"n{number}") for number in range(size)]
        self.run_until(self.agrees, 60.0)
        self.run(5.0)
        self.verdicts.clear()
        return stations

    def up(self) -> list[Station]:
        return [station for station in self.stations.values() if station.is_up]

    def kill(self, station: Station) -> None:
        station.is_up = False
        station.waiting.clear()

    def leave(self, station: Station) -> None:
        """It says that it leaves, and ends a little later."""
        station.memberlist.leave(self.now_s)
        self._settle(station)
        self.later(3.0, lambda: self.kill(station))

    def freeze(self, station: Station, seconds: float) -> None:
        station.is_frozen = True
        self.later(seconds, lambda: self.thaw(station))

    def thaw(self, station: Station) -> None:
        if not station.is_frozen:
            return
        station.is_frozen = False
        if not station.is_up:
            return
        if self.die.random() < 0.5:
            self._tick(station, station.strike)
        waiting = list(station.waiting)
        station.waiting.clear()
        for action in waiting:
            action()
        self._plan(station)

    def partition(self, side: set[str]) -> None:
        """These and the others do not reach each other."""
        everybody = {station.name for station in self.stations.values()}
        for one, other in itertools.product(side, everybody - side):
            self.blocked |= {(one, other), (other, one)}

    def heal(self) -> None:
        """All is well again."""
        self.loss = 0.0
        self.blocked.clear()
        for station in self.up():
            self.thaw(station)

    def _declared(self, by: str, node: Node, now_s: float) -> None:
        self.verdicts.append(Verdict(now_s, by, node.name, node.state))

    def _call(self, station: Station, action: Callable[[], None]) -> None:
        """Something happens at a station: at once, or when it goes on."""

        def happen() -> None:
            action()
            self._settle(station)

        if not station.is_up:
            return
        if not station.is_frozen:
            happen()
        elif len(station.waiting) < SOCKET_PACKETS_MAX:
            station.waiting.append(happen)

    def _plan(self, station: Station) -> None:
        station.strike += 1
        strike = station.strike
        delay_s = max(station.memberlist.next_tick_s() - self.now_s, 0.0)
        self.later(delay_s + self.die.random() * 0.002, lambda: self._tick(station, strike))

    def _tick(self, station: Station, strike: int) -> None:
        if station.is_up and not station.is_frozen and strike == station.strike:
            station.memberlist.tick(self.now_s)
            self._settle(station)

    def _seek(self, station: Station) -> None:
        if not station.is_up:
            return
        others = {other.address for other in self.up() if other is not station}
        sought = set(station.ears.failed.values()) if station.has_joined else others
        if sought and not station.is_frozen:
            address = self.die.choice(sorted(sought, key=str))
            station.memberlist.join(address, "", self.now_s)
            self._settle(station)
        self.later(RECONNECT_S, lambda: self._seek(station))

    # ---------------------------------------------------------------- the network

    def _settle(self, station: Station) -> None:
        effects = list(station.effects)
        station.effects.clear()
        for effect in effects:
            match effect:
                case SendPacket():
                    self._send(station, effect)
                case Exchange():
                    self._dial(station, effect)
                case Log():
                    station.log.append((self.now_s, effect.text))
                case Count():
                    pass
                case _:
                    raise AssertionError(effect)
        if station.memberlist.is_merging and not station.is_merging:
            station.is_merging = True
            self.later(0.0, lambda: self._go_on(station))
        self._plan(station)

    def _go_on(self, station: Station) -> None:
        station.is_merging = False
        self._call(station, lambda: station.memberlist.go_on(self.now_s))

    def _delay_s(self) -> float:
        return 0.0002 + self.die.random() * 0.002

    def _send(self, station: Station, packet: SendPacket) -> None:
        self.packets += 1
        target = self.stations.get(packet.to)
        if target is None or (station.name, target.name) in self.blocked:
            return
        if {station.name, target.name} & self.streams_only or self.die.random() < self.loss:
            return

        def arrive() -> None:
            receiver = target.memberlist.receive
            self._call(target, lambda: receiver(packet.data, station.address, self.now_s))

        self.later(self._delay_s(), arrive)

    def _dial(self, station: Station, exchange: Exchange) -> None:
        is_over = False

        def end(message: StreamMessage | None, failure: str) -> None:
            def ended() -> None:
                nonlocal is_over
                if not is_over:
                    is_over = True
                    station.memberlist.exchange_done(exchange.token, message, failure, self.now_s)

            self._call(station, ended)

        self.later(exchange.patience_s, lambda: end(None, "i/o timeout"))
        target = self.stations.get(exchange.to)
        if target is None:
            return  # no such host: nothing comes back
        names = (station.name, target.name)
        if names in self.blocked or names[::-1] in self.blocked:
            return
        if not target.is_up:
            self.later(self._delay_s(), lambda: end(None, "connection refused"))
            return

        def accept() -> None:
            message = target.framing.stream_reader(is_answer=False).feed(exchange.data)
            assert message is not None
            answer = target.memberlist.answer(message, self.now_s)
            target.memberlist.absorb(message, self.now_s)
            if answer is None:
                self.later(self._delay_s(), lambda: end(None, "EOF"))
                return
            heard = station.framing.stream_reader(is_answer=True).feed(answer)
            assert heard is not None
            self.later(self._delay_s(), lambda: end(heard, ""))

        # TCP mends what is lost; it takes longer.
        lost_s = 0.2 if self.die.random() < self.loss else 0.0
        self.later(3 * self._delay_s() + lost_s, lambda: self._call(target, accept))

    # ---------------------------------------------------------------- what is to be seen

    def agrees(self) -> bool:
        """Whether all that are up know all that are up, where and what they are, and no others."""
        return not self.disagreements()

    def disagreements(self) -> list[str]:
        """Where somebody is wrong."""
        up = self.up()
        true = {(station.name, station.address, station.ears.own_meta) for station in up}
        wrong = []
        for station in up:
            believed = {
                (node.name, node.address, node.meta)
                for node in station.memberlist.nodes()
                if node.state is NodeState.ALIVE
            }
            wrong += [f"{station.name} does not know {name}" for name, _, _ in true - believed]
            wrong += [f"{station.name} believes in {name}" for name, _, _ in believed - true]
        return wrong

    def declared(self, name: str) -> dict[str, float]:
        """Who has declared a member gone, and when first."""
        first: dict[str, float] = {}
        for verdict in self.verdicts:
            if verdict.of == name:
                first.setdefault(verdict.by, verdict.at_s)
        return first
