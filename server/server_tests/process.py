"""A real server process for tests: started as a user starts it, killed as the world kills it."""

import ctypes
import http.client
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT_S = 30.0
PR_SET_PDEATHSIG = 1  # prctl(2), Linux
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def die_with_the_tests() -> None:
    """In the new process: be killed when the thread that started it ends, however that comes."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class ServerProcess:
    """`proconsul agent -server` on a loopback address, with its data in `data_dir`."""

    def __init__(self, address: str, data_dir: Path, *flags: str) -> None:
        self.address = address
        self.data_dir = data_dir
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        self.output = data_dir.parent / f"{data_dir.name}.log"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it leads."""
        self.launch()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._leads():
            if not self.is_running or time.monotonic() > deadline_s:
                self.kill()
                raise AssertionError(f"the server did not start:\n{self.output.read_text()}")
            time.sleep(0.02)  # noqa: TID251 - no event loop here, another process is waited for

    def launch(self) -> None:
        """Start it and do not wait."""
        command = [
            sys.executable,
            "-m",
            "proconsul",
            "agent",
            "-server",
            "-bootstrap-expect=1",
            f"-data-dir={self.data_dir}",
            "-node=test",
            f"-bind={self.address}",
            f"-client={self.address}",
            *self._flags,
        ]
        with self.output.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> int:
        """Until it has ended by itself; the exit code."""
        assert self._process is not None
        code = self._process.wait(START_TIMEOUT_S)
        self._process = None
        return code

    def start_in_vain(self) -> tuple[int, str]:
        """Start it and wait until it has given up: (exit code, what it said)."""
        said_before = self.output.stat().st_size if self.output.exists() else 0
        self.launch()
        code = self.wait()
        return code, self.output.read_text()[said_before:]

    def _leads(self) -> bool:
        """It does, and not a server that somebody else runs at that address."""
        try:
            status, _ = self.request("GET", "/v1/kv/?keys&consistent")
            _, description = self.request("GET", "/v1/agent/self")
            node_id = (self.data_dir / "node-id").read_text()
        except OSError:
            return False
        return status == 200 and json.loads(description)["Config"]["NodeID"] == node_id

    def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """One request on a connection of its own: (status, body)."""
        connection = http.client.HTTPConnection(self.address, 8500, timeout=30)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send any other."""
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(30)
        self._process = None
        return code

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
