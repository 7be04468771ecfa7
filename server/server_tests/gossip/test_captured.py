"""What real agents sent each other is read, and written again byte for byte."""

from typing import get_args

import pytest

from proconsul.gossip import fields, packets, serf_codec, streams, tags
from proconsul.gossip.failure import PacketError
from proconsul.gossip.framing import CHECKSUM_BYTES, Framing
from proconsul.gossip.keyring import NONCE_BYTES, Keyring
from proconsul.gossip.messages import Alive, PacketMessage, PushPull, Refusal, User
from proconsul.gossip.packets import Kind
from proconsul.gossip.serf_messages import Query, QueryResponse, Relay
from proconsul.gossip.settings import GossipSettings
from proconsul.gossip.streams import FRAME_HEAD_BYTES
from server_tests.gossip.captured import GO, SOUND, Capture, capture
from server_tests.gossip.conflict_answers import decode_conflict
from server_tests.gossip.lzw_codes import compress

every_capture = pytest.mark.parametrize("name", SOUND)
every_capture_of_go = pytest.mark.parametrize("name", GO)


def plain_and_ring(recorded: Capture, sealed: bytes, bound: bytes) -> tuple[bytes, Keyring | None]:
    """What is inside, and a ring whose primary key sealed it."""
    if not recorded.keys:
        return sealed, None
    for key in recorded.keys:
        ring = Keyring([key])
        try:
            return ring.open(sealed, bound=bound), ring
        except PacketError:
            continue
    raise AssertionError("no key of the pool opens it")


def compressed(body: bytes, like: bytes) -> bytes:
    """A message compressed as the writer of `like` does it."""
    for clear_first in (True, False):
        buf = compress(body, clear_first=clear_first)
        packed = bytes([Kind.COMPRESS]) + fields.pack({"Algo": 0, "Buf": buf})
        if packed == like:
            return packed
    raise AssertionError("neither of Go's writers makes these bytes")


def rewritten(recorded: Capture, datagram: bytes) -> bytes:
    """A datagram, read and written again with the nonce and compression that it has."""
    opened = Framing(recorded.ring, GossipSettings(), bytes).open(datagram)
    parts = [packets.encode(message) for message in opened.messages]
    plain, ring = plain_and_ring(recorded, datagram, b"")
    checksum = plain[0] == Kind.CHECKSUM
    inner = plain[CHECKSUM_BYTES:] if checksum else plain
    if inner[0] == Kind.COMPRESS:
        whole = parts[0] if len(parts) == 1 else packets.compound(parts)
        parts = [compressed(whole, like=inner)]
    writer = Framing(ring, GossipSettings(), lambda size: datagram[1 : 1 + size])
    return writer.seal(parts, checksum=checksum)


@every_capture
def test_every_datagram_is_read_without_a_complaint(name: str) -> None:
    recorded = capture(name)
    framing = Framing(recorded.ring, GossipSettings(), bytes)
    assert len(recorded.datagrams) > 90
    for datagram in recorded.datagrams:
        opened = framing.open(datagram)
        assert opened.messages
        assert not opened.complaints


@every_capture_of_go
def test_every_datagram_is_written_again_as_it_came(name: str) -> None:
    recorded = capture(name)
    for datagram in recorded.datagrams:
        assert rewritten(recorded, datagram) == datagram


@every_capture
def test_every_message_means_the_same_when_it_is_written_again(name: str) -> None:
    for message in capture(name).packet_messages():
        assert packets.decode(packets.encode(message)) == message


@every_capture_of_go
def test_every_stream_is_written_again_as_it_came(name: str) -> None:
    recorded = capture(name)
    framing = Framing(recorded.ring, GossipSettings(), bytes)
    for side, is_answer in ((recorded.asks, False), (recorded.answers, True)):
        for data in filter(None, side):
            message = framing.stream_reader(is_answer=is_answer).feed(data)
            assert message is not None
            head, sealed = b"", data
            if recorded.keys:
                head, sealed = data[:FRAME_HEAD_BYTES], data[FRAME_HEAD_BYTES:]
                assert streams.frame_head(len(sealed)) == head
            plain, ring = plain_and_ring(recorded, sealed, head)
            again = compressed(streams.encode(message), like=plain)
            assert again == plain
            if ring is not None:
                nonce = sealed[1 : 1 + NONCE_BYTES]
                assert head + ring.seal(again, nonce=nonce, bound=head) == data


