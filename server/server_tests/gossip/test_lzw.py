"""LZW as Go has it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip.failure import PacketError
from proconsul.gossip.lzw import decompress
from server_tests.gossip.lzw_codes import compress, packed, zeros

LIMIT = 1 << 20


def noise(size: int) -> bytes:
    """Bytes of sixteen values that repeat little; the same with every run."""
    state, out = 1, bytearray()
    for _ in range(size):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        out.append(state >> 16 & 15)
    return bytes(out)


@given(data=st.binary(max_size=2000), clear_first=st.booleans())
def test_what_was_compressed_comes_back(data: bytes, clear_first: bool) -> None:
    assert decompress(compress(data, clear_first=clear_first), LIMIT) == data


@given(pattern=st.binary(min_size=1, max_size=3), times=st.integers(1, 3000))
def test_runs_come_back_whose_codes_name_what_they_complete(pattern: bytes, times: int) -> None:
    data = pattern * times
    assert decompress(compress(data, clear_first=True), LIMIT) == data


# The digests are of what Go 1.26 wrote. At 3838 codes its table is full.
@pytest.mark.parametrize(
    ("size", "digest"),
    [
        (1, "de616b2b0bee3ce5"),
        (9_000, "8075edc92146690d"),
        (9_500, "73b7b40ee00f1f3d"),
        (40_000, "5bc48f4a1b14b7fa"),
    ],
)
def test_a_full_table_is_cleared_where_go_clears_it(size: int, digest: str) -> None:
    packed = compress(noise(size), clear_first=True)
    assert hashlib.sha256(packed).hexdigest()[:16] == digest
    assert decompress(packed, LIMIT) == noise(size)


def test_a_writer_that_never_clears_a_full_table_is_read() -> None:
    assert decompress(packed([ord("a")] * 6000), LIMIT) == b"a" * 6000
    last = 4095  # defined, as the whole table is, by two of the letters
    assert decompress(packed([ord("a")] * 6000 + [last]), LIMIT) == b"a" * 6002


def test_the_longest_runs_are_read() -> None:
    assert decompress(packed(zeros(LIMIT)), LIMIT) == bytes(LIMIT)


def test_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    packed = compress(bytes(10_000), clear_first=True)
    assert len(packed) < 300
    assert decompress(packed, 10_000) == bytes(10_000)
    with pytest.raises(PacketError, match="more than 9999 bytes"):
        decompress(packed, 9_999)


def test_what_has_no_end_is_refused() -> None:
    packed = compress(b"members", clear_first=True)
    for size in range(len(packed)):
        with pytest.raises(PacketError, match="unexpected EOF"):
            decompress(packed[:size], LIMIT)


def test_a_code_that_nothing_defined_is_refused() -> None:
    for code in (258, 300, 511):
        with pytest.raises(PacketError, match="invalid code"):
            decompress(code.to_bytes(2, "little") + bytes(4), LIMIT)


def test_what_follows_the_end_is_ignored() -> None:
    assert decompress(compress(b"members", clear_first=False) + b"more", LIMIT) == b"members"
