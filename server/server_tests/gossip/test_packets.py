"""One message of memberlist to bytes and back."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from proconsul.gossip import packets
from proconsul.gossip.address import Address
from proconsul.gossip.failure import PacketError
from proconsul.gossip.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Nack,
    PacketMessage,
    Ping,
    Suspect,
    User,
)
from proconsul.gossip.packets import Kind

HERE = Address(bytes([127, 60, 0, 2]), 8301)
VSN = bytes([1, 5, 2, 2, 5, 4])

numbers = st.integers(0, (1 << 32) - 1)
names = st.text(max_size=20)
addresses = st.builds(
    Address, st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    st.integers(1, 65535),
)  # fmt: skip
messages = st.one_of(
    st.builds(Ping, seq_no=numbers, node=names, source=st.none() | addresses, source_node=names),
    st.builds(
        IndirectPing,
        seq_no=numbers,
        target=addresses,
        node=names,
        nack=st.booleans(),
        source=st.none() | addresses,
        source_node=names,
    ),
    st.builds(Ack, seq_no=numbers, payload=st.binary(max_size=80)),
    st.builds(Nack, seq_no=numbers),
    st.builds(Suspect, incarnation=numbers, node=names, accuser=names),
    st.builds(Dead, incarnation=numbers, node=names, accuser=names),
    st.builds(User, st.binary(max_size=80)),
    st.builds(
        Alive,
        incarnation=numbers,
        node=names,
        address=addresses,
        meta=st.binary(max_size=80),
        vsn=st.binary(max_size=8),
    ),
)


@given(message=messages)
def test_every_message_comes_back(message: PacketMessage) -> None:
    assert packets.decode(packets.encode(message)) == message


def body_of(data: bytes) -> list[str]:
    """The keys of a message's map, in their order."""
    return list(msgpack.unpackb(data[1:], strict_map_key=False, unicode_errors="surrogateescape"))


@given(message=messages)
def test_keys_are_sorted_as_go_sorts_them(message: PacketMessage) -> None:
    if not isinstance(message, User):
        keys = body_of(packets.encode(message))
        assert keys == sorted(keys)


def test_a_ping_is_written_as_go_writes_it() -> None:
    ping = Ping(seq_no=1, node="s1", source=HERE, source_node="c1")
    assert packets.encode(ping) == (
        b"\x00\x85\xa4Node\xa2s1\xa5SeqNo\x01\xaaSourceAddr\xa4\x7f\x3c\x00\x02"
        b"\xaaSourceNode\xa2c1\xaaSourcePort\xcd\x20\x6d"
    )


def test_a_ping_of_an_old_version_has_no_source() -> None:
    ping = Ping(seq_no=1, node="s1")
    assert body_of(packets.encode(ping)) == ["Node", "SeqNo"]
    assert packets.decode(packets.encode(ping)) == ping


@pytest.mark.parametrize("source", [Address(b"", 8301), Address(HERE.ip, 0)])
def test_half_a_source_is_none(source: Address) -> None:
    ping = Ping(seq_no=1, node="s1", source=source)
    assert packets.decode(packets.encode(ping)) == structs.replace(ping, source=None)


def test_an_empty_payload_is_nil() -> None:
    assert packets.encode(Ack(seq_no=1)) == b"\x02\x82\xa7Payload\xc0\xa5SeqNo\x01"


@pytest.mark.parametrize("size", [0, 1, 3, 5, 7, 40])
def test_a_vsn_of_a_wrong_size_is_data(size: int) -> None:
    alive = Alive(incarnation=1, node="x", address=HERE, meta=b"", vsn=bytes([7] * size))
    assert packets.decode(packets.encode(alive)) == alive


def test_a_vsn_as_a_list_is_read() -> None:
    body = msgpack.packb({"Node": "x", "Vsn": list(VSN)})
    read = packets.decode(bytes([Kind.ALIVE]) + body)
    assert isinstance(read, Alive)
    assert read.vsn == VSN


def test_what_is_missing_unknown_or_nil_does_no_harm() -> None:
    empty = packets.decode(bytes([Kind.SUSPECT]) + msgpack.packb({}))
    assert empty == Suspect(incarnation=0, node="", accuser="")
    assert packets.decode(bytes([Kind.SUSPECT, 0xC0])) == empty
    nils: dict[str, object] = {
        "Node": None,
        "Incarnation": None,
        "From": None,
        "New": [{"a": {}}, 1.5, None],
    }
    assert packets.decode(bytes([Kind.SUSPECT]) + msgpack.packb(nils)) == empty


def test_new_kinds_of_strings_are_read() -> None:
    body = msgpack.packb({"Node": "n" * 40, "Meta": b"m" * 40, "Addr": HERE.ip}, use_bin_type=True)
    read = packets.decode(bytes([Kind.ALIVE]) + body + b"more")
    assert isinstance(read, Alive)
    assert (read.node, read.meta, read.address.ip) == ("n" * 40, b"m" * 40, HERE.ip)


def test_a_name_that_is_no_utf_8_survives() -> None:
    data = bytes([Kind.DEAD]) + b"\x83\xa4From\xa1\xff\xabIncarnation\x01\xa4Node\xa1\xfe"
    assert packets.encode(packets.decode(data)) == data


@pytest.mark.parametrize(
    "body",
    [
        {"SeqNo": -1},
        {"SeqNo": 1 << 32},
        {"SeqNo": "1"},
        {"SeqNo": 1.0},
        {"Node": 5},
        {"SourcePort": 65536},
        {"SourceAddr": "abc", "SourcePort": []},
    ],
)
def test_a_field_of_another_type_spoils_the_message(body: dict[str, object]) -> None:
    with pytest.raises(PacketError):
        packets.decode(bytes([Kind.PING]) + msgpack.packb(body))


@pytest.mark.parametrize("kind", [6, 7, 9, 10, 12, 13, 14, 99, 244, 255])
def test_what_no_packet_has_inside_is_refused(kind: int) -> None:
    with pytest.raises(PacketError, match=rf"msg type \({kind}\) not supported"):
        packets.decode(bytes([kind, 0x80]))


def test_no_bytes_are_no_message() -> None:
    with pytest.raises(PacketError):
        packets.decode(b"")


# ---------------------------------------------------------------- compounds, compression


def test_a_compound_of_the_most_parts_comes_back() -> None:
    parts = [bytes([index]) * index for index in range(packets.PARTS_MAX)]
    assert packets.split(packets.compound(parts)) == (parts, 0)


def test_the_parts_that_are_there_are_taken() -> None:
    whole = packets.compound([b"one", b"two", b"three"])
    assert packets.split(whole[:-1]) == ([b"one", b"two"], 1)
    assert packets.split(whole[: 2 + 6 + 2]) == ([], 3)
    assert packets.split(whole + b"more") == ([b"one", b"two", b"three"], 0)


def test_a_compound_without_its_lengths_is_refused() -> None:
    whole = packets.compound([b"one", b"two"])
    for size in range(1, 6):
        with pytest.raises(PacketError):
            packets.split(whole[:size])


def test_other_compression_is_refused_in_the_peers_words() -> None:
    with pytest.raises(PacketError, match=r"^Cannot decompress unknown algorithm 3$"):
        packets.decompressed(msgpack.packb({"Algo": 3, "Buf": b"zz"}), 100)
