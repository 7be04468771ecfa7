"""Consul's dialect of msgpack."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.wire import msgpack
from proconsul.wire.golang import Float32
from proconsul.wire.msgpack import MsgpackError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=300).map(msgpack.bytes_text)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@pytest.mark.parametrize(
    ("value", "packed"),
    [
        (None, "c0"),
        (True, "c3"),
        (0, "00"),
        (200, "cc c8"),
        (2_000_000_000, "ce 77359400"),
        (-1, "ff"),
        ("a" * 31, "bf" + "61" * 31),
        ("a" * 32, "da 0020" + "61" * 32),
        (b"\xff", "a1 ff"),
        (1.5, "cb 3ff8000000000000"),
        (Float32(1.5), "ca 3fc00000"),
        ({"b": [Float32(0.5)], "a": {}}, "82 a162 91 ca3f000000 a161 80"),
    ],
)
def test_a_value_is_packed_as_consul_packs_it(value: object, packed: str) -> None:
    assert msgpack.pack(value) == bytes.fromhex(packed)


@given(VALUES)
def test_what_was_packed_is_unpacked_again(value: object) -> None:
    assert msgpack.unpack(msgpack.pack(value)) == value


@given(VALUES)
def test_the_careful_packer_writes_the_same_as_the_fast_one(value: object) -> None:
    assert msgpack.pack([value, Float32(0)]) == b"\x92" + msgpack.pack(value) + msgpack.pack(
        Float32(0)
    )


def test_the_careful_packer_keeps_extensions_that_only_pass_through() -> None:
    stranger = msgpack.unpack(b"\xd4\x05a")
    assert msgpack.pack([Float32(0), stranger]) == b"\x92\xca\0\0\0\0\xd4\x05a"


def test_the_careful_packer_takes_no_more_memory_for_values_inside_of_values() -> None:
    value: object = Float32(0)
    for _ in range(100):
        value = [value]
    tracemalloc.start()
    try:
        assert msgpack.pack(value) == b"\x91" * 100 + b"\xca\0\0\0\0"
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


@given(st.lists(VALUES, max_size=5), st.integers(1, 7))
def test_a_stream_gives_the_same_values_however_it_is_cut(values: list[object], size: int) -> None:
    data = b"".join(map(msgpack.pack, values))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert list(msgpack.unpack_chunks(pieces)) == values
    assert msgpack.unpack_all(data, len(values)) == values


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x92\x00", b"\x00\x00", b"\xda\xff\xffa"])
def test_what_is_not_one_whole_value_is_refused(data: bytes) -> None:
    with pytest.raises(MsgpackError):
        msgpack.unpack(data)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(MsgpackError):
        msgpack.unpack(b"\x91" * 100_000 + b"\x00")
    with pytest.raises(MsgpackError):
        list(msgpack.unpack_chunks([b"\x91" * 100_000 + b"\x00"]))


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x00\x00", b"\x00\xc1", b"\x00\x91"])
def test_a_wrong_number_of_values_is_refused(data: bytes) -> None:
    with pytest.raises(MsgpackError):
        msgpack.unpack_all(data, 2)


def test_a_stream_that_ends_inside_a_value_is_refused() -> None:
    with pytest.raises(MsgpackError, match="ends inside"):
        list(msgpack.unpack_chunks([b"\x00", b"\xda\x00\x05ab"]))


def test_a_map_as_the_key_of_a_map_is_malformed() -> None:
    with pytest.raises(msgpack.MsgpackError):
        msgpack.unpack(b"\x81\x80\x01")


def test_what_cannot_be_packed_or_is_large_leaves_nothing_in_the_next_value() -> None:
    with pytest.raises(OverflowError):
        msgpack.pack({"whole": 1, "too large": 1 << 70})
    assert msgpack.pack([1]) == b"\x91\x01"
    assert len(msgpack.pack(b"x" * (msgpack.KEPT_BYTES_MAX + 1))) > msgpack.KEPT_BYTES_MAX
    assert msgpack.pack([2]) == b"\x91\x02"


def test_threads_pack_side_by_side() -> None:
    values = [{"number": number, "text": "x" * number} for number in range(200)]
    with ThreadPoolExecutor(4) as threads:
        packed = list(threads.map(msgpack.pack, values))
    assert [msgpack.unpack(one) for one in packed] == values
