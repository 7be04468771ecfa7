"""Who sits on top of memberlist: Serf. The protocol between the two, as memberlist has it."""

from typing import Protocol

from msgspec import Struct

from proconsul.gossip.address import Address
from proconsul.gossip.merging import Merging, Moment
from proconsul.gossip.messages import NodeState


class Node(Struct, frozen=True, kw_only=True):
    """A node as memberlist knows it."""

    name: str
    address: Address
    meta: bytes
    vsn: bytes  # six bytes: pmin, pmax, pcur, dmin, dmax, dcur
    state: NodeState


class Delegate(Protocol):
    """What memberlist asks and tells. Nothing here raises; what it cannot use it drops."""

    def meta(self) -> bytes:
        """Our own meta data, at most 512 bytes; the same bytes until `Memberlist.update`."""

    def deliver(self, body: bytes, now_s: float) -> None:
        """A user message came, by packet or stream."""

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        """User messages (bodies) to go out with a packet: each costs its length and `overhead`."""

    def local_state(self, *, join: bool) -> bytes:
        """Our part of a full exchange."""

    def merge_remote_state(self, state: bytes, moment: Moment, *, join: bool) -> Merging:
        """The other's part of one, by slices."""

    def ack_payload(self) -> bytes:
        """What an acknowledgement of a direct ping by packet carries."""

    def ping_done(self, node: Node, rtt_s: float, payload: bytes, now_s: float) -> None:
        """A direct ping was acknowledged by packet."""

    def refuse_alive(self, node: Node) -> str | None:
        """Why a node must not be a member, or None; asked for every alive message."""

    def refuse_merge(self, nodes: list[Node]) -> Merging:
        """Why a join with all of these must fail as a whole, or None; judged by slices."""

    def joined(self, node: Node, now_s: float) -> None:
        """A node is alive that was not known, or was dead or left."""

    def gone(self, node: Node, now_s: float) -> None:
        """A node is dead, or left: `node.state` says which."""

    def updated(self, node: Node, now_s: float) -> None:
        """A node's meta data are others."""

    def conflicted(self, existing: Node, other: Node, now_s: float) -> None:
        """Somebody claims a name that is taken, at another address."""
