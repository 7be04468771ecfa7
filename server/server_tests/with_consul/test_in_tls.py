"""Real agents of Consul 1.8.7 around a server of ours, all of which believe certificates only.

A client agent calls over RPC in TLS, a real server takes part in raft in TLS; both verify that our
certificate is for `server.dc1.consul`, and we verify theirs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server_tests.fsm.real_server import RealServer, free_address, requires_real_consul
from server_tests.runtime.certificates import SERVER, Authority, Pair
from server_tests.with_consul.servers import until

pytestmark = [requires_real_consul, pytest.mark.real_clock]

STRICT = """
verify_incoming = true
verify_outgoing = true
verify_server_hostname = true
performance { raft_multiplier = 1 }
log_level = "info"
"""


@dataclass
class Scene:
    """Where all of this lives."""

    folder: Path
    authority: Authority
    ending: ExitStack

    def start(self, name: str, pair: Pair, *flags: str, is_ours: bool = False) -> RealServer:
        """An agent with a certificate, on an address of its own; it ends with the test."""
        address = free_address(150 + len(list(self.folder.glob("*.hcl"))))
        folder = self.folder / name
        config = self.folder / f"{name}.hcl"
        config.write_text(
            f'{STRICT} ca_file = "{self.authority.ca_file}"'
            f' cert_file = "{pair.cert_file}" key_file = "{pair.key_file}"'
        )
        program = [sys.executable, "-m", "proconsul"] if is_ours else [os.environ["CONSUL_REAL"]]
        agent = self.ending.enter_context(
            running(
                self.folder / f"{name}.log",
                *(*program, "agent", f"-node={name}", f"-data-dir={folder}"),
                *(f"-config-file={config}", f"-bind={address}", f"-client={address}"),
                *("-dns-port=-1", *flags),
            )
        )
        assert agent.poll() is None
        return RealServer(address, folder)


@contextmanager
def running(log_file: Path, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "ca").mkdir()
    with ExitStack() as ending:
        yield Scene(tmp_path, Authority(tmp_path / "ca", "ca"), ending)


def is_set(agent: RealServer, key: str, value: bytes) -> bool:
    return agent.call("PUT", f"/v1/kv/{key}", value) == (200, b"true")


def voters(agent: RealServer) -> set[str]:
    answer: dict[str, Any] = json.loads(agent.get("/v1/operator/raft/configuration"))
    return {one["Node"] for one in answer["Servers"]}


def test_a_real_client_agent_and_a_real_server_join_in_tls(scene: Scene) -> None:
    named = scene.authority.pair("server", SERVER)
    unnamed = scene.authority.pair("client", "client.dc1.consul")
    ours = scene.start("ours", named, "-server", "-bootstrap-expect=1", is_ours=True)
    until(lambda: is_set(ours, "a", b"1"), "ours leads")

    join = f"-retry-join={ours.address}"
    client = scene.start("client", unnamed, join)
    until(lambda: is_set(client, "b", b"2"), "the client finds ours")
    assert client.get("/v1/kv/a?raw") == b"1"
    client.put("/v1/agent/service/register", {"Name": "web", "Port": 80})
    until(lambda: b'"web"' in ours.get("/v1/catalog/services"), "its service is in the catalog")
    assert client.get("/v1/snapshot")[:2] == b"\x1f\x8b"

    real = scene.start("real", named, "-server", join)
    until(lambda: "real" in voters(ours), "the real server is in raft")
    until(lambda: real.get("/v1/kv/b?raw&stale") == b"2", "it has the state")
    until(lambda: is_set(real, "c", b"3"), "it finds the leader")
    assert ours.get("/v1/kv/c?raw") == b"3"
