"""Lines of the log and counts of a pool, a bounded number of lines in a second.

Who sends garbage decides how often we could complain about it. So of each level some lines are
logged between two reports, and of the others their number is said. What members do is told at
level INFO, and when a large pool is started that is much. Counts are summed up: the pool counts
several things for each packet.
"""

from collections import Counter
from typing import Protocol

from proconsul.gossip.effects import Level

REPORT_S = 1.0  # between two reports
LINES_MAX = {Level.DEBUG: 1000, Level.INFO: 1000, Level.WARNING: 100, Level.ERROR: 100}


class Readers(Protocol):
    """Who takes the reports."""

    def wants(self, level: Level) -> bool:
        """Whether anybody reads lines of this level."""

    def said(self, level: Level, text: str) -> None:
        """A line for the log."""

    def counted(self, counts: dict[str, int]) -> None:
        """So many more of each."""


class Reports:
    """Of one pool; `report` is to be called every REPORT_S."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._counts: Counter[str] = Counter()
        self._lines: Counter[Level] = Counter()

    def say(self, level: Level, text: str) -> None:
        """Log a line, unless there were too many just before."""
        if self._readers.wants(level):
            self._lines[level] += 1
            if self._lines[level] <= LINES_MAX[level]:
                self._readers.said(level, text)

    def count(self, name: str, by: int = 1) -> None:
        """So many more of this."""
        self._counts[name] += by

    def report(self) -> None:
        """Hand over what was counted, and how many lines were left out."""
        if self._counts:
            counts, self._counts = dict(self._counts), Counter()
            self._readers.counted(counts)
        for level, lines in self._lines.items():
            if lines > LINES_MAX[level]:
                left_out = lines - LINES_MAX[level]
                self._readers.said(level, f"memberlist: {left_out} more lines were left out")
        self._lines.clear()
