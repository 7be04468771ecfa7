"""A real Consul 1.8.7 server on loopback, for tests that compare with it."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

START_S_MAX = 40.0
MASTER_TOKEN = "f4c4a9c6-7f0a-4a5e-9a57-0c1e1d2b3a40"
NODE_ID = "4f3c1a52-8a0b-4f5e-9d7e-51d2a5c0b001"

CONFIG = f"""
datacenter = "dc1"
connect {{ enabled = true }}
acl {{
  enabled = true
  default_policy = "allow"
  tokens {{ master = "{MASTER_TOKEN}" agent = "{MASTER_TOKEN}" }}
}}
limits {{ kv_max_value_size = 1048576 http_max_conns_per_client = 400 }}
performance {{ raft_multiplier = 1 }}
log_level = "warn"
"""

requires_real_consul = pytest.mark.skipif(
    not os.environ.get("CONSUL_REAL"), reason="CONSUL_REAL names no Consul 1.8.7"
)


class RealServer:
    """The HTTP API of a running server."""

    def __init__(self, address: str, data_folder: Path) -> None:
        self.address = address
        self.data_folder = data_folder
        self.refusals: list[str] = []  # what it said to requests that failed

    def call(self, verb: str, path: str, body: bytes | Any = None) -> tuple[int, bytes]:
        """(status, body) of one request."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address, 8500, timeout=30)
        try:
            connection.request(verb, path, data, {"X-Consul-Token": MASTER_TOKEN})
            reply = connection.getresponse()
            answer = reply.read()
            if reply.status != 200:
                self.refusals.append(answer.decode(errors="replace"))
            return reply.status, answer
        finally:
            connection.close()

    def put(self, path: str, body: bytes | Any = None, verb: str = "PUT") -> Any:
        """The decoded answer of a request that has to succeed."""
        status, answer = self.call(verb, path, body)
        assert status == 200, f"{verb} {path}: {status} {answer.decode(errors='replace')}"
        try:
            return json.loads(answer)
        except ValueError:
            return answer

    def get(self, path: str) -> bytes:
        """The body of an answer that has to be good."""
        status, answer = self.call("GET", path)
        assert status == 200, f"GET {path}: {status} {answer.decode(errors='replace')}"
        return answer


def free_address(last: int) -> str:
    """A loopback address that no other test worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"127.108.{int(worker) + 1}.{last}"


@contextmanager
def real_server(
    address: str, extra_config: str = "", *, keep_log_at: Path | None = None
) -> Iterator[RealServer]:
    """A fresh server with ACLs and Connect on, up and leading; its log can be kept."""
    folder = Path(tempfile.mkdtemp(prefix="real-consul-"))
    (folder / "server.hcl").write_text(CONFIG + extra_config)
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            os.environ["CONSUL_REAL"],
            *("agent", "-server", "-bootstrap-expect=1", "-node=n1", f"-node-id={NODE_ID}"),
            *(f"-data-dir={folder / 'data'}", f"-config-file={folder / 'server.hcl'}"),
            *(f"-bind={address}", f"-client={address}", "-dns-port=-1"),
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    log.close()
    try:
        server = RealServer(address, folder / "data")
        _wait_until_it_leads(server, process, folder)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if keep_log_at is not None:
            shutil.copy(folder / "data" / "raft" / "raft.db", keep_log_at)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_leads(
    server: RealServer, process: "subprocess.Popen[bytes]", folder: Path
) -> None:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            ready = all(server.call("GET", path)[0] == 200 for path in _READY)
            ready = ready and b"serfHealth" in server.get("/v1/health/node/n1")
        except (OSError, http.client.HTTPException, AssertionError):
            ready = False
        if ready:
            return
        wait_a_moment(0.1)
    raise AssertionError("no leader: " + (folder / "log").read_text())


_READY = ("/v1/status/leader", "/v1/connect/ca/roots", "/v1/acl/token/self")


def wait_a_moment(seconds: float) -> None:
    """Give another process a moment."""
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(seconds)
        try:
            left.recv(1)
        except TimeoutError:
            return