@every_capture
def test_every_stream_is_read_byte_by_byte_as_at_once(name: str) -> None:
    recorded = capture(name)
    framing = Framing(recorded.ring, GossipSettings(), bytes)
    for side, is_answer in ((recorded.asks, False), (recorded.answers, True)):
        for data in filter(None, side):
            at_once = framing.stream_reader(is_answer=is_answer).feed(data)
            reader = framing.stream_reader(is_answer=is_answer)
            *early, last = [reader.feed(data[at : at + 1]) for at in range(len(data))]
            assert not any(early)
            assert last == at_once


@every_capture
def test_our_own_framing_of_a_stream_is_read_back(name: str) -> None:
    recorded = capture(name)
    framing = Framing(recorded.ring, GossipSettings(), bytes)
    messages = recorded.stream_messages()
    assert messages
    for message in messages:
        data = framing.seal_stream(message, is_answer=True)
        assert framing.stream_reader(is_answer=True).feed(data) == message


def refusal_of(framing: Framing, ask: bytes) -> str | None:
    """Why we would refuse a stream."""
    try:
        framing.stream_reader(is_answer=False).feed(ask)
    except PacketError as failure:
        return str(failure)
    return None


@pytest.mark.parametrize(("name", "refusals"), [("errors-plain", 2), ("errors-enc", 3)])
def test_streams_are_refused_in_the_words_of_a_real_server(name: str, refusals: int) -> None:
    strange = capture(name)
    framing = Framing(strange.ring, GossipSettings(), bytes)
    refused = 0
    for ask, answer in zip(strange.asks, strange.answers, strict=True):
        answered = framing.stream_reader(is_answer=True).feed(answer)
        words = refusal_of(framing, ask)
        if isinstance(answered, Refusal):
            refused += 1
            assert words == answered.text
        elif words is not None:  # a type that it does not know it does not answer
            assert answered is None
            assert words == "Received invalid msgType (32)"
    assert refused == refusals


def test_members_with_a_vsn_of_a_wrong_size_are_read() -> None:
    framing = Framing(None, GossipSettings(), bytes)
    sizes = set()
    for ask in capture("errors-plain").asks:
        if ask.startswith(bytes([Kind.PUSH_PULL])):
            told = framing.stream_reader(is_answer=False).feed(ask)
            assert isinstance(told, PushPull)
            sizes |= {len(node.vsn) for node in told.nodes}
    assert sizes >= {0, 6}


# ---------------------------------------------------------------- what is in the messages


def serf_bodies(recorded: Capture) -> list[bytes]:
    """All that Serf said, in packets and in streams; also what was relayed, or is in a payload."""
    bodies = [one.body for one in recorded.packet_messages() if isinstance(one, User)]
    bodies += [one.user_state for one in recorded.stream_messages() if isinstance(one, PushPull)]
    for body in bodies.copy():
        message = serf_codec.decode(body)
        if isinstance(message, Relay):
            bodies.append(message.message)
        if isinstance(message, QueryResponse):
            bodies.append(message.payload)
        if isinstance(message, Query) and message.name.endswith(("-key", "-keys")):
            bodies.append(message.payload)
    return [body for body in bodies if body]


@every_capture_of_go
def test_every_message_of_serf_is_written_again_as_it_came(name: str) -> None:
    for body in serf_bodies(capture(name)):
        if body[0] == serf_codec.Kind.CONFLICT_RESPONSE:
            found = decode_conflict(body)
            assert decode_conflict(serf_codec.encode_conflict(found)) == found
        elif body[0] in set(serf_codec.Kind):
            assert serf_codec.encode(serf_codec.decode(body)) == body


def test_the_captures_have_all_that_serf_can_say() -> None:
    seen = {body[0] for name in GO for body in serf_bodies(capture(name))}
    assert seen >= set(serf_codec.Kind)


def test_the_captures_have_all_that_memberlist_can_say_in_packets() -> None:
    seen = {type(one) for name in GO for one in capture(name).packet_messages()}
    assert seen == set(get_args(PacketMessage))


def metas(recorded: Capture) -> set[bytes]:
    """All meta data of members."""
    found = {one.meta for one in recorded.packet_messages() if isinstance(one, Alive)}
    for message in recorded.stream_messages():
        if isinstance(message, PushPull):
            found |= {node.meta for node in message.nodes}
    return found


@every_capture
def test_tags_are_the_same_when_they_are_written_again(name: str) -> None:
    for meta in metas(capture(name)):
        found = tags.meta_to_tags(meta)
        again = tags.tags_to_meta(found)
        assert tags.meta_to_tags(again) == found
        assert len(again) == len(meta)  # Go writes a map in any order, so no more than that


def test_a_consul_agents_tags_are_read() -> None:
    found = [tags.meta_to_tags(meta) for meta in metas(capture("consul-plain"))]
    assert {one["role"] for one in found} == {"consul", "node"}
    assert all(one["dc"] == "dc1" and one["vsn"] == "2" for one in found)
