"""Recovery by epoch, as a process does it: what it must not do to the disk, and to the cluster."""

import json
from pathlib import Path

import pytest

from server_tests.lifecycle.server import Server, refused, until
from server_tests.loopback import address

NOBODY = "99990000-2222-3333-4444-555555555555"


def reason_of(server: Server) -> str:
    _, body, _ = server.request("GET", "/v1/proconsul/readyz")
    return str(json.loads(body)["Reason"])


def test_the_data_of_a_server_that_runs_are_nobody_elses_to_recover(tmp_path: Path) -> None:
    """Its pod was force-deleted, and the next one came to the same machine."""
    file = tmp_path / "recovery.json"
    recovery = f'-hcl=recovery_file = "{file}"'
    with Server(address(227), tmp_path, recovery) as server:
        until(lambda: reason_of(server) == "OK")
        server.put("/v1/kv/kept", "1")
        file.write_text(json.dumps({"epoch": 1, "mode": "Rebootstrap"}))
        there = (f"-bind={address(228)}", f"-client={address(228)}")
        told = refused(*there, f"-data-dir={server.data}", recovery)
        assert "data directory is in use" in told
        assert f"locked by process {server.pid}" in told
        assert (server.data / "node-id").is_file()
        assert not (server.data / "raft.epoch-1.bak").exists()
        assert server.request("GET", "/v1/kv/kept?consistent")[0] == 200


@pytest.mark.parametrize("lost", [False, True], ids=["with data", "with an empty disk"])
def test_who_steps_aside_for_a_survivor_that_nobody_is_founds_no_cluster_of_its_own(
    tmp_path: Path, lost: bool
) -> None:
    file = tmp_path / "recovery.json"
    with Server(address(229), tmp_path, f'-hcl=recovery_file = "{file}"') as server:
        old_id = ""
        if lost:
            assert server.end() == 0
            server.data.rename(tmp_path / "lost")
        else:
            until(lambda: reason_of(server) == "OK")
            old_id = server.get("/v1/proconsul/raft/local")["NodeID"]
            assert server.end() == 0
        file.write_text(json.dumps({"epoch": 1, "mode": "Reform", "voter": NOBODY}))
        server.start()
        if not lost:
            assert old_id in server.wait_for_line("recovery: epoch=1")
            assert (server.data / "raft.epoch-1.bak" / "log").is_dir()
        told = f"no cluster is founded yet: epoch 1 of the recovery file .*{NOBODY}"
        server.wait_for_line(told)
        assert server.end() == 0
        file.unlink()  # the disk remembers
        server.start()
        server.wait_for_line("no cluster is founded yet: epoch 1 of the recovery file")
        assert reason_of(server) == "NoLeader"
        assert server.get("/v1/proconsul/raft/local")["LastIndex"] == 0
        assert server.end() == 0

        file.write_text(json.dumps({"epoch": 2, "mode": "Rebootstrap"}))
        server.start()
        until(lambda: reason_of(server) == "OK")
