"""What happens to a cluster while clients use it: one thing after the other, then all at once."""

import random
import time
from collections import Counter
from collections.abc import Callable

from server_tests.cluster.servers import Cluster, Server

FAULT_S = (0.5, 4.0)  # how long one lasts
REST_S = (1.0, 3.0)  # between two; elections take about one

Fault = Callable[["Nemesis"], None]


class Nemesis:
    """Runs in the main thread: servers die with the thread that started them."""

    def __init__(
        self,
        cluster: Cluster,
        seed: int,
        faults: "list[str] | None" = None,
        fault_s: tuple[float, float] = FAULT_S,
    ) -> None:
        """`faults`: names of FAULTS; all of them in turn without. `fault_s`: how long they last."""
        self._fault_s = fault_s
        self.counts: Counter[str] = Counter()
        self._cluster = cluster
        self._die = random.Random(seed)
        self._names = faults or list(FAULTS)

    def run(self, seconds: float, rounds: int = 0) -> None:
        """One fault after the other for so long, then all is healed. `counts` says what it did.

        With `rounds` no fault fires more often than that. No fault begins after `seconds`.
        """
        until_s = time.monotonic() + seconds
        round_ = 0
        while time.monotonic() < until_s and (not rounds or round_ < rounds):
            round_ += 1
            for name in self._die.sample(self._names, len(self._names)):
                self._rest(REST_S)
                if time.monotonic() >= until_s:
                    break
                FAULTS[name](self)
                self.counts[name] += 1
                self._rest(self._fault_s)
                for server in self._cluster.servers:
                    server.heal()
        self._cluster.heal()

    def told(self) -> str:
        """How often each fault fired."""
        return ", ".join(f"{what} {times}" for what, times in sorted(self.counts.items()))

    def _rest(self, bounds_s: tuple[float, float]) -> None:
        time.sleep(self._die.uniform(*bounds_s))  # noqa: TID251 - a command

    def leader(self) -> Server:
        """Who leads now."""
        return self._cluster.leader()

    def anybody(self) -> Server:
        """Whoever."""
        return self._die.choice(self._cluster.servers)

    def cut_one_link(self) -> None:
        """The leader and one other lose sight of each other; all else is as it was."""
        leader = self.leader()
        others = [server for server in self._cluster.servers if server is not leader]
        leader.cut_from(self._die.choice(others))

    def minority(self) -> list[Server]:
        """As many as can fail at once."""
        servers = self._cluster.servers
        return self._die.sample(servers, (len(servers) - 1) // 2)

    def all_at_once(self) -> None:
        """Something happens to each server."""
        for server in self._cluster.servers:
            self._die.choice((Server.kill, Server.pause, Server.cut, Server.stop))(server)

    def kill_all(self) -> None:
        """The power goes."""
        for server in self._cluster.servers:
            server.kill()


def _each(do: Callable[[Server], None]) -> Fault:
    def fault(nemesis: Nemesis) -> None:
        for server in nemesis.minority():
            do(server)

    return fault


FAULTS: dict[str, Fault] = {
    "leader killed": lambda nemesis: nemesis.leader().kill(),
    "leader frozen": lambda nemesis: nemesis.leader().pause(),
    "leader cut off": lambda nemesis: nemesis.leader().cut(),
    "leader stopped": lambda nemesis: nemesis.leader().stop(),
    "one link cut": Nemesis.cut_one_link,
    "anybody killed": lambda nemesis: nemesis.anybody().kill(),
    "anybody frozen": lambda nemesis: nemesis.anybody().pause(),
    "anybody restarted": lambda nemesis: nemesis.anybody().stop(),
    "minority cut off": _each(Server.cut),
    "all at once": Nemesis.all_at_once,
    "all killed": Nemesis.kill_all,
}
