"""Ledgers by hand: each step is one operation, later than the one before."""

from dataclasses import replace

from e2e.load.ledger import FOREVER_NS, Ledger, Operation, Outcome

STEP_NS = 1_000_000_000


class History:
    """What was done, one second a step, each taking half of it."""

    def __init__(self) -> None:
        self._operations: list[Operation] = []
        self._now_ns = 0

    def put(self, key: str, value: int, outcome: Outcome = Outcome.ACKED) -> None:
        """By its only writer."""
        self._add(kind="put", key=key, value=value, outcome=outcome)

    def count(self, key: str, value: int, outcome: Outcome = Outcome.ACKED) -> None:
        """A check-and-set."""
        self._add(kind="cas", key=key, value=value, outcome=outcome)

    def outrun(self, key: str, value: int) -> None:
        """A check-and-set for which another one was faster."""
        self._add(kind="cas", key=key, value=value, outcome=Outcome.REFUSED, why="200 false")

    def read(self, key: str, found: int | None, mode: str = "consistent") -> None:
        """Answered through the Service."""
        self._add(kind=f"get {mode}", key=key, found=found)

    def stale(self, member: str, key: str, *, found: int, modified: int, index: int) -> None:
        """Answered by a member from its own state."""
        self._add(
            kind="get stale",
            key=key,
            target=member,
            worker=f"r-{member}",
            found=found,
            modified=modified,
            index=index,
        )

    def outage(self, member: str, key: str) -> None:
        """A stale read that was not answered."""
        self._add(
            kind="get stale",
            key=key,
            target=member,
            worker=f"r-{member}",
            outcome=Outcome.REFUSED,
        )

    def rest(self, seconds: float) -> None:
        """Nothing happens."""
        self._now_ns += round(seconds * 1e9)

    def stretch(self, steps_back: int) -> None:
        """The last operation began so many steps earlier: it overlaps what was in between."""
        last = self._operations[-1]
        began_ns = last.invoked_ns - steps_back * STEP_NS
        self._operations[-1] = replace(last, invoked_ns=began_ns)

    def ledger(self) -> Ledger:
        """All of it."""
        return Ledger(
            operations=tuple(self._operations),
            began_s=1000.0,
            began_ns=0,
            ended_ns=self._now_ns,
            ended=True,
        )

    def _add(
        self,
        *,
        kind: str,
        key: str,
        value: int | None = None,
        outcome: Outcome = Outcome.ACKED,
        target: str = "service",
        worker: str = "w0",
        found: int | None = None,
        modified: int | None = None,
        index: int | None = None,
        why: str = "",
    ) -> None:
        returned_ns = self._now_ns + STEP_NS // 2
        self._operations.append(
            Operation(
                number=len(self._operations) + 1,
                kind=kind,
                worker=worker,
                target=target,
                key=key,
                value=value,
                why=why,
                invoked_ns=self._now_ns,
                returned_ns=FOREVER_NS if outcome is Outcome.UNKNOWN else returned_ns,
                outcome=outcome,
                found=found,
                modified=modified,
                index=index,
            )
        )
        self._now_ns += STEP_NS
