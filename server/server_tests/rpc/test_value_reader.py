"""Msgpack values out of a stream."""

import msgpack as plain
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.rpc.value_reader import ValueReader, ValueTooLargeError
from proconsul.wire.msgpack import MsgpackError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.binary(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values=st.lists(VALUES, max_size=6), cuts=st.lists(st.integers(1, 40), min_size=1))
def test_values_come_out_whole_however_they_are_cut(values: list[object], cuts: list[int]) -> None:
    packed = [plain.packb(value) for value in values]
    data = b"".join(packed)
    reader = ValueReader()
    read: list[bytes] = []
    offset = step = 0
    while offset < len(data):
        reader.feed(data[offset : offset + cuts[step % len(cuts)]])
        while (value := reader.next_value(1000)) is not None:
            read.append(value)
        offset += cuts[step % len(cuts)]
        step += 1
    assert read == packed
    assert reader.pending_bytes == 0


def test_a_value_of_the_limit_is_read_and_one_byte_more_is_not() -> None:
    value = plain.packb(b"x" * 100)
    reader = ValueReader()
    reader.feed(value)
    assert reader.next_value(len(value)) == value
    reader.feed(value)
    with pytest.raises(ValueTooLargeError):
        reader.next_value(len(value) - 1)


def test_a_value_without_an_end_is_given_up_at_the_limit() -> None:
    reader = ValueReader()
    reader.feed(b"\xdd\xff\xff\xff\xff")  # a list of 2^32 - 1 items, and they come
    for _ in range(9):
        reader.feed(b"\x90" * 10)
        assert reader.next_value(100) is None
    reader.feed(b"\x90" * 10)
    with pytest.raises(ValueTooLargeError):
        reader.next_value(100)


def test_a_peer_that_is_always_one_byte_ahead_is_not_remembered_from_the_start() -> None:
    reader = ValueReader()
    reader.feed(b"\x81")
    for _ in range(1000):
        reader.feed(b"\xa1a\x01\x81")
        assert reader.next_value(100) == b"\x81\xa1a\x01"
        assert reader.pending_bytes == 1


@pytest.mark.parametrize("data", [b"\xc1", b"\x91" * 5000, b"\x91\xc1"])
def test_what_is_no_msgpack_is_refused(data: bytes) -> None:
    reader = ValueReader()
    reader.feed(data)
    with pytest.raises(MsgpackError):
        reader.next_value(10_000)


@given(st.binary(max_size=200))
def test_garbage_is_a_value_or_refused_or_not_whole(data: bytes) -> None:
    reader = ValueReader()
    reader.feed(data)
    taken = b""
    try:
        while (value := reader.next_value(50)) is not None:
            taken += value
    except MsgpackError:
        return
    assert taken + reader.rest() == data
