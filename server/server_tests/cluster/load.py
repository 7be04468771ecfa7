"""Clients that write and read a few keys through all servers, and note what they saw.

Every value is new, and keys are left after a while, so that a history can be judged key by key
(server_tests/sim/history.py). A refused connection and "No cluster leader" say that nothing was
done; an answer is an answer; all else may have happened, at any time later.
"""

import base64
import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from server_tests.cluster.servers import PORT, Server
from server_tests.sim.history import Kind, Operation, Outcome
from server_tests.sim.kv import NOTHING

KEYS = 4
TIMEOUT_S = 5.0
STAY_S = (0.3, 1.5)  # how long a client that wanders stays with one server
REST_S = 0.02  # after a failure


class _RefusedError(Exception):
    """Surely nothing was done."""


@dataclass
class Load:
    """All clients, and what they saw."""

    servers: list[Server]
    seed: int
    reads: str  # what stands behind a read's path: "?consistent", or "" for the default mode
    epoch_s: float = 1.0  # after which other keys are used
    history: list[Operation] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)  # keys of their own, written once
    errors: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _values: "itertools.count[int]" = field(default_factory=itertools.count)
    _began_s: float = field(default_factory=time.monotonic)

    def start(self, clients: int) -> None:
        """Begin."""
        for number in range(clients):
            thread = threading.Thread(target=_Client(self, number).run, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End, with all that was begun."""
        self._stop.set()
        for thread in self._threads:
            thread.join(4 * TIMEOUT_S)

    @property
    def is_over(self) -> bool:
        """Whether no more is to be begun."""
        return self._stop.is_set()

    def next_value(self) -> str:
        """One that nobody else writes."""
        return f"v{next(self._values)}"

    def epoch(self) -> int:
        """Which keys are in use."""
        return int((time.monotonic() - self._began_s) / self.epoch_s)

    def rest(self) -> None:
        """After a failure."""
        self._stop.wait(REST_S)

    def lost(self, server: Server) -> set[str]:
        """Acknowledged writes that a consistent read does not find any more."""
        status, body = server.request("GET", "/v1/kv/own/?keys&consistent", timeout_s=60.0)
        assert status == 200, body
        return self.acknowledged - set(json.loads(body))

    def read_all(self) -> None:
        """Each key once more through each server; these reads belong to the history."""
        reader = _Client(self, -1)
        for key in sorted({operation.key for operation in self.history}):
            for place in range(len(self.servers)):
                reader.go_to(place)
                assert reader.read(key), f"{key} cannot be read at the end"


class _Client:
    """Half of them stay with one server while it answers; the others wander, and only read.

    Who wanders comes to a frozen server and is stuck there. If all did, nobody would write
    through the others meanwhile; and of what it is asked, only a read can be answered wrongly
    by one that does not know yet, when it wakes, that another leads.
    """

    def __init__(self, load: Load, number: int) -> None:
        self._load = load
        self._number = number
        self._dice = random.Random(load.seed * 1000 + number)
        self._place = number % len(load.servers)
        self._wanders = number // len(load.servers) % 2 == 1
        self._move_s = time.monotonic() + self._dice.uniform(*STAY_S)
        # Kept: what is asked on an open connection is what a server reads first when it wakes.
        self._connections: dict[int, http.client.HTTPConnection] = {}
        self._seen: dict[str, tuple[str, int]] = {}  # by key: value and ModifyIndex

    def run(self) -> None:
        """To the end of the load."""
        while not self._load.is_over:
            if self._wanders and time.monotonic() >= self._move_s:
                # A frozen server must be asked while it stands, not only before.
                self._move_s = time.monotonic() + self._dice.uniform(*STAY_S)
                self.go_to(self._place + 1)
            key = f"e{self._load.epoch()}-k{self._dice.randrange(KEYS)}"
            what = self._dice.random()
            if self._wanders or what < 0.3:
                went_well = self.read(key)
            elif what < 0.9:
                went_well = self._write(key, cas=what >= 0.55)
            else:
                went_well = self._write_own()
            if not went_well:
                self._load.rest()

    def go_to(self, place: int) -> None:
        """Ask that server from now on."""
        self._place = place % len(self._load.servers)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Raises _RefusedError, OSError, HTTPException; then the next one goes elsewhere."""
        connection = self._connections.get(self._place)
        if connection is None:
            address = self._load.servers[self._place].place.client_address
            connection = http.client.HTTPConnection(address, PORT, timeout=TIMEOUT_S)
            try:
                connection.connect()
            except OSError as failure:
                self.go_to(self._place + 1)
                raise _RefusedError from failure
            self._connections[self._place] = connection
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            answer = response.status, response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            del self._connections[self._place]
            self.go_to(self._place + 1)
            raise
        if b"No cluster leader" in answer[1]:
            raise _RefusedError
        return answer

    def read(self, key: str) -> bool:
        """Whether it was answered."""
        operation = self._begin(Kind.GET, key, NOTHING, NOTHING)
        operation.in_default_mode = not self._load.reads
        try:
            status, body = self._ask("GET", f"/v1/kv/{key}{self._load.reads}")
        except (_RefusedError, OSError, http.client.HTTPException) as failure:
            return self._failed(operation, failure)
        if status == 404:
            return self._met(operation, NOTHING, 0)
        if status != 200:
            return self._failed(operation, http.client.HTTPException(f"{status}"))
        row = json.loads(body)[0]
        return self._met(operation, base64.b64decode(row["Value"]).decode(), row["ModifyIndex"])

    def _met(self, operation: Operation, value: str, index: int) -> bool:
        operation.returned = time.monotonic_ns()
        operation.outcome, operation.met = Outcome.DONE, value
        self._seen[operation.key] = (value, index)
        self._load.history.append(operation)
        return True

    def _write(self, key: str, *, cas: bool) -> bool:
        value = self._load.next_value()
        expected, index = self._seen.get(key, (NOTHING, 0)) if cas else (NOTHING, 0)
        operation = self._begin(Kind.CAS if cas else Kind.PUT, key, value, expected)
        path = f"/v1/kv/{key}?cas={index}" if cas else f"/v1/kv/{key}"
        try:
            status, body = self._ask("PUT", path, value.encode())
        except (_RefusedError, OSError, http.client.HTTPException) as failure:
            return self._failed(operation, failure)
        if status != 200:
            return self._failed(operation, http.client.HTTPException(f"{status}"))
        operation.returned = time.monotonic_ns()
        operation.outcome = Outcome.DONE
        # A check-and-set that won met what it expected; a lost one, anything else.
        operation.lost = body.strip() != b"true"
        operation.blind = operation.lost or not cas
        operation.met = expected
        self._seen.pop(key, None)
        self._load.history.append(operation)
        return True

    def _write_own(self) -> bool:
        """A key of its own: an acknowledged one must be there at the end."""
        key = f"own/{self._load.next_value()}"
        try:
            answer = self._ask("PUT", f"/v1/kv/{key}", b"x")
        except (_RefusedError, OSError, http.client.HTTPException) as failure:
            self._load.errors[type(failure).__name__] += 1
            return False
        if answer[0] == 200 and answer[1].strip() == b"true":
            self._load.acknowledged.add(key)
        return True

    def _begin(self, kind: Kind, key: str, value: str, expected: str) -> Operation:
        return Operation(
            client=self._number,
            kind=kind,
            key=key,
            value=value,
            expected=expected,
            invoked=time.monotonic_ns(),
        )

    def _failed(self, operation: Operation, failure: Exception) -> bool:
        """No answer to it; the next operation goes elsewhere."""
        self._load.errors[f"{operation.kind.value} {type(failure).__name__}"] += 1
        if not isinstance(failure, _RefusedError) and operation.kind is not Kind.GET:
            operation.outcome = Outcome.UNKNOWN
            self._load.history.append(operation)
        return False
