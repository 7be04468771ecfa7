"""Whatever becomes of bytes on their way, reading them ends in a message or a PacketError."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.gossip import fields, packets, serf_codec, streams, tags
from proconsul.gossip.failure import PacketError
from proconsul.gossip.framing import Framing, Opened
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import Alive, PushPull, StreamMessage, User
from proconsul.gossip.packets import Kind
from proconsul.gossip.serf_messages import SerfMessage
from proconsul.gossip.settings import GossipSettings
from server_tests.gossip.captured import SOUND, capture
from server_tests.gossip.lzw_codes import compress

RING = Keyring([bytes(range(32))])
PLAIN = Framing(None, GossipSettings(), bytes)
LENIENT = Framing(RING, GossipSettings(encrypt_verify_incoming=False), bytes)

SENT = [message for name in SOUND for message in capture(name).packet_messages()]
SAID = [message for name in SOUND for message in capture(name).stream_messages()]
PACKETS = sorted({packets.encode(message) for message in SENT})
STREAMS = sorted({streams.encode(message) for message in SAID})
STATES = {one.user_state for one in SAID if isinstance(one, PushPull) and one.user_state}
BODIES = sorted({one.body for one in SENT if isinstance(one, User)} | STATES)
METAS = sorted({one.meta for one in SENT if isinstance(one, Alive)})

# What msgpack gives a meaning: nil, nothing, large numbers, the heads of long and of short values.
HEADS = b"\xc0\xc1\xc2\xca\xcf\xd3\xd9\xdb\xc6\xc9\xd6\xd7\xdc\xdd\xdf\x80\x8f\x90\x9f\xff\x00\x7f"


@st.composite
def mutated(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """One of the samples, changed here and there, cut, or with a piece of another in it."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        change = draw(st.sampled_from(["head", "byte", "cut", "insert", "splice"]))
        if change == "head":
            data[at : at + 1] = bytes([draw(st.sampled_from(HEADS))])
        elif change == "byte":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif change == "cut":
            del data[at:]
        elif change == "insert":
            data[at:at] = draw(st.binary(max_size=9))
        else:
            other = draw(st.sampled_from(samples))
            data[at:] = other[draw(st.integers(0, len(other))) :]
    return bytes(data)


def opened(framing: Framing, datagram: bytes) -> Opened:
    """What is read; nothing if it is refused."""
    try:
        return framing.open(datagram)
    except PacketError:
        return Opened()


@settings(max_examples=250)
@given(data=mutated(PACKETS), sound=st.sampled_from(PACKETS))
def test_packets(data: bytes, sound: bytes) -> None:
    for message in opened(PLAIN, data).messages:
        again = packets.encode(message)
        assert packets.decode(again) == message
    assert opened(LENIENT, data) == opened(PLAIN, data)
    if len(data) >= 1 and data[0] not in (Kind.COMPOUND, Kind.COMPRESS):
        together = PLAIN.open(packets.compound([sound, data]))
        assert together.messages[:1] == PLAIN.open(sound).messages
        assert len(together.messages) + len(together.complaints) == 2


@settings(max_examples=100)
@given(parts=st.lists(mutated(PACKETS), min_size=1, max_size=3), data=st.data())
def test_compounds_and_compression(parts: list[bytes], data: st.DataObject) -> None:
    whole = packets.compound(parts)
    buf = compress(whole, clear_first=data.draw(st.booleans()))
    packed = bytes([Kind.COMPRESS]) + fields.pack({"Algo": 0, "Buf": buf})
    assert opened(PLAIN, packed) == opened(PLAIN, whole)
    opened(PLAIN, data.draw(mutated([whole, packed])))


@settings(max_examples=100)
@given(data=mutated([LENIENT.seal([one], checksum=True) for one in PACKETS[:40]]))
def test_sealed_packets(data: bytes) -> None:
    sealing = Framing(RING, GossipSettings(), bytes)
    opened(sealing, data)


def read(framing: Framing, pieces: list[bytes]) -> StreamMessage | str | None:
    """What is read of a stream, or why it is not."""
    reader = framing.stream_reader(is_answer=False)
    try:
        read = [reader.feed(piece) for piece in pieces]
    except PacketError as refusal:
        return str(refusal)
    return next((message for message in read if message is not None), None)


@settings(max_examples=250)
@given(data=mutated(STREAMS), cut=st.integers(0, 600), small=st.integers(1, 9))
def test_streams(data: bytes, cut: int, small: int) -> None:
    at_once = read(PLAIN, [data])
    assert read(PLAIN, [data[:cut], data[cut:]]) == at_once
    assert read(PLAIN, [data[at : at + small] for at in range(0, len(data), small)]) == at_once
    if at_once is not None and not isinstance(at_once, str):
        again = PLAIN.seal_stream(at_once, is_answer=False)
        assert read(PLAIN, [again]) == at_once


@settings(max_examples=80)
@given(data=st.data())
def test_compressed_and_sealed_streams(data: st.DataObject) -> None:
    plain = data.draw(mutated(STREAMS))
    buf = compress(plain, clear_first=True)
    packed = bytes([Kind.COMPRESS]) + fields.pack({"Algo": 0, "Buf": buf})
    head = streams.frame_head(29 + len(packed))
    sealed = head + RING.seal(packed, nonce=bytes(12), bound=head)
    assert read(LENIENT, [sealed]) == read(PLAIN, [packed])
    read(LENIENT, [data.draw(mutated([sealed]))])
    read(PLAIN, [data.draw(mutated([packed]))])


def decoded(body: bytes) -> SerfMessage | None:
    """What Serf says; None if it is refused."""
    try:
        return serf_codec.decode(body)
    except PacketError:
        return None


@settings(max_examples=500)
@given(body=mutated(BODIES))
def test_messages_of_serf(body: bytes) -> None:
    message = decoded(body)
    if message is not None:
        assert decoded(serf_codec.encode(message)) == message


@settings(max_examples=100)
@given(meta=mutated(METAS))
def test_tags(meta: bytes) -> None:
    try:
        found = tags.meta_to_tags(meta)
    except PacketError:
        return
    assert tags.meta_to_tags(tags.tags_to_meta(found)) == found
