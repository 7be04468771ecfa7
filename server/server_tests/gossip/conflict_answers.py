"""What a member answers when it is asked who has a name, read as the asker would."""

from proconsul.gossip import fields
from proconsul.gossip.address import Address
from proconsul.gossip.failure import PacketError
from proconsul.gossip.fields import UINT8_MAX, UINT16_MAX, Fields
from proconsul.gossip.serf_codec import Kind
from proconsul.gossip.serf_messages import ConflictResponse


def decode_conflict(data: bytes) -> ConflictResponse | None:
    """What encode_conflict wrote; None: the sender knows no such member. Raises PacketError."""
    if not data or data[0] != Kind.CONFLICT_RESPONSE:
        raise PacketError("no answer to a name conflict")
    value, _ = fields.unpack(memoryview(data)[1:])
    return None if value is None else _read_member(fields.fields_of(value))


def _read_member(body: Fields) -> ConflictResponse:
    def version(name: bytes) -> int:
        return fields.unsigned(body.get(name), UINT8_MAX)

    port = fields.unsigned(body.get(b"Port"), UINT16_MAX)
    return ConflictResponse(
        name=fields.text(body.get(b"Name")),
        address=Address(fields.raw(body.get(b"Addr")), port),
        tags=fields.text_map(body.get(b"Tags")),
        status=fields.signed(body.get(b"Status")),
        protocol=(version(b"ProtocolMin"), version(b"ProtocolMax"), version(b"ProtocolCur")),
        delegate=(version(b"DelegateMin"), version(b"DelegateMax"), version(b"DelegateCur")),
    )
