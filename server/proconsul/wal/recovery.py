"""From the bytes of the segments to the log, and the judgement on what does not read well.

A crash can leave the last group torn: written in part, in any order of its pages, because it
was never synced. It was never answered either, so it is dropped. Anything else that does not
read well had been synced, and may have been answered: that is damage, and opening is refused.

The two are told apart by what lies behind. Each group says up to where the log had been synced
when it was written. Bytes at P that do not read well are the torn tail if no whole group
anywhere behind them says that P was on disk already; else they are damage. One case cannot be
seen: damage to the very last group looks as a torn one does.

A segment gets its name only after its first group was synced, so the first one must be whole.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from proconsul.errors import ProconsulError
from proconsul.wal.record import (
    FORMAT_VERSION,
    GROUP,
    HARD_STATE_TERM,
    RECORD,
    RECORD_AND_KIND,
    START,
    TWO_NUMBERS,
    Group,
    HardState,
    Kind,
    Position,
    Start,
    decode_group,
)
from proconsul.wal.segments import LogIndex, Segment, SegmentName

_WHAT_TO_DO: Final = (
    "What was on disk and may have been answered is not there as it was written, so the log is "
    "not used. Look for disk errors. With other servers alive: move this data directory away "
    "and let the server join anew. Alone: restore the data directory or a snapshot from a backup."
)


class WalDamagedError(ProconsulError):
    """The log holds bytes that we did not write, or lacks some that we did, before its tail."""

    def __init__(self, path: str, offset: int, why: str) -> None:
        super().__init__(f"the log is damaged: {path} at byte {offset}: {why}. {_WHAT_TO_DO}")
        self.path = path
        self.offset = offset


class Tail(NamedTuple):
    """What recovery found at the end of the last segment.

    Only bytes from `unproven_from` to `end` may be missing on the disk although they can be
    read now. `strays` are whole groups behind a torn one: they must be wiped before anything
    is written, or a later log that happens to end at one of them would take it up.
    """

    end: int
    unproven_from: int
    strays: tuple[int, ...]


class Recovery:
    """Takes the segments in order; `log` and `tail` are then what they say."""

    def __init__(self) -> None:
        self.log = LogIndex()
        self.tail = Tail(0, 0, ())
        self._last_path = ""

    def feed(self, path: str, name: SegmentName, content: bytes) -> None:
        """Read the next segment, all of it. Raises WalDamagedError."""
        first = decode_group(content, 0, name.mark)
        if first is None:
            raise WalDamagedError(path, 0, "the first group of the segment does not read well")
        self._check_row(path, name, first)

        group: Group | None = first
        last = first
        while group is not None:
            self._replay(path, name, content, group)
            last = group
            group = decode_group(content, group.end, name.mark)

        strays = tuple(find_groups(content, last.end + 1, name.mark))
        torn_at = Position(name.sequence, last.end)
        for stray in strays:
            if stray.synced > torn_at:
                raise WalDamagedError(
                    path,
                    last.end,
                    f"bytes that were on disk before the group at byte {stray.offset} was written "
                    "do not read well",
                )
        synced = last.synced
        self.tail = Tail(
            end=last.end,
            unproven_from=synced.offset if synced.sequence == name.sequence else 0,
            strays=tuple(stray.offset for stray in strays),
        )
        self.log.segments[-1].end = last.end
        self._last_path = path

    def _check_row(self, path: str, name: SegmentName, first: Group) -> None:
        if not self.log.segments:
            return
        end = self.log.end
        if name.sequence != end.sequence + 1:
            raise WalDamagedError(
                path, 0, f"segment {end.sequence + 1} should come before it and is missing"
            )
        if first.synced != end:
            raise WalDamagedError(
                self._last_path,
                end.offset,
                f"the segment was on disk up to byte {first.synced.offset} when the next one began",
            )

    def _replay(self, path: str, name: SegmentName, content: bytes, group: Group) -> None:
        """Apply the records of a group whose checksum is right."""
        starts: list[int] = []
        sizes: list[int] = []
        terms: list[int] = []
        at = group.offset + GROUP.size
        index_before = self.log.last_index
        while at < group.end:
            content_bytes, _, kind = RECORD_AND_KIND.unpack_from(content, at)
            fields, size = at + RECORD_AND_KIND.size, RECORD.size + content_bytes
            if kind == Kind.ENTRY:
                term, index = TWO_NUMBERS.unpack_from(content, fields)
                if index != index_before + 1:
                    raise WalDamagedError(path, at, f"entry {index} follows {index_before}")
                index_before = index
                starts.append(at)
                sizes.append(size)
                terms.append(term)
            else:
                self._flush(starts, sizes, terms)
                self._apply(path, name, at, kind, content[fields : at + size], len(content))
                index_before = self.log.last_index
            at += size
        self._flush(starts, sizes, terms)

    def _flush(self, starts: list[int], sizes: list[int], terms: list[int]) -> None:
        if terms:
            self.log.add_entries(starts, sizes, terms)
            starts.clear()
            sizes.clear()
            terms.clear()

    def _apply(
        self, path: str, name: SegmentName, at: int, kind: int, fields: bytes, segment_bytes: int
    ) -> None:
        match kind:
            case Kind.START:
                self._begin(path, name, Start(*START.unpack(fields)), segment_bytes)
            case Kind.HARD_STATE:
                (term,) = HARD_STATE_TERM.unpack_from(fields)
                self.log.hard_state = HardState(term, fields[HARD_STATE_TERM.size :])
            case Kind.SNAPSHOT | Kind.RESET | Kind.TRUNCATE:
                self.log.apply(Kind(kind), *TWO_NUMBERS.unpack(fields))
            case _:
                raise WalDamagedError(
                    path, at, f"record kind {kind} is unknown: a newer version wrote it"
                )

    def _begin(self, path: str, name: SegmentName, start: Start, segment_bytes: int) -> None:
        if start.version != FORMAT_VERSION or start.sequence != name.sequence:
            raise WalDamagedError(
                path,
                0,
                f"it says format {start.version}, segment {start.sequence}; expected are format "
                f"{FORMAT_VERSION}, segment {name.sequence}",
            )
        if not self.log.segments:
            self.log.before_index = self.log.last_index = start.first_index - 1
            self.log.before_term = self.log.last_term = start.term_before
        elif start.first_index != self.log.last_index + 1:
            raise WalDamagedError(
                path, 0, f"it begins at entry {start.first_index}, behind {self.log.last_index}"
            )
        self.log.add_segment(Segment(name, segment_bytes, 0, start.first_index))


def find_groups(content: bytes, from_offset: int, mark: bytes) -> Iterator[Group]:
    """Every whole group at or behind `from_offset`, whatever lies between them."""
    at = content.find(mark, from_offset)
    while at >= 0:
        group = decode_group(content, at, mark)
        if group is not None:
            yield group
        at = content.find(mark, at + 1 if group is None else group.end)
