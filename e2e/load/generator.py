"""The load: writes, counters and reads, each noted before it is sent and after it was answered.

Runs as one pod beside the servers, with the standard library only, so that it is one file in a
ConfigMap: `python generator.py CONFIG`. It ends when the file `stop` lies beside the ledger, or at
SIGTERM; then it notes that it ended, and waits to be deleted, so that its ledger can be fetched.

- A writer has keys of its own and writes 1, 2, 3 ... to one of them. After a write whose outcome
  is unknown it takes a new key: that write may take effect at any later time, and would then look
  like a loss of what was written after it.
- A counter is read consistently and raised by check-and-set, by several workers.
- Readers ask in the modes consistent and default through the Service, and stale at each member.
- With `member_ops_per_s` each member is also written to and read from in those two modes directly:
  that tells what a server does that the Service leads nobody to any more.

An outcome is `acked` (answered), `refused` (surely not done: no connection, no leader, the check
of a check-and-set failed) or `unknown` (all else). A write's line is synced before the next one.
"""

import base64
import http.client
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 3.0  # of a connection and of an answer: a pod that vanished sends no reset
STAY_S = (1.0, 3.0)  # how long a connection is kept: the Service chooses for each new one
REST_S = 0.05  # after a failure
LOOK_S = 0.2  # between two looks for the file `stop`
ENDS = {signal.SIGTERM, signal.SIGINT}
NO_LEADER = b"No cluster leader"
STATES = {
    "x-consul-index": "index",
    "x-consul-lastcontact": "contact_ms",
    "x-consul-knownleader": "known",
}


class Ledger:
    """Lines of JSON, appended by any thread; each is one write to the system."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()
        self._count = 0

    def next_id(self) -> int:
        with self._lock:
            self._count += 1
            return self._count

    def note(self, line: Mapping[str, Any], sync: bool = False) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        if sync:
            os.fsync(self._file)


def _lower(headers: http.client.HTTPMessage) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class Connection:
    """One to one target, kept for a while."""

    def __init__(self, url: str, dice: random.Random) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname or "", place.port
        self._dice = dice
        self._open: http.client.HTTPConnection | None = None
        self._until_s = 0.0

    def ask(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[str, int, bytes, Mapping[str, str], str]:
        """(outcome, status, body, headers, why)."""
        if self._open is not None and time.monotonic() > self._until_s:
            self.close()
        if self._open is None:
            fresh = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
            try:
                fresh.connect()
            except OSError as failure:
                return "refused", 0, b"", {}, f"connect: {failure!r}"
            self._open = fresh
            self._until_s = time.monotonic() + self._dice.uniform(*STAY_S)
        try:
            self._open.request(method, path, body)
            answer = self._open.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as failure:
            self.close()
            return "unknown", 0, b"", {}, repr(failure)
        if answer.status in (200, 404):
            return "acked", answer.status, content, _lower(answer.headers), ""
        self.close()  # the next one may reach a server that can
        why = f"{answer.status} {content[:120].decode(errors='replace')}"
        return ("refused" if NO_LEADER in content else "unknown"), answer.status, content, {}, why

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class Worker(threading.Thread):
    """Does one thing again and again, at its pace."""

    def __init__(self, load: "Load", name: str, target: str, url: str, rate_per_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self.load = load
        self.target = target
        self.dice = random.Random(f"{load.seed} {name}")
        self.connection = Connection(url, self.dice)
        self.period_s = 1.0 / rate_per_s

    def run(self) -> None:
        due_s = time.monotonic() + self.dice.random() * self.period_s
        while not self.load.stopped.wait(max(0.0, due_s - time.monotonic())):
            went_well = self.work()
            # What a fault held up is not made up for: that would be a burst.
            due_s = max(due_s + self.period_s, time.monotonic() + (0.0 if went_well else REST_S))
        self.connection.close()

    def work(self) -> bool:
        """Once: whether it went well."""
        raise NotImplementedError

    def note(
        self, kind: str, key: str, method: str, path: str, value: int | None = None
    ) -> tuple[str, int | None, int | None]:
        """One request, with its two lines: (outcome, found value, modify index)."""
        number = self.load.ledger.next_id()
        line = {"id": number, "at": time.monotonic_ns(), "worker": self.name, "target": self.target}
        self.load.ledger.note({**line, "kind": kind, "key": key, "value": value})
        body = None if value is None else str(value).encode()
        outcome, status, content, headers, why = self.connection.ask(method, path, body)
        end: dict[str, Any] = {"of": number, "at": time.monotonic_ns(), "outcome": outcome}
        found: int | None = None
        modified: int | None = None
        if outcome == "acked" and method == "GET" and status == 200:
            row = json.loads(content)[0]
            found, modified = int(base64.b64decode(row["Value"])), row["ModifyIndex"]
            end.update(found=found, modified=modified)
        elif outcome == "acked" and method == "PUT" and content.strip() != b"true":
            outcome = end["outcome"] = "refused"
            why = f"{status} {content[:120].decode(errors='replace')}"
        for header, name in STATES.items():
            if header in headers:
                end[name] = headers[header]
        if why:
            end["why"] = why
        self.load.ledger.note(end, sync=method == "PUT")
        return outcome, found, modified


class Writer(Worker):
    """Own keys, rising values."""

    def __init__(self, load: "Load", name: str, target: str, url: str, rate_per_s: float) -> None:
        super().__init__(load, name, target, url, rate_per_s)
        self.generation = self.value = 0
        self.begin()

    def begin(self) -> None:
        self.generation += 1
        self.value = 0
        self.key = f"{self.load.prefix}/{self.name}/{self.generation}"
        self.load.keys[self.name] = self.key

    def work(self) -> bool:
        self.value += 1
        outcome, _, _ = self.note("put", self.key, "PUT", f"/v1/kv/{self.key}", self.value)
        if outcome == "unknown":
            self.begin()
        return outcome == "acked"


class Counter(Worker):
    """Raises a shared counter by one."""

    def work(self) -> bool:
        key = f"{self.load.prefix}/counter/{self.dice.randrange(self.load.counters)}"
        path = f"/v1/kv/{key}"
        outcome, found, modified = self.note("get consistent", key, "GET", f"{path}?consistent")
        if outcome != "acked":
            return False
        wanted = (found or 0) + 1
        outcome, _, _ = self.note("cas", key, "PUT", f"{path}?cas={modified or 0}", wanted)
        return outcome != "unknown"


class Reader(Worker):
    """Reads what writers write."""

    mode = "consistent"

    def work(self) -> bool:
        keys = sorted(self.load.keys.values())
        if not keys:
            return True
        key = self.dice.choice(keys)
        flag = "" if self.mode == "default" else f"?{self.mode}"
        return self.note(f"get {self.mode}", key, "GET", f"/v1/kv/{key}{flag}")[0] == "acked"


class DefaultReader(Reader):
    """In the mode that clients have who ask for none."""

    mode = "default"


class StaleReader(Reader):
    """From one member's own state."""

    mode = "stale"


