"""The fuzzer: changes inputs that are known, and keeps those that take a decoder on a new way.

One seed gives one sequence of inputs. What a check raises is a finding, and so are seconds of work
and memory beyond the target's limit; findings of one place in the code count as one.
"""

import hashlib
import random
import signal
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

from server_tests.fuzz.marks import Ways
from server_tests.fuzz.mutation import ANY_BYTES, with_a_word_of
from server_tests.fuzz.target import Mutation, Target

CHANGES_MAX = 8  # of one input at a time
KNOWING = 0.6  # of the changes, that part which knows the format


class Marks(Protocol):
    """Where a call went, as far as it is known (marks.Trail), and words of the format."""

    @property
    def words(self) -> Iterable[bytes]:
        """They stand in the modules themselves."""

    def clear(self) -> None:
        """A call begins."""

    def ways(self) -> Ways:
        """Those of the call since then."""


class HangError(BaseException):
    """A check works longer than it may. No Exception, so that nobody catches it."""


@dataclass(slots=True)
class Entry:
    """An input that took a new way."""

    data: bytes
    ways: Ways
    picks: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What must not happen, and the bytes that make it happen."""

    kind: str  # the exception's name
    place: str  # where it came from
    data: bytes
    text: str

    @property
    def name(self) -> str:
        """For a file."""
        return f"{self.kind}-{name_of(self.data)}"


@dataclass(slots=True)
class Fuzzer:
    """A corpus that grows; `run` it."""

    target: Target
    trail: Marks  # of the target's modules
    seed: int = 1
    work_s_max: float = 0.0  # processor time of one check; 0: it is not watched
    executions: int = 0
    corpus: list[Entry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    running: Callable[[bytes], None] = lambda data: None  # hears of each input before it runs
    seen: set[int] = field(default_factory=set)
    _places: set[str] = field(default_factory=set)
    _dice: random.Random = field(init=False)
    _pools: tuple[list[Mutation], list[Mutation]] = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        any_bytes = [*ANY_BYTES, with_a_word_of(list(self.trail.words))]
        self._pools = (any_bytes, list(self.target.mutations) or any_bytes)

    def begin(self, inputs: Iterable[bytes]) -> None:
        """Take what is known: captured bytes, and the corpus of an earlier run."""
        for data in inputs:
            self._try(data[: self.target.size_bytes_max])
        if not self.corpus:
            self.corpus.append(Entry(b"", frozenset()))

    def run(self, *, goes_on: Callable[[], bool]) -> None:
        """Try new inputs for as long as it is said to."""
        while goes_on():
            self._try(self.next_input())

    def next_input(self) -> bytes:
        """An input like one that was tried seldom, with a few changes."""
        dice = self._dice
        drawn = [dice.choice(self.corpus) for _ in range(3)]
        entry = min(drawn, key=lambda one: one.picks)
        entry.picks += 1
        data = entry.data
        changes = 1
        while changes < CHANGES_MAX and dice.random() < 0.5:
            changes += 1
        for _ in range(changes):
            other = dice.choice(self.corpus).data
            pool = self._pools[dice.random() < KNOWING]
            data = dice.choice(pool)(data, other, dice)[: self.target.size_bytes_max]
        return data

    # ------------------------------------------------------------ one input

    def _try(self, data: bytes) -> None:
        self.executions += 1
        self.running(data)
        self.trail.clear()
        try:
            with _watched(self.work_s_max):
                self.target.check(data)
        except (Exception, HangError) as failure:
            self._found(failure, data)
            return
        ways = self.trail.ways()
        if ways <= self.seen:
            return
        self.seen |= ways
        self.corpus.append(Entry(data, ways))
        self._measure_memory(data)

    def _measure_memory(self, data: bytes) -> None:
        tracemalloc.start()
        try:
            self.target.check(data)
            _, peak_bytes = tracemalloc.get_traced_memory()
        except Exception as failure:
            self._found(failure, data)
            return
        finally:
            tracemalloc.stop()
        if peak_bytes > self.target.memory_bytes_max:
            too_much = MemoryError(f"{peak_bytes} bytes for an input of {len(data)}")
            self._found(too_much, data)

    def _found(self, failure: BaseException, data: bytes) -> None:
        place = place_of(failure)
        if place not in self._places:
            self._places.add(place)
            text = "".join(traceback.format_exception(failure))
            self.findings.append(Finding(type(failure).__name__, place, data, text))

    def smallest(self) -> list[bytes]:
        """A few small inputs that take all steps, though not in all numbers, that were seen."""
        chosen = []
        missing = {way >> 5 for way in self.seen}
        for entry in sorted(self.corpus, key=lambda one: len(one.data)):
            new = {way >> 5 for way in entry.ways} & missing
            if new:
                chosen.append(entry.data)
                missing -= new
        return chosen


def place_of(failure: BaseException) -> str:
    """The error, and the line of ours from which it came; what was wrapped counts, too."""
    parts = []
    cause: BaseException | None = failure
    while cause is not None:
        frames = traceback.extract_tb(cause.__traceback__)
        inner = [one for one in frames if "/proconsul/" in one.filename] or list(frames)
        where = f"{inner[-1].filename.rsplit('/', 1)[-1]}:{inner[-1].lineno}" if inner else ""
        parts.append(f"{type(cause).__name__} {where}")
        cause = cause.__cause__ or cause.__context__
    return " from ".join(parts)


def name_of(data: bytes) -> str:
    """A short name that only these bytes have."""
    return hashlib.sha256(data).hexdigest()[:16]


@contextmanager
def _watched(work_s_max: float) -> Iterator[None]:
    """Processor time, so that a busy machine makes no finding."""
    if not work_s_max:
        yield
        return
    signal.setitimer(signal.ITIMER_VIRTUAL, work_s_max)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _hang(number: int, frame: FrameType | None) -> None:
    raise HangError(f"at work for too long\n{''.join(traceback.format_stack(frame))}")


def watch_hangs() -> None:
    """Let `work_s_max` be obeyed in this process."""
    signal.signal(signal.SIGVTALRM, _hang)


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Whether so much time is not over yet."""
    end_s = time.monotonic() + seconds
    return lambda: time.monotonic() < end_s


def for_executions(count: int) -> Callable[[], bool]:
    """True so often."""
    left = iter(range(count))
    return lambda: next(left, None) is not None
