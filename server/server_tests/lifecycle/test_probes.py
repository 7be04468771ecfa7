"""The probes and the own raft of a running server, on the API and on a port of their own."""

import http.client
import json
from pathlib import Path
from typing import Any

from server_tests.lifecycle.server import Server, exchange, until
from server_tests.loopback import address

PROBE_PORT = 8558


def probe(host: str, name: str) -> tuple[int, Any]:
    """(status, document) at the port of the probes."""
    connection = http.client.HTTPConnection(host, PROBE_PORT, timeout=30)
    status, body, _ = exchange(connection, "GET", f"/v1/proconsul/{name}", "")
    return status, json.loads(body) if body else None


def test_a_server_that_leads_passes_all_probes_and_tells_its_raft(tmp_path: Path) -> None:
    host = address(221)
    with Server(host, tmp_path, "-hcl=ports { probe = 8558 }") as server:
        until(lambda: probe(host, "readyz")[0] == 200)
        for name in ("startz", "livez", "readyz"):
            expected = {"OK": True, "Reason": "OK", "Message": ""}
            assert probe(host, name) == (200, expected)
            assert server.get(f"/v1/proconsul/{name}") == expected
        assert probe(host, "raft/local") == (404, None)

        told = server.get("/v1/proconsul/raft/local")
        assert told["NodeID"] == (server.data / "node-id").read_text()
        assert told["NodeName"] == "n1"
        assert (told["State"], told["Voter"], told["LeaderID"]) == ("Leader", True, told["NodeID"])
        assert told["Vote"] == told["NodeID"]
        assert told["LastIndex"] == told["CommitIndex"] == told["AppliedIndex"] > 0
        assert told["Configuration"]["Index"] == 1
        assert [one["ID"] for one in told["Configuration"]["Servers"]] == [told["NodeID"]]
        assert (told["RecoveryEpoch"], told["Decommissioned"], told["RestoreUID"]) == (0, False, "")
        first = told["ClusterID"]
        assert first
        server.end()
        server.start()
        assert server.get("/v1/proconsul/raft/local")["ClusterID"] == first


def test_a_server_without_a_leader_lives_and_is_not_ready(tmp_path: Path) -> None:
    host = address(222)
    flags = ("-bootstrap-expect=3", f"-retry-join={address(223)}", "-hcl=ports { probe = 8558 }")
    with Server(host, tmp_path, *flags) as server:
        assert probe(host, "livez")[0] == 200
        assert probe(host, "startz")[0] == 200
        status, why = probe(host, "readyz")
        assert (status, why["Reason"]) == (503, "NoLeader")
        told = server.get("/v1/proconsul/raft/local")
        assert (told["State"], told["LeaderID"], told["ClusterID"]) == ("Follower", "", "")
        assert (told["LastContactMs"], told["Configuration"]["Servers"]) == (-1, [])


def test_a_server_that_joins_is_not_ready_before_it_votes(tmp_path: Path) -> None:
    first, second = address(224), address(225)
    flags = ("-hcl=ports { probe = 8558 }", '-hcl=autopilot { server_stabilization_time = "3s" }')
    reasons = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()

    def is_ready() -> bool:
        status, told = probe(second, "readyz")
        reasons.append(told["Reason"])
        return status == 200

    with Server(first, tmp_path / "first", "-node=n1", *flags) as leader:
        until(lambda: probe(first, "readyz")[0] == 200)
        joining = ("-node=n2", "-bootstrap-expect=0", f"-retry-join={first}", *flags)
        with Server(second, tmp_path / "second", *joining) as server:
            until(is_ready)
            assert "NotVoter" in reasons
            assert server.get("/v1/proconsul/raft/local")["Voter"]
            assert len(leader.get("/v1/operator/raft/configuration")["Servers"]) == 2
