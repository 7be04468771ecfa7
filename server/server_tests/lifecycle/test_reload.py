"""A reload: what the files say now is what holds, or nothing changes."""

import hashlib
import json
import socket
import ssl
from pathlib import Path

from server_tests.lifecycle.server import Server, until
from server_tests.loopback import address
from server_tests.runtime.certificates import SERVER, Authority

WEB = """
service { name = "web" port = 80 tags = ["one"] check { ttl = "1h" } }
check { id = "disk" name = "disk" ttl = "1h" }
node_meta { rack = "7" }
"""
WEB_CHANGED = """
service { name = "web" port = 81 tags = ["two"] }
node_meta { rack = "8" }
"""


def test_definitions_are_added_changed_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "web.hcl").write_text(WEB)
    with Server(address(60), tmp_path, f"-config-dir={folder}") as server:
        assert set(server.get("/v1/agent/services")) == {"web"}
        assert set(server.get("/v1/agent/checks")) == {"service:web", "disk"}
        server.put("/v1/agent/service/register", {"Name": "api", "Port": 9})

        (folder / "web.hcl").write_text(WEB_CHANGED)
        (folder / "db.json").write_text('{"services": [{"name": "db", "port": 5432}]}')
        server.reload()
        services = server.get("/v1/agent/services")
        assert set(services) == {"web", "db", "api"}
        assert (services["web"]["Port"], services["web"]["Tags"]) == (81, ["two"])
        assert server.get("/v1/agent/checks") == {}
        assert server.get("/v1/agent/self")["Meta"]["rack"] == "8"
        (node,) = until(lambda: server.get("/v1/catalog/nodes?node-meta=rack:8"))
        assert node["Node"] == "n1"

        (folder / "web.hcl").unlink()
        server.reload()
        until(lambda: set(server.get("/v1/catalog/services")) == {"consul", "db", "api"})


LIMITED = """
log_level = "warn"
limits { kv_max_value_size = 10 txn_max_req_len = 300 http_max_conns_per_client = 9 }
http_config { response_headers { Access-Control-Allow-Origin = "https://example.com" } }
"""


def test_limits_headers_and_the_log_level_change_at_once(tmp_path: Path) -> None:
    file = tmp_path / "server.hcl"
    file.write_text("")
    with Server(address(61), tmp_path, f"-config-file={file}") as server:
        status, _, headers = server.request("PUT", "/v1/kv/a", "x" * 11)
        assert (status, headers.get("Access-Control-Allow-Origin")) == (200, None)

        file.write_text(LIMITED)
        server.put("/v1/agent/reload")
        status, _, headers = server.request("PUT", "/v1/kv/a", "x" * 11)
        assert (status, headers["Access-Control-Allow-Origin"]) == (413, "https://example.com")
        operations = [{"KV": {"Verb": "get", "Key": "k" * 300}}]
        assert server.request("PUT", "/v1/txn", json.dumps(operations))[0] == 413
        assert server.get("/v1/agent/self")["DebugConfig"]["KVMaxValueSize"] == 10
        lines = server.output.count("[INFO]")
        server.put("/v1/agent/service/register", {"Name": "quiet"})
        server.put("/v1/agent/reload")
        assert server.output.count("[INFO]") == lines


def test_a_broken_file_changes_nothing_and_a_fixed_setting_is_named(tmp_path: Path) -> None:
    file = tmp_path / "server.hcl"
    file.write_text('service { name = "web" }')
    with Server(address(62), tmp_path, f"-config-file={file}") as server:
        file.write_text("limits { kv_max_value_size = 1 }\nservise {}\n")
        server.reload()
        told = server.wait_for_line("reload failed, nothing changed")
        assert "server.hcl" in told
        assert "invalid config key servise (line 2)" in server.output
        status, body, _ = server.request("PUT", "/v1/agent/reload")
        assert status == 500
        assert "servise" in body
        assert server.request("PUT", "/v1/kv/a", "xx")[0] == 200
        assert set(server.get("/v1/agent/services")) == {"web"}

        file.write_text('datacenter = "elsewhere" ports { http = 8505 } service { name = "db" }')
        server.reload()
        assert "needs a restart: datacenter" in server.wait_for_line("needs a restart")
        assert server.get("/v1/catalog/datacenters") == ["dc1"]
        assert set(server.get("/v1/agent/services")) == {"db"}
        assert server.get("/v1/agent/self")["Config"]["Datacenter"] == "dc1"


def shown(host: str) -> str:
    """SHA-256 of the certificate at the HTTPS port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, 8501), timeout=30) as plain,
        context.wrap_socket(plain) as encrypted,
    ):
        return hashlib.sha256(encrypted.getpeercert(binary_form=True) or b"").hexdigest()


def test_new_certificates_are_in_use_without_a_signal_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    pair = old.pair("server", SERVER)
    host = address(64)
    settings = f"""
ports {{ https = 8501 }} auto_reload_config = true verify_outgoing = true
ca_file = "{old.ca_file}" cert_file = "{pair.cert_file}" key_file = "{pair.key_file}"
"""
    with Server(host, tmp_path, f"-hcl={settings}") as server:
        before = server.get("/v1/proconsul/tls")
        assert shown(host) == before["Certificate"]
        with Path(old.ca_file).open("a") as file:
            file.write(Path(new.ca_file).read_text())
        until(lambda: len(server.get("/v1/proconsul/tls")["Authorities"]) == 2)
        assert shown(host) == before["Certificate"]
        new.pair("server", SERVER)
        until(lambda: shown(host) != before["Certificate"])
        until(lambda: server.get("/v1/proconsul/tls")["Certificate"] == shown(host))
        assert server.get("/v1/status/leader")


def test_changed_files_are_taken_without_a_signal_where_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "server.hcl"
    file.write_text("")
    with Server(address(69), tmp_path, "-auto-reload-config", f"-config-file={file}") as server:
        file.write_text(WEB)
        server.wait_for_line("the configuration's files have changed")
        until(lambda: set(server.get("/v1/agent/services")) == {"web"})
