"""Of three servers one moves, then the one that leads vanishes: the other two elect, and it lasts.

Each round the leader hands over to one of the others, and the third vanishes with its machine (its
address takes packets and answers none, and nobody is sent a reset) and comes back under its name at
another address. As soon as it answers, the new leader vanishes in the same way. Who is elected of
the two that are left must not step down again for want of a majority, also if it has led before and
has connections to where the other one was. Then the third comes back elsewhere, too. Names lead to
the new addresses `NAMES_LATE_S` after the start, as where a name server has a cache.

    python -m server_tests.cluster.moved_members ROUNDS [RAFT_MULTIPLIER [PROGRAM ...]]

Prints a line for each round, and ends with 1 if anybody stepped down.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from server_tests.cluster.loopback_cluster import Member
from server_tests.cluster.network import enter_isolation
from server_tests.cluster.pods import Names, Pod, Pods
from server_tests.cluster.servers import OURS

ADDRESS = "10.79.{}.{}"
HOLE = "hole"
STAYS_S = 8.0  # longer than any lease, and than a connection that is silent is kept
NAMES_LATE_S = 5.0
MULTIPLIER = "raft_multiplier = {}"
KEEP_ALL = "autopilot { cleanup_dead_servers = false "  # however long a start takes
STEPPED_DOWN = "no majority answers"


class Machines:
    """Addresses of this network, and a hole for those that vanished."""

    def __init__(self) -> None:
        _ip("link", "set", "lo", "up")
        _ip("link", "add", HOLE, "type", "veth", "peer", "name", "bottom")
        # Nobody asks for a link address, so no packet comes back as undeliverable.
        _ip("link", "set", HOLE, "arp", "off", "up")
        _ip("link", "set", "bottom", "up")
        self._count = 0

    def new(self) -> str:
        """An address that nobody had."""
        self._count += 1
        address = ADDRESS.format(self._count // 200, self._count % 200 + 1)
        _ip("address", "add", f"{address}/32", "dev", "lo")
        return address

    def vanish(self, address: str) -> None:
        """It takes packets, and that is all."""
        _ip("address", "delete", f"{address}/32", "dev", "lo")
        _ip("route", "add", f"{address}/32", "dev", HOLE)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class LateNames(Names):
    """Names whose changes are seen later."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._waiting: list[tuple[float, str, str]] = []

    def tell(self, name: str, place: str) -> None:
        """Later."""
        self._waiting.append((time.monotonic() + NAMES_LATE_S, name, place))

    def tell_now(self, name: str, place: str) -> None:
        """At once."""
        super().tell(name, place)

    def settle(self) -> None:
        """Tell what is due."""
        now_s = time.monotonic()
        for due in [one for one in self._waiting if one[0] <= now_s]:
            self._waiting.remove(due)
            super().tell(*due[1:])


class MovingPods(Pods):
    """Three servers, each on a machine that can vanish."""

    def __init__(self, folder: Path, multiplier: int, program: Sequence[str]) -> None:
        super().__init__(folder, (), program)
        self.machines = Machines()
        self.names: LateNames = LateNames(folder)
        for number in (1, 2, 3):
            pod = Pod(f"s{number}", folder, number, self.names, program=program, is_server=True)
            config = folder / f"{pod.name}.hcl"
            written = config.read_text().replace(
                MULTIPLIER.format(1), MULTIPLIER.format(multiplier)
            )
            config.write_text(written.replace("autopilot { ", KEEP_ALL))
            pod.address = self.machines.new()
            self.names.tell_now(pod.name, pod.address)
            self.members.append(pod)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something, while names become known."""

        def looked() -> bool:
            self.names.settle()
            return holds()

        super().until(looked, what)

    def vanish(self, member: Member) -> None:
        """The machine first: nobody hears how its process ends."""
        self.machines.vanish(member.address)
        member.end(signal.SIGKILL)

    def come_back(self, member: Member) -> None:
        """Elsewhere."""
        member.address = self.machines.new()
        self.start(member)
        self.until(lambda: bool(member.get("/v1/agent/members")), f"{member.name} answers")

    def round(self) -> tuple[float, int]:
        """Seconds until the two that were left took a write, and how often one stepped down."""
        rest = self.leader()  # who has led has connections that it takes up when it leads again
        leader, moving = self.followers()
        leader_id = leader.get("/v1/agent/self")["Config"]["NodeID"]
        rest.put(f"/v1/operator/raft/transfer-leader?id={leader_id}", method="POST")
        self.until(lambda: leader.leads, "leadership was handed over")
        self.until_all_follow()
        self.vanish(moving)
        self.come_back(moving)
        before = self.stepped_down()
        began_s = time.monotonic()
        self.vanish(leader)
        self.until(lambda: rest.put("/v1/kv/of-two", b"1") is True, "two take a write")
        took_s = time.monotonic() - began_s
        ends_s = time.monotonic() + STAYS_S
        self.until(lambda: time.monotonic() > ends_s, "time passes")
        count = self.stepped_down() - before
        self.come_back(leader)
        self.until_all_follow()
        return took_s, count

    def stepped_down(self) -> int:
        """How often any leader has, for want of a majority."""
        return sum(pod.log.read_text().count(STEPPED_DOWN) for pod in self.members)

    def end(self) -> None:
        """Kill all."""
        for pod in self.members:
            pod.end(signal.SIGKILL)


def main() -> int:
    """Run the rounds."""
    enter_isolation("server_tests.cluster.moved_members")
    rounds, multiplier = int(sys.argv[1]), int((sys.argv[2:] or ["1"])[0])
    with tempfile.TemporaryDirectory() as folder:
        pods = MovingPods(Path(folder), multiplier, sys.argv[3:] or OURS)
        total = 0
        try:
            pods.start()
            pods.until_all_follow()
            for number in range(1, rounds + 1):
                took_s, count = pods.round()
                total += count
                sys.stdout.write(f"{number}: two took a write after {took_s:.1f} s, ")
                sys.stdout.write(f"a leader stepped down {count} times\n")
                sys.stdout.flush()
        finally:
            pods.end()
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
