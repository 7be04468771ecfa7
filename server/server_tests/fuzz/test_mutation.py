"""Changed inputs: of all kinds, and msgpack stays msgpack, mostly."""

import random

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server_tests.fuzz import kept, records
from server_tests.fuzz.msgpack_mutation import ODD_VALUES, change_values, parse
from server_tests.fuzz.mutation import ANY_BYTES
from server_tests.fuzz.target import Mutation, cut

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats()
    | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip
BODY = msgpack.packb({"Key": "a", "Value": [1, {"b": None}], "Flags": 7})


@pytest.mark.parametrize("change", ANY_BYTES)
@pytest.mark.parametrize("data", [b"", b"a", bytes(range(200))])
def test_every_change_takes_any_bytes(change: Mutation, data: bytes) -> None:
    dice = random.Random(1)
    changed = {change(data, b"another", dice) for _ in range(200)}
    assert len(changed) > 1 or len(data) <= 1


@settings(max_examples=50)
@given(VALUES)
def test_msgpack_is_read_and_written_as_the_library_does(value: object) -> None:
    packed = msgpack.packb(value)
    node, end = parse(packed, 0)
    assert end == len(packed)
    again = node.encode()
    assert msgpack.packb(msgpack.unpackb(again, strict_map_key=False)) == packed


def test_most_changes_of_msgpack_leave_msgpack() -> None:
    dice = random.Random(1)
    changed = {change_values(b"\0" + BODY, b"\1" + BODY, dice) for _ in range(500)}
    assert len(changed) > 200
    sound = 0
    for data in changed:
        try:
            parse(data, 1)
        except ValueError:
            continue
        sound += 1
    assert len(changed) * 0.5 < sound < len(changed)


def test_odd_values_are_odd_and_different() -> None:
    assert len(set(ODD_VALUES)) == len(ODD_VALUES)


@given(st.lists(st.binary(max_size=300), max_size=9))
def test_records_are_read_as_they_were_written(found: list[bytes]) -> None:
    assert records.split(records.join(found)) == found


@given(st.binary(max_size=400), st.integers(0, 2))
def test_pieces_are_the_same_bytes(data: bytes, way: int) -> None:
    assert b"".join(cut(data, way)) == data


def test_kept_inputs_are_read_as_they_were_written() -> None:
    inputs = [b"", b"a", bytes(1000), bytes(range(256))]
    assert kept.unpack(kept.pack(inputs)) == sorted(inputs)
    assert kept.pack(inputs) == kept.pack(inputs[::-1])
