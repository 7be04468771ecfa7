"""What a yamux session tells of what its peer does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer wants a stream: `accept` it."""

    stream: int


@dataclass(frozen=True, slots=True)
class StreamAccepted:
    """The peer has accepted a stream of ours."""

    stream: int


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Bytes of a stream; tell `consumed` when they are used, or no more will come."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer will send nothing more on a stream; it may still read."""

    stream: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The peer has given a stream up, or refused it."""

    stream: int


@dataclass(frozen=True, slots=True)
class PingAnswered:
    """The peer is there."""

    ping: int


@dataclass(frozen=True, slots=True)
class PeerLeaves:
    """The peer takes no new streams; those that are open go on."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
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
