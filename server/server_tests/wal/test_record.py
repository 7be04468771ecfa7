"""What was not written as it stands is refused."""

from hypothesis import given
from hypothesis import strategies as st

from proconsul.wal.encoding import (
    encode_entries,
    encode_group,
    encode_hard_state,
    encode_index_and_term,
)
from proconsul.wal.log_record import LogRecord
from proconsul.wal.record import (
    GROUP,
    MARK_BYTES,
    RECORD,
    HardState,
    Kind,
    Position,
    crc32c,
    decode_entry,
    decode_group,
)
from proconsul.wal.recovery import find_groups

MARK = b"\x01\x02\x03\x04\x05\x06\x07\x08"
OTHER_MARK = b"\x01\x02\x03\x04\x05\x06\x07\x09"
U64 = st.integers(0, 2**64 - 1)


def group_of(entries: list[LogRecord], offset: int, mark: bytes = MARK) -> bytes:
    pieces, _ = encode_entries(entries, entries[0].index)
    return encode_group(mark, offset, Position(1, offset), pieces)


def test_the_checksum_is_crc_32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4, gives the polynomial


@given(term=U64, index=U64, body=st.binary(max_size=300))
def test_an_entry_comes_back_as_it_went(term: int, index: int, body: bytes) -> None:
    entry = LogRecord(term, index, body)
    pieces, sizes = encode_entries([entry], index)
    encoded = b"".join(pieces)
    assert sizes == [len(encoded)]
    assert decode_entry(encoded) == entry


def test_the_layout_on_the_disk_stays_what_it_is() -> None:
    pieces, _ = encode_entries([LogRecord(2, 5, b"body")], 5)
    group = encode_group(
        MARK, 96, Position(3, 64), [*pieces, encode_hard_state(HardState(2, b"v"))]
    )
    assert group.hex(" ", -8) == (
        "0102030405060708 ba85a60a2f000000 6000000000000000 0300000000000000 4000000000000000 "
        "15000000bb0f2d2d 0302000000000000 0005000000000000 00626f64790a0000 00541835ca020200 "
        "00000000000076"
    )


@given(st.data())
def test_an_entry_with_any_bit_flipped_is_refused(data: st.DataObject) -> None:
    pieces, _ = encode_entries([LogRecord(7, 9, b"some body")], 9)
    encoded = bytearray(b"".join(pieces))
    bit = data.draw(st.integers(0, len(encoded) * 8 - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    assert decode_entry(bytes(encoded)) is None


def test_an_entry_that_ends_early_is_refused() -> None:
    pieces, _ = encode_entries([LogRecord(7, 9, b"some body")], 9)
    encoded = b"".join(pieces)
    assert all(decode_entry(encoded[:size]) is None for size in range(len(encoded)))


def test_another_kind_of_record_is_no_entry() -> None:
    assert decode_entry(encode_index_and_term(Kind.SNAPSHOT, 5, 2)) is None


@given(st.data())
def test_a_group_with_any_bit_flipped_is_refused(data: st.DataObject) -> None:
    segment = bytearray(group_of([LogRecord(1, 1, b"a"), LogRecord(1, 2, b"b")], 0))
    assert decode_group(bytes(segment), 0, MARK) is not None
    bit = data.draw(st.integers(0, len(segment) * 8 - 1))
    segment[bit // 8] ^= 1 << bit % 8
    assert decode_group(bytes(segment), 0, MARK) is None


def test_a_group_that_ends_early_is_refused() -> None:
    segment = group_of([LogRecord(1, 1, b"a")], 0)
    assert all(decode_group(segment[:size], 0, MARK) is None for size in range(len(segment)))


def test_a_group_is_refused_at_another_place_and_in_another_segment() -> None:
    segment = group_of([LogRecord(1, 1, b"a")], 0)
    assert decode_group(bytes(16) + segment, 16, MARK) is None
    assert decode_group(segment, 0, OTHER_MARK) is None


def test_a_value_that_holds_a_group_is_not_mistaken_for_one() -> None:
    value_at = GROUP.size + RECORD.size + 17
    forged = group_of([LogRecord(9, 1, b"forged")], value_at, OTHER_MARK)
    segment = group_of([LogRecord(1, 1, forged)], 0)
    assert segment[value_at : value_at + MARK_BYTES] == OTHER_MARK
    assert [group.offset for group in find_groups(segment, 0, MARK)] == [0]
