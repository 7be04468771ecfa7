"""What memberlist's members say to each other, as values (wire/gossip/gossip.md section 2)."""

from enum import IntEnum

from msgspec import Struct

from proconsul.gossip.address import Address


class NodeState(IntEnum):
    """How a node is, as a full exchange of states tells it."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


class Ping(Struct, frozen=True, kw_only=True):
    """Are you there, `node`? `source` and `source_node` are left out by old versions."""

    seq_no: int
    node: str
    source: Address | None = None
    source_node: str = ""


class IndirectPing(Struct, frozen=True, kw_only=True):
    """Ask `node` at `target` for me; with `nack`, tell me if it does not answer."""

    seq_no: int
    target: Address
    node: str
    nack: bool
    source: Address | None = None
    source_node: str = ""


class Ack(Struct, frozen=True, kw_only=True):
    """I am here; the payload is the delegate's (Serf: a coordinate), b"" for none."""

    seq_no: int
    payload: bytes = b""


class Nack(Struct, frozen=True, kw_only=True):
    """The one that you wanted me to ask did not answer."""

    seq_no: int


class Suspect(Struct, frozen=True, kw_only=True):
    """`accuser` had no answer from `node`."""

    incarnation: int
    node: str
    accuser: str


class Alive(Struct, frozen=True, kw_only=True):
    """A node says, or others repeat, where and what it is. `vsn` has six bytes (section 5)."""

    incarnation: int
    node: str
    address: Address
    meta: bytes
    vsn: bytes


class Dead(Struct, frozen=True, kw_only=True):
    """`node` is dead; if `accuser` is the node itself, it left."""

    incarnation: int
    node: str
    accuser: str


class User(Struct, frozen=True):
    """What the delegate has to say: a Serf message."""

    body: bytes


class Refusal(Struct, frozen=True):
    """The answer on a stream to what could not be read (type 13)."""

    text: str


class PushedNode(Struct, frozen=True, kw_only=True):
    """One row of a full exchange of states."""

    name: str
    address: Address
    meta: bytes
    incarnation: int
    state: int  # a NodeState; others are treated as an unknown one
    vsn: bytes


class PushPull(Struct, frozen=True, kw_only=True):
    """All that a member knows; answered by the same from the other side."""

    join: bool
    nodes: tuple[PushedNode, ...]
    user_state: bytes


PacketMessage = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | User
StreamMessage = PushPull | Ping | Ack | User | Refusal
Message = PacketMessage | PushPull | Refusal
