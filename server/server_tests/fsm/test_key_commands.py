"""A KVS command that is spelled out is the one that the general encoder makes, and reads."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proconsul.fsm.key_commands import decode_plain_set, encode_key_command
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.wire import gostruct
from server_tests.store.key_entries import SIZES, entries, texts, values


@given(st.builds(KVSRequest, datacenter=texts, op=texts, token=texts, dir_ent=entries))
def test_it_is_what_the_general_encoder_makes(request: KVSRequest) -> None:
    assert encode_key_command(b"\x02", request) == b"\x02" + gostruct.encode(request)


keys = st.one_of(st.text("abc/-", max_size=40), st.sampled_from([size * "k" for size in SIZES]))


def plain_set(key: str, value: bytes | None, datacenter: str = "dc1") -> KVSRequest:
    return KVSRequest(datacenter=datacenter, op="set", dir_ent=DirEntry(key=key, value=value))


@given(keys, st.binary(min_size=1, max_size=300))
def test_a_plain_set_is_read_back(key: str, value: bytes) -> None:
    request = plain_set(key, value)
    read = decode_plain_set(encode_key_command(b"\x02", request))
    assert read == (request if len(key) < 65_536 else None)


@given(st.data())
def test_what_is_read_is_what_the_general_decoder_reads(data: st.DataObject) -> None:
    request = plain_set(data.draw(texts), data.draw(values), data.draw(texts))
    command = bytearray(encode_key_command(b"\x02", request))
    for _ in range(data.draw(st.integers(0, 2))):
        command[data.draw(st.integers(1, len(command) - 1))] = data.draw(st.integers(0, 255))
    command = command[: data.draw(st.one_of(st.none(), st.integers(1, len(command))))]
    read = decode_plain_set(bytes(command))
    assert read is None or read == gostruct.decode(KVSRequest, bytes(command[1:]))


def test_what_says_more_than_the_value_is_read_otherwise() -> None:
    plain = plain_set("k", b"v")
    for request in (
        replace(plain, op="cas"),
        replace(plain, token="t"),
        replace(plain, dir_ent=replace(plain.dir_ent, flags=1)),
        replace(plain, dir_ent=replace(plain.dir_ent, session="s")),
        replace(plain, dir_ent=replace(plain.dir_ent, modify_index=7)),
        replace(plain, dir_ent=replace(plain.dir_ent, value=None)),
        plain_set("ü", b"v"),
        plain_set("k", b"v", datacenter="ü"),
    ):
        assert decode_plain_set(encode_key_command(b"\x02", request)) is None
