"""Inputs that are a list of byte strings: each has its length in two bytes in front."""

import random

from server_tests.fuzz.target import Mutation

SIZE_MAX = 0xFFFF


def join(records: list[bytes]) -> bytes:
    """The bytes of a list; what is too long for a length is cut."""
    return b"".join(min(len(one), SIZE_MAX).to_bytes(2, "big") + one[:SIZE_MAX] for one in records)


def split(data: bytes) -> list[bytes]:
    """The list in the bytes; the last one may be shorter than it says."""
    records = []
    at = 0
    while at + 2 <= len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        records.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return records


def change_records(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Records dropped, doubled, exchanged, or taken from another input."""
    records, theirs = split(data[1:]), split(other[1:])
    at = dice.randrange(len(records) + 1)
    kind = dice.randrange(5)
    if kind == 0 and records:
        del records[at % len(records)]
    elif kind == 1 and records:
        records.insert(at, dice.choice(records))
    elif kind == 2 and records:
        with_which = dice.randrange(len(records))
        here, there = records[at % len(records)], records[with_which]
        records[at % len(records)], records[with_which] = there, here
    elif theirs:
        some = theirs[dice.randrange(len(theirs)) :]
        records[at:at] = some[: dice.choice((1, 1, 2, 8))]
    return data[:1] + join(records)


def in_a_record(change: Mutation) -> Mutation:
    """The same change, within one record, so that its length stays true."""

    def change_one(data: bytes, other: bytes, dice: random.Random) -> bytes:
        records = split(data[1:])
        if not records:
            return data
        at = dice.randrange(len(records))
        records[at] = change(records[at], other[3:], dice)
        return data[:1] + join(records)

    return change_one


RECORDS: tuple[Mutation, ...] = (change_records, change_records)
