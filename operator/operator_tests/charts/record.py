"""Records what running servers export while things go wrong for real: `make record`.

Three servers are one cluster, a fourth stands alone with TLS and a small disk (tmpfs: this needs
root); all are processes on loopback, scraped every 15 seconds as Prometheus does it: `up` is 0 and
all series are stale while a target does not answer. A quarter of an hour. The phases, and what is
done at their start:

- healthy: writes, and a snapshot is fetched. The lone server has a month of its certificate left.
- one-down: a follower is killed. The lone server's disk is filled, its certificate renewed with one
  of two days.
- no-leader: a second server is killed.
- back: both are started again.
- unstable: the leader is killed and started again, four times.

Kept are the series of which the alert rules speak, and the names of all others.
"""

import argparse
import http.client
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from operator_tests.charts.recording import JOB, LONE_JOB, NAMESPACE, SERVERS, Recording
from operator_tests.charts.scrapes import Recorder, metrics_in
from proconsul_operator.specs.alert_rules import BACKUP_MARKS, MARKS, server_rules
from server_tests.cluster.loopback_cluster import Member
from server_tests.runtime.certificates import SERVER, Authority

TELEMETRY: Final = 'telemetry { prometheus_retention_time = "1h" disable_hostname = true }\n'
DISK_BYTES: Final = 96 * 1024 * 1024  # of the lone one
THREE_BYTES: Final = 1024 * 1024 * 1024
DAY_S: Final = 86400
PATH: Final = "/v1/agent/metrics?format=prometheus"
WANTED: Final = metrics_in((server_rules(MARKS), BACKUP_MARKS), "consul_")


@dataclass(frozen=True, slots=True)
class Server:
    """One that is scraped, under the labels that a ServiceMonitor would give it."""

    member: Member
    job: str
    pod: str

    def labels(self) -> str:
        """Of each of its series."""
        where = f'instance="{self.member.address}:8500",job="{self.job}"'
        return f'{where},namespace="{NAMESPACE}",pod="{self.pod}"'

    def scrape(self) -> str:
        """What it says; empty if it does not answer."""
        connection = http.client.HTTPConnection(self.member.address, 8500, timeout=5)
        try:
            connection.request("GET", PATH)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()
        return text if answer.status == 200 else ""


class Cluster:
    """The three."""

    def __init__(self, folder: Path) -> None:
        """Not started."""
        self.members = [
            Member(f"consul-{number}", folder, 10 + number, TELEMETRY) for number in range(3)
        ]

    def start(self, member: Member) -> None:
        """One of them."""
        member.start(self.members, expect=3)

    def leader(self) -> Member:
        """Waits until there is one."""
        deadline_s = time.monotonic() + 90
        while time.monotonic() < deadline_s:
            for member in self.members:
                if member.leads:
                    return member
            time.sleep(0.2)  # noqa: TID251 - other processes are waited for
        raise AssertionError("nobody leads")

    def write(self) -> None:
        """A little traffic at the leader, as far as it gets."""
        leader = self.leader()
        with suppress(OSError, http.client.HTTPException):
            for number in range(20):
                leader.ask("PUT", f"/v1/kv/load/{number}", b"x" * 100)
                leader.ask("GET", f"/v1/kv/load/{number}")


@contextmanager
def disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A disk of that size, mounted: how full this machine's own is, is no part of the story."""
    folder.mkdir()
    size = f"size={size_bytes}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False)


class Lone:
    """The fourth, on a small disk and with a certificate."""

    def __init__(self, folder: Path, disk: Path) -> None:
        """Not started. Its data are on `disk`, its certificate in `folder`."""
        self.disk = disk
        self._authority = Authority(folder, "ca")
        self._pair = self._authority.pair("server", SERVER, lasts_s=30 * DAY_S)
        tls = {
            "ca_file": self._authority.ca_file,
            "cert_file": self._pair.cert_file,
            "key_file": self._pair.key_file,
        }
        config = "\n".join(f'{key} = "{value}"' for key, value in tls.items())
        self.member = Member("lone-0", self.disk, 20, f"{TELEMETRY}{config}\n")

    def fill(self) -> None:
        """Leave a twentieth."""
        space = os.statvfs(self.disk)
        left = space.f_bavail * space.f_frsize - DISK_BYTES // 20
        with (self.disk / "filler").open("wb") as file:
            for _ in range(left // 2**16):
                file.write(bytes(2**16))

    def renew(self) -> None:
        """With a certificate that ends soon."""
        self._authority.pair("server", SERVER, lasts_s=2 * DAY_S)
        self.member.put("/v1/agent/reload")


def record(folder: Path) -> Recording:
    """The whole story."""
    with disk(folder / "three", THREE_BYTES) as three, disk(folder / "small", DISK_BYTES) as small:
        cluster, lone = Cluster(three), Lone(folder, small)
        try:
            return _record(cluster, lone)
        finally:
            for member in (*cluster.members, lone.member):
                member.end()


def _record(cluster: Cluster, lone: Lone) -> Recording:
    for member in cluster.members:
        cluster.start(member)
    lone.member.start([], expect=1)
    # So that a dead one stays a member until it is back.
    cluster.leader().put("/v1/operator/autopilot/configuration", {"CleanupDeadServers": False})
    targets = [Server(member, JOB, member.name) for member in cluster.members]
    recorder = Recorder([*targets, Server(lone.member, LONE_JOB, "lone-0")], WANTED)
    recorder.phase("healthy")
    recorder.pass_s(30, cluster.write)
    assert cluster.leader().ask("GET", "/v1/snapshot").status == 200
    recorder.pass_s(60, cluster.write)

    recorder.phase("one-down")
    leader = cluster.leader()
    dead, other = (member for member in cluster.members if member is not leader)
    dead.end(signal.SIGKILL)
    lone.fill()
    lone.renew()
    recorder.pass_s(420, cluster.write)

    recorder.phase("no-leader")
    other.end(signal.SIGKILL)
    recorder.pass_s(120)

    recorder.phase("back")
    cluster.start(dead)
    cluster.start(other)
    recorder.pass_s(90, cluster.write)

    recorder.phase("unstable")
    for _ in range(4):
        leader = cluster.leader()
        leader.end(signal.SIGKILL)
        recorder.pass_s(15)
        cluster.leader()
        cluster.start(leader)
        recorder.pass_s(15)
    recorder.pass_s(60, cluster.write)
    recorder.phase("end")
    return recorder.recording


def main() -> None:
    """`make record`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recording = record(Path(folder))
    recording.write(SERVERS)


if __name__ == "__main__":
    main()
