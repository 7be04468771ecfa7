"""The newest entries in memory: what followers that keep up, and the state machine, ask for."""

from collections.abc import Sequence
from typing import Final

from proconsul.wal.record import LogRecord

RECORD_COST_BYTES: Final = 150  # of a record in memory, without its body


class TailCache:
    """A row of entries up to the last one, of at most so many bytes; the oldest make way."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._records: dict[int, LogRecord] = {}
        self._first_index = 0
        self._next_index = 0

    def extend(self, records: Sequence[LogRecord]) -> None:
        """Entries behind those that are there."""
        if not self._records:
            self._first_index = self._next_index = records[0].index
        assert records[0].index == self._next_index, "the row has no gaps"
        end = self._next_index + len(records)
        self._records.update(zip(range(self._next_index, end), records, strict=True))
        self._next_index = end
        self._bytes += sum([len(record.body) for record in records])
        self._bytes += RECORD_COST_BYTES * len(records)
        first, left = self._first_index, self._bytes
        while left > self._bytes_max:
            left -= len(self._records.pop(first).body) + RECORD_COST_BYTES
            first += 1
        self._first_index, self._bytes = first, left

    def forget_from(self, index: int) -> None:
        """The log was cut there."""
        while self._records and self._next_index > index:
            self._next_index -= 1
            self._bytes -= len(self._records.pop(self._next_index).body) + RECORD_COST_BYTES

    def read(self, first: int, last: int, bytes_max: int) -> list[LogRecord] | None:
        """From `first` on, at least one and bodies of `bytes_max` at most; None: not all here."""
        if not self._records or first < self._first_index or last >= self._next_index:
            return None
        found: list[LogRecord] = []
        left = bytes_max
        for index in range(first, last + 1):
            record = self._records[index]
            left -= len(record.body)
            if left < 0 and found:
                break
            found.append(record)
        return found
