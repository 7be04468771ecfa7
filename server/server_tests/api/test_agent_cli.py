"""The real `consul` command line works against this server, word for word."""

import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from server_tests.loopback import address
from server_tests.process import ServerProcess

HOST = 111
CONSUL = os.environ.get("CONSUL_REAL", "")

pytestmark = [
    pytest.mark.skipif(not CONSUL, reason="CONSUL_REAL names no Consul 1.8.7"),
    pytest.mark.real_clock,
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(address(HOST), tmp_path_factory.mktemp("cli") / "data") as running:
        yield running


def consul(server: ServerProcess, *words: str, status: int = 0) -> str:
    """What the command prints."""
    done = subprocess.run(
        [CONSUL, *words],
        env={"CONSUL_HTTP_ADDR": f"{server.address}:8500", "PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=30,
        check=False,
    )
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == status, text
    return text.strip()


def test_members_and_info_are_readable(server: ServerProcess) -> None:
    header, row = consul(server, "members").splitlines()
    assert header.split() == [
        "Node",
        "Address",
        "Status",
        "Type",
        "Build",
        "Protocol",
        "DC",
        "Segment",
    ]
    assert row.split() == [
        *("test", f"{server.address}:8301", "alive", "server", "1.8.7", "2", "dc1", "<all>")
    ]
    assert "test.dc1" in consul(server, "members", "-wan")
    info = consul(server, "info")
    assert "\tstate = Leader" in info
    assert "serf_lan:" in info


def test_services_are_registered_and_deregistered(server: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "web.hcl"
    file.write_text('service { name = "web" port = 80 check { ttl = "30s" } }')
    assert consul(server, "services", "register", str(file)) == "Registered service: web"
    assert "web" in consul(server, "catalog", "services").split()
    assert consul(server, "services", "deregister", str(file)) == "Deregistered service: web"
    assert "web" not in consul(server, "catalog", "services").split()


def test_maintenance_is_entered_shown_and_left(server: ServerProcess) -> None:
    told = consul(server, "maint", "-enable", "-reason", "new disks")
    assert told == "Node maintenance is now enabled"
    assert "Reason: new disks" in consul(server, "maint")
    assert consul(server, "maint", "-disable") == "Node maintenance is now disabled"
    assert consul(server, "maint") == ""


def test_reload_join_and_force_leave_say_what_happened(server: ServerProcess) -> None:
    assert consul(server, "reload") == "Configuration reload triggered"
    joined = consul(server, "join", server.address)
    assert joined == "Successfully joined cluster by contacting 1 nodes."
    refused = consul(server, "join", "127.0.0.250", status=1)
    assert "dial tcp 127.0.0.250:8301: connect: connection refused" in refused
    unknown = consul(server, "force-leave", "nobody", status=1)
    assert "No node found with name 'nobody'" in unknown


def test_a_monitor_prints_lines_as_they_come(server: ServerProcess) -> None:
    command = [CONSUL, "monitor", "-log-level=info", f"-http-addr={server.address}:8500"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as monitor:
        assert monitor.stdout is not None
        # It may not be listening yet: something happens until it has heard of it.
        while not select.select([monitor.stdout], [], [], 0.1)[0]:
            server.request("PUT", "/v1/agent/service/register", b'{"Name": "m"}')
            server.request("PUT", "/v1/agent/service/deregister/m")
        line = monitor.stdout.readline()
        monitor.kill()
    assert b"[INFO]  agent." in line


def test_leaving_ends_the_server(tmp_path: Path) -> None:
    with ServerProcess(address(HOST + 1), tmp_path / "data") as leaving:
        assert consul(leaving, "leave") == "Graceful leave complete"
        assert leaving.wait() == 0
