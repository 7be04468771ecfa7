"""User events: each is told to everybody, and heard once.

The events of the last Lamport times are kept in a ring, one slot a time. What is in the ring was
heard already; what is older than the ring is refused, since nobody knows any more. The whole ring
goes along with a full exchange, so who was away hears what it missed, but not what is older than
its minimum time: the last event of its earlier life, or a join that wants no old events
(wire/gossip/serf.md section 6).
"""

from collections.abc import Callable, Iterable

from msgspec import Struct, field

from proconsul.gossip.journal import Journal
from proconsul.gossip.lamport import Clock
from proconsul.gossip.merging import SLICE_ROWS, Merging
from proconsul.gossip.serf_messages import EventRow, EventSlot, UserEvent

EVENT_BYTES_MAX = 9 * 1024  # Serf's: name and payload together, whatever is configured
# Of one Lamport time: events fired at once, by different members, before gossip went round. All
# slots together must be readable by others: 20 MiB in a stream, and 64 Ki maps (fields.py).
SLOT_EVENTS_MAX = 100
SLOT_BYTES_MAX = 16 * 1024
ROW_BYTES = 32  # what a row costs besides its name and payload


class _Slot(Struct):
    ltime: int
    rows: dict[tuple[str, bytes], None] = field(default_factory=dict)
    size_bytes: int = 0
    was_full: bool = False


class UserEvents:
    """The ring. `heard(event)` is called once for each event."""

    def __init__(
        self,
        *,
        slots: int,
        min_ltime: int,
        clock: Clock,
        heard: Callable[[UserEvent], None],
        journal: Journal,
    ) -> None:
        self._slots: list[_Slot | None] = [None] * slots
        self._min_ltime = min_ltime
        self._clock = clock
        self._heard = heard
        self._journal = journal

    def ignore_before(self, ltime: int) -> None:
        """Events of earlier times are not heard any more."""
        self._min_ltime = max(self._min_ltime, ltime)

    def take(self, event: UserEvent) -> bool:
        """An event came. Whether it is new, so that others are to be told."""
        if self._is_known(event):
            return False  # its time is noted; a clock that began anew must not begin again
        self._clock.witness(event.ltime)
        if self._clock.time < self._min_ltime:
            self._min_ltime = 0  # the clock began anew
        if event.ltime < self._min_ltime:
            return False
        if event.ltime < self._clock.time - len(self._slots):
            self._journal.warning(
                f"received old event {event.name} from time {event.ltime} "
                f"(current: {self._clock.time})"
            )
            return False
        slot = self._slot(event.ltime)
        if not self._has_room(slot, event):
            return False
        slot.rows[event.name, event.payload] = None
        slot.size_bytes += _size_bytes(event)
        self._journal.count("serf.events")
        self._heard(event)
        return True

    def _is_known(self, event: UserEvent) -> bool:
        slot = self._slots[event.ltime % len(self._slots)]
        if slot is None or slot.ltime != event.ltime:
            return False
        return (event.name, event.payload) in slot.rows

    def _slot(self, ltime: int) -> _Slot:
        place = ltime % len(self._slots)
        slot = self._slots[place]
        if slot is None or slot.ltime != ltime:
            slot = self._slots[place] = _Slot(ltime)
        return slot

    def _has_room(self, slot: _Slot, event: UserEvent) -> bool:
        if (
            len(slot.rows) < SLOT_EVENTS_MAX
            and slot.size_bytes + _size_bytes(event) <= SLOT_BYTES_MAX
        ):
            return True
        # What cannot be remembered must not be told either: it would go round for ever.
        if not slot.was_full:
            self._journal.warning(f"too many events at time {event.ltime}, dropping {event.name}")
        slot.was_full = True
        return False

    def ring(self) -> tuple[EventSlot | None, ...]:
        """The slots, for a full exchange; None where nothing was heard."""
        return tuple(
            EventSlot(
                ltime=slot.ltime,
                events=tuple(EventRow(name=name, payload=payload) for name, payload in slot.rows),
            )
            if slot is not None and slot.rows
            else None
            for slot in self._slots
        )

    def merge(self, slots: Iterable[EventSlot | None]) -> Merging:
        """Take the ring of another, by slices."""
        count = 0
        for slot in slots:
            if slot is None:
                continue
            for row in slot.events:
                self.take(
                    UserEvent(ltime=slot.ltime, name=row.name, payload=row.payload, coalesce=False)
                )
            count += len(slot.events)
            if count >= SLICE_ROWS:
                count = 0
                yield
        return None


def _size_bytes(event: UserEvent) -> int:
    return len(event.name.encode(errors="surrogateescape")) + len(event.payload) + ROW_BYTES
