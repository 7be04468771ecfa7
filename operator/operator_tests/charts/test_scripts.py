"""The programs that the charts run with `python -c`, as they are, against servers in threads."""

import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from operator_tests.charts.helm import SERVERS
from proconsul.runtime.gossip_keys import key_bytes

LOOPBACK = "127.0.0.1"


def run(script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    text = (SERVERS / "files" / script).read_text(encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-c", text],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class Store(BaseHTTPRequestHandler):
    """A little of Consul's API, over one dict."""

    keys: dict[str, bytes]
    peers: list[str]
    leader: str
    deletes: bool

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/v1/status/leader":
            self.answer(200, json.dumps(self.leader).encode())
        elif path == "/v1/status/peers":
            self.answer(200, json.dumps(self.peers).encode())
        elif path in self.keys:
            self.answer(200, self.keys[path])
        else:
            self.answer(404, b"")

    def do_PUT(self) -> None:
        self.keys[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, b"true\n")

    def do_DELETE(self) -> None:
        if self.deletes:
            self.keys.pop(self.path, None)
        self.answer(200, b"true\n")

    def answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """The port at which `handler` answers."""
    with ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def asked_of(**wrong: Any) -> subprocess.CompletedProcess[str]:
    """`helm test` against a cluster that is well but for `wrong`."""
    well = {"keys": {}, "peers": ["a", "b", "c"], "leader": "10.0.0.1:8300", "deletes": True}
    with serving(type("Cluster", (Store,), {**well, **wrong})) as port:
        return run(
            "test_kv.py",
            {
                "API_URL": f"http://{LOOPBACK}:{port}",
                "PEERS": "3",
                "ATTEMPTS": "2",
                "PAUSE_S": "0",
            },
        )


def test_helm_test_passes_with_a_cluster_that_is_well_and_leaves_no_key() -> None:
    keys: dict[str, bytes] = {}
    done = asked_of(keys=keys)
    assert done.returncode == 0, done.stderr
    assert "10.0.0.1:8300 leads 3 servers" in done.stdout
    assert keys == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"leader": ""}, "no leader is known"),
        ({"peers": ["a", "b"]}, "2 of 3 peers"),
        ({"deletes": False}, "a deleted key is still there"),
    ],
    ids=["no leader", "a peer is missing", "nothing is deleted"],
)
def test_helm_test_fails_and_says_why(wrong: dict[str, Any], said: str) -> None:
    done = asked_of(**wrong)
    assert done.returncode == 1
    assert f"attempt 2 of 2: {said}" in done.stdout


def test_helm_test_fails_where_nobody_answers() -> None:
    with serving(Store) as port:
        gone = port
    api = {"API_URL": f"http://{LOOPBACK}:{gone}", "PEERS": "1", "ATTEMPTS": "1", "PAUSE_S": "0"}
    assert run("test_kv.py", api).returncode == 1


class Api(BaseHTTPRequestHandler):
    """The Kubernetes API, as far as it makes objects."""

    held: dict[str, Any]
    allowed: bool

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = f"{self.path}/{body['metadata']['name']}"
        if not self.allowed or self.headers["Authorization"] != "Bearer a-token":
            self.send_response(403)
        elif path in self.held:
            self.send_response(409)
        else:
            self.held[path] = body
            self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


SECRET = "/api/v1/namespaces/infra/secrets/consul-gossip"
GUARD = "/api/v1/namespaces/infra/configmaps/consul-bootstrap"
FOR_SECRET = {"GOSSIP_SECRET": "consul-gossip", "GOSSIP_ENTRY": "key"}
FOR_GUARD = {"GUARD": "consul-bootstrap", "EXPECT": "3"}


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """What the kubelet mounts, with a CA that is the API's own certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (tmp_path / "token").write_text("a-token\n", encoding="utf-8")
    (tmp_path / "namespace").write_text("infra", encoding="utf-8")
    return tmp_path


def hooked(
    account: Path, held: dict[str, Any], wanted: Mapping[str, str], *, allowed: bool = True
) -> subprocess.CompletedProcess[str]:
    """The hook, once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(account / "ca.crt", account / "key.pem")
    handler = type("OurApi", (Api,), {"held": held, "allowed": allowed})
    with serving(handler, context) as port:
        place = {
            "ACCOUNT_DIR": str(account),
            "KUBERNETES_SERVICE_HOST": LOOPBACK,
            "KUBERNETES_SERVICE_PORT": str(port),
        }
        return run("first_install.py", {**place, **wanted})


