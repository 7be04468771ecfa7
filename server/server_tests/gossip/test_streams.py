"""One message on a TCP stream."""

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from proconsul.gossip import fields, packets, streams
from proconsul.gossip.address import Address
from proconsul.gossip.failure import LabelError, PacketError
from proconsul.gossip.framing import Framing
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import (
    Ack,
    Ping,
    PushedNode,
    PushPull,
    Refusal,
    StreamMessage,
    User,
)
from proconsul.gossip.packets import Kind
from proconsul.gossip.settings import GossipSettings
from proconsul.gossip.streams import StreamReader
from server_tests.gossip.lzw_codes import compress, packed, zeros

KEY = bytes(range(32))
RING = Keyring([KEY])
PLAIN = Framing(None, GossipSettings(), bytes)
SEALED = Framing(RING, GossipSettings(), bytes)


def node(index: int) -> PushedNode:
    """A row of a full exchange."""
    return PushedNode(
        name=f"node-{index}",
        address=Address(bytes([10, 0, index >> 8, index & 255]), 8301),
        meta=b"\xff\x80",
        incarnation=index,
        state=index % 4,
        vsn=bytes([1, 5, 2, 2, 5, 4]),
    )


def exchange(nodes: int) -> PushPull:
    """A full exchange with so many members."""
    return PushPull(join=True, nodes=tuple(map(node, range(nodes))), user_state=b"\x02\x80")


MESSAGES: dict[str, StreamMessage] = {
    "nobody": exchange(0),
    "a pool": exchange(30),
    "no state": structs.replace(exchange(1), user_state=b"", join=False),
    "ping": Ping(seq_no=7, node="s1"),
    "ack": Ack(seq_no=7),
    "nothing said": User(b""),
    "event": User(b"\x03 an event"),
    "refusal": Refusal("that could not be read"),
}
every_message = pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES.keys())


@every_message
@pytest.mark.parametrize("is_answer", [False, True])
@pytest.mark.parametrize("pool_label", [b"", b"blue"])
@pytest.mark.parametrize("ring", [None, RING])
@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_every_message_comes_back_however_it_is_cut(
    ring: Keyring | None,
    pool_label: bytes,
    is_answer: bool,
    message: StreamMessage,
    cuts: list[int],
) -> None:
    framing = Framing(ring, GossipSettings(label=pool_label), bytes)
    data = framing.seal_stream(message, is_answer=is_answer)
    reader = framing.stream_reader(is_answer=is_answer)
    at = step = 0
    while at < len(data):
        size = cuts[step % len(cuts)]
        read = reader.feed(data[at : at + size])
        at, step = at + size, step + 1
        assert read == (message if at >= len(data) else None)


def read(data: bytes, framing: Framing = PLAIN) -> StreamMessage | None:
    """What an acceptor reads."""
    return framing.stream_reader(is_answer=False).feed(data)


def compressed(data: bytes) -> bytes:
    """As Go sends all of its streams."""
    buf = compress(data, clear_first=True)
    return bytes([Kind.COMPRESS]) + fields.pack({"Algo": 0, "Buf": buf})


def sealed(data: bytes, bound: bytes = b"") -> bytes:
    """A frame around it."""
    head = streams.frame_head(len(RING.seal(data, nonce=bytes(12), bound=b"")))
    return head + RING.seal(data, nonce=bytes(12), bound=head + bound)


@every_message
def test_compressed_messages_are_read(message: StreamMessage) -> None:
    data = compressed(streams.encode(message))
    assert read(data) == message
    assert read(sealed(data), SEALED) == message


def test_what_follows_a_message_is_ignored() -> None:
    for message in MESSAGES.values():
        assert read(streams.encode(message) + b"more") == message
        assert read(compressed(streams.encode(message) + b"more")) == message


def test_nothing_is_held_once_the_message_is_read_or_refused() -> None:
    for data in (streams.encode(exchange(3)) + bytes(100), b"\x63" + bytes(100)):
        reader = PLAIN.stream_reader(is_answer=False)
        try:
            reader.feed(data)
        except PacketError:
            assert data[0] == 0x63
        assert reader.held_bytes == 0
        assert reader.feed(streams.encode(exchange(3))) is None
        assert reader.held_bytes == 0


def test_a_message_that_ends_early_inside_its_frame_is_refused() -> None:
    whole = streams.encode(exchange(3))
    for size in (0, 1, 10, 60, len(whole) - 1):
        with pytest.raises(PacketError, match="ends early"):
            read(sealed(whole[:size]), SEALED)


