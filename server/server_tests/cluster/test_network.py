"""What faults of real clusters rest on: cut links swallow packets, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from server_tests.cluster.network import INSIDE, Network, NoNetworkError, Place, isolated
from server_tests.process import die_with_the_tests

PORT = 9000
SILENCE_S = 0.5  # of a cut link; one that is not cut takes a thousandth of that
PATIENCE_S = 60.0

try:
    isolated()
    reason = ""
except NoNetworkError as failure:
    reason = f"no network namespaces: {failure}"

pytestmark = [pytest.mark.real_clock, pytest.mark.skipif(bool(reason), reason=reason)]

ECHO = """
import socket, sys, threading
listener = socket.create_server(("", int(sys.argv[1])))
print("up", flush=True)
def serve(one):
    while data := one.recv(100):
        one.sendall(data)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
# Says for each line that it is given whether an echo of it came on the connection.
ASK = """
import socket, sys
one = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print("up", flush=True)
owed = 0
for line in sys.stdin:
    one.settimeout(float(line))
    one.sendall(b"x")
    owed += 1
    try:
        while owed:
            owed -= len(one.recv(owed))
        print("echo", flush=True)
    except TimeoutError:
        print("silence", flush=True)
    except ConnectionError:
        print("reset", flush=True)
"""


class Talker:
    """A process in a place."""

    def __init__(self, place: Place, text: str, *words: str) -> None:
        self._process = subprocess.Popen(
            [*place.prefix, sys.executable, "-c", text, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
        )
        assert self._line() == "up"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def hears(self, within_s: float) -> str:
        """What came back: "echo", "silence" or "reset"."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{within_s}\n")
        self._process.stdin.flush()
        return self._line()


def story() -> None:
    """Inside of a network of its own: cut a server off, and a pair."""
    network = Network()
    first, second, third = (network.place(number) for number in (1, 2, 3))
    Talker(first, ECHO, str(PORT))
    to_first = Talker(second, ASK, first.address, str(PORT))
    from_third = Talker(third, ASK, first.address, str(PORT))
    assert [to_first.hears(PATIENCE_S), from_third.hears(PATIENCE_S)] == ["echo", "echo"]

    first.cut_from(second)
    assert [to_first.hears(SILENCE_S), from_third.hears(PATIENCE_S)] == ["silence", "echo"]
    first.heal_from(second)
    assert to_first.hears(PATIENCE_S) == "echo"

    first.cut()
    assert [to_first.hears(SILENCE_S), from_third.hears(SILENCE_S)] == ["silence", "silence"]
    first.heal()
    assert [to_first.hears(PATIENCE_S), from_third.hears(PATIENCE_S)] == ["echo", "echo"]


def test_cut_links_swallow_packets_and_no_reset_comes() -> None:
    subprocess.run(
        [*isolated(), sys.executable, "-m", "server_tests.cluster.test_network"],
        env={**os.environ, INSIDE: "1"},
        check=True,
        timeout=2 * PATIENCE_S,
        preexec_fn=die_with_the_tests,
    )


def marked(mark: str) -> list[str]:
    """Command lines of the processes whose environment has that in it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended, or is somebody else's
    return [line for line in found if line]  # a zombie has no command line


def wait_for(mark: str, *, holders: int, all_gone: bool = False) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        lines = marked(mark)
        if all_gone and not lines:
            return
        if not all_gone and sum("sleep" in line for line in lines) >= holders:
            return
        assert time.monotonic() < deadline_s, lines
        time.sleep(0.05)  # noqa: TID251 - other processes are waited for


def test_nothing_is_left_of_a_run_that_was_killed() -> None:
    mark = uuid.uuid4().hex
    run = subprocess.Popen(
        [sys.executable, "-m", "server_tests.cluster.lin_run", "--seconds=60"],
        env={**os.environ, "RUN_OF_THE_TEST": mark, "LIN_CHECK": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
    )
    wait_for(mark, holders=3)
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_for(mark, holders=0, all_gone=True)


if __name__ == "__main__":
    story()