def test_the_hook_makes_a_key_and_a_guard_once_and_an_upgrade_keeps_both(account: Path) -> None:
    held: dict[str, Any] = {}
    first = hooked(account, held, {**FOR_SECRET, **FOR_GUARD})
    assert first.returncode == 0, first.stderr
    assert set(held) == {SECRET, GUARD}
    assert held[GUARD]["data"] == {"bootstrapped": "false", "expect": "3"}
    before = json.dumps(held)
    again = hooked(account, held, {**FOR_SECRET, **FOR_GUARD, "EXPECT": "5"})
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("kept") == 2
    assert json.dumps(held) == before
    key = held[SECRET]["stringData"]["key"]
    assert key not in first.stdout + again.stdout, "a key does not belong in a log"


@pytest.mark.parametrize(
    ("wanted", "made"), [(FOR_SECRET, SECRET), (FOR_GUARD, GUARD)], ids=["key", "guard"]
)
def test_the_hook_makes_no_more_than_it_is_asked_for(
    account: Path, wanted: dict[str, str], made: str
) -> None:
    held: dict[str, Any] = {}
    assert hooked(account, held, wanted).returncode == 0
    assert set(held) == {made}


def test_the_key_is_one_that_a_server_takes(account: Path) -> None:
    held: dict[str, Any] = {}
    hooked(account, held, FOR_SECRET)
    assert len(key_bytes(held[SECRET]["stringData"]["key"])) == 32


def test_the_hook_fails_where_it_may_not(account: Path) -> None:
    done = hooked(account, {}, FOR_SECRET, allowed=False)
    assert done.returncode == 1
    assert "cannot make Secret consul-gossip" in done.stderr


class Peers(BaseHTTPRequestHandler):
    """A cluster of five as its operator API shows it, and each of its members."""

    voters: list[str]
    sick: set[str]
    asked: list[str]
    stubborn: bool

    def do_GET(self) -> None:
        if self.path == "/v1/operator/raft/configuration":
            servers = [{"Node": name, "ID": f"id-{name}", "Voter": True} for name in self.voters]
            self.answer(200, {"Servers": servers})
        else:
            servers = [
                {"ID": f"id-{name}", "Healthy": name not in self.sick} for name in self.voters
            ]
            self.answer(429 if self.sick else 200, {"Servers": servers})

    def do_PUT(self) -> None:
        node = self.path.split("/")[1]
        self.asked.append(node)
        if not self.stubborn:
            self.voters.remove(node)
        self.answer(200, {"Decommissioned": True})

    def answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


FIVE = ["c-0", "c-1", "c-2", "c-3", "c-4"]


def scaled(
    running: int, wanted: int, *, sick: set[str], voters: list[str], stubborn: bool = False
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The scale-in hook, and whom it asked to leave."""
    asked: list[str] = []
    state = {"voters": voters, "sick": sick, "asked": asked, "stubborn": stubborn}
    with serving(type("OurPeers", (Peers,), state)) as port:
        done = run(
            "scale_in.py",
            {
                "NAME": "c",
                "SERVICE_URL": f"http://{LOOPBACK}:{port}",
                "MEMBER_URL": f"http://{LOOPBACK}:{port}/{{node}}",
                "RUNNING": str(running),
                "WANTED": str(wanted),
                "ATTEMPTS": "2",
                "PAUSE_S": "0",
            },
        )
    return done, asked


def test_servers_leave_raft_one_by_one_the_highest_first() -> None:
    voters = list(FIVE)
    done, asked = scaled(5, 1, sick=set(), voters=voters)
    assert done.returncode == 0, done.stderr
    assert asked == ["c-4", "c-3", "c-2", "c-1"]
    assert voters == ["c-0"]


def test_a_second_run_passes_over_what_is_out_already() -> None:
    done, asked = scaled(5, 3, sick=set(), voters=["c-0", "c-1", "c-2", "c-3"])
    assert done.returncode == 0, done.stderr
    assert "c-4 is no member" in done.stdout
    assert asked == ["c-3"]


def test_a_healthy_server_does_not_leave_while_those_that_stay_are_sick() -> None:
    done, asked = scaled(5, 3, sick={"c-0", "c-1"}, voters=list(FIVE))
    assert done.returncode == 1
    assert asked == []
    assert "of the 4 voters that stay only 2 are healthy" in done.stderr


def test_a_sick_server_may_leave() -> None:
    done, asked = scaled(5, 3, sick={"c-4"}, voters=list(FIVE))
    assert done.returncode == 0, done.stderr
    assert asked == ["c-4", "c-3"]


def test_who_does_not_leave_stops_the_upgrade() -> None:
    done, asked = scaled(5, 3, sick=set(), voters=list(FIVE), stubborn=True)
    assert done.returncode == 1
    assert asked == ["c-4"]
    assert "c-4 was asked to leave" in done.stderr
