"""What the log promised, kept naively; and a player that does random things to both.

After a crash the log must be as promised, or as promised plus all of the one call that was
under way; after a refusal for want of room, as promised. Anything else is lost, or invented.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from proconsul.errors import DiskFullError
from proconsul.runtime.wal_files import WalFiles
from proconsul.runtime.wal_segment_files import WalBrokenError
from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import HardState
from server_tests.sim.disk import Die, Lands, PowerLostError, SimDisk

DIRECTORY = "/data/raft/wal"
SEGMENT_BYTES = 8192
BODY_BYTES = (0, 10, 100, 700, 700, 100, 10, 20_000)  # the last one needs a segment of its own


class ViolationError(Exception):
    """A promise was broken."""


@dataclass(frozen=True)
class Promise:
    """A state of the log. Entries up to `floor` may be gone, those above it must be there."""

    hard_state: HardState = field(default_factory=HardState)
    entries: tuple[LogRecord, ...] = ()  # all that are above the last reset
    begins_behind: int = 0
    floor: int = 0
    last_term: int = 0
    snapshot: tuple[int, int] = (0, 0)

    @property
    def last_index(self) -> int:
        """The last entry, or the one that the log begins behind."""
        return self.begins_behind + len(self.entries)

    def is_kept_by(self, wal: WalFiles, die: Die) -> bool:
        """Compare everything that can be asked."""
        told = (wal.hard_state, wal.last_index, wal.last_term)
        snapshot = (wal.snapshot_index, wal.snapshot_term)
        if told != (self.hard_state, self.last_index, self.last_term) or snapshot != self.snapshot:
            return False
        if not self.begins_behind <= wal.first_index - 1 <= self.floor:
            return False
        expected = self.entries[wal.first_index - 1 - self.begins_behind :]
        index = wal.first_index
        for entry in read_all(wal, die):
            if entry != expected[index - wal.first_index] or wal.term_of(index) != entry.term:
                return False
            index += 1
        return index == self.last_index + 1


def read_all(wal: WalFiles, die: Die) -> list[LogRecord]:
    """All entries, in pieces of random size."""
    found: list[LogRecord] = []
    while wal.first_index + len(found) <= wal.last_index:
        part = wal.read(wal.first_index + len(found), wal.last_index, die(3) * die(5000))
        assert part, "one entry at least"
        found += part
    return found


class Player:
    """Plays one life of a server after another on one disk."""

    def __init__(self, die: Die, disk: SimDisk) -> None:
        self._die = die
        self._disk = disk
        self._promised = Promise()
        self._under_way = Promise()

    def live(self, steps: int, crash_within_calls: int | None) -> None:
        """Start, compare, do some things, and stop, lose power, or give up on a bad disk."""
        disk = self._disk
        if crash_within_calls is not None:
            disk.calls_left = self._die(crash_within_calls)
        disk.capacity_bytes = disk.used_bytes() + self._die(40_000) if self._die(3) == 0 else None
        try:
            wal = WalFiles.open(DIRECTORY, self._disk, SEGMENT_BYTES)
            self._compare(wal)
            for _ in range(steps):
                disk.fails_syncs = self._die(60) == 0
                self._step(wal)
            if self._die(3) == 0:
                wal.close()
        except (PowerLostError, WalBrokenError, DiskFullError):
            pass
        disk.fails_syncs = False

    def die(self, lands: Lands | None) -> None:
        """Lose the power, or (None) only the process."""
        if lands is None:
            self._disk.kill_process()
        else:
            self._disk.crash(lands)

    def _compare(self, wal: WalFiles) -> None:
        for state in (self._promised, self._under_way):
            if state.is_kept_by(wal, self._die):
                self._promised = self._under_way = state
                return
        raise ViolationError(f"{wal.hard_state}, {wal.first_index} to {wal.last_index}")

    def _step(self, wal: WalFiles) -> None:
        chosen = self._die(20)
        if chosen < 12:
            self._append(wal)
        elif chosen < 15:
            self._truncate(wal)
        elif chosen < 18:
            self._compact(wal)
        elif chosen < 19:
            self._reset(wal)
        else:
            wal.prepare_spare()

    def _do(self, call: Callable[[], None], state: Promise) -> None:
        self._under_way = state
        try:
            call()
        except DiskFullError:
            self._under_way = self._promised
            return
        self._promised = state

    def _append(self, wal: WalFiles) -> None:
        now = self._promised
        state = now.hard_state
        if self._die(4) == 0:
            state = HardState(state.term + 1, bytes(self._die(20)))
        term = max(state.term, now.last_term)
        records = [
            LogRecord(
                term,
                now.last_index + 1 + i,
                bytes((self._die(256),)) * BODY_BYTES[self._die(len(BODY_BYTES))],
            )
            for i in range(self._die(4))
        ]
        after = replace(
            now,
            hard_state=state,
            entries=now.entries + tuple(records),
            last_term=term if records else now.last_term,
        )
        hard_state = None if state == now.hard_state else state
        self._do(lambda: wal.append(records, hard_state), after)

    def _truncate(self, wal: WalFiles) -> None:
        now = self._promised
        lowest = max(wal.first_index, now.snapshot[0] + 1)
        if lowest > now.last_index:
            return
        index = lowest + self._die(now.last_index + 1 - lowest)
        term = wal.term_of(index - 1)
        assert term is not None
        kept = now.entries[: index - 1 - now.begins_behind]
        after = replace(now, entries=kept, last_term=term, floor=min(now.floor, index - 1))
        self._do(lambda: wal.truncate_suffix(index), after)

    def _compact(self, wal: WalFiles) -> None:
        now = self._promised
        lowest = max(now.snapshot[0], wal.first_index)
        if lowest > now.last_index:
            return
        index = lowest + self._die(now.last_index + 1 - lowest)
        up_to = max(0, index - self._die(4))
        term = wal.term_of(index)
        assert term is not None
        after = replace(now, snapshot=(index, term), floor=max(now.floor, up_to))
        self._do(lambda: wal.compact(up_to, index, term), after)

    def _reset(self, wal: WalFiles) -> None:
        now = self._promised
        index, term = now.last_index + self._die(10), now.last_term + 1
        after = Promise(
            hard_state=now.hard_state,
            begins_behind=index,
            floor=index,
            last_term=term,
            snapshot=(index, term),
        )
        self._do(lambda: wal.reset(index, term), after)
