"""What an agent asks for that has a JWT and no certificate yet (wire/rpc.md section 1, byte 7)."""

from proconsul.wire.gostruct import GoStruct, WireError, stands_as_blob


class AutoConfigRequest(GoStruct, frozen=True, kw_only=True):
    """`AutoConfig.InitialConfiguration`: protobuf inside one raw string, as a real agent sends it.

    Only the datacenter is read: no further field is looked at by a server that refuses.
    """

    datacenter: str = ""


_DATACENTER = 1
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_VARINT_BITS_MAX = 64


def _read(data: bytes) -> AutoConfigRequest:
    """The message in protobuf; ValueError if it is none."""
    datacenter, at = b"", 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _LENGTH:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
            datacenter = value if key >> 3 == _DATACENTER else datacenter
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"proto: illegal wireType {kind}")
    if at > len(data):
        raise WireError("unexpected EOF")
    return AutoConfigRequest(datacenter=datacenter.decode(errors="replace"))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data):
        if shift >= _VARINT_BITS_MAX:
            raise WireError("proto: integer overflow")
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at
    raise WireError("unexpected EOF")


def _write(request: AutoConfigRequest) -> bytes:
    name = request.datacenter.encode()
    assert len(name) < 0x80, "a datacenter's name is short"
    return bytes([_DATACENTER << 3 | _LENGTH, len(name)]) + name if name else b""


stands_as_blob(AutoConfigRequest, _write, _read)
