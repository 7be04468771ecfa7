"""What is around messages: a datagram or stream to messages and back (wire/gossip/gossip.md 3, 6).

A datagram is, from outside to inside: a label, a seal, a checksum, compression, a compound. We
write all of them but compression, which is never required, and costs the loop its time. We read
them in any order that peers could write.
"""

import binascii
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from proconsul.gossip import label, packets, streams
from proconsul.gossip.failure import PacketError
from proconsul.gossip.keyring import NONCE_BYTES, SEAL_BYTES, Keyring
from proconsul.gossip.messages import PacketMessage, StreamMessage
from proconsul.gossip.packets import Kind
from proconsul.gossip.settings import GossipSettings
from proconsul.gossip.streams import StreamReader

DATAGRAM_BYTES_MAX = 64 * 1024  # no UDP datagram is larger
# Of all that one datagram decompresses to: peers compress what they have filled up to their
# `packet_bytes_max`. That is 1400, and with any setting less than a datagram.
PLAIN_BYTES_MAX = DATAGRAM_BYTES_MAX
LAYERS_MAX = 4  # compounds and compression in each other; peers make two
PARTS_MAX = 1024  # of all compounds in one datagram; peers make one, of up to 255 parts
COMPLAINTS_MAX = 8  # lines of log that one datagram can cost
CHECKSUM_BYTES = 5


class Opened(Struct, frozen=True):
    """What a datagram held, and what of it could not be read."""

    messages: list[PacketMessage] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


class Framing:
    """Of one pool. `ring` is None without encryption; `nonce` gives so many random bytes."""

    def __init__(
        self, ring: Keyring | None, settings: GossipSettings, nonce: Callable[[int], bytes]
    ) -> None:
        self._ring = ring
        self._settings = settings
        self._nonce = nonce
        self._label_header = label.header(settings.label)

    @property
    def _sealing_ring(self) -> Keyring | None:
        return self._ring if self._settings.encrypt_verify_outgoing else None

    def overhead(self) -> int:
        """The bytes that sealing adds to a packet, a checksum not counted."""
        return len(self._label_header) + (0 if self._sealing_ring is None else SEAL_BYTES)

    def seal(self, parts: Sequence[bytes], *, checksum: bool) -> bytes:
        """A datagram of these encoded messages: one alone, or up to 255 as a compound."""
        assert parts, "an empty datagram is an error at the other end"
        plain = parts[0] if len(parts) == 1 else packets.compound(parts)
        if checksum:
            plain = bytes([Kind.CHECKSUM]) + binascii.crc32(plain).to_bytes(4, "big") + plain
        ring = self._sealing_ring
        if ring is not None:
            plain = ring.seal(plain, nonce=self._nonce(NONCE_BYTES), bound=self._settings.label)
        return self._label_header + plain

    def seal_stream(self, message: StreamMessage, *, is_answer: bool) -> bytes:
        """All that is to be written; an answer has no label in front."""
        data = streams.encode(message)
        ring = self._sealing_ring
        if ring is not None:
            head = streams.frame_head(SEAL_BYTES + len(data))
            bound = head + self._settings.label
            data = head + ring.seal(data, nonce=self._nonce(NONCE_BYTES), bound=bound)
        return data if is_answer else self._label_header + data

    def stream_reader(self, *, is_answer: bool) -> StreamReader:
        """Reads what was dialed to us, or with `is_answer` what comes back where we dialed."""
        return StreamReader(
            ring=self._ring,
            verify=self._settings.encrypt_verify_incoming,
            pool_label=self._settings.label,
            is_answer=is_answer,
        )

    def open(self, datagram: bytes) -> Opened:
        """The messages in a datagram, in its order.

        Raises PacketError if none can be read, and LabelError for those of another pool.
        """
        if len(datagram) > DATAGRAM_BYTES_MAX:
            raise PacketError(f"a datagram of {len(datagram)} bytes")
        plain = self._unseal(label.strip(datagram, self._settings.label))
        if len(plain) >= CHECKSUM_BYTES and plain[0] == Kind.CHECKSUM:
            plain = _checked(plain)
        unpacking = _Unpacking()
        unpacking.unpack(plain, LAYERS_MAX)
        opened = unpacking.opened
        if opened.complaints and not opened.messages:
            raise PacketError(opened.complaints[0])
        return opened

    def _unseal(self, data: bytes) -> bytes:
        if self._ring is None:
            return data
        try:
            return self._ring.open(data, bound=self._settings.label)
        except PacketError as failure:
            if self._settings.encrypt_verify_incoming:
                raise PacketError(f"Decrypt packet failed: {failure}") from failure
            return data


def _checked(plain: bytes) -> bytes:
    inner = plain[CHECKSUM_BYTES:]
    told, found = int.from_bytes(plain[1:CHECKSUM_BYTES], "big"), binascii.crc32(inner)
    if told != found:
        raise PacketError(f"Got invalid checksum for UDP packet: {found:x}, {told:x}")
    return inner


class _Unpacking:
    """One datagram taken apart; all its parts share its limits."""

    def __init__(self) -> None:
        self.opened = Opened()
        self._plain_bytes_left = PLAIN_BYTES_MAX
        self._parts_left = PARTS_MAX

    def unpack(self, data: bytes, layers_left: int) -> None:
        """Note the messages in these bytes. What cannot be read does not spoil what can."""
        try:
            self._unpack(data, layers_left)
        except PacketError as failure:
            self._complain(str(failure))

    def _unpack(self, data: bytes, layers_left: int) -> None:
        kind = data[0] if data else None
        if kind != Kind.COMPOUND and kind != Kind.COMPRESS:
            self.opened.messages.append(packets.decode(data))
        elif not layers_left:
            raise PacketError(f"more than {LAYERS_MAX} layers around a message")
        elif kind == Kind.COMPOUND:
            self._split(data, layers_left - 1)
        else:
            self.unpack(self._decompressed(data), layers_left - 1)

    def _decompressed(self, data: bytes) -> bytes:
        left = self._plain_bytes_left
        self._plain_bytes_left = 0  # what fails has cost it all
        plain = packets.decompressed(memoryview(data)[1:], left)
        self._plain_bytes_left = left - len(plain)
        return plain

    def _split(self, data: bytes, layers_left: int) -> None:
        parts, missing = packets.split(data)
        if missing:
            self._complain(f"Compound request had {missing} truncated messages")
        for part in parts:
            if not self._parts_left:
                self._complain(f"more than {PARTS_MAX} parts in one datagram")
                return
            self._parts_left -= 1
            self.unpack(part, layers_left)

    def _complain(self, text: str) -> None:
        if len(self.opened.complaints) < COMPLAINTS_MAX:
            self.opened.complaints.append(text)
