"""What was acknowledged survives kill -9; the disk is asked to keep each write."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from server_tests.durability import kill
from server_tests.loopback import address
from server_tests.process import ServerProcess

ROUNDS = 4
PUTS = 100


def test_every_acknowledged_write_is_there_after_kill_9(tmp_path: Path) -> None:
    writes, wrong = kill.run(ROUNDS, seed=int.from_bytes(os.urandom(4)), host=11, folder=tmp_path)
    assert not wrong
    assert writes > ROUNDS * 10, "there was hardly any load"


def test_each_write_on_a_connection_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    with ServerProcess(address(12), tmp_path / "data") as server:
        watch = [strace, "-f", "-e", "trace=fdatasync,io_submit,io_getevents", "-o", str(trace)]
        watcher = subprocess.Popen([*watch, "-p", str(server.pid)], stderr=subprocess.PIPE)
        assert watcher.stderr is not None
        if b"attached" not in (said := watcher.stderr.readline()):
            pytest.skip(f"strace may not attach here: {said.decode().strip()}")
        connection = http.client.HTTPConnection(server.address, 8500, timeout=30)
        for number in range(PUTS):
            connection.request("PUT", f"/v1/kv/synced/{number}", b"x")
            assert connection.getresponse().read() == b"true"
        connection.close()
        watcher.send_signal(signal.SIGINT)
        watcher.communicate()
        assert _syncs(trace) >= PUTS


def _syncs(trace: Path) -> int:
    """Those that have succeeded: a thread's own, and the kernel's workers'."""
    text = trace.read_text()
    own = re.findall(r"fdatasync\(\d+\) += 0|fdatasync resumed>\) += 0", text)
    asked = re.findall(r"aio_lio_opcode=IOCB_CMD_FDSYNC", text)
    done = re.findall(r"io_getevents.*res=0\b", text)
    return len(own) + min(len(asked), len(done))


def test_sigterm_ends_it_cleanly_and_the_data_is_there_again(tmp_path: Path) -> None:
    server = ServerProcess(address(13), tmp_path / "data")
    with server:
        assert server.request("PUT", "/v1/kv/kept", b"yes") == (200, b"true")
        assert server.stop() == 0
        server.start()
        assert server.request("GET", "/v1/kv/kept?raw") == (200, b"yes")
        server.send(signal.SIGINT)
        deadline_s = time.monotonic() + 30
        while _answers(server) and time.monotonic() < deadline_s:
            time.sleep(0.05)  # noqa: TID251 - another process is waited for
        assert not _answers(server)


def _answers(server: ServerProcess) -> bool:
    try:
        server.request("GET", "/v1/status/leader")
    except OSError:
        return False
    return True
