"""The checker of histories says yes and no where a person would, and agrees with trying all."""

import random
from itertools import permutations

from server_tests.sim.history import (
    NEVER,
    Kind,
    Operation,
    Outcome,
    Verdict,
    explain,
    judge,
    relevant_of,
    step,
)
from server_tests.sim.kv import NOTHING


def put(value: str, begin: int, end: int, met: str, outcome: Outcome = Outcome.DONE) -> Operation:
    return Operation(0, Kind.PUT, "k", value, NOTHING, begin, end, outcome, met)


def get(met: str, begin: int, end: int) -> Operation:
    return Operation(1, Kind.GET, "k", "unused", NOTHING, begin, end, Outcome.DONE, met)


def cas(expected: str, value: str, begin: int, end: int, met: str) -> Operation:
    return Operation(2, Kind.CAS, "k", value, expected, begin, end, Outcome.DONE, met)


def test_a_read_after_a_write_sees_it() -> None:
    assert judge([put("1", 1, 2, NOTHING), get("1", 3, 4)]).verdict is Verdict.YES


def test_a_read_after_a_write_that_does_not_see_it_is_stale() -> None:
    judgement = judge([put("1", 1, 2, NOTHING), get(NOTHING, 3, 4)])
    assert judgement.verdict is Verdict.NO
    assert judgement.key == "k"


def test_a_read_beside_a_write_may_see_either() -> None:
    for met in ("1", NOTHING):
        assert judge([put("1", 1, 9, NOTHING), get(met, 3, 4)]).verdict is Verdict.YES


def test_what_was_seen_once_stays() -> None:
    seen_and_gone = [put("1", 1, 9, NOTHING), get("1", 3, 4), get(NOTHING, 5, 6)]
    assert judge(seen_and_gone).verdict is Verdict.NO


def test_a_write_of_unknown_outcome_may_happen_late_or_never_but_once() -> None:
    unknown = put("1", 1, NEVER, NOTHING, Outcome.UNKNOWN)
    assert judge([unknown, get(NOTHING, 3, 4)]).verdict is Verdict.YES
    assert judge([unknown, get(NOTHING, 3, 4), get("1", 5, 6)]).verdict is Verdict.YES
    back_again = [unknown, get("1", 3, 4), put("2", 5, 6, "1"), get("1", 7, 8)]
    assert judge(back_again).verdict is Verdict.NO


def test_a_refused_write_never_happens() -> None:
    refused = put("1", 1, NEVER, NOTHING, Outcome.REFUSED)
    assert judge([refused, get("1", 3, 4)]).verdict is Verdict.NO


def test_of_two_check_and_sets_from_one_value_only_one_can_win() -> None:
    first = put("1", 1, 2, NOTHING)
    assert judge([first, cas("1", "2", 3, 9, "1"), cas("1", "3", 3, 9, "2")]).verdict is Verdict.YES
    assert judge([first, cas("1", "2", 3, 9, "1"), cas("1", "3", 3, 9, "1")]).verdict is Verdict.NO


def by_trying_all(operations: list[Operation]) -> Verdict:
    """Every order of every set that has all that were done."""
    done = [one for one in operations if one.outcome is Outcome.DONE]
    for size in range(len(done), len(operations) + 1):
        for order in permutations(operations, size):
            if all(one in order for one in done) and is_explained(order):
                return Verdict.YES
    return Verdict.NO


def is_explained(order: tuple[Operation, ...]) -> bool:
    value = NOTHING
    for place, one in enumerate(order):
        if any(later.returned < one.invoked for later in order[place + 1 :]):
            return False
        after = step(one, value)
        if after is None:
            return False
        value = after
    return True


def test_it_agrees_with_trying_all_orders() -> None:
    verdicts = set()
    for seed in range(300):
        operations = some_operations(random.Random(seed))
        verdict = explain(relevant_of(operations))
        assert verdict is by_trying_all(operations), f"seed {seed}"
        verdicts.add(verdict)
    assert verdicts == {Verdict.YES, Verdict.NO}


def some_operations(die: random.Random) -> list[Operation]:
    values = [NOTHING, *(str(number) for number in range(4))]
    operations: list[Operation] = []
    for number in range(die.randrange(2, 6)):
        kind = die.choice(list(Kind))
        begin = die.randrange(20)
        known = die.random() < 0.7 or kind is Kind.GET
        operations.append(
            Operation(
                number,
                kind,
                "k",
                str(number),
                die.choice(values),
                begin,
                begin + die.randrange(1, 12) if known else NEVER,
                Outcome.DONE if known else Outcome.UNKNOWN,
                die.choice(values),
            )
        )
    return operations


def test_it_agrees_where_writes_are_not_told_what_they_met() -> None:
    verdicts = set()
    for seed in range(300):
        die = random.Random(seed)
        operations = [blind(one, die) for one in some_operations(die)]
        verdict = judge(operations).verdict
        assert verdict is by_trying_all(operations), f"seed {seed}"
        verdicts.add(verdict)
    assert verdicts == {Verdict.YES, Verdict.NO}


def blind(operation: Operation, die: random.Random) -> Operation:
    """As a real server answers it."""
    if operation.kind is not Kind.GET and operation.outcome is Outcome.DONE:
        operation.lost = operation.kind is Kind.CAS and die.random() < 0.5
        operation.blind = operation.lost or operation.kind is Kind.PUT
        operation.met = operation.expected
    return operation
