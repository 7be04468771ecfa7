"""Changes of msgpack inside other bytes, that leave msgpack there, mostly.

A value is read as a tree, changed and written again, so that counts and lengths stay true; now
and then one is made to lie. Written without the library, which neither reads nor writes lies.
"""

import random
from dataclasses import dataclass, field

from server_tests.fuzz.mutation import NUMBERS
from server_tests.fuzz.target import Mutation

_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FIXED |= {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}  # ext, with the type's byte
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXT = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_COUNTED = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_DEPTH_MAX = 100
_REPEATED_BYTES_MAX = 2000

ODD_VALUES = (
    b"\xc0", b"\xc1", b"\xc2", b"\xc3", b"\x00", b"\x7f", b"\xff", b"\xe0",
    b"\xcf" + b"\xff" * 8, b"\xd3\x80" + bytes(7), b"\xce\xff\xff\xff\xff", b"\xcd\x00\x01",
    b"\xca\x7f\xc0\x00\x00", b"\xcb\x7f\xf0" + bytes(6), b"\xcb\x3f\xf0" + bytes(6),
    b"\xa0", b"\xa1a", b"\xa2\xff\xfe", b"\xd9\x00", b"\xda\x00\x00", b"\xdb\x00\x00\x00\x00",
    b"\xdb\xff\xff\xff\xff", b"\xc4\x00", b"\xc4\x02\x00\xff", b"\xc6\x7f\xff\xff\xff",
    b"\x80", b"\x90", b"\x91\x80", b"\x81\x80\x80", b"\x81\x90\xc0", b"\x91" * 40 + b"\xc0",
    b"\x91" * 1100 + b"\xc0", b"\x91" * 600 + b"\xc0",
    b"\xdd\x7f\xff\xff\xff", b"\xdf\x7f\xff\xff\xff",
    b"\xdd\x00\x10\x00\x00", b"\xdf\x00\x10\x00\x00", b"\xdc\x00\x00", b"\xde\x00\x00",
    b"\xd4\x00\x00", b"\xd6\xff\x00\x00\x00\x00", b"\xd7\xff" + b"\xff" * 8, b"\xc7\x00\x05",
    b"\xc7\x0c\xff" + bytes(12), b"\xc9\xff\xff\xff\xff\x00",
)  # fmt: skip


@dataclass(slots=True)
class Node:
    """A value: its first byte's family in `kind`, and either `data` or `items`."""

    kind: str  # scalar, text, bytes, array, map
    data: bytes = b""
    items: list["Node"] = field(default_factory=list)  # keys and values in turn, of a map

    def encode(self, dice: random.Random | None = None) -> bytes:
        """Its bytes; with dice a head may be longer than needed, or lie."""
        if self.kind == "scalar":
            return self.data
        if self.kind in ("text", "bytes"):
            return _head(self.kind, len(self.data), dice) + self.data
        count = len(self.items) // 2 if self.kind == "map" else len(self.items)
        return _head(self.kind, count, dice) + b"".join(one.encode(dice) for one in self.items)

    def all(self) -> list["Node"]:
        """It, and all inside of it."""
        found = [self]
        for one in found:
            found.extend(one.items)
        return found


def _head(kind: str, size: int, dice: random.Random | None) -> bytes:
    if dice is not None and dice.random() < 0.02:
        size = max(0, dice.choice((size - 1, size + 1, dice.choice(NUMBERS) & 0xFFFFFFFF)))
    wide = dice is not None and dice.random() < 0.05
    short, codes = {
        "text": (0xA0, (0xD9, 0xDA, 0xDB)),
        "bytes": (None, (0xC4, 0xC5, 0xC6)),
        "array": (0x90, (None, 0xDC, 0xDD)),
        "map": (0x80, (None, 0xDE, 0xDF)),
    }[kind]
    if short is not None and size < (32 if kind == "text" else 16) and not wide:
        return bytes([short | size])
    code8, code16, code32 = codes
    if code8 is not None and size < 256 and not wide:
        return bytes([code8, size])
    if size < 65536:
        return bytes([code16]) + size.to_bytes(2, "big")
    return bytes([code32]) + size.to_bytes(4, "big")


