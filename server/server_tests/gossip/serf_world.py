"""A pool of Serfs on a network that exists in memory; simulation.py has the network's faults.

A host is a process at an address. It can be cut off, killed, and started again with what its
file said. What it hears, and all that ends, is kept in order.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from proconsul.gossip.address import Address
from proconsul.gossip.admission import Admission, Everybody
from proconsul.gossip.effects import (
    Change,
    Count,
    Effect,
    Exchange,
    JoinEnded,
    KeyringEnded,
    KeysChanged,
    Log,
    MemberChanged,
    MemberStatus,
    QueryEnded,
    Remember,
    SendPacket,
    UserEventHeard,
)
from proconsul.gossip.framing import Framing
from proconsul.gossip.joining import JoinTarget
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import StreamMessage
from proconsul.gossip.serf import Serf
from proconsul.gossip.settings import GossipSettings, SerfSettings
from proconsul.gossip.snapshot import Kept, read
from server_tests.gossip.bench import at

T = TypeVar("T", bound=Effect)
Found = TypeVar("Found")
Ended = TypeVar("Ended", JoinEnded, QueryEnded, KeyringEnded)


def target(address: Address, name: str = "") -> JoinTarget:
    return JoinTarget(address, name, str(address))


@dataclass
class Host:
    """A process, from its start to its end."""

    name: str
    address: Address
    serf: Serf
    framing: Framing
    is_up: bool = True
    heard: list[Effect] = field(default_factory=list)  # all but packets, counts and lines
    file: list[str] = field(default_factory=list)
    keys_file: tuple[str, ...] = ()
    log: list[str] = field(default_factory=list)
    strike: int = 0
    is_merging: bool = False

    def of(self, kind: type[T]) -> list[T]:
        """What it heard of this kind."""
        return [effect for effect in self.heard if isinstance(effect, kind)]

    def changes(self, name: str) -> list[Change]:
        """What happened to a member, as this one heard."""
        return [found.change for found in self.of(MemberChanged) if found.member.name == name]

    def events(self) -> list[str]:
        return [event.name for event in self.of(UserEventHeard)]

    def status(self, name: str) -> MemberStatus | None:
        member = self.serf.member(name)
        return member.status if member is not None else None

    def kept(self, *, rejoin_after_leave: bool = False) -> Kept:
        """What is in its file."""
        data = "".join(f"{line}\n" for line in self.file).encode("utf-8", "surrogateescape")
        return read(data, rejoin_after_leave=rejoin_after_leave)


class SerfWorld:
    """The network and the clock. Packets are a millisecond or so on their way."""

    def __init__(
        self,
        seed: int = 1,
        *,
        gossip: GossipSettings | None = None,
        settings: SerfSettings | None = None,
        keys: Sequence[bytes] = (),
    ) -> None:
        self.die = random.Random(seed)
        self.gossip = gossip or GossipSettings()
        self.settings = settings or SerfSettings()
        self.keys = keys
        self.now_s = 1000.0
        self.hosts: dict[Address, Host] = {}
        self.cut_off: set[str] = set()  # names
        self.packets: list[tuple[str, SendPacket]] = []
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

    def run_until(self, condition: Callable[[], bool], patience_s: float = 60.0) -> float:
        """Let time pass until this is so. How long it took."""
        start_s = self.now_s
        while not condition():
            assert self.now_s - start_s < patience_s, f"still not so after {patience_s} s"
            self.run(0.02)
        return self.now_s - start_s

    # ---------------------------------------------------------------- hosts

    def start(
        self,
        name: str,
        *,
        address: Address | None = None,
        tags: Mapping[str, str] | None = None,
        kept: Kept | None = None,
        settings: SerfSettings | None = None,
        admission: Admission | None = None,
    ) -> Host:
        """Start a process, alone."""
        address = address or at(next(self._addresses))
        ring = Keyring(self.keys) if self.keys else None
        serf = Serf(
            name=name,
            address=address,
            tags=tags or {"role": "node"},
            gossip=self.gossip,
            settings=settings or self.settings,
            ring=ring,
            admission=admission or Everybody(),
            dice=self.die.randrange,
            nonce=self.die.randbytes,
            now_s=self.now_s,
            kept=kept or Kept(),
        )
        host = Host(name, address, serf, Framing(ring, self.gossip, self.die.randbytes))
        self.hosts[address] = host
        self.settle(host)
        return host

    def restart(self, host: Host, *, rejoin_after_leave: bool = False) -> Host:
        """Kill it, and start another with its file and name and address."""
        host.is_up = False
        return self.start(
            host.name,
            address=host.address,
            kept=host.kept(rejoin_after_leave=rejoin_after_leave),
        )

    def pool(self, *names: str) -> list[Host]:
        """Start these; each joins by the first."""
        hosts = [self.start(name) for name in names]
        for host in hosts[1:]:
            self.join(host, hosts[0])
        self.run_until(lambda: all(self.knows(host, *names) for host in hosts))
        self.run(3.0)
        for host in hosts:
            host.heard.clear()
        return hosts

    def knows(self, host: Host, *names: str) -> bool:
        """Whether these are alive for it, and nobody else is."""
        alive = {
            member.name for member in host.serf.members() if member.status is MemberStatus.ALIVE
        }
        return alive == set(names)

    def do(self, host: Host, action: Callable[[Serf, float], Found]) -> Found:
        """Let its user do something."""
        found = action(host.serf, self.now_s)
        self.settle(host)
        return found

    def join(self, host: Host, *others: Host) -> JoinEnded:
        """Join by these, and wait."""
        targets = [target(other.address, other.name) for other in others]
        token = self.do(host, lambda serf, now_s: serf.join(targets, now_s))
        return self.ended(host, JoinEnded, token)

    def ended(self, host: Host, kind: type[Ended], token: int, patience_s: float = 30.0) -> Ended:
        """Wait for what ends with this token."""

        def found() -> list[Ended]:
            return [effect for effect in host.of(kind) if effect.token == token]

        self.run_until(lambda: bool(found()), patience_s)
        return found()[0]

    def kill(self, host: Host) -> None:
        host.is_up = False

    # ---------------------------------------------------------------- the network

    def settle(self, host: Host) -> None:
        """Do its effects, and plan to call it."""
        for effect in host.serf.take_effects():
            match effect:
                case SendPacket():
                    self._send(host, effect)
                case Exchange():
                    self._dial(host, effect)
                case Log():
                    host.log.append(effect.text)
                case Count():
                    pass
                case Remember():
                    host.file.append(effect.line)
                case KeysChanged():
                    host.keys_file = effect.keys
                case _:
                    host.heard.append(effect)
        if host.serf.is_merging and not host.is_merging:
            host.is_merging = True
            self.later(0.0, lambda: self._go_on(host))
        host.strike += 1
        strike = host.strike
        delay_s = max(host.serf.next_tick_s() - self.now_s, 0.0) + 1e-6
        self.later(delay_s, lambda: self._tick(host, strike))

    def _tick(self, host: Host, strike: int) -> None:
        if host.is_up and strike == host.strike:
            host.serf.tick(self.now_s)
            self.settle(host)

    def _go_on(self, host: Host) -> None:
        host.is_merging = False
        self._call(host, lambda: host.serf.go_on(self.now_s))

    def _call(self, host: Host, action: Callable[[], None]) -> None:
        if host.is_up:
            action()
            self.settle(host)

    def _delay_s(self) -> float:
        return 0.0005 + self.die.random() * 0.001

    def _is_open(self, one: Host, other: Host) -> bool:
        return one is other or not self.cut_off & {one.name, other.name}

    def _send(self, host: Host, packet: SendPacket) -> None:
        self.packets.append((host.name, packet))
        receiver = self.hosts.get(packet.to)
        if receiver is None or not self._is_open(host, receiver):
            return
        self.later(
            self._delay_s(),
            lambda: self._call(
                receiver, lambda: receiver.serf.receive(packet.data, host.address, self.now_s)
            ),
        )

    def _dial(self, host: Host, exchange: Exchange) -> None:
        is_over = False

        def end(message: StreamMessage | None, failure: str) -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                done = host.serf.exchange_done
                self._call(host, lambda: done(exchange.token, message, failure, self.now_s))

        self.later(exchange.patience_s, lambda: end(None, "i/o timeout"))
        receiver = self.hosts.get(exchange.to)
        if receiver is None or not self._is_open(host, receiver):
            return
        if not receiver.is_up:
            self.later(self._delay_s(), lambda: end(None, "connection refused"))
            return

        def accept() -> None:
            message = receiver.framing.stream_reader(is_answer=False).feed(exchange.data)
            assert message is not None
            answer = receiver.serf.answer(message, self.now_s)
            receiver.serf.absorb(message, self.now_s)
            if answer is not None:
                heard = host.framing.stream_reader(is_answer=True).feed(answer)
                self.later(self._delay_s(), lambda: end(heard, ""))

        self.later(self._delay_s(), lambda: self._call(receiver, accept))
