"""What leaves in packets, and what rides with it.

Pings and their answers go often and are small, so the room that is left in their packets is filled
with what is still to be told. The rest of it goes in gossip rounds. Our own claims go first, then
what the delegate has to say, all within one packet (wire/gossip/gossip.md section 3.4).

A checksum is added where peers add one: to gossip, and to a suspect's ping, if the target takes
it. Pings and answers go without.
"""

from collections.abc import Sequence

from proconsul.gossip import packets
from proconsul.gossip.address import Address
from proconsul.gossip.broadcast import PARTS_MAX, BroadcastQueue, transmit_limit
from proconsul.gossip.delegate import Delegate
from proconsul.gossip.effects import Effect, SendPacket
from proconsul.gossip.framing import Framing
from proconsul.gossip.journal import Journal
from proconsul.gossip.members import CHECKSUM_PMAX, Member, Members
from proconsul.gossip.messages import Message, User
from proconsul.gossip.settings import GossipSettings

CHECKSUM_BYTES = 5
COMPOUND_BYTES = 2  # its type and the count of its parts
PART_BYTES = 2  # the length of a part
USER_BYTES = 1  # the type byte of the delegate's messages


def room_bytes(settings: GossipSettings, framing: Framing) -> int:
    """What the parts of a compound and their lengths may take."""
    return settings.packet_bytes_max - framing.overhead() - CHECKSUM_BYTES - COMPOUND_BYTES


class Outbox:
    """Makes packets; what they cost us to make is counted with `journal`."""

    def __init__(
        self,
        *,
        framing: Framing,
        queue: BroadcastQueue,
        delegate: Delegate,
        members: Members,
        settings: GossipSettings,
        effects: list[Effect],
        journal: Journal,
    ) -> None:
        self._framing = framing
        self._queue = queue
        self._delegate = delegate
        self._members = members
        self._settings = settings
        self._effects = effects
        self._journal = journal

    def send(self, to: Address, message: Message) -> None:
        """Send it, and with it what fits of what is to be told."""
        if not to.is_ip:
            return  # a peer may ask us to answer to nowhere
        first = packets.encode(message)
        room = room_bytes(self._settings, self._framing) - len(first) - PART_BYTES
        self._seal(to, [first, *self._riders(room)], checksum=False)

    def send_alone(self, to: Address, message: Message) -> None:
        """Send it, and nothing else."""
        self._seal(to, [packets.encode(message)], checksum=False)

    def send_both(self, member: Member, one: Message, other: Message) -> None:
        """Send these two in one packet."""
        parts = [packets.encode(one), packets.encode(other)]
        self._seal(member.address, parts, checksum=member.understands(CHECKSUM_PMAX))

    def tell(self, targets: Sequence[Member]) -> None:
        """A gossip round: to each of these what is to be told by then, if there is anything."""
        room = room_bytes(self._settings, self._framing)
        for member in targets:
            parts = self._riders(room)
            if not parts:
                return
            self._seal(member.address, parts, checksum=member.understands(CHECKSUM_PMAX))

    def _riders(self, room: int) -> list[bytes]:
        sends_max = transmit_limit(self._settings.retransmit_mult, len(self._members))
        parts = self._queue.take(overhead=PART_BYTES, limit=room, sends_max=sends_max)
        room -= sum(len(part) + PART_BYTES for part in parts)
        overhead = PART_BYTES + USER_BYTES
        if room > overhead:
            bodies = self._delegate.broadcasts(overhead, room)
            parts += [packets.encode(User(body)) for body in bodies]
        return parts

    def _seal(self, to: Address, parts: list[bytes], *, checksum: bool) -> None:
        for start in range(0, len(parts), PARTS_MAX):
            data = self._framing.seal(parts[start : start + PARTS_MAX], checksum=checksum)
            self._effects.append(SendPacket(to, data))
            self._journal.count("memberlist.udp.sent", len(data))
