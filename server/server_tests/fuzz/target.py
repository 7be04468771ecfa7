"""What the fuzzer needs to know of a decoder."""

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

Mutation = Callable[[bytes, bytes, random.Random], bytes]
"""Of (an input, another one of the corpus, dice): an input like the first, with a change."""


class BrokenPromiseError(AssertionError):
    """A decoder did what it promises not to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A decoder, and what must be true of it whatever comes in."""

    name: str
    check: Callable[[bytes], None]  # raises on anything that must not happen
    seeds: Callable[[], list[bytes]]  # from captured bytes
    mutations: tuple[Mutation, ...] = ()  # that know the format, besides those of mutation.py
    size_bytes_max: int = 8192
    memory_bytes_max: int = 4 << 20  # that one check may hold at its peak


def promise(kept: bool, what: str) -> None:
    """Like assert, but not to be mistaken for an assertion of the decoder itself."""
    if not kept:
        raise BrokenPromiseError(what)


def cut(data: bytes, way: int) -> Iterator[bytes]:
    """The same bytes in other pieces: 0 whole, 1 at places that they say, 2 in small ones."""
    if way == 0 or not data:
        yield from [data] if data else []
    elif way == 1:
        dice = random.Random(zlib.crc32(data))
        places = sorted({0, *(dice.randrange(len(data)) for _ in range(4)), len(data)})
        yield from (data[start:end] for start, end in pairwise(places))
    else:
        size = 1 + len(data) // 40
        yield from (data[at : at + size] for at in range(0, len(data), size))
