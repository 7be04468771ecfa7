"""What goes wrong, when, and how often it did. Each seed has a taste for some faults.

A fault says whether it fired: one that finds nobody to hit does not count. Those that last end
by themselves, and `heal` ends all of them.
"""

from collections.abc import Callable

from server_tests.sim.member_faults import MemberFaults
from server_tests.sim.network_faults import NetworkFaults
from server_tests.sim.process_faults import ProcessFaults
from server_tests.sim.servers import SimServer
from server_tests.sim.stage import Stage

WEIGHTS = {
    "kill": 8,
    "power loss": 8,
    "power loss of the leader": 5,
    "blackout": 2,
    "new address": 5,
    "short reign": 5,
    "pause": 8,
    "voters start anew": 6,
    "clock skew": 8,
    "partition": 8,
    "one-way partition": 8,
    "bridge": 4,
    "isolated leader": 6,
    "deaf leader": 3,
    "leader that hears late": 5,
    "leader with strangers": 3,
    "connection reset": 10,
    "heartbeats reset": 8,
    "slow link": 6,
    "slow disk": 6,
    "full disk": 3,
    "failing sync": 3,
    "bit rot": 4,
    "slow apply": 4,
    "bad snapshot": 3,
    "compaction": 30,
    "member added": 9,
    "member promoted": 20,
    "member removed": 7,
    "transfer": 8,
    "transfer unheard": 6,
    "transfer heard late": 6,
}

# What a seed likes; of the other faults it leaves some alone and favours some.
MOODS: dict[str, tuple[str, ...]] = {
    "any": (),
    "short reigns": ("short reign",),
    "bad power": ("power loss", "blackout", "slow disk"),
    "old leaders": ("leader that hears late", "isolated leader"),
    "leases": (
        "heartbeats reset",
        "voters start anew",
        "transfer unheard",
        "transfer heard late",
        "leader that hears late",
        "isolated leader",
        "pause",
    ),
    "restless members": (
        "member added",
        "member promoted",
        "member removed",
        "leader with strangers",
    ),
}


class Faults:
    """The one who throws them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._die = die = stage.die
        self._processes = ProcessFaults(stage)
        self._network = NetworkFaults(stage)
        table: dict[str, Callable[[], bool]] = {
            **self._processes.table,
            **self._network.table,
            **MemberFaults(stage).table,
        }
        assert table.keys() == WEIGHTS.keys()
        self._names = list(WEIGHTS)
        self._table = table
        liked = MOODS[stage.mood]
        calm = stage.mood == "short reigns"  # leaders need a little time to have a log
        others = (0, 0, 0, 0, 0, 1) if calm else (0, 1, 1, 1, 3)
        self._weights = [
            weight * (8 if what in liked else die.choice(others))
            for what, weight in WEIGHTS.items()
        ]
        self._pause_us = stage.tick_us * die.choice((6, 12) if calm else (2, 4, 8, 16))

    def start(self) -> None:
        """Begin, and go on until `heal`."""
        self._stage.agenda.after(self._die.randrange(1, 2 * self._pause_us), self._strike)

    def _strike(self) -> None:
        if self._stage.is_calm:
            return
        what = self._die.choices(self._names, self._weights)[0]
        self._stage.trace(f"-- {what}")
        if self._table[what]():
            self._stage.count(what)
        self.start()

    def elected(self, server: SimServer) -> None:
        """A server was elected just now."""
        self._processes.elected(server)

    def heal(self) -> None:
        """End all of them."""
        self._network.heal()
        self._processes.heal()
