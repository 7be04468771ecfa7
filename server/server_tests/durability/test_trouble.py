"""A server process in trouble: it says what is wrong, loses nothing, and goes on when it can."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proconsul.raft.entry import Entry
from proconsul.raft.messages import EntryKind, Index, Term
from proconsul.runtime.disk import RealDisk
from proconsul.runtime.file_systems import writes_in_place
from proconsul.runtime.log_entries import record_of
from proconsul.runtime.wal_files import WalFiles
from proconsul.wal.segments import DEFAULT_SEGMENT_BYTES
from server_tests.loopback import address
from server_tests.process import ServerProcess

MANY = 20_000
WRITERS = 64  # they share syncs
STOP_S = 10.0


# ---------------------------------------------------------------- the disk is full


@contextlib.contextmanager
def mounted(kind: str, options: str, path: Path) -> Iterator[Path]:
    """A file system of that kind at an empty folder."""
    command = ["mount", "-t", kind, "-o", options, kind, str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no {kind} can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """A file system of 256 MB."""
    path.mkdir()
    with mounted("tmpfs", "size=256m", path) as disk:
        yield disk


def server_on(disk: Path, host: int, log: Path) -> ServerProcess:
    """A server with its data there, which says elsewhere what happens to it."""
    server = ServerProcess(address(host), disk / "data")
    server.output = log
    return server


def fill(path: Path) -> None:
    """Leave no byte free."""
    with open(path, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
    with open(path, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def put_until_refused(server: ServerProcess) -> tuple[dict[str, bytes], str]:
    """(what was acknowledged, what the server said then)."""
    acknowledged: dict[str, bytes] = {}
    for number in range(1000):
        value = bytes((number % 256,)) * 400_000
        status, body = server.request("PUT", f"/v1/kv/fill/{number}", value)
        if status != 200:
            assert status == 500
            return acknowledged, body.decode()
        acknowledged[f"fill/{number}"] = value
    raise AssertionError("the disk did not become full")


def missing(server: ServerProcess, acknowledged: dict[str, bytes]) -> list[str]:
    return [
        key
        for key, value in acknowledged.items()
        if server.request("GET", f"/v1/kv/{key}?raw") != (200, value)
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_refuses_writes_serves_reads_loses_nothing_and_heals(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as disk:
        server = server_on(disk, 21, tmp_path / "log")
        with server:
            junk = disk / "junk"
            fill(junk)
            acknowledged, said = put_until_refused(server)
            assert "no space left for the log" in said
            status, body = server.request("PUT", "/v1/session/create", b"{}")
            assert (status, body[:34]) == (500, b"write refused: no space left for t")
            assert missing(server, acknowledged) == []
            key = next(iter(acknowledged))
            assert server.request("GET", f"/v1/kv/{key}?raw&consistent")[0] == 200

            server.kill()
            code, output = server.start_in_vain()
            assert code == 1
            assert "==> no space left for the data under" in output
            assert "Traceback" not in output

            junk.unlink()
            server.start()
            assert missing(server, acknowledged) == []
            fill(junk)
            more, _ = put_until_refused(server)
            junk.unlink()
            deadline_s = time.monotonic() + 20
            while server.request("PUT", "/v1/kv/after", b"y") != (200, b"true"):
                assert time.monotonic() < deadline_s, "it did not recover"
                time.sleep(0.05)  # noqa: TID251 - another process is waited for
            assert server.stop() == 0
            server.start()
            assert missing(server, acknowledged | more | {"after": b"y"}) == []
        assert "Traceback" not in server.output.read_text()


# ---------------------------------------------------------------- what lies on the disk is wrong


def some_data(server: ServerProcess) -> None:
    with server:
        for number in range(30):
            server.request("PUT", f"/v1/kv/key{number}", b"v" * 1000)


def test_rot_in_the_log_is_refused_with_file_byte_and_advice(tmp_path: Path) -> None:
    server = ServerProcess(address(22), tmp_path / "data")
    some_data(server)
    segment = next((tmp_path / "data" / "raft" / "log").glob("*.wal"))
    with segment.open("r+b") as file:
        file.seek(9000)
        file.write(b"rot")
    code, output = server.start_in_vain()
    assert code == 1
    line = next(line for line in output.splitlines() if line.startswith("==> "))
    assert f"the log is damaged: {segment} at byte " in line
    assert "restore the data directory or a snapshot from a backup" in line
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_lost_log_is_refused(tmp_path: Path) -> None:
    server = ServerProcess(address(23), tmp_path / "data")
    some_data(server)
    for file in (tmp_path / "data" / "raft" / "log").iterdir():
        file.unlink()
    code, output = server.start_in_vain()
    assert code == 1
    assert "the log was lost. Bring it back" in output
    assert "Traceback" not in output


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    first = ServerProcess(address(24), tmp_path / "data")
    second = ServerProcess(address(25), tmp_path / "data")
    second.output = tmp_path / "second.log"
    with first:
        code, output = second.start_in_vain()
        assert code == 1
        assert "the data directory is in use" in output
        assert f"by process {first.pid}" in output
        assert "Traceback" not in output
        assert first.request("PUT", "/v1/kv/a", b"b") == (200, b"true")


def test_a_port_that_is_taken_is_said_without_a_traceback(tmp_path: Path) -> None:
    first = ServerProcess(address(26), tmp_path / "first")
    second = ServerProcess(address(26), tmp_path / "second")
    with first:
        code, output = second.start_in_vain()
    assert code == 1
    line = next(line for line in output.splitlines() if line.startswith("==> "))
    assert f"{address(26)}:8500" in line
    assert "in use" in line
    assert "Traceback" not in output


def test_a_command_that_nobody_can_read_ends_it_with_its_place_and_kind(tmp_path: Path) -> None:
    server = ServerProcess(address(30), tmp_path / "data")
    some_data(server)
    wal = WalFiles.open(str(tmp_path / "data" / "raft" / "log"), RealDisk(), DEFAULT_SEGMENT_BYTES)
    index = Index(wal.last_index + 1)
    strange = Entry(index, Term(wal.last_term), EntryKind.COMMAND, b"\x1f\x80", b"")
    wal.append([record_of(strange)], None)
    wal.close()
    for _ in range(2):  # it does not heal, nor does it get worse
        code, output = server.start_in_vain()
        assert code == 1
        assert f"entry {index} of the log cannot be applied" in output
        assert "a command of type 31" in output
        assert "Traceback" not in output


@pytest.mark.slow
def test_a_lost_node_id_is_noticed(tmp_path: Path) -> None:
    server = ServerProcess(address(31), tmp_path / "data")
    some_data(server)
    (tmp_path / "data" / "node-id").unlink()
    server.launch()
    try:
        until_it_says(server, "was its node-id file lost?")
    finally:
        server.kill()


def until_it_says(server: ServerProcess, text: str) -> None:
    deadline_s = time.monotonic() + 30
    while text not in server.output.read_text():
        assert time.monotonic() < deadline_s, server.output.read_text()
        time.sleep(0.01)  # noqa: TID251 - another process is waited for


# ---------------------------------------------------------------- the disk fails


@contextlib.contextmanager
def failing(server: ServerProcess, call: str, error: str, *only: str) -> Iterator[None]:
    """Let system calls of the running server fail; `only` names the file: `-P`, path."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}"]
    watch = [strace, "-f", "-o", "/dev/null", *only, *inject, "-p", str(server.pid)]
    watcher = subprocess.Popen(watch, stderr=subprocess.PIPE)
    assert watcher.stderr is not None
    if b"attached" not in (said := watcher.stderr.readline()):
        pytest.skip(f"strace may not attach here: {said.decode().strip()}")
    try:
        yield
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.communicate()


