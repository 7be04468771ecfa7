"""A KVS command that is spelled out is the one that the general encoder makes, and reads."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proconsul.fsm.key_commands import (
    encode_key_command,
    plain_set,
    plain_set_command,
    plain_set_head,
)
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.store.key_rows import PlainSet, encode_entry
from proconsul.wire import gostruct
from server_tests.store.key_entries import SIZES, entries, texts, values


@given(st.builds(KVSRequest, datacenter=texts, op=texts, token=texts, dir_ent=entries))
def test_it_is_what_the_general_encoder_makes(request: KVSRequest) -> None:
    assert encode_key_command(b"\x02", request) == b"\x02" + gostruct.encode(request)


keys = st.one_of(st.text("abc/-", max_size=40), st.sampled_from([size * "k" for size in SIZES]))


def set_request(key: str, value: bytes | None, datacenter: str = "dc1") -> KVSRequest:
    return KVSRequest(datacenter=datacenter, op="set", dir_ent=DirEntry(key=key, value=value))


def sets(command: bytes) -> PlainSet:
    found = plain_set(command)
    assert found is not None
    return found


@given(keys, st.binary(min_size=1, max_size=300), st.sampled_from(["dc1", "", 40 * "d"]))
def test_a_plain_set_is_spelled_out_and_becomes_its_row(
    key: str, value: bytes, datacenter: str
) -> None:
    request = set_request(key, value, datacenter)
    head = plain_set_head(b"\x02", datacenter)
    command = plain_set_command(head, key.encode(), value)
    assert command == encode_key_command(b"\x02", request)
    if len(key) >= 65_536:
        assert plain_set(command) is None
        return
    read = sets(command)
    assert read.key == key.encode()
    for create_index, modify_index in ((1, 1), (127, 128), (65_536, 1 << 40)):
        row = replace(request.dir_ent, create_index=create_index, modify_index=modify_index)
        assert read.row(create_index, modify_index) == encode_entry(row)


@given(st.data())
def test_what_becomes_a_row_is_what_the_general_decoder_reads(data: st.DataObject) -> None:
    request = set_request(data.draw(texts), data.draw(values), data.draw(texts))
    command = bytearray(encode_key_command(b"\x02", request))
    for _ in range(data.draw(st.integers(0, 2))):
        command[data.draw(st.integers(1, len(command) - 1))] = data.draw(st.integers(0, 255))
    command = command[: data.draw(st.one_of(st.none(), st.integers(1, len(command))))]
    read = plain_set(bytes(command))
    if read is not None:
        decoded = gostruct.decode(KVSRequest, bytes(command[1:]))
        entry = decoded.dir_ent
        assert decoded == set_request(entry.key, entry.value, decoded.datacenter)
        assert read.key == entry.key.encode()
        assert read.row(3, 5) == encode_entry(replace(entry, create_index=3, modify_index=5))


@given(st.sampled_from(["k", "kk", 40 * "k"]), st.binary(min_size=1, max_size=40), entries)
def test_the_row_that_it_replaces_is_told_as_the_general_decoder_tells_it(
    key: str, value: bytes, entry: DirEntry
) -> None:
    new = sets(encode_key_command(b"\x02", set_request(key, value)))
    for before in (
        entry,
        replace(entry, key=key, flags=0, session="", lock_index=0),
        DirEntry(key=key, value=entry.value, create_index=7, modify_index=9),
        DirEntry(key=key, value=value, create_index=7, modify_index=1 << 33),
        DirEntry(key=key + "x", value=value, create_index=7, modify_index=9),
    ):
        create_index, is_same = new.compared(encode_entry(before))
        is_plain = before == DirEntry(
            key=key,
            value=before.value,
            create_index=before.create_index,
            modify_index=before.modify_index,
        )
        if before.create_index < 0 or before.modify_index < 0:
            is_plain = False
        assert create_index == (before.create_index if is_plain else -1)
        assert is_same == (is_plain and before.value == value)


def test_what_says_more_than_the_value_is_read_otherwise() -> None:
    plain = set_request("k", b"v")
    for request in (
        replace(plain, op="cas"),
        replace(plain, token="t"),
        replace(plain, dir_ent=replace(plain.dir_ent, flags=1)),
        replace(plain, dir_ent=replace(plain.dir_ent, session="s")),
        replace(plain, dir_ent=replace(plain.dir_ent, lock_index=1)),
        replace(plain, dir_ent=replace(plain.dir_ent, modify_index=7)),
        replace(plain, dir_ent=replace(plain.dir_ent, create_index=7)),
        replace(plain, dir_ent=replace(plain.dir_ent, value=None)),
        replace(plain, dir_ent=replace(plain.dir_ent, value=b"")),
        set_request("ü", b"v"),
        set_request("k", b"v", datacenter="ü"),
    ):
        assert plain_set(encode_key_command(b"\x02", request)) is None
