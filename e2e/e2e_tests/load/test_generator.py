"""The generator as a process, asking a small server on loopback: it notes what happened."""

import base64
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from e2e.load.checker import check, counts
from e2e.load.ledger import Ledger, Outcome, read
from e2e.load.pod import GENERATOR

PREFIX = "e2e"


class Store(BaseHTTPRequestHandler):
    """Keys and check-and-set; every tenth write is done and not answered, or refused."""

    protocol_version = "HTTP/1.1"
    rows: dict[str, tuple[int, int]]  # value, index
    lock: threading.Lock
    count: int
    unanswered: bool

    def do_GET(self) -> None:
        with self.lock:
            row = self.rows.get(urlsplit(self.path).path.removeprefix("/v1/kv/"))
        if row is None:
            return self._answer(404, b"")
        encoded = base64.b64encode(str(row[0]).encode()).decode()
        return self._answer(200, json.dumps([{"Value": encoded, "ModifyIndex": row[1]}]).encode())

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        place = urlsplit(self.path)
        key, cas = place.path.removeprefix("/v1/kv/"), parse_qs(place.query).get("cas")
        kind = type(self)
        with self.lock:
            kind.count += 1
            number = kind.count
            if number % 10 == 5:
                return self._answer(500, b"No cluster leader")
            if cas and int(cas[0]) != self.rows.get(key, (0, 0))[1]:
                return self._answer(200, b"false")
            self.rows[key] = (int(body), number)
        if number % 10 == 0 and self.unanswered:
            self.close_connection = True
            return None
        return self._answer(200, b"true")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def server() -> Iterator[tuple[str, type[Store]]]:
    """Its URL, and its state."""
    state = type(
        "Own", (Store,), {"rows": {}, "lock": threading.Lock(), "count": 0, "unanswered": True}
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), state) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", state
        listening.shutdown()
        thread.join()


def ledger_of(folder: Path, url: str, *, stops_by: str) -> Ledger:
    """Of a run of two hundred operations or so."""
    config = {
        "seed": 1, "prefix": PREFIX, "ledger": str(folder / "ledger.jsonl"), "service": url,
        "members": {"s1": url}, "writers": 2, "writes_per_s": 100, "counters": 1,
        "counts_per_s": 20, "reads_per_s": 20, "member_ops_per_s": 10,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    command = [sys.executable, str(GENERATOR), str(folder / "config.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while not enough(folder / "ledger.jsonl"):
            assert process.poll() is None
        if stops_by == "file":
            (folder / "stop").touch()
        else:
            process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "ended\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    return read((folder / "ledger.jsonl").read_text().splitlines())


def enough(ledger: Path) -> bool:
    """It has seen all kinds of outcomes."""
    return ledger.exists() and ledger.read_bytes().count(b"\n") > 400


def test_what_it_notes_is_what_happened(tmp_path: Path) -> None:
    with server() as (url, state):
        ledger = ledger_of(tmp_path, url, stops_by="file")
        final = {key: value for key, (value, _) in state.rows.items()}
    assert check(ledger, final) == []
    assert ledger.ended
    assert {"writes acked", "writes refused", "writes unknown", "reads acked"} <= set(
        counts(ledger)
    )
    assert {one.kind for one in ledger.operations} == {
        "put", "cas", "get consistent", "get default", "get stale"
    }  # fmt: skip
    assert {one.kind for one in ledger.operations if one.target == "s1"} == {
        "put", "get consistent", "get default", "get stale"
    }  # fmt: skip


def test_a_server_that_forgets_is_found_out(tmp_path: Path) -> None:
    with server() as (url, state):
        ledger = ledger_of(tmp_path, url, stops_by="signal")
        final = {key: value for key, (value, _) in state.rows.items()}
    key = next(one.key for one in ledger.operations if one.kind == "put" and one.is_acked)
    assert check(ledger, {**final, key: 0}) != []


def test_a_writer_leaves_a_key_whose_last_write_is_unknown(tmp_path: Path) -> None:
    with server() as (url, _):
        ledger = ledger_of(tmp_path, url, stops_by="file")
    for one in ledger.operations:
        if one.kind == "put" and one.outcome is Outcome.UNKNOWN:
            later = [each for each in ledger.operations if each.key == one.key and each.writes]
            assert later[-1] == one
