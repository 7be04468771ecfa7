"""LZW made of chosen codes: what no writer would write, or what one would take long to write."""

from collections.abc import Iterable, Iterator

CLEAR = 256
END = 257


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
