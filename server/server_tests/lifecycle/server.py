"""A server process whose output, signals and sockets are what a test is about."""

import ctypes
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE_S = 30.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h
RUNNING = "==> Proconsul is running"


def command(*words: str) -> list[str]:
    """`proconsul` with the interpreter of the tests."""
    return [sys.executable, "-m", "proconsul", *words]


def refused(*flags: str) -> str:
    """The last line of an agent that does not start; all that it says is in order."""
    ended = subprocess.run(
        command("agent", "-server", "-bootstrap-expect=1", "-node=n1", *flags),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("==> ")
    return ended.stderr.strip()


def until(holds: Callable[[], Any]) -> Any:
    """What `holds` says as soon as that is true."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (answer := holds()):
        assert time.monotonic() < deadline_s, "it never came about"
        time.sleep(0.02)  # noqa: TID251  # another process is waited for
    return answer


def _end_with_the_tests() -> None:
    """In the child: the kernel kills it when the process of the tests ends, however it does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """`proconsul agent -server` as a user starts it; the end of the block kills it."""

    def __init__(
        self, address: str, folder: Path, *flags: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.address = address
        self.data = folder / "data"
        self._log = folder / "output.log"
        self._flags = flags
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start it and wait for its banner."""
        words = command("agent", "-server", "-bootstrap-expect=1", "-node=n1")
        words += [f"-bind={self.address}", f"-client={self.address}", f"-data-dir={self.data}"]
        self.launch(*words, *self._flags)

    def launch(self, *words: str) -> None:
        """Start these words instead."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                words,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                preexec_fn=_end_with_the_tests,  # noqa: PLW1509  # one call, no lock
            )
        process = self._process
        until(lambda: RUNNING in self.output or process.poll() is not None)
        assert RUNNING in self.output, self.output

    @property
    def output(self) -> str:
        """All that it has printed."""
        return self._log.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def wait_for_line(self, pattern: str) -> str:
        """The first line of the output in which the pattern is found."""
        found = until(lambda: re.search(f"(?m)^.*{pattern}.*$", self.output))
        return str(found[0])

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def reload(self) -> None:
        """SIGHUP, and wait until that is over."""
        before = len(re.findall(r"configuration reloaded|reload failed", self.output))
        self.send(signal.SIGHUP)
        until(
            lambda: len(re.findall(r"configuration reloaded|reload failed", self.output)) > before
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_S)

    def request(
        self, method: str, path: str, body: str = "", port: int = 8500
    ) -> tuple[int, str, Mapping[str, str]]:
        """(status, body, headers) of a request on a connection of its own."""
        return exchange(
            http.client.HTTPConnection(self.address, port, timeout=30), method, path, body
        )

    def get(self, path: str) -> Any:
        """The value at a path that must be there."""
        status, body, _ = self.request("GET", path)
        assert status == 200, body
        return json.loads(body)

    def put(self, path: str, value: Any = None) -> None:
        """A write that must succeed."""
        status, body, _ = self.request("PUT", path, "" if value is None else json.dumps(value))
        assert status == 200, body

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_S)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: str = ""
) -> tuple[int, str, Mapping[str, str]]:
    """One request and its answer; the connection is closed behind it."""
    try:
        connection.request(method, path, body.encode())
        response = connection.getresponse()
        return response.status, response.read().decode(), dict(response.getheaders())
    finally:
        connection.close()
