"""Changes of bytes that find mistakes in decoders of any format."""

import random
from typing import Literal

from server_tests.fuzz.target import Mutation

# Where counts, lengths and windows turn over.
NUMBERS = (
    *(0, 1, 2, 4, 7, 8, 11, 12, 15, 16, 31, 32, 64, 100, 127, 128, 255, 256, 257, 511, 512),
    *(1023, 1024, 1400, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 17, 1 << 18, 1 << 20),
    *((1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
)


def flip_a_bit(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """One bit."""
    if not data:
        return other
    changed = bytearray(data)
    changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def set_a_byte(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """One byte, to anything."""
    if not data:
        return other
    changed = bytearray(data)
    changed[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(changed)


def set_a_number(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """One, two, four or eight bytes, to a number at a border or next to what stands there."""
    size = dice.choice((1, 2, 4, 8))
    if len(data) < size:
        return data + other
    at = dice.randrange(len(data) - size + 1)
    order: Literal["big", "little"] = "big" if dice.random() < 0.8 else "little"
    if dice.random() < 0.5:
        number = dice.choice(NUMBERS)
    else:
        number = int.from_bytes(data[at : at + size], order) + dice.randint(-3, 3)
    number &= (1 << 8 * size) - 1
    return data[:at] + number.to_bytes(size, order) + data[at + size :]


def drop_some(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A range is gone."""
    start, end = _range(data, dice)
    return data[:start] + data[end:]


def repeat_some(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A range stands there more than once."""
    start, end = _range(data, dice)
    return data[:start] + data[start:end] * dice.choice((2, 2, 3, 16)) + data[end:]


def insert_some(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A few bytes more."""
    at = dice.randrange(len(data) + 1)
    size = dice.choice((1, 1, 2, 4, 8, 32))
    new = bytes(size) if dice.random() < 0.3 else dice.randbytes(size)
    return data[:at] + new + data[at:]


def copy_within(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A range written over another place."""
    start, end = _range(data, dice)
    at = dice.randrange(len(data) + 1)
    return data[:at] + data[start:end] + data[at + end - start :]


def take_from_another(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A range of another input put in."""
    start, end = _range(other, dice)
    at = dice.randrange(len(data) + 1)
    return data[:at] + other[start:end] + data[at:]


def cross(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """The beginning of one, the end of another."""
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]


def cut_off(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """It ends too early."""
    return data[: dice.randrange(len(data) + 1)]


def with_a_word_of(words: list[bytes]) -> Mutation:
    """The change that puts one of these words in, or over what is there."""

    def put_a_word(data: bytes, other: bytes, dice: random.Random) -> bytes:
        if not words:
            return data
        word = dice.choice(words)
        at = dice.randrange(len(data) + 1)
        end = at + (len(word) if dice.random() < 0.5 else 0)
        return data[:at] + word + data[end:]

    return put_a_word


def _range(data: bytes, dice: random.Random) -> tuple[int, int]:
    if not data:
        return 0, 0
    start = dice.randrange(len(data))
    size = dice.choice((1, 2, 4, 8, 16, 64, len(data)))
    return start, min(len(data), start + dice.randint(1, size))


ANY_BYTES: tuple[Mutation, ...] = (
    flip_a_bit,
    set_a_byte,
    set_a_number,
    drop_some,
    repeat_some,
    insert_some,
    copy_within,
    take_from_another,
    cross,
    cut_off,
)
