"""What a yamux session tells of what its peer does."""

from msgspec import Struct


class StreamOpened(Struct, frozen=True):
    """The peer wants a stream: `accept` it."""

    stream: int


class StreamAccepted(Struct, frozen=True):
    """The peer has accepted a stream of ours."""

    stream: int


class DataReceived(Struct, frozen=True):
    """Bytes of a stream; tell `consumed` when they are used, or no more will come."""

    stream: int
    data: bytes


class StreamEnded(Struct, frozen=True):
    """The peer will send nothing more on a stream; it may still read."""

    stream: int


class StreamReset(Struct, frozen=True):
    """The peer has given a stream up, or refused it."""

    stream: int


class PingAnswered(Struct, frozen=True):
    """The peer is there."""

    ping: int


class PeerLeaves(Struct, frozen=True):
    """The peer takes no new streams; those that are open go on."""


class SessionEnded(Struct, frozen=True):
    """Nothing more will be received: send what is to be sent, then close the connection."""

    reason: str


Event = (
    StreamOpened
    | StreamAccepted
    | DataReceived
    | StreamEnded
    | StreamReset
    | PingAnswered
    | PeerLeaves
    | SessionEnded
)
