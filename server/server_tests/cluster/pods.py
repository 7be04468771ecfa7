"""Agents that are known by name, and come back at other addresses, as pods of Kubernetes do.

Each has a name that a resolver knows (here a file of hosts, which only they see as /etc/hosts), its
data, and an address that changes when it is moved. Everybody joins the servers by name. Servers and
clients, ours or real ones, are told apart by how they are started, and by nothing else.
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from server_tests.cluster.loopback_cluster import LoopbackCluster, Member
from server_tests.cluster.servers import OURS
from server_tests.loopback import address
from server_tests.process import die_with_the_tests

REAL = (os.environ.get("CONSUL_REAL", ""),)
DOMAIN = "pods.test"
AS_ROOT = ("--user", "--map-root-user")
OVER_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'
MOVE_S_MAX = 3.0  # from the kill to the start at another address


class NamesUnavailableError(Exception):
    """This machine lets nobody have names of their own; the text says why."""


class Names:
    """Which name leads where; whoever is started behind `prefix` sees it."""

    def __init__(self, folder: Path) -> None:
        """Raises NamesUnavailableError."""
        self._file = folder / "hosts"
        self._places: dict[str, str] = {}
        self._file.write_text("127.0.0.1 localhost\n")
        as_root = () if os.geteuid() == 0 else AS_ROOT
        self.prefix = ("unshare", *as_root, "--mount", "sh", "-c", OVER_HOSTS, str(self._file))
        try:
            done = subprocess.run([*self.prefix, "true"], capture_output=True, check=False)
        except OSError as failure:
            raise NamesUnavailableError(f"there is no unshare: {failure}") from failure
        if done.returncode:
            said = done.stderr.decode().strip()
            raise NamesUnavailableError(f"mount namespaces are not allowed here: {said}")

    def tell(self, name: str, place: str) -> None:
        """From now on it leads there."""
        self._places[name] = place
        lines = [f"{place} {name}.{DOMAIN}\n" for name, place in self._places.items()]
        # The same file, written over: a new one would not be the one that they see.
        self._file.write_text("127.0.0.1 localhost\n" + "".join(lines))


class Pod(Member):
    """One agent."""

    def __init__(
        self,
        name: str,
        folder: Path,
        host: int,
        names: Names,
        *,
        program: Sequence[str] = OURS,
        is_server: bool,
    ) -> None:
        config = 'retry_interval = "1s"\nleave_on_terminate = false\nports { dns = -1 grpc = -1 }\n'
        super().__init__(name, folder, host, config)
        self._names = names
        self._program = program
        self._is_server = is_server
        names.tell(name, self.address)

    def start(self, joins: Sequence[Member], expect: int) -> None:
        """Start it where it is now."""
        self._names.tell(self.name, self.address)
        as_server = ("-server", f"-bootstrap-expect={expect}") if self._is_server else ()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(*self._names.prefix, *self._program, "agent", *as_server),
                    *(f"-node={self.name}", f"-data-dir={self.data}"),
                    *(f"-bind={self.address}", f"-client={self.address}"),
                    f"-config-file={self._config}",
                    *(f"-retry-join={member.name}.{DOMAIN}" for member in joins),
                ],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )

    def lose_its_data(self) -> None:
        """Its next start is its first, with an ID that nobody knows."""
        self.data.rename(self.data.with_name(f"{self.data.name}-{time.monotonic_ns()}"))


class Pods(LoopbackCluster):
    """Three servers, and clients beside them."""

    def __init__(self, folder: Path, hosts: Sequence[int], program: Sequence[str] = OURS) -> None:
        """Raises NamesUnavailableError."""
        super().__init__(folder, ())
        self.names = Names(folder)
        self.members = [
            Pod(f"s{number}", folder, host, self.names, program=program, is_server=True)
            for number, host in enumerate(hosts, 1)
        ]

    def client(self, name: str, host: int, program: Sequence[str]) -> Pod:
        """A client agent; not started."""
        return Pod(name, self.folder, host, self.names, program=program, is_server=False)

    def kill_and_move(self, pod: Member, host: int | None, lose: bool = False) -> float:
        """kill -9, and within three seconds it starts elsewhere: when it was killed, monotonic."""
        killed_s = time.monotonic()
        pod.end(signal.SIGKILL)
        assert isinstance(pod, Pod)
        if lose:
            pod.lose_its_data()
        if host is not None:
            pod.address = address(host)
        self.start(pod)
        assert time.monotonic() - killed_s < MOVE_S_MAX, "this machine is too slow for the story"
        return killed_s
