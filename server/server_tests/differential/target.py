"""Servers to ask: a real Consul and ours, each alone on a loopback address of its own."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_S_MAX = 40.0
REQUEST_S_MAX = 40.0
STOP_S_MAX = 10.0
NODE = "differential-node"
NODE_ID = "d1fe7e17-0000-4000-8000-00000000a110"
PORT = 8500

# Coordinates and tombstones would otherwise make either server slower to compare.
CONFIG = {
    "log_level": "warn",
    "performance": {"raft_multiplier": 1},
    "session_ttl_min": "1s",
    "limits": {"http_max_conns_per_client": 400},
    "disable_update_check": True,
    "enable_debug": True,
    "node_meta": {"rack": "r1"},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 when nothing whole did, `error` says what kind of failure."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    error: str = ""

    @property
    def index(self) -> int:
        """X-Consul-Index, 0 without one."""
        return int(self.headers.get("x-consul-index", "0"))

    def json(self) -> Any:
        """The decoded body; None for what is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Target:
    """A running server."""

    def __init__(self, address: str) -> None:
        self.address = address

    def connection(self, timeout_s: float = REQUEST_S_MAX) -> http.client.HTTPConnection:
        """One for a single request."""
        return http.client.HTTPConnection(self.address, PORT, timeout=timeout_s)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = REQUEST_S_MAX,
        connection: http.client.HTTPConnection | None = None,
    ) -> Answer:
        """One request on a connection of its own; a body that is no bytes or text is JSON."""
        connection = connection or self.connection(timeout_s)
        try:
            _send(connection, method, path, _octets(body), dict(headers or {}))
            reply = connection.getresponse()
            data = reply.read()
        except (OSError, http.client.HTTPException) as failure:
            return Answer(0, error=type(failure).__name__)
        finally:
            connection.close()
        folded: dict[str, str] = {}
        for name, value in reply.getheaders():
            key = name.lower()
            folded[key] = f"{folded[key]}, {value}" if key in folded else value
        return Answer(reply.status, folded, data)


def _octets(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode("utf-8", "surrogateescape")


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
) -> None:
    connection.putrequest(method, path, skip_accept_encoding=True)
    chunked = headers.get("Transfer-Encoding") == "chunked"
    if not chunked and (body is not None or method in ("PUT", "POST")):
        headers.setdefault("Content-Length", str(len(body or b"")))
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    if body is None:
        return
    pieces = [body[at : at + 4096] for at in range(0, len(body), 4096)]
    if chunked:
        pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
    try:
        for piece in pieces:
            connection.send(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it may answer before it has read everything


def real_command() -> list[str]:
    """The command of the real Consul."""
    return [os.environ["CONSUL_REAL"]]


def our_command() -> list[str]:
    """The command of this server, from the environment that runs the tests."""
    return [sys.executable, "-m", "proconsul"]


@contextmanager
def running(command: Sequence[str], address: str) -> Iterator[Target]:
    """A server with an empty data directory, once it leads and knows itself."""
    folder = Path(tempfile.mkdtemp(prefix="differential-"))
    config = folder / "config.json"
    config.write_text(json.dumps(CONFIG))
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            *(*command, "agent", "-server", "-bootstrap-expect=1", f"-node={NODE}"),
            *(f"-node-id={NODE_ID}", f"-bind={address}", f"-client={address}"),
            *(f"-data-dir={folder / 'data'}", f"-config-file={config}", "-dns-port=-1"),
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    log.close()
    try:
        target = Target(address)
        _wait_until_settled(target, process, folder / "log")
        yield target
    finally:
        process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_settled(target: Target, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
    """Until it leads, and its own node stays as it is for a moment."""
    before: Any = None
    deadline_s = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline_s:
        assert process.poll() is None, log_file.read_text()
        now = [
            target.ask("GET", path).json()
            for path in ("/v1/catalog/nodes", "/v1/health/service/consul?passing", _COORDINATES)
        ]
        if all(now) and now == before:
            return
        before = now
        pause(0.5)
    raise AssertionError(f"it never settled: {before}\n{log_file.read_text()}")


_COORDINATES = "/v1/catalog/services"


def pause(seconds: float) -> None:
    """Give another process a moment."""
    threading.Event().wait(seconds)
