"""What faults need of the world: whom they can hit, and for how long."""

import random
from collections.abc import Callable
from typing import Protocol

from proconsul.raft.messages import Configuration, ServerId, Suffrage
from proconsul.raft.node import Settings
from server_tests.sim.agenda import Agenda
from server_tests.sim.network import Link, Network
from server_tests.sim.servers import SimServer


class Stage(Protocol):
    """The world, as faults see it."""

    agenda: Agenda
    die: random.Random
    network: Network
    servers: dict[ServerId, SimServer]
    settings: Settings
    tick_us: int
    has_true_clocks: bool  # they run as real ones do, so that leases may rest on them
    round_us: int  # about what it takes to have an entry on two disks
    mood: str
    is_calm: bool  # no more faults: everything is healed

    def count(self, what: str) -> None:
        """One more of it."""

    def trace(self, line: str) -> None:
        """Note what happened."""

    def may_lose(self, server: SimServer) -> bool:
        """Whether the cluster can go on without that server's disk."""


class Faulty:
    """What all kinds of faults share. A fault says whether it found anybody to hit."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._die = stage.die

    def _some_time(self) -> int:
        return self._stage.tick_us * self._die.choice((1, 4, 8, 15, 30))

    def _running(self) -> list[SimServer]:
        return [one for one in self._stage.servers.values() if one.is_up]

    def _leader(self) -> SimServer | None:
        leading = [one for one in self._running() if one.node.is_leader]
        return max(leading, key=lambda one: one.node.term, default=None)

    def _once(self, look: Callable[[], bool], do: Callable[[], None], looks: int = 100) -> None:
        """Do it as soon as something is so, if that is soon enough."""

        def again() -> None:
            if self._stage.is_calm:
                return
            if look():
                do()
            elif looks:
                self._once(look, do, looks - 1)

        self._stage.agenda.after(self._stage.tick_us // 2, again)

    def _cut_off(self, server: SimServer) -> set[Link]:
        """All its links, both ways."""
        others = [name for name in self._stage.servers if name != server.id]
        return {pair for one in others for pair in ((server.id, one), (one, server.id))}

    def _hit_one(self, do: Callable[[SimServer], None]) -> bool:
        running = self._running()
        leader = self._leader()
        if not running:
            return False
        do(leader if leader is not None and self._die.random() < 0.4 else self._die.choice(running))
        return True

    def _for_some_time(self, end: Callable[[], None]) -> None:
        def happen() -> None:
            if not self._stage.is_calm:
                end()

        self._stage.agenda.after(self._some_time(), happen)


def has_majority(configuration: Configuration, lost: set[ServerId]) -> bool:
    """Whether more than half of the voters still have their disks."""
    voters = [one.id for one in configuration.servers if one.suffrage is Suffrage.VOTER]
    return len([one for one in voters if one not in lost]) > len(voters) // 2
