"""What a running server tells Prometheus of itself: raft, disk, certificate, backups."""

import re
import time
import urllib.request
from pathlib import Path

from server_tests.lifecycle.server import Server, until
from server_tests.loopback import address
from server_tests.runtime.certificates import SERVER, Authority

ASKED = "/v1/agent/metrics?format=prometheus"
SHOWN = 'telemetry { prometheus_retention_time = "1h" disable_hostname = true }\n'


def values(server: Server) -> dict[str, float]:
    """What is scraped, by name; labels are left out."""
    _, body, _ = server.request("GET", ASKED)
    found = re.findall(r"^([a-zA-Z_]+)(?:\{[^}]*\})? (\S+)$", body, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_a_leader_tells_of_its_raft_its_disk_and_who_is_there(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.hcl"
    file.write_text(SHOWN)
    with Server(address(73), tmp_path, f"-config-file={file}") as server:
        server.request("PUT", "/v1/kv/a", "1")
        seen = until(lambda: (now := values(server)) and now.get("consul_proconsul_ready") and now)
        assert seen["consul_server_isLeader"] == 1
        assert seen["consul_raft_peers"] == seen["consul_proconsul_raft_voters"] == 1
        assert seen["consul_members_servers"] == 1
        assert seen["consul_members_clients"] == 0
        assert seen["consul_proconsul_raft_term"] >= 1
        assert seen["consul_raft_state_leader"] == 1
        assert seen["consul_raft_state_candidate"] >= 1
        assert until(lambda: values(server).get("consul_raft_leader_dispatchLog_count"))
        size = until(lambda: values(server).get("consul_proconsul_disk_size_bytes"))
        free = values(server)["consul_proconsul_disk_free_bytes"]
        assert 0 < free < size
        assert "consul_agent_tls_cert_expiry" not in seen, "it has none"


def test_a_snapshot_that_was_fetched_to_its_end_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.hcl"
    file.write_text(SHOWN)
    name = "consul_proconsul_snapshot_saved_timestamp_seconds"
    with Server(address(74), tmp_path, f"-config-file={file}") as server:
        until(lambda: values(server).get("consul_server_isLeader"))
        assert name not in values(server)
        began_s = time.time()
        with urllib.request.urlopen(f"http://{server.address}:8500/v1/snapshot") as archive:
            assert archive.read()
        assert began_s - 1 <= until(lambda: values(server).get(name)) <= time.time()


def test_the_end_of_the_certificate_in_use_is_told_however_it_was_taken(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", address=address(75))
    pair = authority.pair("server", SERVER)
    file = tmp_path / "tls.hcl"
    file.write_text(
        f'{SHOWN} auto_reload_config = true ca_file = "{authority.ca_file}" '
        f'cert_file = "{pair.cert_file}" key_file = "{pair.key_file}"'
    )
    name = "consul_agent_tls_cert_expiry"
    with Server(address(75), tmp_path, f"-config-file={file}") as server:
        left_s = until(lambda: values(server).get(name))
        assert 3000 < left_s <= 3600, "the test's certificates are for an hour"
        authority.pair("server", SERVER, lasts_s=7200)
        assert server.request("PUT", "/v1/agent/reload")[0] == 200
        assert until(lambda: (now := values(server).get(name)) and now > 3600)
        authority.pair("server", SERVER, lasts_s=10800)
        assert until(lambda: (now := values(server).get(name)) and now > 7200), "without a signal"
