"""Rows that are read fast are the same as those that are read the ordinary way."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.model.catalog import ServiceNode
from proconsul.model.config_entry import ConfigEntryRequest
from proconsul.model.kv import DirEntry, Tombstone
from proconsul.model.snapshot_record import IndexEntry
from proconsul.wire import gostruct, msgpack
from proconsul.wire.gostruct import GoStruct, WireError, encode
from proconsul.wire.msgpack import MsgpackError
from proconsul.wire.rows import decode, decode_all, is_flat

NUMBERS = st.integers(min_value=0, max_value=(1 << 64) - 1)
TEXTS = st.one_of(st.text(), st.binary().map(msgpack.bytes_text))
ENTRIES = st.builds(
    DirEntry,
    lock_index=NUMBERS,
    key=TEXTS,
    flags=NUMBERS,
    value=st.none() | st.binary(min_size=1),
    session=TEXTS,
    create_index=NUMBERS,
    modify_index=NUMBERS,
)


def test_rows_of_texts_numbers_and_bytes_alone_are_flat() -> None:
    assert all(is_flat(row_type) for row_type in (DirEntry, Tombstone, IndexEntry))
    assert not any(is_flat(row_type) for row_type in (ServiceNode, ConfigEntryRequest))


def test_a_class_that_stands_as_a_blob_is_not_flat() -> None:
    class Blob(GoStruct, frozen=True, kw_only=True):
        name: str = ""

    gostruct.stands_as_blob(Blob, lambda blob: blob.name.encode(), lambda b: Blob(name=b.decode()))
    assert not is_flat(Blob)
    assert decode(Blob, encode(Blob(name="b"))) == Blob(name="b")


def test_a_default_that_is_no_zero_is_not_flat() -> None:
    class Five(GoStruct, frozen=True, kw_only=True):
        number: int = 5

    assert not is_flat(Five)
    assert decode(Five, msgpack.pack({})) == gostruct.decode(Five, msgpack.pack({}))


@given(st.lists(ENTRIES))
def test_all_rows_come_back_as_they_were_written(entries: list[DirEntry]) -> None:
    rows = [encode(entry) for entry in entries]
    assert decode_all(DirEntry, rows) == entries
    assert [decode(DirEntry, row) for row in rows] == entries


@pytest.mark.parametrize("size", [1, 31, 32, 255, 256, 65_535, 65_536, 100_000])
@pytest.mark.parametrize("byte", [b"v", b"\xff", b"\xc0"])
def test_a_value_of_any_size_comes_back(size: int, byte: bytes) -> None:
    entry = DirEntry(key="k", value=byte * size)
    assert decode(DirEntry, encode(entry)) == entry


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Key": None, "Flags": None, "Value": None},
        {"Value": ""},
        {"Key": "a", "Later": [1, {"b": 2}]},
        {"Flags": True},
        {"LockIndex": -1},
        [7, "key", 3, "value"],
    ],
)
def test_what_go_would_read_is_read(fields: Any) -> None:
    data = msgpack.pack(fields)
    assert decode(DirEntry, data) == gostruct.decode(DirEntry, data)


@pytest.mark.parametrize("form", [b"\xd9\x03abc", b"\xc4\x03abc", b"\xc5\x00\x03abc", b"\xd9\x00"])
def test_byte_strings_in_newer_forms_are_read(form: bytes) -> None:
    data = b"\x81\xa5Value" + form
    assert decode(DirEntry, data) == gostruct.decode(DirEntry, data)


@pytest.mark.parametrize("fields", [{"Key": 5}, {"Flags": "5"}, {"Flags": 1.0}, {"Value": 5}])
def test_a_value_of_the_wrong_kind_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        decode(DirEntry, msgpack.pack(fields))


def test_what_is_not_one_whole_row_is_refused() -> None:
    data = encode(DirEntry(key="k", value=b"v"))
    for broken in (b"", data[:-1], data + b"\x00"):
        with pytest.raises(MsgpackError):
            decode(DirEntry, broken)
        with pytest.raises(MsgpackError):
            decode_all(DirEntry, [data, broken])
