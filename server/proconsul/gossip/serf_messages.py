"""What Serf's members say to each other, as values (wire/gossip/serf.md section 2)."""

from enum import IntFlag

from msgspec import Struct

from proconsul.gossip.address import Address


class QueryFlag(IntFlag):
    """Of a query and its responses."""

    NONE = 0
    ACK = 1  # wanted, or this is one
    NO_BROADCAST = 2  # do not pass it on


class Leave(Struct, frozen=True, kw_only=True):
    """`node` leaves, or somebody says so of a failed one; `prune`: forget it at once."""

    ltime: int
    node: str
    prune: bool = False


class Join(Struct, frozen=True, kw_only=True):
    """`node` joined."""

    ltime: int
    node: str


class EventRow(Struct, frozen=True, kw_only=True):
    """One event in the ring of a full exchange."""

    name: str
    payload: bytes


class EventSlot(Struct, frozen=True, kw_only=True):
    """All events of one Lamport time."""

    ltime: int
    events: tuple[EventRow, ...]


class State(Struct, frozen=True, kw_only=True):
    """Serf's part of a full exchange (section 4); unused slots of the ring are None."""

    ltime: int
    status_ltimes: dict[str, int]
    left_members: tuple[str, ...]
    event_ltime: int
    events: tuple[EventSlot | None, ...]
    query_ltime: int


class UserEvent(Struct, frozen=True, kw_only=True):
    """An event for everybody; `coalesce`: the newest of a name stands for all."""

    ltime: int
    name: str
    payload: bytes
    coalesce: bool


class NodeFilter(Struct, frozen=True):
    """Only these nodes answer."""

    names: tuple[str, ...]


class TagFilter(Struct, frozen=True):
    """Only who has such a value of a tag (a Go regular expression, unanchored) answers."""

    tag: str
    expression: str


class UnknownFilter(Struct, frozen=True):
    """A filter of a kind that we do not know: nobody matches. Kept for passing it on."""

    data: bytes


Filter = NodeFilter | TagFilter | UnknownFilter


class Query(Struct, frozen=True, kw_only=True):
    """A question to all that match the filters, to be answered at `address` in time."""

    ltime: int
    id: int
    address: Address
    source_node: str
    filters: tuple[Filter, ...]
    flags: int
    relay_factor: int
    timeout_ns: int
    name: str
    payload: bytes


class QueryResponse(Struct, frozen=True, kw_only=True):
    """An answer, or an acknowledgement."""

    ltime: int
    id: int
    sender: str
    flags: int
    payload: bytes


class Relay(Struct, frozen=True, kw_only=True):
    """Pass `message`, a whole Serf message, on to `node` at `address`."""

    address: Address
    zone: str
    node: str
    message: bytes


class KeyRequest(Struct, frozen=True):
    """In the payload of a query about keys: raw bytes, b"" for a list."""

    key: bytes


class KeyResponse(Struct, frozen=True, kw_only=True):
    """In the payload of its response; keys in base64."""

    result: bool
    message: str
    keys: tuple[str, ...]
    primary_key: str


class ConflictResponse(Struct, frozen=True, kw_only=True):
    """In the payload of a response to `_serf_conflict`: a member as the sender knows it."""

    name: str
    address: Address
    tags: dict[str, str]
    status: int
    protocol: tuple[int, int, int]  # min, max, current
    delegate: tuple[int, int, int]


SerfMessage = (
    Leave | Join | State | UserEvent | Query | QueryResponse | Relay | KeyRequest | KeyResponse
)