@pytest.mark.parametrize(
    "calls", ["io_getevents", "io_submit,fdatasync"], ids=["by the kernel", "by the thread"]
)
def test_a_sync_that_fails_ends_it_and_the_write_is_not_acknowledged(
    tmp_path: Path, calls: str
) -> None:
    server = ServerProcess(address(32), tmp_path / "data")
    with server:
        assert server.request("PUT", "/v1/kv/a", b"1") == (200, b"true")
        with failing(server, calls, "EIO"):
            status, _ = server.request("PUT", "/v1/kv/a", b"2")
            assert status == 500
            assert server.wait() == 1
        output = server.output.read_text()
        # Of the write, or of the next segment, which may be made just then.
        assert re.search(r"failed \(\[Errno 5\] (io_getevents: )?Input/output error\)", output)
        assert "look for disk errors" in output
        assert "Traceback" not in output
        server.start()
        _, value = server.request("GET", "/v1/kv/a?raw&consistent")
        assert value in (b"1", b"2")  # written, and not known to be on the disk: neither promised


def test_where_the_kernel_may_not_sync_by_itself_a_thread_does(tmp_path: Path) -> None:
    server = ServerProcess(address(32), tmp_path / "data")
    with server:
        with failing(server, "io_submit", "EPERM"):
            assert server.request("PUT", "/v1/kv/a", b"1") == (200, b"true")
        assert server.request("PUT", "/v1/kv/a", b"2") == (200, b"true")
        server.kill()
        server.start()
        assert server.request("GET", "/v1/kv/a?raw&consistent") == (200, b"2")


