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


def compress(data: bytes, *, clear_first: bool) -> bytes:
    """What Go's writer makes of it: Go 1.17 and newer with `clear_first`, older ones without."""
    writer = _CodeWriter()
    if clear_first:
        writer.put(_CLEAR)
    codes = _LITERALS.copy()
    prefix = b""
    for value in data:
        longer = prefix + _SINGLES[value]
        if longer in codes:
            prefix = longer
            continue
        writer.put(codes[prefix])
        if writer.count():
            codes[longer] = writer.newest
        else:
            codes = _LITERALS.copy()
        prefix = _SINGLES[value]
    if prefix:
        writer.put(codes[prefix])
        writer.count()
    writer.put(_END)
    return writer.finish()


_LITERALS = {single: code for code, single in enumerate(_SINGLES[:_CLEAR])}


class _CodeWriter:
    """Codes to bytes, wider as they become more."""

    def __init__(self) -> None:
        self.newest = _END
        self._width = _WIDTH_MIN
        self._out = bytearray()
        self._waiting = self._waiting_bits = 0

    def put(self, code: int) -> None:
        """Write a code."""
        self._waiting |= code << self._waiting_bits
        self._waiting_bits += self._width
        while self._waiting_bits >= 8:
            self._out.append(self._waiting & 0xFF)
            self._waiting >>= 8
            self._waiting_bits -= 8

    def count(self) -> bool:
        """There is one more code, `newest`; False: there are too many, and all are forgotten."""
        self.newest += 1
        if self.newest == 1 << self._width:
            self._width += 1
        if self.newest < _TABLE_MAX - 1:
            return True
        self.put(_CLEAR)
        self.newest, self._width = _END, _WIDTH_MIN
        return False

    def finish(self) -> bytes:
        """All that was written."""
        if self._waiting_bits:
            self._out.append(self._waiting)
        return bytes(self._out)
