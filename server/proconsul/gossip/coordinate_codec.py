"""A coordinate in the acknowledgement of a ping: a version byte, then a map.

See wire/gossip/serf.md section 8.
"""

from proconsul.gossip import fields
from proconsul.gossip.coordinates import DIMENSIONS, Coordinate
from proconsul.gossip.failure import PacketError

PING_VERSION = 1


def encode(coordinate: Coordinate) -> bytes:
    """What an acknowledgement carries."""
    return bytes([PING_VERSION]) + fields.pack(
        {
            "Adjustment": coordinate.adjustment,
            "Error": coordinate.error,
            "Height": coordinate.height,
            "Vec": list(coordinate.vec),
        }
    )


def decode(payload: bytes) -> Coordinate:
    """What is in one. Raises PacketError; a component that is not finite is no error."""
    if not payload or payload[0] != PING_VERSION:
        raise PacketError(f"Unsupported ping version: {payload[:1].hex()}")
    found = fields.read_fields(memoryview(payload)[1:])
    vec = fields.items(found.get(b"Vec"))
    if len(vec) != DIMENSIONS:
        raise PacketError("dimensions aren't compatible")
    return Coordinate(
        vec=tuple(_number(each) for each in vec),
        error=_number(found.get(b"Error")),
        adjustment=_number(found.get(b"Adjustment")),
        height=_number(found.get(b"Height")),
    )


def _number(value: fields.Value) -> float:
    if value is None:
        return 0.0
    if type(value) not in (float, int):
        raise PacketError(f"a number is wanted, not {type(value).__name__}")
    return float(value)
