"""The marks of our cluster in the hands of a real Consul 1.8.7.

It skips the command in the log (test_one_raft.py has both in one cluster), and a snapshot that it
restores keeps the marks, which come back to us in its own.
"""

import json
from pathlib import Path

import pytest

from proconsul.fsm.archive import read_archive
from proconsul.fsm.commands import MessageType
from server_tests.fsm.real_server import free_address, real_server, requires_real_consul
from server_tests.fsm.states import records
from server_tests.loopback import address
from server_tests.process import ServerProcess

pytestmark = [requires_real_consul, pytest.mark.real_clock]


def marks_in(archive: bytes) -> set[str]:
    """The names of our marks among the records of an archive."""
    state = bytearray()
    read_archive([archive], state.extend)
    names = (value["Key"] for number, value in records(bytes(state))[1] if number == INDEX)
    return {name for name in names if name.startswith("proconsul-")}


INDEX = MessageType.INDEX


def test_a_real_server_restores_our_marks_and_passes_them_on(tmp_path: Path) -> None:
    with ServerProcess(address(216), tmp_path / "first") as first:
        assert first.request("PUT", "/v1/kv/colour", b"red")[0] == 200
        _, archive = first.request("GET", "/v1/snapshot")
        status, _ = first.request("PUT", "/v1/snapshot?restore-uid=restore-1", archive)
        assert status == 200
        _, archive = first.request("GET", "/v1/snapshot")
    ours = marks_in(archive)
    assert len(ours) == 2
    assert "proconsul-restore:restore-1" in ours

    with real_server(free_address(24)) as real:
        real.put("/v1/snapshot", archive)
        assert json.loads(real.get("/v1/kv/colour"))[0]["Value"] == "cmVk"
        passed_on = real.get("/v1/snapshot")
    assert marks_in(passed_on) == ours

    with ServerProcess(address(217), tmp_path / "second") as second:
        _, before = second.request("GET", "/v1/snapshot")
        own = marks_in(before)
        assert len(own) == 1
        assert not own & ours
        assert second.request("PUT", "/v1/snapshot", passed_on)[0] == 200
        _, after = second.request("GET", "/v1/snapshot")
        assert marks_in(after) == own