def test_writes_that_find_no_room_are_refused_and_taken_again_later(tmp_path: Path) -> None:
    server = ServerProcess(address(33), tmp_path / "data")
    with server:
        assert server.request("PUT", "/v1/kv/a", b"1") == (200, b"true")
        with failing(server, "pwrite64", "ENOSPC"):
            status, body = server.request("PUT", "/v1/kv/a", b"2")
            assert status == 500
            assert b"no space left for the log" in body
            assert server.request("GET", "/v1/kv/a?raw&consistent") == (200, b"1")
        deadline_s = time.monotonic() + 20
        while server.request("PUT", "/v1/kv/a", b"3") != (200, b"true"):
            assert time.monotonic() < deadline_s, "it did not recover"
            time.sleep(0.05)  # noqa: TID251 - another process is waited for
        assert server.stop() == 0
        server.start()
        assert server.request("GET", "/v1/kv/a?raw") == (200, b"3")


# ---------------------------------------------------------------- the state's disk

BY_CALLS = "pwrite64,pwritev,writev"  # a state that is not written in place
LARGE = bytes(200_000)  # is written down before the next write is applied


@contextlib.contextmanager
def overlay(path: Path) -> Iterator[Path]:
    """A file system on which the state is not written in place."""
    layers = {name: path / name for name in ("lowerdir", "upperdir", "workdir")}
    merged = path / "merged"
    for folder in (*layers.values(), merged):
        folder.mkdir(parents=True)
    options = ",".join(f"{name}={folder}" for name, folder in layers.items())
    with mounted("overlay", options, merged) as disk:
        yield disk


def state_file(data: Path) -> str:
    (state,) = (data / "state").glob("state-*/data.mdb")
    return str(state)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount an overlay")
def test_a_state_that_cannot_be_written_ends_it_and_is_built_anew(tmp_path: Path) -> None:
    with overlay(tmp_path / "overlay") as disk:
        server = server_on(disk, 35, tmp_path / "log")
        with server:
            assert server.request("PUT", "/v1/kv/a", LARGE) == (200, b"true")
            only = ("-P", state_file(disk / "data"))
            with failing(server, BY_CALLS, "EIO", *only):
                status, _ = server.request("PUT", "/v1/kv/b", b"2")
                assert status == 500
                assert server.wait() == 1
            output = server.output.read_text()
            assert "the state could not be written" in output
            assert "Traceback" not in output
            trust = json.loads((disk / "data" / "state" / "trust.json").read_text())
            assert trust["damaged"]
            server.start()
            assert server.request("GET", "/v1/kv/a?raw") == (200, LARGE)  # they were in the log
            assert server.request("GET", "/v1/kv/b?raw") == (200, b"2")


def finds_no_room_for_a_while(server: ServerProcess, calls: str, state: str) -> None:
    """Until the state has room nothing is applied; what is in the log is applied then."""
    assert server.request("PUT", "/v1/kv/a", b"1") == (200, b"true")
    with failing(server, calls, "ENOSPC", "-P", state):
        number, status, body = 0, 200, b""
        while status == 200:
            number += 1
            status, body = server.request("PUT", f"/v1/kv/large/{number}", LARGE * 2)
        assert status == 500
        assert b"the write is in the log and will be applied, but not now" in body
        status, body = server.request("PUT", "/v1/kv/a", b"3")
        assert status == 500
        assert b"write refused: the state under" in body
        assert server.request("GET", f"/v1/kv/large/{number}")[0] == 404
        assert server.request("GET", "/v1/kv/a?raw") == (200, b"1")
    until_it_says(server, "the state has room again")
    assert server.request("GET", f"/v1/kv/large/{number}?raw") == (200, LARGE * 2)
    assert server.request("PUT", "/v1/kv/a", b"4") == (200, b"true")
    server.kill()
    server.start()
    assert server.request("GET", "/v1/kv/a?raw") == (200, b"4")
    assert server.request("GET", f"/v1/kv/large/{number}?raw") == (200, LARGE * 2)
    assert "Traceback" not in server.output.read_text()


