"""Judges a ledger: which promise was broken, with the operations that show it.

(a) No acknowledged write is lost, and nothing is there that nobody wrote.
(b) Consistent reads are linearizable. A writer's key has one writer and rising values, a counter
    only rises: for such a register it is enough that a read is not older than what was
    acknowledged before it began, not newer than what was sent before it ended, and that reads that
    follow each other never go back.
(c) On one member a key's ModifyIndex and X-Consul-Index never go back. A member that was away may
    have been started anew, with less: what is compared begins again after a failed read.
(d) A stale or default read may be old, but was written once.
(e) All members hold the same state (`same_state`).
(f) How long no write was acknowledged (`write_gap_s`); what is too long is the case's to say.

Pure: lines in, complaints out. e2e_tests/load/test_checker.py plants each fault and sees it found.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter

from e2e.load.ledger import Ledger, Operation, Outcome

COMPLAINTS_MAX = 20  # of a kind: the first ones are what is looked at


@dataclass(slots=True)
class _Register:
    """What is known of one key."""

    is_counter: bool
    writes: list[Operation] = field(default_factory=list)
    reads: list[Operation] = field(default_factory=list)

    def values(self) -> set[int]:
        """What may ever be read."""
        return {one.value or 0 for one in self.writes if one.outcome is not Outcome.REFUSED}


def check(ledger: Ledger, final: Mapping[str, int]) -> list[str]:
    """Every broken promise of (a) to (d); `final` is what was read when all was over."""
    registers: dict[str, _Register] = {}
    for one in ledger.operations:
        register = registers.setdefault(one.key, _Register(is_counter="/counter/" in one.key))
        (register.writes if one.writes else register.reads).append(one)
    complaints: list[str] = []
    for key, register in registers.items():
        bounds = _Bounds(register)
        complaints += _lost(key, bounds, final.get(key, 0), ledger.ended_ns)
        complaints += _contradictions(key, register, bounds)
        complaints += _phantoms(key, register)
    complaints += [f"(a) {key} is there and nobody wrote it" for key in set(final) - set(registers)]
    return complaints + _backwards(ledger.operations)


def _lost(key: str, bounds: "_Bounds", final: int, ended_ns: int) -> list[str]:
    least, most = bounds.acked_before(ended_ns), bounds.sent_before(ended_ns)
    if final < least:
        return [f"(a) {key}: {least} was acknowledged, {final} is there: a write is lost"]
    if final > most:
        return [f"(a) {key}: {final} is there, of which only {most} can have been written"]
    return []


def _contradictions(key: str, register: _Register, bounds: "_Bounds") -> list[str]:
    reads = [one for one in register.reads if one.kind == "get consistent" and one.is_acked]
    found = []
    for one in reads:
        value = one.found or 0
        if value < (least := bounds.acked_before(one.invoked_ns)):
            found.append(
                f"(b) {key}: read {one.number} found {value} after {least} was acknowledged"
            )
        if value > (most := bounds.sent_before(one.returned_ns)):
            found.append(f"(b) {key}: read {one.number} found {value}, at most {most} was sent")
    newest, newest_number = 0, 0
    ends = iter(sorted(reads, key=attrgetter("returned_ns")))
    ended = next(ends, None)
    for one in sorted(reads, key=attrgetter("invoked_ns")):
        while ended is not None and ended.returned_ns <= one.invoked_ns:
            if (ended.found or 0) > newest:
                newest, newest_number = ended.found or 0, ended.number
            ended = next(ends, None)
        if (one.found or 0) < newest:
            found.append(
                f"(b) {key}: read {one.number} found {one.found or 0} "
                f"after read {newest_number} had found {newest}"
            )
    return found[:COMPLAINTS_MAX]


class _Bounds:
    """What can be in a register at a moment: the value, or for a counter the number of steps."""

    def __init__(self, register: _Register) -> None:
        acked = sorted((one.returned_ns, one.value or 0) for one in register.writes if one.is_acked)
        sent = sorted(
            (one.invoked_ns, one.value or 0)
            for one in register.writes
            if one.outcome is not Outcome.REFUSED
        )
        self._acked_ns, self._acked = _rising(acked, register.is_counter)
        self._sent_ns, self._sent = _rising(sent, register.is_counter)

    def acked_before(self, at_ns: int) -> int:
        """What was promised by then: the least that must be there."""
        return self._acked[bisect_right(self._acked_ns, at_ns)]

    def sent_before(self, at_ns: int) -> int:
        """The most that can be there; what was surely refused cannot."""
        return self._sent[bisect_right(self._sent_ns, at_ns)]


def _rising(rows: Sequence[tuple[int, int]], counts: bool) -> tuple[list[int], list[int]]:
    """(moments, what holds after so many of them)."""
    holds = [0]
    for _, value in rows:
        holds.append(holds[-1] + 1 if counts else max(holds[-1], value))
    return [at_ns for at_ns, _ in rows], holds


def _phantoms(key: str, register: _Register) -> list[str]:
    written = register.values()
    found = [
        f"(d) {key}: read {one.number} found {one.found}, which nobody wrote"
        for one in register.reads
        if one.is_acked and one.found is not None and one.found not in written
    ]
    return found[:COMPLAINTS_MAX]


def _backwards(operations: Iterable[Operation]) -> list[str]:
    """(c), for reads that one worker did one after the other at one member."""
    newest: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    found = []
    for one in operations:
        if one.kind != "get stale":
            continue
        if not one.is_acked:
            for place in [place for place in newest if place[0] == one.worker]:
                del newest[place]
            continue
        index, modified = newest[one.worker, one.key]
        if one.modified is not None and one.modified < modified:
            found.append(
                f"(c) {one.target}: {one.key}: ModifyIndex {one.modified} after {modified} "
                f"(read {one.number})"
            )
        if one.index is not None and one.index < index:
            found.append(
                f"(c) {one.target}: {one.key}: X-Consul-Index {one.index} after {index} "
                f"(read {one.number})"
            )
        newest[one.worker, one.key] = max(index, one.index or 0), max(modified, one.modified or 0)
    return found[:COMPLAINTS_MAX]


def same_state(states: Mapping[str, tuple[int, str]]) -> list[str]:
    """(e): by member, (applied index, hash) once all is quiet."""
    if len(set(states.values())) <= 1:
        return []
    told = ", ".join(f"{name} {hash_[:12]} at {index}" for name, (index, hash_) in states.items())
    return [f"(e) the members' states differ: {told}"]


def acked_writes_ns(ledger: Ledger) -> list[int]:
    """When writes were acknowledged, in order."""
    return sorted(one.returned_ns for one in ledger.operations if one.writes and one.is_acked)


def write_gap_s(ledger: Ledger, from_ns: int, to_ns: int) -> float:
    """(f): the longest time without an acknowledged write that touches this window, in seconds."""
    times = [ledger.began_ns, *acked_writes_ns(ledger), ledger.ended_ns]
    first = max(bisect_right(times, from_ns) - 1, 0)
    last = min(bisect_left(times, to_ns) + 1, len(times))
    gaps = (later - earlier for earlier, later in pairwise(times[first:last]))
    return max(gaps, default=0) / 1e9


def counts(ledger: Ledger) -> dict[str, int]:
    """How many of what: figures for the result."""
    found: dict[str, int] = defaultdict(int)
    for one in ledger.operations:
        kind = "writes" if one.writes else "reads"
        found[f"{kind} {'outrun' if one.is_outrun else one.outcome.value}"] += 1
    return dict(found)


def refusals(ledger: Ledger, from_ns: int) -> list[Operation]:
    """Requests through the Service for which nobody took the connection, from a moment on."""
    return [
        one
        for one in ledger.operations
        if one.target == "service" and one.invoked_ns >= from_ns and one.why.startswith("connect:")
    ]


def answers_of(ledger: Ledger, member: str, kind: str, from_ns: int, to_ns: int) -> list[Operation]:
    """What a member itself acknowledged of what was asked of it between two moments."""
    return [
        one
        for one in ledger.operations
        if one.target == member
        and one.kind == kind
        and one.is_acked
        and from_ns <= one.invoked_ns < to_ns
    ]
