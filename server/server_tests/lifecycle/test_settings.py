"""Settings of one server, seen from outside: what is set is what clients and the catalog get."""

import http.client
import json
from pathlib import Path

from server_tests.lifecycle.server import Server, UnixConnection, exchange, until
from server_tests.loopback import address

NODE_ID = "a0b1c2d3-0000-4000-8000-000000000001"
MAIN = """
datacenter = "east-1"
node_id = "%s"
node_meta { rack = "7" }
advertise_addr = "%s"
advertise_addr_wan = "192.0.2.7"
tagged_addresses { special = "192.0.2.8" }
translate_wan_addrs = true
limits { kv_max_value_size = 100 }
session_ttl_min = "30s"
performance { raft_multiplier = 1 }
http_config {
  response_headers { Access-Control-Allow-Origin = "*" }
  block_endpoints = ["/v1/agent/members"]
}
telemetry { metrics_prefix = "mine" disable_hostname = true prometheus_retention_time = "1m" }
disable_update_check = true
connect { enabled = true }
acl { enabled = true default_policy = "deny" tokens { master = "secret" } }
encrypt = "3DPKZhSUkHzXuJqSQBlhxQ=="
retry_join_wan = ["192.0.2.9"]
ports { dns = -1 }
"""


def test_what_is_set_is_what_clients_see(tmp_path: Path) -> None:
    file = tmp_path / "main.hcl"
    file.write_text(MAIN % (NODE_ID, address(71)))
    with Server(address(70), tmp_path, f"-config-file={file}", "-node-meta=unit:3") as server:
        # The leader enters it when it hears of it; the rest its own agent says a moment later.
        until(lambda: server.get("/v1/catalog/nodes")[0]["Meta"])
        _, body, headers = server.request("GET", "/v1/catalog/nodes")
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["X-Consul-Translate-Addresses"] == "true"
        (node,) = json.loads(body)
        assert (node["ID"], node["Datacenter"], node["Address"]) == (NODE_ID, "east-1", address(71))
        assert (node["Meta"]["rack"], node["Meta"]["unit"]) == ("7", "3")
        assert node["TaggedAddresses"]["wan"] == "192.0.2.7"
        assert node["TaggedAddresses"]["special"] == "192.0.2.8"
        mine = server.get("/v1/agent/self")
        assert (mine["Config"]["NodeID"], mine["Meta"]["rack"]) == (NODE_ID, "7")
        assert server.request("GET", "/v1/agent/members")[0] == 403
        assert server.request("PUT", "/v1/kv/a", "x" * 101)[0] == 413
        told = server.request("PUT", "/v1/session/create", '{"TTL": "20s"}')[1]
        assert "must be between [30s=" in told
        server.put("/v1/session/create", {"TTL": "30s"})
        names = [each["Name"] for each in server.get("/v1/agent/metrics")["Gauges"]]
        assert any(name.startswith("mine.") for name in names)
        assert server.request("GET", "/v1/agent/metrics?format=prometheus")[0] == 200


def test_what_does_nothing_yet_is_told_once_and_in_full(tmp_path: Path) -> None:
    file = tmp_path / "main.hcl"
    file.write_text(MAIN % (NODE_ID, address(73)))
    with Server(address(72), tmp_path, f"-config-file={file}") as server:
        for key in ("retry_join_wan", "acl.default_policy"):
            assert server.output.count(f'config key "{key}" does nothing yet') == 1
        assert "does not enforce ACLs yet" in server.output
        for key in ("limits", "node_meta", "connect.enabled", "disable_update_check", "ports.dns"):
            assert f'config key "{key}"' not in server.output
        assert "secret" not in server.output


def test_writes_are_let_in_from_the_named_networks_only(tmp_path: Path) -> None:
    path = tmp_path / "s"
    fragment = (
        'http_config { allow_write_http_from = ["192.0.2.0/24"] }'
        f'addresses {{ http = "{address(74)} unix://{path}" }}'
    )
    with Server(address(74), tmp_path, f"-hcl={fragment}") as server:
        status, body, _ = server.request("PUT", "/v1/kv/a", "1")
        assert (status, body) == (403, "Access is restricted")
        assert server.request("GET", "/v1/kv/a")[0] == 404
        assert exchange(UnixConnection(path), "GET", "/v1/kv/a")[0] == 404


def test_the_log_is_json_and_in_a_file_where_that_is_wished(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    flags = ("-log-json", "-log-level=debug", f"-log-file={file}")
    with Server(address(75), tmp_path, *flags) as server:
        server.request("GET", "/v1/kv/a?token=s3")
        server.end()
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert {"@level", "@message", "@module", "@timestamp"} <= set(lines[0])
        told = [line["@message"] for line in lines]
        assert "leadership established" in told
        (request,) = [line for line in told if "url=/v1/kv/a?" in line]
        assert request.startswith("Request finished: method=GET url=/v1/kv/a?token=<hidden> from=")


def test_a_client_gets_as_many_connections_as_it_may_have(tmp_path: Path) -> None:
    limit = "-hcl=limits { http_max_conns_per_client = 2 }"
    with Server(address(76), tmp_path, limit):
        connections = [http.client.HTTPConnection(address(76), 8500, timeout=30) for _ in range(3)]
        answers = []
        for connection in connections:
            try:
                connection.request("GET", "/v1/status/leader")
                answer = connection.getresponse()
                answer.read()
                answers.append(answer.status)
            except (http.client.RemoteDisconnected, ConnectionError):
                answers.append(0)
        assert answers == [200, 200, 0]
        for connection in connections:
            connection.close()


def test_an_address_may_be_a_template(tmp_path: Path) -> None:
    loopbacks = r"GetAllInterfaces | include \"flags\" \"loopback\" | limit 1"
    listed = rf"{address(77)} {{{{ {loopbacks} | attr \"address\" }}}}"
    fragment = f'-hcl=addresses {{ http = "{listed}" }} ports {{ http = 8577 }}'
    with Server(address(77), tmp_path, fragment) as server:
        assert server.request("GET", "/v1/status/leader", port=8577)[0] == 200
        loopback = http.client.HTTPConnection("127.0.0.1", 8577, timeout=30)
        assert exchange(loopback, "GET", "/v1/status/leader")[0] == 200
