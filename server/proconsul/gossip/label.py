"""The label in front of a packet or a stream: which pool it is of (gossip.md section 8).

A byte 244, a length, the label, all in the clear. What is sealed behind it is bound to it, as its
additional data. Pools without a label have no header.
"""

from proconsul.gossip.failure import LabelError, PacketError
from proconsul.wire.golang import quote

LABEL_BYTES_MAX = 255  # its length is one byte
LABEL_KIND = 244
_KIND = bytes([LABEL_KIND])


def header(label: bytes) -> bytes:
    """What goes in front; nothing for no label."""
    assert len(label) <= LABEL_BYTES_MAX, "the configuration is checked where it is read"
    return bytes([LABEL_KIND, len(label)]) + label if label else b""


def strip(datagram: bytes, label: bytes) -> bytes:
    """The packet behind its header.

    Raises LabelError if it is of another pool, PacketError if its header is broken.
    """
    if not datagram.startswith(_KIND):
        check(b"", label, "packet")
        return datagram
    size = datagram[1] if len(datagram) > 1 else 0
    if not size:
        raise PacketError("label header cannot be empty when present")
    if len(datagram) < 2 + size:
        raise PacketError("cannot decode label; packet has been truncated")
    check(datagram[2 : 2 + size], label, "packet")
    return datagram[2 + size :]


def check(found: bytes, label: bytes, what: str) -> None:
    """Raises LabelError if they are not the same."""
    if found != label:
        shown = quote(found.decode("utf-8", "surrogateescape"))
        raise LabelError(f"discarding {what} with unacceptable label {shown}")
