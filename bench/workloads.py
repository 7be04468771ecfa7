"""Kinds of load: what wrk asks, what both sides' answers are compared for, what samplers check.

A sampler makes the same requests as the load and judges each answer against what was acknowledged
before it was asked; a beat changes 50 times a second what is read.
"""

import base64
import random
import uuid
from abc import ABC, abstractmethod
from itertools import count
from typing import Any

import msgspec

from bench import fixtures
from bench.fixtures import KEYS, Stock
from bench.http1 import Wire
from bench.samples import LANES, Step, expect, read
from server_tests.differential.run import Run

WRITTEN_KEYS = 100_000  # that writes choose from: the faster side does not get the larger store
FLIPS_MAX = LANES  # checks that are critical at the same time

_names = count(1)


def fresh_name() -> str:
    """For what a run writes: no other run of the process has it."""
    return f"run{next(_names)}"


class Workload(ABC):
    """What one row does."""

    reads = False
    needs_keys = False
    needs_sessions = False
    instances = 0  # of the service that it looks up
    requests_a_step = 1  # of its samplers

    @abstractmethod
    def load(self, stock: Stock) -> list[str]:
        """For load.lua: kind and arguments."""

    @abstractmethod
    def story(self, run: Run) -> None:
        """Requests whose answers are compared between the two sides."""

    @abstractmethod
    def sampler(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """Steps of one lane of samplers, on its connection to the server that is asked."""

    def beat(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """Steps that change what is read, for lane `lane` of LANES; `wire` leads to the leader."""
        raise NotImplementedError


def _quoted(mode: str) -> str:
    return f"?{mode}" if mode else ""


class KeyReads(Workload):
    """GET of random keys; `mode` is "", "stale" or "consistent"."""

    reads = True
    needs_keys = True

    def __init__(self, mode: str = "") -> None:
        self.mode = mode

    def load(self, stock: Stock) -> list[str]:
        """10,000 keys."""
        return ["get", f"/v1/kv/{fixtures.KEY_FOLDER}/%05d{_quoted(self.mode)}", str(KEYS)]

    def story(self, run: Run) -> None:
        """A few of them, and one that is not there."""
        for number in (0, 1, KEYS // 2, KEYS - 1, KEYS):
            run.ask("GET", f"/v1/kv/{fixtures.key(number)}{_quoted(self.mode)}")

    def sampler(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """Right key; a value that is not older than one acknowledged before."""
        dice = random.Random(lane)

        def step() -> int:
            number = dice.randrange(KEYS)
            least = 0 if self.mode == "stale" else stock.written[number]
            path = f"/v1/kv/{fixtures.key(number)}"
            answer = read(stock, wire, path, _quoted(self.mode))
            version = _version(answer.json(), number)
            expect(version is not None, answer, f"{path} is not that key")
            expect((version or 0) >= least, answer, f"{path} is older than its value {least}")
            return 1

        return step

    def beat(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """Write one of the lane's keys anew."""
        dice = random.Random(lane)

        def step() -> int:
            number = dice.randrange(KEYS // LANES) * LANES + lane
            version = stock.written[number] + 1
            path = f"/v1/kv/{fixtures.key(number)}"
            answer = wire.ask("PUT", path, fixtures.value(number, version))
            expect(answer.body.strip() == b"true", answer, f"PUT {path}")
            stock.written[number] = version
            return 1

        return step


def _version(entries: Any, number: int) -> int | None:
    """Which value of key `number` an answer holds; None: it is no such answer."""
    try:
        (entry,) = entries
        told, version, rest = base64.b64decode(entry["Value"]).split(b":", 2)
        right = entry["Key"] == fixtures.key(number) and int(told) == number
        return int(version) if right and not rest.strip(b"v") else None
    except (TypeError, ValueError, KeyError):
        return None


class _Named(msgspec.Struct):
    ID: str


class _Entry(msgspec.Struct):
    Service: _Named


class HealthReads(Workload):
    """GET of a service's passing instances."""

    reads = True

    def __init__(self, instances: int) -> None:
        self.instances = instances
        self.path = f"/v1/health/service/{fixtures.service(instances)}?passing"

    def load(self, stock: Stock) -> list[str]:
        """One service."""
        return ["get", self.path, "1"]

    def story(self, run: Run) -> None:
        """All of it."""
        run.ask("GET", self.path)

    def sampler(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """All instances, each once, but for those whose check is being flipped."""
        name = fixtures.service(self.instances)
        everyone = {f"{name}-{number}" for number in range(self.instances)}

        def step() -> int:
            answer = read(stock, wire, self.path)
            found = [one.Service.ID for one in msgspec.json.decode(answer.body, type=list[_Entry])]
            expect(len(found) == len(set(found)), answer, "an instance comes twice")
            expect(everyone.issuperset(found), answer, "an instance of another service")
            expect(len(found) >= self.instances - FLIPS_MAX, answer, f"only {len(found)} instances")
            return 1

        return step

    def beat(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """Make a check of the lane critical, then passing again."""
        mine = [number for number in range(self.instances) if number % LANES == lane]
        flips = count()

        def step() -> int:
            at, back = divmod(next(flips), 2)
            body = fixtures.registration(
                self.instances, mine[at % len(mine)], "passing" if back else "critical"
            )
            answer = wire.ask("PUT", "/v1/catalog/register", body)
            expect(answer.body.strip() == b"true", answer, "a check's flip")
            return 1

        return step


class KeyWrites(Workload):
    """PUT of random keys."""

    requests_a_step = 2

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes

    def load(self, stock: Stock) -> list[str]:
        """100,000 keys, the same for each run on a side."""
        return ["put", f"bench/put{self.size_bytes}", str(WRITTEN_KEYS), str(self.size_bytes)]

    def story(self, run: Run) -> None:
        """Write, overwrite, read."""
        for letter in ("a", "b"):
            run.ask("PUT", "/v1/kv/bench/story", letter * self.size_bytes)
            run.ask("GET", "/v1/kv/bench/story")

    def sampler(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """What is acknowledged can be read."""
        path = f"/v1/kv/bench/{fresh_name()}-{lane}"
        versions = count(1)

        def step() -> int:
            version = next(versions)
            content = fixtures.value(lane, version, self.size_bytes)
            answer = wire.ask("PUT", path, content)
            expect(answer.status == 200 and answer.body.strip() == b"true", answer, f"PUT {path}")
            answer = read(stock, wire, path, "?raw")
            expect(answer.body == content, answer, f"{path} has not what was acknowledged")
            return 2

        return step


class Locks(Workload):
    """Each connection takes a lock of its own, and gives it back."""

    requests_a_step = 4
    needs_sessions = True

    def load(self, stock: Stock) -> list[str]:
        """With the sessions of the stock."""
        return ["lock", f"bench/lock-{fresh_name()}", ",".join(stock.sessions)]

    def story(self, run: Run) -> None:
        """Taken, refused to another, given back, taken by the other."""
        first, second = run.session(), run.session()
        for step in (
            f"acquire={first}",
            f"acquire={second}",
            f"release={second}",
            f"release={first}",
            f"acquire={second}",
        ):
            run.ask("PUT", f"/v1/kv/bench/story-lock?{step}", "held")
            run.ask("GET", "/v1/kv/bench/story-lock")

    def sampler(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """Two sessions and one lock: just one of them has it."""
        path = f"/v1/kv/bench/{fresh_name()}-{lane}"
        made = [
            wire.ask("PUT", "/v1/session/create", b'{"LockDelay": "0s"}').json()["ID"]
            for _ in range(2)
        ]
        turns = count()

        def step() -> int:
            turn = next(turns)
            mine, other = made[turn % 2], made[1 - turn % 2]
            for question, wanted in (
                (f"acquire={mine}", b"true"),
                (f"acquire={other}", b"false"),
                (f"release={mine}", b"true"),
            ):
                answer = wire.ask("PUT", f"{path}?{question}", b"held")
                expect(answer.body.strip() == wanted, answer, f"{path}?{question}")
            read(stock, wire, path)
            return 4

        return step


class Sessions(Workload):
    """New sessions."""

    requests_a_step = 2

    def load(self, stock: Stock) -> list[str]:
        """Without arguments."""
        return ["session"]

    def story(self, run: Run) -> None:
        """One, and what is told of it."""
        # By default it is of the node that is asked: the two sides may have different leaders.
        session = run.session(Node="bench-1")
        run.ask("GET", f"/v1/session/info/{session}")

    def sampler(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """It is a new one, and known when it is acknowledged."""
        seen: set[str] = set()

        def step() -> int:
            answer = wire.ask("PUT", "/v1/session/create", b'{"Name": "bench"}')
            expect(answer.status == 200, answer, "a new session")
            session = answer.json()["ID"]
            expect(str(uuid.UUID(session)) == session, answer, "its ID is none")
            expect(session not in seen, answer, "a session comes twice")
            seen.add(session)
            path = f"/v1/session/info/{session}"
            answer = read(stock, wire, path)
            expect([one["ID"] for one in answer.json()] == [session], answer, path)
            return 2

        return step


class Registrations(Workload):
    """New instances in the catalog, each with a check."""

    requests_a_step = 2

    def load(self, stock: Stock) -> list[str]:
        """Of 50 services on 1,000 nodes."""
        return ["register", fresh_name()]

    def story(self, run: Run) -> None:
        """One, and what is told of it."""
        for status in ("passing", "critical"):
            body = fixtures.registration(0, 7, status)
            run.ask("PUT", "/v1/catalog/register", body.decode())
            run.ask("GET", f"/v1/catalog/service/{fixtures.service(0)}")
            run.ask("GET", f"/v1/health/service/{fixtures.service(0)}")

    def sampler(self, stock: Stock, wire: Wire, lane: int) -> Step:
        """It is found when it is acknowledged."""
        numbers = count(1)
        # A number that is used for no fixture: a service of its own for each lane.
        instances = 100_000 + int(fresh_name().removeprefix("run"))

        def step() -> int:
            number = next(numbers)
            answer = wire.ask(
                "PUT", "/v1/catalog/register", fixtures.registration(instances, number)
            )
            expect(answer.body.strip() == b"true", answer, "a registration")
            path = f"/v1/catalog/service/{fixtures.service(instances)}"
            answer = read(stock, wire, path)
            expect(len(answer.json()) == number, answer, path)
            return 2

        return step
