"""LZW as Go's compress/lzw has it in LSB order with 8-bit literals (wire/gossip/gossip.md 3.5).

Codes have 9 to 12 bits, the lowest bit first. 256 clears the table, 257 ends. The writer's table
is one entry ahead of the reader's, so a code may name the very entry that it completes. Newer
writers begin with a clear code, older ones with a literal.
"""

from proconsul.gossip.failure import PacketError

_CLEAR = 256
_END = 257
_WIDTH_MIN = 9
_WIDTH_MAX = 12
_TABLE_MAX = 1 << _WIDTH_MAX
_SINGLES = [bytes([value]) for value in range(256)] + [b"", b""]


def decompress(data: bytes, limit: int) -> bytes:
    """The plain bytes. Raises PacketError for what is no LZW, and for more than `limit` bytes.

    What follows the end code is ignored.
    """
    plain = bytearray()
    table = _SINGLES.copy()
    width, full = _WIDTH_MIN, 1 << _WIDTH_MIN
    waiting = waiting_bits = 0
    last = b""  # what the code before stood for; b"" after a clear
    for byte in data:
        waiting |= byte << waiting_bits
        waiting_bits += 8
        if waiting_bits < width:
            continue
        code = waiting & (full - 1)
        waiting >>= width
        waiting_bits -= width
        size = len(table)
        if code < _CLEAR or _END < code < size:
            piece = table[code]
        elif code == size and last:
            piece = last + last[:1]
        elif code == _CLEAR:
            table = _SINGLES.copy()
            width, full, last = _WIDTH_MIN, 1 << _WIDTH_MIN, b""
            continue
        elif code == _END:
            return bytes(plain)
        else:
            raise PacketError("lzw: invalid code")
        plain += piece
        if len(plain) > limit:
            raise PacketError(f"decompresses to more than {limit} bytes")
        if last and size < _TABLE_MAX:
            table.append(last + piece[:1])
            if size + 1 == full and width < _WIDTH_MAX:
                width += 1
                full <<= 1
        last = piece
    raise PacketError("lzw: unexpected EOF")
