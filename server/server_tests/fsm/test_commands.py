"""Commands as a real log holds them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.fsm.commands import (
    IGNORE_UNKNOWN,
    CoordinateBatch,
    MessageType,
    Skipped,
    UndecodableCommandError,
    UnknownCommandError,
    decode_command,
    encode_command,
)
from proconsul.model.cluster_mark import ClusterMark
from proconsul.model.config_entry import ConfigEntryRequest, ProxyConfigEntry
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.wire import msgpack

GOLDEN = sorted((Path(__file__).parent.parent / "golden" / "fsm").glob("*.bin"))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_a_captured_command_comes_back_byte_for_byte(file: Path) -> None:
    data = file.read_bytes()
    decoded = decode_command(data)
    assert not isinstance(decoded, Skipped)
    message_type, request = decoded
    assert message_type == int(file.name[:3]) & ~IGNORE_UNKNOWN
    assert encode_command(message_type, request) == data


TEXTS = st.text(max_size=3) | st.binary(max_size=3).map(msgpack.bytes_text)
NUMBERS = st.integers(0, 2**64 - 1)
ENTRIES = st.builds(
    DirEntry,
    lock_index=NUMBERS,
    key=TEXTS,
    flags=NUMBERS,
    value=st.none() | st.binary(max_size=3),
    session=TEXTS,
    create_index=NUMBERS,
    modify_index=NUMBERS,
)


@given(st.builds(KVSRequest, datacenter=TEXTS, op=TEXTS, dir_ent=ENTRIES, token=TEXTS))
def test_who_encoded_a_command_decodes_what_everybody_else_decodes(request: KVSRequest) -> None:
    try:
        data = encode_command(MessageType.KVS, request)
    except UnicodeEncodeError:
        return  # no text that could have come from a wire
    first, second = decode_command(data), decode_command(data)
    assert first == second
    assert decode_command(bytearray(data)) == second  # type: ignore[arg-type]  # never remembered


def test_the_captures_hold_every_type_that_a_server_proposes() -> None:
    captured = {int(file.name[:3]) & ~IGNORE_UNKNOWN for file in GOLDEN}
    legacy_or_snapshot_only = {
        *(MessageType.ACL, MessageType.AREA, MessageType.CONNECT_CA_PROVIDER_STATE),
        *(MessageType.CONNECT_CA_CONFIG, MessageType.INDEX, MessageType.CHUNKING_STATE),
    }
    ours = {MessageType.CLUSTER_MARK}
    assert captured == set(MessageType) - legacy_or_snapshot_only - ours


def test_the_command_of_our_own_says_that_others_may_skip_it() -> None:
    mark = ClusterMark(cluster_id="c", restore_uid="r")
    data = encode_command(MessageType.CLUSTER_MARK, mark)
    assert data == b"\xf8\x82\xa9ClusterID\xa1c\xaaRestoreUID\xa1r"
    assert decode_command(data) == (MessageType.CLUSTER_MARK, mark)


def test_coordinates_are_sent_so_that_older_servers_may_skip_them() -> None:
    data = encode_command(MessageType.COORDINATE_BATCH_UPDATE, CoordinateBatch([]))
    assert data == bytes((MessageType.COORDINATE_BATCH_UPDATE | IGNORE_UNKNOWN, 0x90))


def test_an_unknown_command_is_skipped_only_when_it_says_so() -> None:
    assert decode_command(bytes((99 | IGNORE_UNKNOWN, 0x80))) == Skipped(99)
    with pytest.raises(UnknownCommandError, match="type 99"):
        decode_command(bytes((99, 0x80)))


@pytest.mark.parametrize("number", [MessageType.AREA, MessageType.INDEX])
def test_what_is_no_command_of_this_edition_is_unknown(number: int) -> None:
    with pytest.raises(UnknownCommandError):
        decode_command(bytes((number, 0x80)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes((MessageType.KVS,)),
        bytes((MessageType.KVS, 0xC1)),
        bytes((MessageType.KVS,)) + msgpack.pack({"DirEnt": 5}),
        bytes((MessageType.KVS,)) + msgpack.pack({}) + b"\0",
        bytes((MessageType.COORDINATE_BATCH_UPDATE,)) + msgpack.pack(5),
        bytes((MessageType.CONFIG_ENTRY,)) + msgpack.pack("no blob"),
        bytes((MessageType.CONFIG_ENTRY,)) + msgpack.pack(5),
    ],
)
def test_a_command_that_cannot_be_decoded_says_so(data: bytes) -> None:
    with pytest.raises(UndecodableCommandError, match="the log holds a"):
        decode_command(data)


@pytest.mark.parametrize("value", [None, [[1, None]], {"k": None}])
def test_a_null_in_a_config_never_passes(value: object) -> None:
    entry = ProxyConfigEntry(kind="proxy-defaults", name="global", config={"m": value})
    data = encode_command(MessageType.CONFIG_ENTRY, ConfigEntryRequest(op="upsert", entry=entry))
    with pytest.raises(UndecodableCommandError, match="Config holds a null"):
        decode_command(data)


def test_an_entry_of_a_kind_that_consul_does_not_know_never_passes() -> None:
    blob = msgpack.pack("service-intentions") + msgpack.pack({"Entry": {}})
    data = bytes((MessageType.CONFIG_ENTRY,)) + msgpack.pack(msgpack.bytes_text(blob))
    with pytest.raises(UndecodableCommandError, match="invalid config entry kind"):
        decode_command(data)


def test_a_value_that_is_no_text_survives() -> None:
    entry = DirEntry(key="k\udcff", value=bytes(range(256)), flags=(1 << 64) - 1)
    request = KVSRequest(op="set", dir_ent=entry)
    assert decode_command(encode_command(MessageType.KVS, request)) == (MessageType.KVS, request)
