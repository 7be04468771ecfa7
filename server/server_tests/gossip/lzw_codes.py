"""LZW made of chosen codes: what no writer would write, or what one would take long to write."""

from collections.abc import Iterable, Iterator

CLEAR = 256
END = 257

_WIDTH_MIN = 9
_WIDTH_MAX = 12
_CODES_MAX = 1 << _WIDTH_MAX
_SINGLES = [bytes([value]) for value in range(CLEAR)]


def packed(codes: Iterable[int]) -> bytes:
    """The bytes of these codes, and an end, in the widths that a reader expects."""
    bits = filled = 0
    defined, width = END, 9
    for code in codes:
        bits |= code << filled
        filled += width
        if code == CLEAR:
            defined, width = END, 9
            continue
        defined += 1
        if defined == 1 << width and width < 12:
            width += 1
    bits |= END << filled
    return bits.to_bytes((filled + width + 7) // 8, "little")


def zeros(count: int) -> Iterator[int]:
    """Codes for so many zeros: each run is one longer than the one before."""
    run = 0
    while count:
        if run in (0, 3800):
            yield CLEAR
            yield 0
            run = 1
        else:
            run = min(run + 1, count)
            yield END + run - 1 if run > 1 else 0
        count -= run


def compress(data: bytes, *, clear_first: bool) -> bytes:
    """What Go's writer makes of it: Go 1.17 and newer with `clear_first`, older ones without."""
    writer = _CodeWriter()
    if clear_first:
        writer.put(CLEAR)
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
    writer.put(END)
    return writer.finish()


_LITERALS = {single: code for code, single in enumerate(_SINGLES)}


class _CodeWriter:
    """Codes to bytes, wider as they become more."""

    def __init__(self) -> None:
        self.newest = END
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
        if self.newest < _CODES_MAX - 1:
            return True
        self.put(CLEAR)
        self.newest, self._width = END, _WIDTH_MIN
        return False

    def finish(self) -> bytes:
        """All that was written."""
        if self._waiting_bits:
            self._out.append(self._waiting)
        return bytes(self._out)
