"""A network of servers that can be cut, so that packets vanish and no reset comes.

Each server has a network namespace of its own with two links: one to the other servers, over a
bridge, and one to the clients. Cutting takes the first off the bridge; cutting a pair has each of
the two send its packets for the other to a machine that does not exist. All of it lies in the
namespace of this process (`isolated`), and what holds a server's namespace open dies with the
thread that made it: nothing is left when the process is gone, however that came.
"""

import os
import shutil
import subprocess
import sys
import time

from server_tests.process import die_with_the_tests

SERVERS = "10.77.0"
CLIENTS = "10.78"  # .<server>.1 is the clients' end, .2 the server's
UNSHARE = ["unshare", "--net"]
AS_ROOT = ["unshare", "--user", "--map-root-user", "--net"]
READY_S = 10.0
INSIDE = "PROCONSUL_TEST_NETWORK"
NOBODY = "02:00:00:00:00:ff"  # a link address that no server has


class NoNetworkError(Exception):
    """This machine lets nobody make network namespaces; the text says why."""


def isolated() -> list[str]:
    """What to put in front of a command so that it has a network of its own.

    Raises NoNetworkError.
    """
    for tool in ("unshare", "nsenter", "ip"):
        if shutil.which(tool) is None:
            raise NoNetworkError(f"there is no {tool}: install util-linux and iproute2")
    prefix = UNSHARE if os.geteuid() == 0 else AS_ROOT
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise NoNetworkError(f"network namespaces are not allowed here: {tried.stderr.strip()}")
    return prefix


def enter_isolation(module: str) -> None:
    """Run this command anew in a network of its own, unless it is in one. May not return."""
    if INSIDE in os.environ:
        return
    try:
        prefix = isolated()
    except NoNetworkError as failure:
        sys.exit(f"cannot cut links between servers: {failure}")
    command = [*prefix, sys.executable, "-m", module, *sys.argv[1:]]
    os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


class Network:
    """The bridge; `isolated` must have been done."""

    def __init__(self) -> None:
        assert INSIDE in os.environ, "it would change the machine's own network"
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "servers", "type", "bridge", "forward_delay", "0")
        _run("ip", "link", "set", "servers", "up")

    def place(self, number: int) -> "Place":
        """Where server `number` (from 1) lives."""
        return Place(number)


class Place:
    """A network namespace with its two links."""

    def __init__(self, number: int) -> None:
        self.address = f"{SERVERS}.{number}"  # for other servers
        self.client_address = f"{CLIENTS}.{number}.2"
        self._link = f"server{number}"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sleep", "infinity"],
            preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
        )
        self._wait_for_namespace()
        self._connect(self._link, "eth0", f"{self.address}/24", "")
        _run("ip", "link", "set", self._link, "master", "servers")
        mine = f"{CLIENTS}.{number}.1/24"
        self._connect(f"client{number}", "eth1", f"{self.client_address}/24", mine)
        _run(*self.prefix, "ip", "link", "set", "lo", "up")

    def _wait_for_namespace(self) -> None:
        own = os.readlink("/proc/self/ns/net")
        deadline_s = time.monotonic() + READY_S
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == own:
            assert time.monotonic() < deadline_s, "no namespace came"
            time.sleep(0.005)  # noqa: TID251 - another process is waited for

    def _connect(self, here: str, there: str, their_address: str, our_address: str) -> None:
        pid = str(self._holder.pid)
        _run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", pid)
        _run("ip", "link", "set", here, "up")
        if our_address:
            _run("ip", "address", "add", our_address, "dev", here)
        _run(*self.prefix, "ip", "address", "add", their_address, "dev", there)
        _run(*self.prefix, "ip", "link", "set", there, "up")

    @property
    def prefix(self) -> list[str]:
        """In front of a command that is to run here."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"]

    def cut(self) -> None:
        """No packet passes between this server and the others; clients still reach it."""
        _run("ip", "link", "set", self._link, "nomaster")

    def heal(self) -> None:
        """They pass again."""
        _run("ip", "link", "set", self._link, "master", "servers")

    def cut_from(self, other: "Place") -> None:
        """No packet passes between these two; each still reaches everybody else."""
        for one, its_peer in ((self, other), (other, self)):
            entry = (its_peer.address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
            _run(*one.prefix, "ip", "neighbour", "replace", *entry)

    def heal_from(self, other: "Place") -> None:
        """They pass again; the two must have been cut from each other."""
        for one, its_peer in ((self, other), (other, self)):
            _run(*one.prefix, "ip", "neighbour", "delete", its_peer.address, "dev", "eth0")

    def close(self) -> None:
        """It ends with this process, too."""
        self._holder.kill()
        self._holder.wait()