def test_a_vsn_of_a_wrong_size_is_data() -> None:
    for vsn in (b"", b"abc", b"abcdefg"):
        odd = structs.replace(exchange(1), nodes=(structs.replace(node(1), vsn=vsn),))
        assert read(streams.encode(odd)) == odd


def test_a_row_without_anything_is_a_row() -> None:
    data = b"\x06" + msgpack.packb({"Nodes": 2}) + b"\x80\xc0"
    read_back = read(data)
    assert isinstance(read_back, PushPull)
    assert [one.name for one in read_back.nodes] == ["", ""]


# ---------------------------------------------------------------- encryption, labels


def test_streams_in_the_clear_are_refused_when_they_should_be_sealed() -> None:
    ping = streams.encode(Ping(seq_no=1, node="x"))
    words = "^Encryption is configured but remote state is not encrypted$"
    with pytest.raises(PacketError, match=words):
        read(ping, SEALED)
    lenient = GossipSettings(encrypt_verify_incoming=False, encrypt_verify_outgoing=False)
    framing = Framing(RING, lenient, bytes)
    assert read(ping, framing) == Ping(seq_no=1, node="x")
    assert read(sealed(ping), framing) == Ping(seq_no=1, node="x")
    assert framing.seal_stream(Ack(seq_no=1), is_answer=True) == packets.encode(Ack(seq_no=1))


def test_sealed_streams_are_refused_where_nothing_is_encrypted() -> None:
    words = "^Remote state is encrypted and encryption is not configured$"
    with pytest.raises(PacketError, match=words):
        read(sealed(streams.encode(Ack(seq_no=1))))


def test_a_frame_is_bound_to_its_head() -> None:
    data = bytearray(sealed(streams.encode(Ack(seq_no=1)) + b"more"))
    assert read(bytes(data), SEALED) == Ack(seq_no=1)
    data[4] -= 1
    with pytest.raises(PacketError, match="No installed keys"):
        read(bytes(data), SEALED)


def test_streams_of_other_pools_are_closed_without_a_word() -> None:
    blue = Framing(None, GossipSettings(label=b"blue"), bytes)
    red = Framing(None, GossipSettings(label=b"red"), bytes)
    for ours, theirs in ((blue, red), (blue, PLAIN), (PLAIN, red)):
        with pytest.raises(LabelError, match="discarding stream with unacceptable label"):
            read(theirs.seal_stream(Ack(seq_no=1), is_answer=False), ours)
    with pytest.raises(LabelError):
        read(b"\xf4\x00")


def test_an_answer_has_no_label_in_front_but_is_bound_to_it() -> None:
    blue = Framing(RING, GossipSettings(label=b"blue"), bytes)
    answer = blue.seal_stream(Ack(seq_no=1), is_answer=True)
    assert answer == sealed(streams.encode(Ack(seq_no=1)), b"blue")
    asked = blue.seal_stream(Ack(seq_no=1), is_answer=False)
    assert asked == b"\xf4\x04blue" + answer


# ---------------------------------------------------------------- limits


def reader_of(data: bytes) -> StreamReader:
    """A reader that was fed this, and waits for more."""
    reader = PLAIN.stream_reader(is_answer=False)
    assert reader.feed(data) is None
    return reader


def head(nodes: int, user_state_bytes: int) -> bytes:
    """The beginning of a full exchange."""
    return b"\x06" + fields.pack({"Join": False, "Nodes": nodes, "UserStateLen": user_state_bytes})


def test_a_frame_of_the_limit_is_awaited_and_a_larger_one_is_not() -> None:
    reader = SEALED.stream_reader(is_answer=False)
    assert reader.feed(streams.frame_head(streams.STREAM_BYTES_MAX)) is None
    assert reader.feed(bytes(100)) is None
    assert reader.held_bytes == 100  # what came, not what was announced
    words = r"^Remote node state is larger than limit \(20971521\)$"
    with pytest.raises(PacketError, match=words):
        read(streams.frame_head(streams.STREAM_BYTES_MAX + 1), SEALED)


def test_as_many_nodes_as_the_limit_are_awaited_and_no_more() -> None:
    reader_of(head(streams.NODES_MAX, 0))
    with pytest.raises(PacketError, match="100001 nodes are announced"):
        reader_of(head(streams.NODES_MAX + 1, 0))


