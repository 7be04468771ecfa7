"""Serf's part of a full exchange to bytes and back (wire/gossip/serf.md section 4).

It is the one message that grows with the pool. Its three long lists are read item by item, and
each item is looked at before the next is built; what we do not know is skipped unbuilt.
"""

from collections.abc import Callable

from proconsul.gossip import fields
from proconsul.gossip.failure import PacketError
from proconsul.gossip.fields import MALFORMED, UINT64_MAX, Value
from proconsul.gossip.serf_messages import EventRow, EventSlot, State

MEMBERS_MAX = 200_000  # twice what a PushPull holds: Serf remembers longer who has left
SLOTS_MAX = 16 * 1024  # of the ring of events; Serf has 512 by default
CONTAINERS_MAX = 64 * 1024  # two for each slot that is used, and one for each event
FIELDS_MAX = 1024  # six that we know, and those of times to come

_NIL = 0xC0


def encode(state: State) -> bytes:
    """The map, without the type byte in front."""
    return fields.pack(
        {
            "EventLTime": state.event_ltime,
            "Events": [_slot_fields(slot) for slot in state.events],
            "LTime": state.ltime,
            "LeftMembers": state.left_members,
            "QueryLTime": state.query_ltime,
            "StatusLTimes": state.status_ltimes,
        }
    )


def _slot_fields(slot: EventSlot | None) -> dict[str, object] | None:
    if slot is None:
        return None
    rows = [{"Name": row.name, "Payload": row.payload or None} for row in slot.events]
    return {"Events": rows, "LTime": slot.ltime}


def decode(data: bytes | memoryview) -> State:
    """What `encode` wrote. Raises PacketError."""
    return _Reader(data).state()


class _Reader:
    """Takes one State out of its bytes, from the front to the end."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data
        self._values = fields.unpacker(data, containers_max=CONTAINERS_MAX)
        self._clocks = {b"LTime": 0, b"EventLTime": 0, b"QueryLTime": 0}
        self._status_ltimes: dict[str, int] = {}
        self._left_members: list[str] = []
        self._events: list[EventSlot | None] = []

    def state(self) -> State:
        try:
            for _ in range(self._length(self._values.read_map_header, FIELDS_MAX, "fields")):
                self._read_field(self._values.unpack())
        except MALFORMED as failure:
            raise fields.unreadable(failure) from failure
        return State(
            ltime=self._clocks[b"LTime"],
            status_ltimes=self._status_ltimes,
            left_members=tuple(self._left_members),
            event_ltime=self._clocks[b"EventLTime"],
            events=tuple(self._events),
            query_ltime=self._clocks[b"QueryLTime"],
        )

    def _length(self, header: Callable[[], int], most: int, what: str) -> int:
        """How many items follow; none for nil. `header` is the Unpacker's for a map or a list."""
        at = self._values.tell()
        if at < len(self._data) and self._data[at] == _NIL:
            self._values.skip()
            return 0
        length = header()
        if length > most:
            raise PacketError(f"{length} {what} are announced, at most {most} are taken")
        return length

    def _read_field(self, name: Value) -> None:
        values = self._values
        match name:
            case b"StatusLTimes":
                for _ in range(self._length(values.read_map_header, MEMBERS_MAX, "members")):
                    member = fields.text(values.unpack())
                    self._status_ltimes[member] = fields.unsigned(values.unpack(), UINT64_MAX)
            case b"LeftMembers":
                count = self._length(values.read_array_header, MEMBERS_MAX, "left members")
                self._left_members = [fields.text(values.unpack()) for _ in range(count)]
            case b"Events":
                count = self._length(values.read_array_header, SLOTS_MAX, "slots of events")
                self._events = [_slot(values.unpack()) for _ in range(count)]
            case b"LTime" | b"EventLTime" | b"QueryLTime":
                self._clocks[name] = fields.unsigned(values.unpack(), UINT64_MAX)
            case _:
                values.skip()


def _slot(value: Value) -> EventSlot | None:
    if value is None:
        return None
    body = fields.fields_of(value)
    return EventSlot(
        ltime=fields.unsigned(body.get(b"LTime"), UINT64_MAX),
        events=tuple(_row(one) for one in fields.items(body.get(b"Events"))),
    )


def _row(value: Value) -> EventRow:
    body = fields.fields_of(value)
    return EventRow(name=fields.text(body.get(b"Name")), payload=fields.raw(body.get(b"Payload")))