class Load:
    """All workers, and what they share."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.seed = config["seed"]
        self.prefix = config["prefix"]
        self.counters = config["counters"]
        self.ledger = Ledger(config["ledger"])
        self.stopped = threading.Event()
        self.keys: dict[str, str] = {}  # by writer: the key that it writes
        self.workers = list(self._workers(config))

    def _workers(self, config: Mapping[str, Any]) -> Iterator[Worker]:
        service = config["service"]
        for number in range(config["writers"]):
            rate_per_s = config["writes_per_s"] / config["writers"]
            yield Writer(self, f"w{number}", "service", service, rate_per_s)
        for number in range(2 * config["counters"]):
            yield Counter(self, f"c{number}", "service", service, config["counts_per_s"])
        for kind in (Reader, DefaultReader):
            yield kind(self, f"r-{kind.mode}", "service", service, config["reads_per_s"])
        for member, url in config["members"].items():
            yield StaleReader(self, f"r-{member}", member, url, config["reads_per_s"])
            if rate_per_s := config["member_ops_per_s"]:
                yield Writer(self, f"w-{member}", member, url, rate_per_s)
                for kind in (Reader, DefaultReader):
                    yield kind(self, f"r-{kind.mode}-{member}", member, url, rate_per_s)


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    load = Load(config)
    # Blocked, so that it waits for us, and nothing interrupts a line: PID 1 would ignore it else.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    stop = os.path.join(os.path.dirname(config["ledger"]), "stop")
    load.ledger.note({"began_s": time.time(), "at": time.monotonic_ns(), "seed": load.seed})
    for worker in load.workers:
        worker.start()
    while signal.sigtimedwait(ENDS, LOOK_S) is None and not os.path.exists(stop):
        pass
    load.stopped.set()
    for worker in load.workers:
        worker.join(4 * TIMEOUT_S)
    load.ledger.note({"ended": True, "at": time.monotonic_ns()}, sync=True)
    sys.stdout.write("ended\n")
    sys.stdout.flush()
    signal.sigwait(ENDS)


if __name__ == "__main__":
    main(sys.argv[1])
