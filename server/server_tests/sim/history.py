"""Is there one order of all operations that explains what every client saw? (Linearizability)

Keys are independent, so each is judged by itself (Herlihy & Wing, locality), by the search of
Wing & Gong with a memory of what was tried (Lowe). Every write has a value of its own. Therefore
a write of unknown outcome whose value nobody ever met may be left out: with it or without, the
others see the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from server_tests.sim.kv import NOTHING

NEVER = 1 << 62
STATES_MAX = 200_000  # tried for one key, before giving up


class Kind(Enum):
    """What a client asked for."""

    PUT = "put"
    CAS = "cas"
    GET = "get"


class Outcome(Enum):
    """What the client knows of it."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"  # surely not done
    UNKNOWN = "unknown"


@dataclass(slots=True, eq=False)
class Operation:
    """One call of a client. `met` is the value that was there: what a get returns."""

    client: int
    kind: Kind
    key: str
    value: str
    expected: str
    invoked: int
    returned: int = NEVER
    outcome: Outcome = Outcome.OPEN
    met: str = NOTHING
    blind: bool = False  # it was not told what it met: that of a real server's writes
    lost: bool = False  # of a blind check-and-set: it met something else than was expected
    in_default_mode: bool = False  # of a get: the leader's lease may stand for a majority's word


class Verdict(Enum):
    """What the checker says."""

    YES = "yes"
    NO = "no"
    TOO_LONG = "unknown"


@dataclass(slots=True)
class Judgement:
    """A verdict, and for which key it is one."""

    verdict: Verdict
    key: str = ""
    operations: Sequence[Operation] = field(default_factory=tuple)


def judge(history: Iterable[Operation]) -> Judgement:
    """Look at each key of a history."""
    by_key: dict[str, list[Operation]] = {}
    for operation in history:
        by_key.setdefault(operation.key, []).append(operation)
    worst = Judgement(Verdict.YES)
    for key, operations in sorted(by_key.items()):
        relevant = relevant_of(operations)
        verdict = explain(relevant)
        if verdict is Verdict.NO and any(one.lost for one in relevant):
            # Why a check-and-set lost may be a write that nobody met.
            relevant = possible_of(operations)
            verdict = explain(relevant)
        if verdict is Verdict.NO:
            return Judgement(verdict, key, relevant)
        if verdict is Verdict.TOO_LONG:
            worst = Judgement(verdict, key, relevant)
    return worst


def relevant_of(operations: Sequence[Operation]) -> list[Operation]:
    """Those that happened, and those that may have and that somebody met, by their beginning.

    What a check-and-set of unknown outcome would have met counts, too.
    """
    relevant = [one for one in operations if one.outcome is Outcome.DONE]
    met = {one.met for one in relevant}
    may_be = [
        one
        for one in operations
        if one.outcome in (Outcome.UNKNOWN, Outcome.OPEN) and one.kind is not Kind.GET
    ]
    while found := [one for one in may_be if one.value in met]:
        relevant += found
        may_be = [one for one in may_be if one.value not in met]
        met.update(one.expected for one in found if one.kind is Kind.CAS)
    return sorted(relevant, key=lambda one: one.invoked)


def possible_of(operations: Sequence[Operation]) -> list[Operation]:
    """All that happened or may have, by their beginning."""
    return sorted(
        (
            one
            for one in operations
            if one.outcome is Outcome.DONE
            or (one.outcome is not Outcome.REFUSED and one.kind is not Kind.GET)
        ),
        key=lambda one: one.invoked,
    )


def step(operation: Operation, value: str) -> str | None:
    """The value after the operation, or None if it cannot have met this one."""
    if operation.lost:
        return None if value == operation.expected else value
    if operation.outcome is Outcome.DONE and operation.met != value and not operation.blind:
        return None
    if operation.kind is Kind.GET:
        return value
    if operation.kind is Kind.CAS and value != operation.expected:
        return value
    return operation.value


def explain(operations: Sequence[Operation]) -> Verdict:
    """Search for an order of one key's operations, which come by their beginning.

    `done` is a bit for each operation that has its place already.
    """
    count = len(operations)
    must = sum(1 << i for i, one in enumerate(operations) if one.outcome is Outcome.DONE)
    tried: set[tuple[int, str]] = {(0, NOTHING)}
    stack: list[tuple[int, str, int]] = [(0, NOTHING, 0)]  # done, value, all below are done
    while stack:
        done, value, first = stack.pop()
        if done & must == must:
            return Verdict.YES
        if len(tried) > STATES_MAX:
            return Verdict.TOO_LONG
        while done >> first & 1:
            first += 1
        deadline = NEVER
        for i in range(first, count):
            one = operations[i]
            if one.invoked > deadline:
                break  # somebody had returned before it began
            if done >> i & 1:
                continue
            deadline = min(deadline, one.returned)
            after = step(one, value)
            if after is not None and (done | 1 << i, after) not in tried:
                tried.add((done | 1 << i, after))
                stack.append((done | 1 << i, after, first))
    return Verdict.NO