def parse(data: bytes, at: int, depth: int = 0) -> tuple[Node, int]:
    """The value at a place, and where it ends. Raises ValueError if there is no whole one."""
    if at >= len(data) or depth > _DEPTH_MAX:
        raise ValueError("no value")
    first = data[at]
    if 0x80 <= first <= 0x9F:
        kind, width = ("map", 2) if first < 0x90 else ("array", 1)
        node, end = _items(data, at + 1, kind, (first & 15) * width, depth)
    elif first in _COUNTED:
        count, at = _number(data, at + 1, _COUNTED[first])
        kind, width = ("map", 2) if first >= 0xDE else ("array", 1)
        node, end = _items(data, at, kind, count * width, depth)
    elif 0xA0 <= first <= 0xBF:
        node, end = _sized(data, at + 1, "text", first & 31)
    elif first in _SIZED:
        size, at = _number(data, at + 1, _SIZED[first])
        node, end = _sized(data, at, "text" if first >= 0xD9 else "bytes", size)
    elif first in _EXT:
        size, end = _number(data, at + 1, _EXT[first])
        node, end = _scalar(data, at, end + 1 + size)
    else:
        node, end = _scalar(data, at, at + 1 + _FIXED.get(first, 0))
    return node, end


def _number(data: bytes, at: int, size: int) -> tuple[int, int]:
    if at + size > len(data):
        raise ValueError("it ends in a number")
    return int.from_bytes(data[at : at + size], "big"), at + size


def _items(data: bytes, at: int, kind: str, count: int, depth: int) -> tuple[Node, int]:
    if count > len(data) - at:
        raise ValueError("more items than bytes")
    items = []
    for _ in range(count):
        item, at = parse(data, at, depth + 1)
        items.append(item)
    return Node(kind, items=items), at


def _sized(data: bytes, at: int, kind: str, size: int) -> tuple[Node, int]:
    if at + size > len(data):
        raise ValueError("it ends in a text")
    return Node(kind, data=data[at : at + size]), at + size


def _scalar(data: bytes, at: int, end: int) -> tuple[Node, int]:
    if end > len(data):
        raise ValueError("it ends in a number")
    return Node("scalar", data=data[at:end]), end


# ---------------------------------------------------------------- changes


def _find(data: bytes, dice: random.Random) -> tuple[Node, int, int] | None:
    """A value with something in it, from a random place onwards, and where it stands."""
    begin = dice.randrange(len(data)) if data and dice.random() < 0.7 else 0
    for at in range(begin, min(len(data), begin + 400)):
        if 0x80 < data[at] <= 0x9F or data[at] in _COUNTED:
            try:
                node, end = parse(data, at)
            except ValueError:
                continue
            if node.items:
                return node, at, end
    return None


def change_values(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Some values of a map or list become others."""
    found = _find(data, dice)
    if found is None:
        return data
    tree, start, end = found
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        _change(dice.choice(tree.all()), other, dice)
    lying = dice if dice.random() < 0.3 else None
    return data[:start] + tree.encode(lying) + data[end:]


def _change(node: Node, other: bytes, dice: random.Random) -> None:
    match dice.randrange(8):
        case 0 | 1:
            node.kind, node.data, node.items = "scalar", dice.choice(ODD_VALUES), []
        case 2:
            _become_another(node, other, dice)
        case 3:
            number = dice.choice(NUMBERS).to_bytes(8, "big")
            node.kind, node.data, node.items = "scalar", b"\xcf" + number, []
        case 4 if node.data and node.kind != "scalar":
            node.data = node.data * 2 if dice.random() < 0.5 else node.data[: len(node.data) // 2]
        case 5 if node.data:
            place = dice.randrange(len(node.data))
            node.data = node.data[:place] + dice.randbytes(1) + node.data[place + 1 :]
        case 6 if node.kind in ("text", "bytes"):
            node.kind = "bytes" if node.kind == "text" else "text"
        case _:
            _rearrange(node, dice)


def _become_another(node: Node, other: bytes, dice: random.Random) -> None:
    found = _find(other, dice)
    if found is not None:
        donor = dice.choice(found[0].all())
        node.kind, node.data, node.items = donor.kind, donor.data, list(donor.items)


def _rearrange(node: Node, dice: random.Random) -> None:
    """Items doubled, dropped, exchanged; keys stay in front of their values."""
    width = 2 if node.kind == "map" else 1
    groups = [node.items[at : at + width] for at in range(0, len(node.items), width)]
    if not groups:
        return
    match dice.randrange(4):
        case 0:
            groups.append(dice.choice(groups))
        case 1:
            groups.remove(dice.choice(groups))
        case 2:
            if len(node.encode()) <= _REPEATED_BYTES_MAX:
                groups = groups * dice.choice((2, 8, 40))
        case _:
            dice.shuffle(groups)
    node.items = [one for group in groups for one in group]


MSGPACK: tuple[Mutation, ...] = (change_values, change_values, change_values)
