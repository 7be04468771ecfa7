"""Structs in msgpack, read as Go reads them."""

import msgpack
import pytest

from proconsul.gossip import fields
from proconsul.gossip.failure import PacketError


def test_text_and_bytes_are_written_in_the_old_way() -> None:
    assert fields.pack("x" * 40) == b"\xda\x00\x28" + b"x" * 40
    assert fields.pack(b"x" * 40) == b"\xda\x00\x28" + b"x" * 40


@pytest.mark.parametrize(
    "data", [b"\xa2hi", b"\xd9\x02hi", b"\xda\x00\x02hi", b"\xdb\x00\x00\x00\x02hi", b"\xc4\x02hi"]
)
def test_text_and_bytes_are_read_in_all_ways(data: bytes) -> None:
    value, rest = fields.unpack(data)
    assert rest == b""
    assert fields.text(value) == "hi"
    assert fields.raw(value) == b"hi"


def test_bytes_may_be_a_list_of_numbers() -> None:
    assert fields.raw([1, 5, 2, 2, 5, 4]) == b"\x01\x05\x02\x02\x05\x04"
    for wrong in ([256], [-1], [b"a"], [None, True]):
        with pytest.raises(PacketError):
            fields.raw(wrong)


def test_nil_and_missing_are_zero() -> None:
    nil = fields.unpack(b"\xc0")[0]
    assert fields.text(nil) == ""
    assert fields.raw(nil) == b""
    assert fields.unsigned(nil, 9) == 0
    assert fields.signed(nil) == 0
    assert fields.flag(nil) is False
    assert fields.texts(nil) == ()
    assert fields.text_map(nil) == {}
    assert fields.read_fields(b"\xc0") == {}


def test_values_of_another_kind_are_refused() -> None:
    for reading, wrong in (
        (fields.text, 5),
        (fields.text, ["a"]),
        (fields.raw, {}),
        (fields.flag, 1),
        (fields.signed, 1.0),
        (fields.signed, True),
        (fields.items, b"ab"),
        (fields.texts, [1]),
        (fields.text_map, {b"a": 1}),
        (fields.fields_of, []),
    ):
        with pytest.raises(PacketError):
            reading(wrong)


def test_numbers_have_the_range_of_their_type() -> None:
    assert fields.unsigned(255, fields.UINT8_MAX) == 255
    for wrong in (256, -1):
        with pytest.raises(PacketError):
            fields.unsigned(wrong, fields.UINT8_MAX)
    for value in (-(1 << 63), (1 << 63) - 1):
        assert fields.signed(value) == value
    with pytest.raises(PacketError):
        fields.signed(1 << 63)


def test_what_follows_a_value_is_handed_back() -> None:
    assert fields.unpack(b"\x81\xa1a\x01rest") == ({b"a": 1}, b"rest")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",  # means nothing
        b"\x81",
        b"\xa5hi",
        b"\x81\x80\x01",  # a map for a key
        b"\x81\x01\x01",  # a number for a key
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc7\x01\xff\x00",  # a timestamp of one byte
        b"\xd7\xff" + b"\xff" * 8,  # one with too many nanoseconds
    ],
)
def test_what_is_no_value_is_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        fields.unpack(data)


def test_a_list_of_the_limit_is_read_and_a_longer_one_is_not() -> None:
    assert fields.unpack(msgpack.packb([0] * fields.ARRAY_MAX))[0] == [0] * fields.ARRAY_MAX
    with pytest.raises(PacketError):
        fields.unpack(msgpack.packb([0] * (fields.ARRAY_MAX + 1)))


def test_deep_nesting_is_refused() -> None:
    for opening in (b"\x91", b"\x81\xa1a"):
        fields.unpack(opening * 500 + b"\xc0")
        with pytest.raises(PacketError):
            fields.unpack(opening * 2000 + b"\xc0")


def test_a_message_may_not_be_all_small_containers() -> None:
    def message(maps: int) -> bytes:
        lists: list[list[dict[str, str]]] = [
            [{}] * size for size in (200, 200, 200, 200, 200, maps - 1000)
        ]
        packed: bytes = msgpack.packb({"Node": "n", "": lists})
        return packed

    most = fields.CONTAINERS_MAX - 8  # the one around all, and the lists
    assert fields.read_fields(message(most))[b"Node"] == b"n"
    with pytest.raises(PacketError, match="more than 1024 lists and maps"):
        fields.read_fields(message(most + 1))
