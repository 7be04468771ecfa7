"""What the pool wants of the world. The driver does it in order (runtime/gossip_driver.py)."""

from enum import Enum, IntEnum

from msgspec import Struct, field

from proconsul.gossip.address import Address


class MemberStatus(IntEnum):
    """How a member is; Serf's numbers, which `/v1/agent/members` shows."""

    NONE = 0
    ALIVE = 1
    LEAVING = 2
    LEFT = 3
    FAILED = 4


class Change(Enum):
    """What happened to a member; Serf's names of its events."""

    JOIN = "EventMemberJoin"
    LEAVE = "EventMemberLeave"
    FAILED = "EventMemberFailed"
    UPDATE = "EventMemberUpdate"
    REAP = "EventMemberReap"


class PoolMember(Struct, frozen=True, kw_only=True):
    """A member as the pool knows it."""

    name: str
    address: Address
    tags: dict[str, str]
    status: MemberStatus
    protocol: tuple[int, int, int]  # memberlist's: min, max, current
    delegate: tuple[int, int, int]  # Serf's
    since_s: float  # monotonic: since when it has this status


class SendPacket(Struct, frozen=True):
    """One datagram, framed and sealed."""

    to: Address
    data: bytes


class Exchange(Struct, frozen=True, kw_only=True):
    """Dial, write `data`, and if `wants_answer` read one message; then `exchange_done(token, ...)`.

    All of it within `patience_s`.
    """

    token: int
    to: Address
    data: bytes
    wants_answer: bool
    patience_s: float


class MemberChanged(Struct, frozen=True):
    """A member came, went, or is another than it was."""

    change: Change
    member: PoolMember


class UserEventHeard(Struct, frozen=True, kw_only=True):
    """An event, of ours or of others, once."""

    ltime: int
    name: str
    payload: bytes
    coalesce: bool


class QueryHeard(Struct, frozen=True, kw_only=True):
    """A query that concerns us and is no internal one; answer with `Serf.respond`."""

    ltime: int
    id: int
    name: str
    payload: bytes
    source_node: str
    until_s: float


class JoinEnded(Struct, frozen=True):
    """All addresses of `Serf.join` were tried: so many answered, and what was wrong with others."""

    token: int
    reached: int
    failures: tuple[str, ...]


class LeaveEnded(Struct, frozen=True):
    """The others know that we go, as far as that can be had; no packet need be answered now."""


class QueryEnded(Struct, frozen=True, kw_only=True):
    """Time is over, or all that were alive answered. Payloads and acknowledgements by node name."""

    token: int
    asked: int  # members alive when the query was sent
    acks: frozenset[str]
    responses: dict[str, bytes]


class KeyringEnded(Struct, frozen=True, kw_only=True):
    """What came of a keyring operation (serf.md section 7); keys in base64."""

    token: int
    members: int
    responses: int
    errors: int
    messages: dict[str, str] = field(default_factory=dict)  # by node name; only those that say any
    keys: dict[str, int] = field(default_factory=dict)  # on how many nodes each is
    primary_keys: dict[str, int] = field(default_factory=dict)
    failure: str = ""  # "n/m nodes reported failure", "n/m nodes reported success"


class Remember(Struct, frozen=True):
    """Append this line to the file of members and clocks (serf.md section 10)."""

    line: str


class KeysChanged(Struct, frozen=True):
    """Write the keyring file: these keys, in base64, the primary one first."""

    keys: tuple[str, ...]


class Level(IntEnum):
    """Of a line in the log; the numbers of Python's logging."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


class Log(Struct, frozen=True):
    """A line for the log, without its time and level."""

    level: Level
    text: str


class Count(Struct, frozen=True):
    """One more of what `name` counts, as in Consul's telemetry (`memberlist.msg.suspect`)."""

    name: str
    by: int = 1


Effect = (
    SendPacket
    | Exchange
    | MemberChanged
    | UserEventHeard
    | QueryHeard
    | JoinEnded
    | LeaveEnded
    | QueryEnded
    | KeyringEnded
    | Remember
    | KeysChanged
    | Log
    | Count
)
