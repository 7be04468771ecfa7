"""What the generator noted, read: one operation from its two lines.

An operation without a second line was cut off with its writer: its outcome is unknown, and it may
have been answered at any time. A line that is torn (the last one of a file) tells nothing.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

FOREVER_NS = 1 << 62


class Outcome(Enum):
    """What its client knows of an operation."""

    ACKED = "acked"
    REFUSED = "refused"  # surely not done
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request; times are the generator's monotonic clock."""

    number: int
    kind: str  # put, cas, "get consistent", "get default", "get stale"
    worker: str
    target: str  # "service", or a member's name
    key: str
    value: int | None  # what was written
    invoked_ns: int
    returned_ns: int = FOREVER_NS
    outcome: Outcome = Outcome.UNKNOWN
    found: int | None = None  # what was read; None for no such key
    modified: int | None = None  # its ModifyIndex
    index: int | None = None  # X-Consul-Index
    why: str = ""  # if it was not acknowledged

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.kind in ("put", "cas")

    @property
    def is_acked(self) -> bool:
        """Whether it was answered, and done."""
        return self.outcome is Outcome.ACKED

    @property
    def is_outrun(self) -> bool:
        """Whether it is a check-and-set that was answered, and another one was faster."""
        return self.kind == "cas" and self.why == "200 false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A whole run, in the order in which operations began."""

    operations: tuple[Operation, ...]
    began_s: float  # wall clock, at `began_ns`
    began_ns: int
    ended_ns: int  # of the last line
    ended: bool  # whether it came to its end

    def at_ns(self, wall_s: float) -> int:
        """A wall clock's time as the generator's."""
        return self.began_ns + round((wall_s - self.began_s) * 1e9)


def read(lines: Iterable[str]) -> Ledger:
    """Raises ValueError if it has no beginning."""
    begun: dict[int, dict[str, Any]] = {}
    ends: dict[int, dict[str, Any]] = {}
    head: dict[str, Any] | None = None
    last_ns, ended = 0, False
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # torn
        last_ns = max(last_ns, row["at"])
        if "began_s" in row:
            head = row
        elif "ended" in row:
            ended = True
        elif "of" in row:
            ends[row["of"]] = row
        else:
            begun[row["id"]] = row
    if head is None:
        raise ValueError("the ledger does not say when it began")
    operations = tuple(_operation(row, ends.get(number)) for number, row in sorted(begun.items()))
    return Ledger(
        operations=operations,
        began_s=head["began_s"],
        began_ns=head["at"],
        ended_ns=last_ns,
        ended=ended,
    )


def _operation(row: dict[str, Any], end: dict[str, Any] | None) -> Operation:
    end = end or {"at": FOREVER_NS, "outcome": "unknown", "why": "the generator ended"}
    index = end.get("index")
    return Operation(
        number=row["id"],
        kind=row["kind"],
        worker=row["worker"],
        target=row["target"],
        key=row["key"],
        value=row["value"],
        invoked_ns=row["at"],
        returned_ns=end["at"],
        outcome=Outcome(end["outcome"]),
        found=end.get("found"),
        modified=end.get("modified"),
        index=None if index is None else int(index),
        why=end.get("why", ""),
    )
