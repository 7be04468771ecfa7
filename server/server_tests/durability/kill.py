"""kill -9 at random moments under load: every acknowledged write must be there afterwards.

Each writer owns its keys and writes rising numbers to them, so that after a restart a key holds
a number from the last acknowledged one to the last one that was sent. Sessions and registrations
are written, too: what was acknowledged must exist. Snapshots are taken and the log is cut all the
while. A server that refuses a write fails the run: it has no reason to.

    python -m server_tests.durability.kill --rounds 100
"""

import argparse
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from server_tests.loopback import address
from server_tests.process import ServerProcess

WRITERS = 6
KEYS_EACH = 5
SNAPSHOTS_OFTEN = (
    '-hcl=raft_snapshot_interval = "100ms"',
    "-hcl=raft_snapshot_threshold = 50",
    "-hcl=raft_trailing_logs = 20",
)


class RefusedError(Exception):
    """The server answered, and not as it should have."""


@dataclass
class Ledger:
    """What one writer sent and what was acknowledged."""

    sent: dict[str, int] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)
    writes: int = 0


class Writer(threading.Thread):
    """Writes over one connection until the server dies."""

    def __init__(self, server: ServerProcess, number: int, ledger: Ledger) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._number = number
        self._ledger = ledger
        self.refused = ""  # what the server said to a write that it should have taken

    def run(self) -> None:
        """End quietly when the connection breaks: the outcome of the last write is unknown."""
        connection = http.client.HTTPConnection(self._server.address, 8500, timeout=30)
        try:
            while True:
                self._write_one(connection)
        except RefusedError as refused:
            self.refused = str(refused)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def _write_one(self, connection: http.client.HTTPConnection) -> None:
        ledger = self._ledger
        ledger.writes += 1
        if ledger.writes % 50 == 0:
            body = _ask(connection, "PUT", "/v1/session/create", b'{"Checks": []}')
            ledger.sessions.add(json.loads(body)["ID"])
            return
        if ledger.writes % 33 == 0:
            name = f"kill-{self._number}-{ledger.writes}"
            service = {"Node": name, "Address": "10.0.0.1", "Service": {"Service": name}}
            _ask(connection, "PUT", "/v1/catalog/register", json.dumps(service).encode())
            ledger.services.add(name)
            return
        key = f"kill/{self._number}/{ledger.writes % KEYS_EACH}"
        number = ledger.sent[key] = ledger.sent.get(key, 0) + 1
        body = _ask(connection, "PUT", f"/v1/kv/{key}", str(number).encode())
        if body != b"true":
            raise RefusedError(f"PUT {key}: {body!r}")
        ledger.acknowledged[key] = number


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes) -> bytes:
    connection.request(method, path, body)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RefusedError(f"{method} {path}: {response.status} {answer!r}")
    return answer


def check(server: ServerProcess, ledgers: list[Ledger]) -> list[str]:
    """What is missing or invented, a sentence each."""
    wrong: list[str] = []
    _, sessions = server.request("GET", "/v1/session/list?consistent")
    alive = {session["ID"] for session in json.loads(sessions)}
    _, services = server.request("GET", "/v1/catalog/services?consistent")
    known = set(json.loads(services))
    for ledger in ledgers:
        for key, acknowledged in ledger.acknowledged.items():
            _, value = server.request("GET", f"/v1/kv/{key}?raw&consistent")
            found = int(value or b"0")
            if not acknowledged <= found <= ledger.sent[key]:
                wrong.append(
                    f"{key}: {found}, acknowledged {acknowledged}, sent {ledger.sent[key]}"
                )
        wrong.extend(f"session {one} is lost" for one in ledger.sessions - alive)
        wrong.extend(f"service {one} is lost" for one in ledger.services - known)
    return wrong


def run(rounds: int, seed: int, host: int, folder: Path) -> tuple[int, list[str]]:
    """(acknowledged writes, what went wrong) of so many kills."""
    die = random.Random(seed)
    server = ServerProcess(address(host), folder / "data", "-log-level=warn", *SNAPSHOTS_OFTEN)
    ledgers = [Ledger() for _ in range(WRITERS)]
    wrong: list[str] = []
    server.start()
    try:
        for _ in range(rounds):
            writers = [Writer(server, number, ledger) for number, ledger in enumerate(ledgers)]
            for writer in writers:
                writer.start()
            time.sleep(die.uniform(0.05, 0.6))  # noqa: TID251 - the moment of the kill
            server.kill()
            for writer in writers:
                writer.join()
            wrong += [writer.refused for writer in writers if writer.refused]
            server.start()
            wrong += check(server, ledgers)
            if wrong:
                break
    finally:
        server.kill()
    return sum(ledger.writes for ledger in ledgers), wrong


def main() -> int:
    """The long run of `make kill-test`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="proconsul-kill-") as folder:
        writes, wrong = run(options.rounds, options.seed, 250, Path(folder))
    sys.stdout.write(f"{options.rounds} kills, {writes} writes sent, {len(wrong)} violations\n")
    for line in wrong:
        sys.stdout.write(f"  {line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
