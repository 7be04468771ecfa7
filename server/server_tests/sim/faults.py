"""What goes wrong, when, and how often it did. Each seed has a taste for some faults.

A fault says whether it fired: one that finds nobody to hit does not count. Those that last end
by themselves, and `heal` ends all of them.
"""

import random
from collections.abc import Callable
from typing import Protocol

from proconsul.raft.membership import AddNonvoter, AddVoter, Change, RemoveServer
from proconsul.raft.messages import Configuration, ServerAddress, ServerId, Suffrage
from server_tests.sim.agenda import Agenda
from server_tests.sim.network import Link, Network
from server_tests.sim.servers import SimServer

WEIGHTS = {
    "kill": 8,
    "power loss": 8,
    "power loss of the leader": 5,
    "blackout": 2,
    "new address": 5,
    "short reign": 2,
    "pause": 8,
    "clock skew": 8,
    "partition": 8,
    "one-way partition": 8,
    "bridge": 4,
    "isolated leader": 6,
    "deaf leader": 3,
    "leader that hears late": 5,
    "leader with strangers": 3,
    "connection reset": 10,
    "slow link": 6,
    "slow disk": 6,
    "full disk": 3,
    "failing sync": 3,
    "bit rot": 2,
    "slow apply": 4,
    "bad snapshot": 2,
    "compaction": 22,
    "member added": 9,
    "member promoted": 9,
    "member removed": 7,
    "transfer": 8,
}

# What a seed likes; of the other faults it leaves some alone and favours some.
MOODS: dict[str, tuple[str, ...]] = {
    "any": (),
    "short reigns": ("short reign",),
    "old leaders": ("leader that hears late", "isolated leader"),
    "restless members": (
        "member added",
        "member promoted",
        "member removed",
        "leader with strangers",
    ),
}


class Stage(Protocol):
    """The world, as faults see it."""

    agenda: Agenda
    die: random.Random
    network: Network
    servers: dict[ServerId, SimServer]
    tick_us: int
    mood: str

    def count(self, what: str) -> None:
        """One more of it."""

    def trace(self, line: str) -> None:
        """Note what happened."""

    def may_lose(self, server: SimServer) -> bool:
        """Whether the cluster can go on without that server's disk."""