def test_what_finds_no_room_in_the_state_is_applied_later(tmp_path: Path) -> None:
    calls = "fallocate" if writes_in_place(tmp_path) else BY_CALLS
    with ServerProcess(address(34), tmp_path / "data") as server:
        finds_no_room_for_a_while(server, calls, state_file(tmp_path / "data"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount an overlay")
def test_the_same_where_it_is_not_written_in_place(tmp_path: Path) -> None:
    with overlay(tmp_path / "overlay") as disk:
        server = server_on(disk, 36, tmp_path / "log")
        with server:
            finds_no_room_for_a_while(server, BY_CALLS, state_file(disk / "data"))


# ---------------------------------------------------------------- its end, and its next start


class Load(threading.Thread):
    """Writes over one connection to the end, and notes whatever is neither yes nor a good no."""

    def __init__(self, server: ServerProcess, number: int) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._number = number
        self.acknowledged = 0
        self.odd: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._server.address, 8500, timeout=30)
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                connection.request("PUT", f"/v1/kv/load/{self._number}", b"%d" % self.acknowledged)
                response = connection.getresponse()
                body = response.read()
                if (response.status, body) == (200, b"true"):
                    self.acknowledged += 1
                else:
                    self.odd.append(f"{response.status} {body!r}")
        connection.close()


def test_sigterm_under_load_ends_it_soon_and_in_order(tmp_path: Path) -> None:
    server = ServerProcess(address(27), tmp_path / "data")
    with server:
        loads = [Load(server, number) for number in range(8)]
        for load in loads:
            load.start()
        while min(load.acknowledged for load in loads) < 5:
            time.sleep(0.01)  # noqa: TID251 - another process is waited for
        began_s = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began_s < STOP_S
        for load in loads:
            load.join()
        assert [odd for load in loads for odd in load.odd] == []
        _, _, ending = server.output.read_text().partition("caught: signal=SIGTERM")
        assert "stopped" in ending
        assert "Traceback" not in ending
        assert "ERROR" not in ending
        trust = json.loads((tmp_path / "data" / "state" / "trust.json").read_text())
        assert trust["clean"]
        server.start()
        for load in loads:
            _, value = server.request("GET", f"/v1/kv/load/{load._number}?raw")
            assert int(value) in (load.acknowledged - 1, load.acknowledged)


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    # The orderly end takes as long as that.
    server = ServerProcess(address(28), tmp_path / "data", '-hcl=drain_time = "5m"')
    with server:
        server.request("PUT", "/v1/kv/a", b"b")
        server.send(signal.SIGINT)
        until_it_says(server, "caught: signal=SIGINT")
        server.send(signal.SIGINT)
        assert server.wait() == 1
        assert "caught second signal" in server.output.read_text()
        server.start()
        assert server.request("GET", "/v1/kv/a?raw") == (200, b"b")


def write_many(server: ServerProcess) -> None:
    """So many entries, a few at a time."""

    def write(writer: int) -> None:
        connection = http.client.HTTPConnection(server.address, 8500, timeout=60)
        for number in range(MANY // WRITERS):
            connection.request("PUT", f"/v1/kv/many/{writer}/{number % 50}", b"%d" % number)
            assert connection.getresponse().read() == b"true"
        connection.close()

    threads = [threading.Thread(target=write, args=(one,)) for one in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.slow
def test_a_restart_with_many_entries_answers_soon_trusted_or_not(tmp_path: Path) -> None:
    server = ServerProcess(address(29), tmp_path / "data", "-hcl=raft_snapshot_threshold = 1000000")
    with server:
        write_many(server)
        applied = int(_stat(server, "applied_index"))
        assert applied >= WRITERS * (MANY // WRITERS)
        server.kill()
        server.start()
        assert "built anew" not in server.output.read_text()
        server.kill()
        (tmp_path / "data" / "state" / "trust.json").unlink()  # as after a boot
        server.start()
        assert int(_stat(server, "applied_index")) > applied
        last = b"%d" % (MANY // WRITERS - 1)
        key = f"many/7/{(MANY // WRITERS - 1) % 50}"
        assert server.request("GET", f"/v1/kv/{key}?raw&consistent") == (200, last)


def _stat(server: ServerProcess, name: str) -> str:
    _, body = server.request("GET", "/v1/agent/self")
    return str(json.loads(body)["Stats"]["raft"][name])
