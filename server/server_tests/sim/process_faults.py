"""Servers that die, stop for a while, tick wrong; disks that fail them."""

from collections.abc import Callable

from proconsul.raft.messages import ServerId
from server_tests.sim.clock import TRUE_RATES, WILD_RATES
from server_tests.sim.network import Link
from server_tests.sim.servers import SimServer
from server_tests.sim.stage import Faulty, Stage


class ProcessFaults(Faulty):
    """Of processes and disks."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._failing: set[ServerId] = set()  # their disks sync no more until they end
        self._reign_waits = False  # a leader is about to fall
        self._absent: SimServer | None = None  # down until the next leader falls
        self.table: dict[str, Callable[[], bool]] = {
            "kill": self._kill,
            "power loss": self._power_loss,
            "power loss of the leader": self._power_loss_of_leader,
            "blackout": self._blackout,
            "new address": self._new_address,
            "short reign": self._short_reign,
            "pause": self._pause,
            "voters start anew": self._voters_start_anew,
            "clock skew": self._clock_skew,
            "slow disk": self._slow_disk,
            "full disk": self._full_disk,
            "failing sync": self._failing_sync,
            "bit rot": self._bit_rot,
            "slow apply": self._slow_apply,
            "bad snapshot": self._bad_snapshot,
            "compaction": self._compaction,
        }

    def heal(self) -> None:
        """All that is not lost comes back, and is as it should be."""
        for server in self._stage.servers.values():
            server.clock.set_rate(1.0)
            server.tick_lag = 1.0
            if server.is_up and server.id in self._failing:
                server.stop(power_lost=False)
            self._soothe(server)
            if not server.is_up and not server.is_lost:
                server.start()

    def _soothe(self, server: SimServer) -> None:
        server.sync_factor = 1
        server.applies_slowly = False
        server.fails_install = False
        if server.is_up:
            server.store.fill(full=False)
        server.resume()

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
        network = self._stage.network
        links = {(leader.id, one) for one in self._stage.servers if one != leader.id}
        network.set_cut(links)

        def fall() -> None:
            self._reign_waits = False
            if not self._stage.is_calm:
                self._fall(leader)
                if network.cut is links:
                    network.set_cut(set())

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
        if not self._stage.is_calm:
            self.restart(server)

    def elected(self, server: SimServer) -> None:
        """A server was elected just now."""
        absent, life = self._absent, server.life
        if absent is None or self._stage.is_calm:
            return
        network = self._stage.network
        links: set[Link] | None = None
        if self._die.random() < 0.5:  # nobody hears of its first entry, but its own disk has it
            links = {(server.id, one) for one in self._stage.servers if one != server.id}
            network.set_cut(links)
        delay_us = self._die.randrange(8 * self._stage.round_us)

        def fall() -> None:
            if network.cut is links:
                network.set_cut(set())
            if self._stage.is_calm or not server.is_up or server.life != life:
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

    def _voters_start_anew(self) -> bool:
        """One of them does not hear the leader; when it is about to stand, the others, who have
        heard it, are killed and come back at once, and the leader is cut off from all of them."""
        leader = self._leader()
        others = [one for one in self._running() if one is not leader]
        if leader is None or not others:
            return False
        network, tick_us = self._stage.network, self._stage.tick_us
        deaf = self._die.choice(others)
        network.set_cut({(leader.id, deaf.id), (deaf.id, leader.id)})

        def look() -> bool:
            return deaf.is_up and deaf.node.timeout_ticks - deaf.node.silent_ticks <= 2

        def forget() -> None:
            network.set_cut(self._cut_off(leader))
            self._stage.agenda.after(20 * tick_us, lambda: network.set_cut(set()))
            for server in others:
                if server is not deaf and server.is_up:
                    server.stop(power_lost=False)
                    self.restart(server)

        self._once(look, forget)
        return True

    def _clock_skew(self) -> bool:
        def do(server: SimServer) -> None:
            true = self._stage.has_true_clocks
            server.clock.set_rate(self._die.choice(TRUE_RATES if true else WILD_RATES))
            server.tick_lag = self._die.choice((1.0, 1.0, 1.5, 2.0))

        return self._hit_one(do)

    def _slow_apply(self) -> bool:
        def do(server: SimServer) -> None:
            server.applies_slowly = not server.applies_slowly

        return self._hit_one(do)

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
        """The next snapshot that the one which is furthest behind receives is no good."""
        begun = [one for one in self._running() if one.node.last_index]
        if not begun:
            return False
        min(begun, key=lambda one: one.node.last_index).fails_install = True
        return True

    def _compaction(self) -> bool:
        running = self._running()
        return bool(running) and self._die.choice(running).take_snapshot(
            self._die.choice((0, 0, 1, 5, 20))
        )
