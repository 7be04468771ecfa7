"""What a server asks of itself: how often it may, with which token, and what it tells of it."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

from proconsul.wire import msgpack
from server_tests.lifecycle.server import Server, until
from server_tests.loopback import address
from server_tests.runtime.rpc_twins import Wire

NOTHING = "limits { rpc_rate = 0.001 rpc_max_burst = 0 }"
GATEWAY = {"Kind": "mesh-gateway", "Name": "gw", "Port": 443}
READ = {"Datacenter": "dc1", "Key": "a"}


def test_the_limit_holds_for_the_servers_own_calls_until_a_reload_lifts_it(tmp_path: Path) -> None:
    file = tmp_path / "server.hcl"
    file.write_text(NOTHING)
    with Server(address(63), tmp_path, f"-config-file={file}") as server:
        for method, path in (
            ("GET", "/v1/kv/a"),
            ("PUT", "/v1/kv/a"),
            ("GET", "/v1/status/leader"),
            ("GET", "/v1/snapshot"),
            ("PUT", "/v1/event/fire/e"),
        ):
            status, body, _ = server.request(method, path)
            assert (status, body) == (429, ""), path
        assert "RPC rate limit exceeded" in server.output
        assert server.request("GET", "/v1/agent/members")[0] == 200  # nobody is called for it
        with closing(Wire(server.address)) as wire:  # what others call has no such limit
            assert wire.ask("KVS.Get", READ).error == ""

        file.write_text("")
        server.reload()
        assert {server.request("GET", "/v1/kv/a")[0] for _ in range(50)} == {404}

        file.write_text(NOTHING)
        server.reload()
        assert server.request("GET", "/v1/kv/a")[0] == 429


def test_a_server_under_its_own_limit_leaves_all_the_same(tmp_path: Path) -> None:
    ours, other = address(64), address(68)
    (tmp_path / "other").mkdir()
    second = ("-node=n2", "-bootstrap-expect=0", f"-retry-join={ours}", f"-hcl={NOTHING}")
    with (
        Server(ours, tmp_path) as server,
        Server(other, tmp_path / "other", *second) as leaving,
    ):
        until(lambda: len(server.get("/v1/status/peers")) == 2)
        assert leaving.request("PUT", "/v1/agent/leave")[0] == 200
        leaving.wait_for_line("agent: stopped")
        assert "RPC rate limit exceeded. Remove it" not in leaving.output
        until(lambda: server.get("/v1/status/peers") == [f"{ours}:8300"])


def test_who_brings_no_token_uses_the_agents(tmp_path: Path) -> None:
    """A command in the log bears the token of who gave it, as Consul's do."""
    acl = '-hcl=acl { enabled = true tokens { default = "token-of-the-agent" } }'
    with Server(address(65), tmp_path, acl) as server:
        server.put("/v1/kv/without", 1)
        server.put("/v1/kv/with?token=token-of-the-user", 1)
        server.put("/v1/agent/token/default", {"Token": "token-of-the-api"})
        server.put("/v1/kv/later", 1)
        server.end()
        log = b"".join(file.read_bytes() for file in (server.data / "raft").rglob("*.wal"))
    for key, token in (
        (b"without", b"token-of-the-agent"),
        (b"with", b"token-of-the-user"),
        (b"later", b"token-of-the-api"),
    ):
        assert re.search(rb"\xa3Key." + key + rb"\xa9.{0,200}\xa5Token." + token, log, re.DOTALL)


def test_own_calls_are_told_apart_from_those_of_others(tmp_path: Path) -> None:
    metrics = '-hcl=telemetry { prometheus_retention_time = "1m" disable_hostname = true }'
    with Server(address(66), tmp_path, metrics) as server:
        for _ in range(20):
            server.request("GET", "/v1/kv/a")
        own = counted(server, "consul_client_rpc")
        assert own >= 20
        assert counted(server, "consul_rpc_request") == 0
        with closing(Wire(server.address)) as wire:
            for _ in range(20):
                assert wire.ask("KVS.Get", READ).error == ""
        assert counted(server, "consul_rpc_request") == 20
        assert counted(server, "consul_client_rpc") - own < 20


def counted(server: Server, name: str) -> int:
    """A counter, since the start."""
    text = server.request("GET", "/v1/agent/metrics?format=prometheus")[1]
    found = re.search(rf"(?m)^{name} (\d+)$", text)
    assert found is not None, text
    return int(found[1])


def test_a_leader_tells_where_the_gateways_of_its_datacenter_are(tmp_path: Path) -> None:
    with Server(address(67), tmp_path) as server, closing(Wire(server.address)) as wire:
        (state,) = until(lambda: states(wire))
        assert (state["Datacenter"], state["MeshGateways"]) == ("dc1", None)
        server.put("/v1/agent/service/register", GATEWAY)
        (state,) = until(lambda: [one for one in states(wire) if one["MeshGateways"]])
        (gateway,) = state["MeshGateways"]
        assert (gateway["Node"]["Node"], gateway["Service"]["Port"]) == ("n1", 443)
        assert [check["CheckID"] for check in gateway["Checks"]] == ["serfHealth"]
        server.put("/v1/agent/service/deregister/gw")
        until(lambda: not states(wire)[0]["MeshGateways"])


def states(wire: Wire) -> list[dict[str, Any]]:
    """What the server knows of the datacenters."""
    reply = wire.ask("FederationState.List", {"Datacenter": "dc1"})
    found: list[dict[str, Any]] = msgpack.unpack(reply.body)["States"]
    return found
