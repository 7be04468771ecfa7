"""Whether both sides answer a row's requests alike: else its speed is not counted."""

from collections.abc import Iterable

from bench.failure import WrongAnswerError
from bench.rows import Row
from server_tests.differential.compare import differences
from server_tests.differential.normalise import normalised
from server_tests.differential.run import Case, Run, play
from server_tests.differential.target import Target

SHOWN_MAX = 10


def answered_by(row: Row, address: str) -> Run:
    """What the server at an address says to a row's requests."""
    return play(Case("bench", row.name, row.workload.story), Target(address))


def require_same(row: Row, real: Run, ours: Run) -> None:
    """Raises WrongAnswerError: they differ by more than indexes, names and addresses may."""
    _require(row, "the real Consul", "ours", differences(normalised(real), normalised(ours)))


def _require(row: Row, one: str, other: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        shown = "\n".join(f"  {line}" for line in found[:SHOWN_MAX])
        raise WrongAnswerError(
            f"{row.name} is not counted: {one} and {other} answer differently\n{shown}"
        )
