"""A case: a story of requests. Running it on a target records what is to be compared."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from server_tests.differential.target import NODE, Answer, Target, pause

MARKER = "zz-marker"
UNTIL_S_MAX = 10.0
SETTLE_S = 0.15

_marks = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an answer is compared, where it needs more than the rules for all.

    `masked`: fields of JSON whose values may differ, but not their kind. `sort_by`: a field that
    gives lists of objects an order where Consul has none. `loose_index`: the index may differ.
    `exact`: the body is compared byte for byte, too. `no_body`: only status and headers count.
    """

    masked: frozenset[str] = frozenset()
    sort_by: str = ""
    loose_index: bool = False
    exact: bool = False
    no_body: bool = False


PLAIN = Options()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer."""

    request: str
    answer: Answer
    options: Options


@dataclass(frozen=True, slots=True)
class Note:
    """Something else that is compared."""

    text: str
    value: Any


@dataclass(slots=True)
class Run:
    """One case on one target."""

    target: Target
    base_index: int = 0
    records: list[Exchange | Note] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Write a marker: indexes below its own are from before this case."""
        path = f"/v1/kv/{MARKER}"
        self.target.ask("PUT", path, f"mark {next(_marks)}")
        entries = self.target.ask("GET", path).json() or [{}]
        self.base_index = entries[0].get("ModifyIndex", 0)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        options: Options = PLAIN,
    ) -> Answer:
        """A request that is compared."""
        answer = self.target.ask(method, self.filled(path), self._filled_body(body), headers)
        self.records.append(Exchange(f"{method} {path}", answer, options))
        return answer

    def quietly(self, method: str, path: str, body: object = None) -> Answer:
        """A request that only prepares something."""
        return self.target.ask(method, self.filled(path), self._filled_body(body))

    def prepare(self, steps: Sequence[tuple[str, object]]) -> None:
        """Steps of a table, none of them compared."""
        for line, body in steps:
            method, _, path = line.removeprefix("-").partition(" ")
            self.quietly(method, path, body)

    def record(self, request: str, answer: Answer, options: Options = PLAIN) -> None:
        """Compare an answer that came by another way."""
        self.records.append(Exchange(request, answer, options))

    def note(self, text: str, value: Any) -> None:
        """Compare a fact."""
        self.records.append(Note(text, value))

    def filled(self, text: str) -> str:
        """The text with this server's name and address in it."""
        return text.replace("{NODE}", NODE).replace("{IP}", self.target.address)

    def _filled_body(self, body: object) -> object:
        if isinstance(body, str):
            return self.filled(body)
        if isinstance(body, dict):
            return {name: self._filled_body(value) for name, value in body.items()}
        return [self._filled_body(item) for item in body] if isinstance(body, list) else body

    def session(self, **fields: object) -> str:
        """The ID of a new session, which ends with the case."""
        made = self.quietly("PUT", "/v1/session/create", {"LockDelay": "0s", **fields}).json()
        session = str((made or {}).get("ID", ""))
        self.sessions.append(session)
        return session

    def end(self) -> None:
        """Leave no session behind: lists of them have no order to compare."""
        for session in self.sessions:
            self.target.ask("PUT", f"/v1/session/destroy/{session}")

    def until(self, what: str, holds: Callable[[], bool], patience_s: float = UNTIL_S_MAX) -> None:
        """Wait until something holds; that it never did is compared."""
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s:
            if holds():
                return
            pause(0.05)
        self.note("never came true", what)

    def background(self, method: str, path: str, settle_s: float = SETTLE_S) -> "Waiting":
        """A request that waits for something; it has been sent after `settle_s`."""
        waiting = Waiting(self.target, method, self.filled(path))
        pause(settle_s)
        return waiting

    def pause(self, seconds: float) -> None:
        """Let the server do what it does."""
        pause(seconds)


class Waiting:
    """A request that is under way."""

    def __init__(self, target: Target, method: str, path: str) -> None:
        self._answer = Answer(0, error="still waiting")
        self._connection = target.connection()

        def ask() -> None:
            self._answer = target.ask(method, path, connection=self._connection)

        self._thread = threading.Thread(target=ask, daemon=True)
        self._thread.start()

    def over(self, patience_s: float = 0.0) -> bool:
        """Whether the answer is there."""
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def answer(self) -> Answer:
        """The answer, when it comes."""
        self._thread.join(UNTIL_S_MAX)
        return self._answer

    def leave(self) -> None:
        """Hang up, if it still waits."""
        opened = self._connection.sock
        if not self.over() and opened is not None:
            with suppress(OSError):  # it was answered just now
                opened.shutdown(socket.SHUT_RDWR)
        self.answer()


Story = Callable[[Run], object]


@dataclass(frozen=True, slots=True)
class Case:
    """A story with a name; its group is the endpoint that the report counts it under."""

    group: str
    name: str
    story: Story


Step = str | tuple[Any, ...]


def table(group: str, rows: Sequence[tuple[Any, ...]]) -> list[Case]:
    """Cases of plain requests: rows of a name and steps.

    A step is "METHOD path" or ("METHOD path", body[, headers or Options]...); one that begins
    with "-" is not compared.
    """
    return [Case(group, str(row[0]), _story(row[1:])) for row in rows]


def _story(steps: Sequence[Step]) -> Story:
    def story(run: Run) -> None:
        for step in steps:
            line, *rest = (step,) if isinstance(step, str) else step
            method, _, path = line.removeprefix("-").partition(" ")
            headers = next((one for one in rest[1:] if isinstance(one, dict)), None)
            options = next((one for one in rest[1:] if isinstance(one, Options)), PLAIN)
            body = rest[0] if rest else None
            if line.startswith("-"):
                run.quietly(method, path, body)
            else:
                run.ask(method, path, body, headers, options)

    return story


def play_on_both(case: Case, real: Target, ours: Target) -> tuple[Run, Run]:
    """The same case on both at once."""
    runs: dict[Target, Run] = {}
    other = threading.Thread(target=lambda: runs.__setitem__(real, play(case, real)))
    other.start()
    run = play(case, ours)
    other.join()
    return runs[real], run


def play(case: Case, target: Target) -> Run:
    """Run a case on a target; what goes wrong in the story itself is compared, too."""
    run = Run(target)
    run.begin()
    try:
        case.story(run)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as failure:
        run.note("the story broke off", type(failure).__name__)
    finally:
        run.end()
    return run
