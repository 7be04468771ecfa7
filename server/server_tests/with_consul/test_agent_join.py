"""The self-check of a real Consul 1.8.7 client agent that joins a server of ours.

It is a program of its own: AGENT_JOIN names it. It starts real client agents, has them join, asks
about ninety things through them, and says of each whether it holds. What the server does not do yet
is known by name: exactly that may fail, and with a text that says why. All else holds, with
encrypted gossip, too.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from server_tests.fsm.real_server import free_address, requires_real_consul
from server_tests.process import ServerProcess, die_with_the_tests

AGENT_JOIN = os.environ.get("AGENT_JOIN", "")
END_S_MAX = 900.0  # it takes two minutes; each check has a deadline of its own
TOTAL = 92
KEY = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="

pytestmark = [
    requires_real_consul,
    pytest.mark.skipif(
        not AGENT_JOIN, reason="AGENT_JOIN names no agent_join.sh, the check of a real client"
    ),
    pytest.mark.slow,
    pytest.mark.real_clock,
]

# Prepared queries, intentions, the CA and discovery chains: DIVERGENCE.md, "Not there yet".
LATER = {
    "prepared query made and executed through the client",
    "intention through the client",
    "CA roots through the client's cache",
    "leaf certificate signed by the server",
    "authorize at the client uses the intention",
    "discovery chain",
    "DNS through the client: prepared query",
}
LATER_PATHS = (
    ("POST", "/v1/query"),
    ("GET", "/v1/query/jq/execute"),
    ("POST", "/v1/connect/intentions"),
    ("GET", "/v1/connect/ca/roots"),
    ("GET", "/v1/agent/connect/ca/leaf/jweb"),
    ("POST", "/v1/agent/connect/authorize"),
    ("GET", "/v1/discovery-chain/jweb"),
)
_LINE = re.compile(r"^(ok  |FAIL) +[\d.]+s (.*)$", re.MULTILINE)
_SUM = re.compile(r"^passed (\d+) of (\d+)$", re.MULTILINE)


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    flags = [f"-encrypt={KEY}"] if request.param else []
    ours = ServerProcess(
        free_address(221), tmp_path / "data", "-hcl=connect { enabled = true }", *flags
    )
    with ours:
        yield ours


def run(server: ServerProcess, key: str) -> str:
    """All that it says; it is ended, with its agents, when it takes too long."""
    asked = {"CLIENT_IP": free_address(231), **({"ENCRYPT": key} if key else {})}
    process = subprocess.Popen(
        [AGENT_JOIN, server.address],
        env={**os.environ, **asked},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
    )
    try:
        said, _ = process.communicate(timeout=END_S_MAX)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        raise AssertionError(f"it did not end in {END_S_MAX:.0f} s:\n{said}") from None
    return said


def named(line: tuple[str, str]) -> tuple[str, str]:
    """A verdict and the name of the check, of which a verdict that is bad says more."""
    verdict, text = line
    later = (name for name in LATER if text.startswith(f"{name} "))
    return verdict, text.strip() if verdict == "ok  " else next(later, text.strip())


@pytest.mark.parametrize("server", ["", KEY], indirect=True, ids=["plain", "encrypted"])
def test_all_holds_but_what_is_not_there_yet(
    server: ServerProcess, request: pytest.FixtureRequest
) -> None:
    said = run(server, request.node.callspec.params["server"])
    results = {what: verdict == "ok  " for verdict, what in map(named, _LINE.findall(said))}
    assert len(results) == TOTAL, said
    assert {what for what, holds in results.items() if not holds} == LATER, said
    assert _SUM.findall(said) == [(str(TOTAL - len(LATER)), str(TOTAL))], said
    for method in ("PreparedQuery.Apply", "Intention.Apply", "ConnectCA.Roots"):
        assert f"{method} is not implemented by this server" in said
    for verb, path in LATER_PATHS:
        status, text = server.request(verb, path, b"{}")
        assert status == 501, (path, text)
        assert text == f"{verb} {path} is not implemented by this server yet".encode()
