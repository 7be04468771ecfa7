"""A Job's process, started as its pod starts it: order in, result out, exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from proconsul_operator.actions.job_orders import (
    ORDER,
    RESULT_BYTES_MAX,
    RUN,
    RestoreOrder,
    SnapshotOrder,
    failure,
    result_of,
    result_text,
)
from proconsul_operator.actions.job_orders import JobError as Error
from proconsul_operator.api.places import Destination, Location, Pvc
from proconsul_operator.api.values import plain
from server_tests.loopback import address
from server_tests.process import ServerProcess


def job(program: str, folder: Path, order: Any, run: str = "uid") -> tuple[int, dict[str, Any]]:
    """Exit code and result."""
    for name in ("work", "volume"):
        (folder / name).mkdir(exist_ok=True)
    environment = {
        **os.environ,
        ORDER: json.dumps(plain(order)) if order is not None else "{",
        RUN: run,
        "PROCONSUL_WORK": str(folder / "work"),
        "PROCONSUL_VOLUME": str(folder / "volume"),
        "PROCONSUL_TERMINATION_LOG": str(folder / "said"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "proconsul_operator.cli", program],
        env=environment,
        capture_output=True,
        check=False,
        timeout=100,
    )
    result = result_of((folder / "said").read_text())
    assert result is not None, done.stderr
    return done.returncode, result


def test_a_snapshot_is_taken_and_put_back_by_two_jobs(tmp_path: Path) -> None:
    with ServerProcess(address(104), tmp_path / "server") as server:
        assert server.request("PUT", "/v1/kv/a", b"1")[0] == 200
        url = f"http://{server.address}:8500"
        destination = Destination(pvc=Pvc(claim_name="b"))
        order = SnapshotOrder(cluster="c", namespace="n", url=url, destination=destination)
        code, taken = job("snapshot", tmp_path, order)
        assert (code, taken["keysChecked"]) == (0, 1)
        assert server.request("PUT", "/v1/kv/a", b"2")[0] == 200
        path = taken["location"].removeprefix("pvc://b/")
        back = RestoreOrder(
            act="Restore",
            location=Location(pvc=Pvc(claim_name="b", path=path)),
            url=url,
            restore_uid="r-1",
        )
        code, put = job("restore", tmp_path, back)
        assert (code, put["alreadyApplied"]) == (0, False)
        assert server.request("GET", "/v1/kv/a?raw")[1] == b"1"


def test_an_order_that_is_none_fails_with_a_reason(tmp_path: Path) -> None:
    code, result = job("restore", tmp_path, None)
    assert (code, result["error"]["reason"]) == (1, "OrderBroken")


def test_a_result_always_fits_into_the_termination_message() -> None:
    text = result_text(failure(Error("X", "ä" * 100_000)))
    assert len(text.encode()) <= RESULT_BYTES_MAX
    found = result_of(text)
    assert found is not None
    assert found["error"]["reason"] == "X"


def test_a_message_that_is_not_ours_is_no_result() -> None:
    for text in ("", "Killed", "7", "[1]"):
        assert result_of(text) is None