def test_a_user_state_of_the_limit_is_awaited_and_no_more() -> None:
    reader_of(head(0, streams.USER_STATE_BYTES_MAX))
    with pytest.raises(PacketError, match="bytes of user state are announced"):
        reader_of(head(0, streams.USER_STATE_BYTES_MAX + 1))


def test_a_user_message_of_the_limit_is_awaited_and_no_more() -> None:
    def beginning(size: int) -> bytes:
        return b"\x08" + fields.pack({"UserMsgLen": size})

    reader_of(beginning(streams.USER_BYTES_MAX))
    with pytest.raises(PacketError, match="bytes of a user message are announced"):
        reader_of(beginning(streams.USER_BYTES_MAX + 1))


@pytest.mark.parametrize("name", ["Nodes", "UserStateLen"])
@pytest.mark.parametrize("number", [-1, 1 << 63])
def test_sizes_that_are_none_are_refused(name: str, number: int) -> None:
    with pytest.raises(PacketError):
        reader_of(b"\x06" + fields.pack({name: number}))


def row(size: int) -> bytes:
    """A row of exactly so many bytes."""
    empty = len(fields.pack({"Meta": bytes(1 << 14)})) - (1 << 14)
    return fields.pack({"Meta": bytes(size - empty)})


def test_a_row_of_the_limit_is_taken_and_a_larger_one_is_not() -> None:
    largest = row(streams.NODE_BYTES_MAX)
    assert len(largest) == streams.NODE_BYTES_MAX
    assert isinstance(read(head(1, 0) + largest), PushPull)
    with pytest.raises(PacketError, match="one value has more than"):
        read(head(1, 0) + row(streams.NODE_BYTES_MAX + 1))


def test_a_row_without_an_end_is_given_up_at_the_limit() -> None:
    reader = reader_of(head(1, 0) + b"\xdd\xff\xff\xff\xff")
    piece = b"\xc0" * 1000
    for _ in range(streams.NODE_BYTES_MAX // len(piece)):
        assert reader.feed(piece) is None
    with pytest.raises(PacketError, match="one value has more than"):
        reader.feed(piece)


def test_a_plain_message_may_be_as_large_as_a_frame_and_no_larger() -> None:
    rows = row(streams.NODE_BYTES_MAX) * 16
    reader = reader_of(head(streams.NODES_MAX, 0))
    room = streams.STREAM_BYTES_MAX + streams.HEADERS_BYTES_MAX - len(head(streams.NODES_MAX, 0))
    for _ in range(room // len(rows)):
        assert reader.feed(rows) is None
        assert reader.held_bytes == 0
    with pytest.raises(PacketError, match="too large"):
        reader.feed(rows)


def test_a_message_decompresses_to_the_limit_and_no_further() -> None:
    def bomb(plain_bytes: int) -> bytes:
        """Compressed, a user message of nothing, with so many bytes in all."""
        message = streams.encode(User(b""))
        buf = packed([*message, *zeros(plain_bytes - len(message))])
        return bytes([Kind.COMPRESS]) + fields.pack({"Algo": 0, "Buf": buf})

    assert len(bomb(streams.PLAIN_BYTES_MAX)) < 64 * 1024
    assert read(bomb(streams.PLAIN_BYTES_MAX)) == User(b"")
    with pytest.raises(PacketError, match="decompresses to more than"):
        read(bomb(streams.PLAIN_BYTES_MAX + 1))


def test_compressed_bytes_have_a_limit_of_their_own() -> None:
    beginning = b"\x09\x81\xa3Buf\xdb" + (streams.STREAM_BYTES_MAX - 100).to_bytes(4, "big")
    reader = reader_of(beginning)
    assert reader.feed(bytes(streams.COMPRESSED_BYTES_MAX)) is None
    with pytest.raises(PacketError, match="one value has more than"):
        reader.feed(bytes(streams.HEAD_BYTES_MAX))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(PacketError):
        read(head(1, 0) + b"\x81\xa1a" * 5000 + b"\xc0")


@pytest.mark.parametrize("kind", [1, 3, 4, 5, 7, 11, 12, 14, 32, 255])
def test_what_no_stream_begins_with_is_refused(kind: int) -> None:
    with pytest.raises(PacketError, match=rf"^Received invalid msgType \({kind}\)$"):
        read(bytes([kind]))
