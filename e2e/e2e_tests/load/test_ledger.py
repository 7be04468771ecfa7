"""Lines to operations."""

import json

import pytest

from e2e.load.ledger import FOREVER_NS, Outcome, read

HEAD = {"began_s": 100.0, "at": 5_000_000_000, "seed": 1}
BEGUN = {
    "id": 1, "at": 6_000_000_000, "worker": "w0", "target": "service", "kind": "put",
    "key": "k", "value": 3,
}  # fmt: skip
END = {"of": 1, "at": 6_100_000_000, "outcome": "acked", "index": "7"}


def lines(*rows: object) -> list[str]:
    return [json.dumps(row) for row in rows]


def test_an_operation_is_its_two_lines() -> None:
    (one,) = read(lines(HEAD, BEGUN, END)).operations
    assert (one.key, one.value, one.outcome, one.index) == ("k", 3, Outcome.ACKED, 7)
    assert (one.invoked_ns, one.returned_ns) == (6_000_000_000, 6_100_000_000)
    assert one.writes


def test_what_was_begun_and_not_ended_is_unknown() -> None:
    (one,) = read(lines(HEAD, BEGUN)).operations
    assert (one.outcome, one.returned_ns) == (Outcome.UNKNOWN, FOREVER_NS)


def test_a_torn_last_line_tells_nothing() -> None:
    (one,) = read([*lines(HEAD, BEGUN), json.dumps(END)[:-5]]).operations
    assert one.outcome is Outcome.UNKNOWN


def test_a_ledger_knows_whether_it_came_to_its_end_and_what_time_it_was() -> None:
    ledger = read(lines(HEAD, {"ended": True, "at": 9_000_000_000}))
    assert (ledger.ended, ledger.ended_ns) == (True, 9_000_000_000)
    assert ledger.at_ns(101.5) == 6_500_000_000
    assert not read(lines(HEAD)).ended


def test_a_ledger_without_a_beginning_is_refused() -> None:
    with pytest.raises(ValueError, match="when it began"):
        read(lines(BEGUN))
