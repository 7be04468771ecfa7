"""A key's row that is spelled out is the one that the general encoder makes, and reads."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from proconsul.model.kv import DirEntry
from proconsul.store.key_rows import decode_entry, encode_entry
from proconsul.wire import gostruct, rows
from proconsul.wire.gostruct import WireError
from proconsul.wire.msgpack import MsgpackError
from server_tests.store.key_entries import entries, numbers, texts, values

plain = st.builds(DirEntry, key=texts, value=values, create_index=numbers, modify_index=numbers)
any_entries = st.one_of(plain, entries)


@given(any_entries)
def test_it_is_what_the_general_encoder_makes_and_is_read_back(entry: DirEntry) -> None:
    row = encode_entry(entry)
    assert row == gostruct.encode(entry)
    assert decode_entry(row) == rows.decode(DirEntry, row)


@given(st.data())
def test_what_is_read_is_what_the_general_decoder_reads(data: st.DataObject) -> None:
    row = bytearray(encode_entry(data.draw(any_entries)))
    for _ in range(data.draw(st.integers(0, 2))):
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(st.integers(0, 255))
    row = row[: data.draw(st.one_of(st.none(), st.integers(0, len(row))))]
    with suppress(MsgpackError, WireError):
        expected = rows.decode(DirEntry, bytes(row))
        assert decode_entry(bytes(row)) == expected
        return
    with suppress(MsgpackError, WireError):
        decode_entry(bytes(row))
        raise AssertionError("the general decoder refuses it")