class Faults:
    """The one who throws them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._die = stage.die
        self._partition = 0
        self._failing: set[ServerId] = set()  # their disks sync no more until they end
        self.is_over = False
        self._do: dict[str, Callable[[], bool]] = {
            "kill": self._kill,
            "power loss": self._power_loss,
            "power loss of the leader": self._power_loss_of_leader,
            "blackout": self._blackout,
            "new address": self._new_address,
            "short reign": self._short_reign,
            "pause": self._pause,
            "clock skew": self._clock_skew,
            "partition": self._halves,
            "one-way partition": self._one_way,
            "bridge": self._bridge,
            "isolated leader": self._isolated_leader,
            "deaf leader": self._deaf_leader,
            "leader that hears late": self._late_leader,
            "leader with strangers": self._leader_with_strangers,
            "connection reset": stage.network.reset_one,
            "slow link": self._slow_link,
            "slow disk": self._slow_disk,
            "full disk": self._full_disk,
            "failing sync": self._failing_sync,
            "bit rot": self._bit_rot,
            "slow apply": self._slow_apply,
            "bad snapshot": self._bad_snapshot,
            "compaction": self._compaction,
            "member added": lambda: self._change(self._addition),
            "member promoted": lambda: self._change(self._promotion),
            "member removed": lambda: self._change(self._removal),
            "transfer": self._transfer,
        }
        assert self._do.keys() == WEIGHTS.keys()
        liked = MOODS[stage.mood]
        self._weights = [
            weight * (8 if what in liked else self._die.choice((0, 1, 1, 1, 3)))
            for what, weight in WEIGHTS.items()
        ]
        self._reign_waits = False  # a leader is about to fall
        self._absent: SimServer | None = None  # down until the next leader falls
        self._pause_us = stage.tick_us * self._die.choice((2, 4, 8, 16))

    def start(self) -> None:
        """Begin, and go on until `heal`."""
        self._stage.agenda.after(self._die.randrange(1, 2 * self._pause_us), self._strike)

    def _strike(self) -> None:
        if self.is_over:
            return
        what = self._die.choices(list(self._do), self._weights)[0]
        self._stage.trace(f"-- {what}")
        if self._do[what]():
            self._stage.count(what)
        self.start()

    def heal(self) -> None:
        """No more faults: all that is not lost comes back, and everything is as it should be."""
        self.is_over = True
        stage = self._stage
        stage.network.set_cut(set())
        stage.network.slow.clear()
        for server in stage.servers.values():
            self._soothe(server)
            server.clock_rate = 1.0
            if server.is_up and server.id in self._failing:
                server.stop(power_lost=False)
            if not server.is_up and not server.is_lost:
                server.start()

    def _soothe(self, server: SimServer) -> None:
        server.sync_factor = 1
        server.applies_slowly = False
        server.fails_installs = False
        if server.is_up:
            server.store.fill(full=False)
        server.resume()

    # ---------------------------------------------------------------- whom, and for how long

    def _some_time(self) -> int:
        return self._stage.tick_us * self._die.choice((1, 4, 8, 15, 30))

    def _running(self) -> list[SimServer]:
        return [one for one in self._stage.servers.values() if one.is_up]

    def _leader(self) -> SimServer | None:
        leading = [one for one in self._running() if one.node.is_leader]
        return max(leading, key=lambda one: one.node.term, default=None)

    def _hit_one(self, do: Callable[[SimServer], None]) -> bool:
        running = self._running()
        leader = self._leader()
        if not running:
            return False
        do(leader if leader is not None and self._die.random() < 0.4 else self._die.choice(running))
        return True

    def _for_some_time(self, end: Callable[[], None]) -> None:
        def happen() -> None:
            if not self.is_over:
                end()

        self._stage.agenda.after(self._some_time(), happen)

    # ---------------------------------------------------------------- processes

    def _stop(self, server: SimServer, *, power_lost: bool) -> None:
        server.stop(power_lost=power_lost)
        self._for_some_time(lambda: self.restart(server))

    def restart(self, server: SimServer) -> None:
        """Start a server that is down."""
        if not server.is_up and not server.is_lost:
            self._soothe(server)
            server.start()

    def _kill(self) -> bool:
        return self._hit_one(lambda one: self._stop(one, power_lost=False))

    def _power_loss(self) -> bool:
        return self._hit_one(lambda one: self._stop(one, power_lost=True))

    def _power_loss_of_leader(self) -> bool:
        leader = self._leader()
        if leader is None:
            return False
        self._stop(leader, power_lost=True)
        return True

    def _blackout(self) -> bool:
        running = self._running()
        for server in running:
            self._stop(server, power_lost=True)
        return bool(running)

    def _new_address(self) -> bool:
        """Two servers go down, and come back with each other's addresses."""
        running = self._running()
        if len(running) < 2:
            return False
        one, other = self._die.sample(running, 2)
        for server in (one, other):
            self._stop(server, power_lost=self._die.random() < 0.5)
        one.address, other.address = other.address, one.address
        return True

    def _short_reign(self) -> bool:
        """The leader is cut off, so that its log grows alone, and goes down; so does the next
        one as soon as it is elected, and the first comes back, at times with its address; ...

        This is how figure 8 of the paper comes about.
        """
        leader = self._leader()
        if self._reign_waits or leader is None:
            return False
        self._reign_waits = True
        self._cut({(leader.id, one) for one in self._stage.servers if one != leader.id})

        def fall() -> None:
            self._reign_waits = False
            if not self.is_over:
                self._fall(leader)

        self._stage.agenda.after(self._die.randrange(1, 3 * self._stage.tick_us), fall)
        return True

    def _fall(self, server: SimServer) -> None:
        """Go down, and come back when the next one that is elected goes down."""
        if not server.is_up:
            return
        server.stop(power_lost=self._die.random() < 0.5)
        self._absent = server
        self._stage.agenda.after(60 * self._stage.tick_us, lambda: self._return(server))

    def _return(self, server: SimServer) -> None:
        if self._absent is server:
            self._absent = None
        if not self.is_over:
            self.restart(server)

    def elected(self, server: SimServer) -> None:
        """A server was elected just now."""
        absent, life = self._absent, server.life
        if absent is None:
            return
        typical_us = self._stage.network.typical_us
        delay_us = self._die.choice((0, 1, 2, 5, 12)) * typical_us

        def fall() -> None:
            if self.is_over or not server.is_up or server.life != life:
                return
            if self._die.random() < 0.7:
                self._fall(server)
            else:
                self._stop(server, power_lost=True)
            if not absent.is_up and self._die.random() < 0.4:
                absent.address, server.address = server.address, absent.address
            self._return(absent)

        self._stage.agenda.after(delay_us, fall)

    def _pause(self) -> bool:
        def do(server: SimServer) -> None:
            server.pause()
            self._for_some_time(server.resume)

        return self._hit_one(do)

    def _clock_skew(self) -> bool:
        def do(server: SimServer) -> None:
            server.clock_rate = self._die.choice((0.5, 0.7, 0.9, 1.0, 1.1, 1.5, 2.0))

        return self._hit_one(do)

    def _slow_apply(self) -> bool:
        def do(server: SimServer) -> None:
            server.applies_slowly = not server.applies_slowly

        return self._hit_one(do)

    # ---------------------------------------------------------------- the network

    def _cut(self, links: set[Link], lasting_us: int | None = None) -> bool:
        if not links:
            return False
        network = self._stage.network
        network.set_cut(links)
        self._partition += 1
        number = self._partition

        def end() -> None:
            if self._partition == number and not self.is_over:
                network.set_cut(set())

        self._stage.agenda.after(lasting_us or self._some_time(), end)
        return True

    def _groups(self) -> tuple[list[ServerId], list[ServerId]]:
        names = list(self._stage.servers)
        self._die.shuffle(names)
        size = self._die.randrange(1, max(2, len(names)))
        return names[:size], names[size:]

    def _halves(self) -> bool:
        ones, others = self._groups()
        return self._cut({pair for a in ones for b in others for pair in ((a, b), (b, a))})

    def _one_way(self) -> bool:
        ones, others = self._groups()
        return self._cut({(a, b) for a in ones for b in others})

    def _bridge(self) -> bool:
        """Two groups that see each other only through one server between them."""
        names = list(self._stage.servers)
        if len(names) < 3:
            return False
        self._die.shuffle(names)
        size = self._die.randrange(1, len(names) - 1)
        ones, others = names[:size], names[size + 1 :]
        return self._cut({pair for a in ones for b in others for pair in ((a, b), (b, a))})

    def _isolated_leader(self) -> bool:
        leader = self._leader()
        if leader is None:
            return False
        others = [name for name in self._stage.servers if name != leader.id]
        return self._cut({pair for b in others for pair in ((leader.id, b), (b, leader.id))})

    def _deaf_leader(self) -> bool:
        """It can be heard, and hears nobody."""
        leader = self._leader()
        if leader is None:
            return False
        return self._cut({(b, leader.id) for b in self._stage.servers if b != leader.id})

    def _leader_with_strangers(self) -> bool:
        """The leader is cut off together with those who are no members yet."""
        leader = self._leader()
        if leader is None:
            return False
        members = {one.id for one in leader.node.configuration.servers} - {leader.id}
        ones = [name for name in self._stage.servers if name not in members]
        return self._cut({pair for a in ones for b in members for pair in ((a, b), (b, a))})

    def _late_leader(self) -> bool:
        """What others say takes long to reach the leader, and soon it is not heard either.

        So answers of old still come in when somebody else leads already.
        """
        leader = self._leader()
        if leader is None:
            return False
        network, me = self._stage.network, leader.id
        lasting_us = 40 * self._stage.tick_us
        others = [name for name in self._stage.servers if name != me]
        for name in others:
            network.slow[(name, me)] = 1 + 15 * self._stage.tick_us // network.typical_us

        def cut() -> None:
            if not self.is_over:
                self._cut({(me, name) for name in others}, lasting_us)

        self._stage.agenda.after(self._die.randrange(3 * self._stage.tick_us), cut)
        self._stage.agenda.after(lasting_us, network.slow.clear)
        return bool(others)

    def _slow_link(self) -> bool:
        ones, others = self._groups()
        slow = self._stage.network.slow
        if not others:
            return False
        for a in ones:
            for b in others:
                slow[(a, b)] = slow[(b, a)] = self._die.choice((5, 20))
        self._for_some_time(slow.clear)
        return True

    # ---------------------------------------------------------------- disks

    def _slow_disk(self) -> bool:
        def do(server: SimServer) -> None:
            server.sync_factor = self._die.choice((5, 30))
            self._for_some_time(lambda: setattr(server, "sync_factor", 1))

        return self._hit_one(do)

    def _full_disk(self) -> bool:
        def do(server: SimServer) -> None:
            server.store.fill(full=True)
            self._for_some_time(lambda: server.store.fill(full=False))

        return self._hit_one(do)

    def _failing_sync(self) -> bool:
        def do(server: SimServer) -> None:
            server.store.fail_syncs()
            self._failing.add(server.id)
            self._for_some_time(lambda: self._replace_disk(server))

        return self._hit_one(do)

    def _replace_disk(self, server: SimServer) -> None:
        """Start it again, whether it has ended over that or not."""
        if server.is_up:
            server.stop(power_lost=False)
        self._failing.discard(server.id)
        self.restart(server)

    def _bit_rot(self) -> bool:
        servers = [one for one in self._running() if self._stage.may_lose(one)]
        if not servers:
            return False
        server = self._die.choice(servers)
        if not server.store.rot():
            return False
        server.is_rotten = True
        self._stop(server, power_lost=False)
        return True

    def _bad_snapshot(self) -> bool:
        def do(server: SimServer) -> None:
            server.fails_installs = True
            self._for_some_time(lambda: setattr(server, "fails_installs", False))

        return self._hit_one(do)

    def _compaction(self) -> bool:
        running = self._running()
        return bool(running) and self._die.choice(running).take_snapshot(
            self._die.choice((0, 0, 1, 5, 20))
        )

    # ---------------------------------------------------------------- members

    def _change(self, choose: Callable[[Configuration], Change | None]) -> bool:
        leader = self._leader()
        change = choose(leader.node.configuration) if leader is not None else None
        return leader is not None and change is not None and leader.change(change)

    def _addition(self, now: Configuration) -> Change | None:
        members = {one.id for one in now.servers}
        others = [one for one in self._running() if one.id not in members]
        if not others:
            return None
        new = self._die.choice(others)
        address = ServerAddress(f"{new.id}:8300")
        if self._die.random() < 0.4:
            return AddVoter(new.id, address)
        return AddNonvoter(new.id, address)

    def _promotion(self, now: Configuration) -> Change | None:
        waiting = [one for one in now.servers if one.suffrage is not Suffrage.VOTER]
        waiting = [one for one in waiting if not self._stage.servers[one.id].is_lost]
        if not waiting:
            return None
        one = self._die.choice(waiting)
        return AddVoter(one.id, one.address)

    def _removal(self, now: Configuration) -> Change | None:
        lost = [one for one in now.servers if self._stage.servers[one.id].is_lost]
        voters = [one for one in now.servers if one.suffrage is Suffrage.VOTER]
        if not lost and len(voters) <= 1:
            return None
        return RemoveServer(self._die.choice(lost or list(now.servers)).id)

    def _transfer(self) -> bool:
        leader = self._leader()
        if leader is None:
            return False
        others = [one.id for one in leader.node.configuration.servers if one.id != leader.id]
        target = self._die.choice(others) if others and self._die.random() < 0.5 else None
        return leader.transfer(target)


def has_majority(configuration: Configuration, lost: set[ServerId]) -> bool:
    """Whether more than half of the voters still have their disks."""
    voters = [one.id for one in configuration.servers if one.suffrage is Suffrage.VOTER]
    return len([one for one in voters if one not in lost]) > len(voters) // 2
