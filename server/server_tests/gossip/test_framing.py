"""A datagram to messages and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip import fields, framing, packets
from proconsul.gossip.failure import LabelError, PacketError
from proconsul.gossip.framing import Framing
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import Ack, Nack, PacketMessage, Ping, User
from proconsul.gossip.packets import Kind
from proconsul.gossip.settings import GossipSettings
from server_tests.gossip.captured import capture
from server_tests.gossip.lzw_codes import compress, packed, zeros

KEY = bytes(range(32))
RING = Keyring([KEY])
PING = Ping(seq_no=7, node="s1")
NACK = Nack(seq_no=8)


def framing_of(ring: Keyring | None = None, **settings: bytes | bool) -> Framing:
    """With a nonce of zeros."""
    return Framing(ring, GossipSettings(**settings), bytes)  # type: ignore[arg-type]


PLAIN = framing_of()
SEALED = framing_of(RING)


def parts_of(*messages: PacketMessage) -> list[bytes]:
    """Each one encoded."""
    return [packets.encode(message) for message in messages]


def compressed(data: bytes) -> bytes:
    """As Go sends what becomes smaller by it."""
    return bytes([Kind.COMPRESS]) + fields.pack(
        {"Algo": 0, "Buf": compress(data, clear_first=False)}
    )


@pytest.mark.parametrize("ring", [None, RING])
@pytest.mark.parametrize("pool_label", [b"", b"blue"])
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("count", [1, 2, 255])
def test_what_is_sealed_opens_again(
    count: int, checksum: bool, pool_label: bytes, ring: Keyring | None
) -> None:
    both = framing_of(ring, label=pool_label)
    messages: list[PacketMessage] = [Ack(seq_no=number) for number in range(count)]
    parts = parts_of(*messages)
    datagram = both.seal(parts, checksum=checksum)
    opened = both.open(datagram)
    assert opened.messages == messages
    assert opened.complaints == []
    inside = parts[0] if count == 1 else packets.compound(parts)
    assert len(datagram) == len(inside) + both.overhead() + (5 if checksum else 0)


def test_the_overhead_is_that_of_the_seal_and_the_label() -> None:
    assert PLAIN.overhead() == 0
    assert SEALED.overhead() == 29
    assert framing_of(RING, label=b"blue").overhead() == 29 + 6
    assert framing_of(RING, encrypt_verify_outgoing=False).overhead() == 0


def test_one_message_is_no_compound() -> None:
    assert PLAIN.seal(parts_of(PING), checksum=False) == packets.encode(PING)


def test_the_nonce_is_asked_for_every_packet() -> None:
    asked: list[int] = []

    def nonce(size: int) -> bytes:
        asked.append(size)
        return bytes([len(asked)]) * size

    both = Framing(RING, GossipSettings(), nonce)
    first, second = (both.seal(parts_of(PING), checksum=False) for _ in range(2))
    assert asked == [12, 12]
    assert first[1:13] == b"\x01" * 12
    assert second[1:13] == b"\x02" * 12
    assert first[13:] != second[13:]


def test_a_key_that_is_changed_is_used_at_once() -> None:
    ring = Keyring([KEY])
    both = Framing(ring, GossipSettings(), bytes)
    ring.add(bytes(16))
    ring.use(bytes(16))
    datagram = both.seal(parts_of(PING), checksum=False)
    assert both.open(datagram).messages == [PING]
    with pytest.raises(PacketError):
        SEALED.open(datagram)


def test_compression_and_compounds_are_opened_in_each_other() -> None:
    inner = compressed(packets.compound(parts_of(PING, NACK)))
    outer = packets.compound([*parts_of(NACK), inner, *parts_of(PING)])
    assert PLAIN.open(outer).messages == [NACK, PING, NACK, PING]
    assert PLAIN.open(compressed(outer)).messages == [NACK, PING, NACK, PING]


# ---------------------------------------------------------------- what cannot be read


def test_a_wrong_checksum_is_refused_in_the_peers_words() -> None:
    (bad,) = [one for one in capture("errors-plain").datagrams if one[:5] == b"\x0c\0\0\0\x01"]
    with pytest.raises(PacketError) as caught:
        PLAIN.open(bad)
    assert str(caught.value) == "Got invalid checksum for UDP packet: 1a42dfbd, 1"


def test_plain_packets_are_taken_only_where_they_need_not_be_sealed() -> None:
    plain = PLAIN.seal(parts_of(PING), checksum=True)
    with pytest.raises(PacketError, match=r"^Decrypt packet failed: "):
        SEALED.open(plain)
    lenient = framing_of(RING, encrypt_verify_incoming=False)
    assert lenient.open(plain).messages == [PING]
    assert lenient.open(SEALED.seal(parts_of(PING), checksum=True)).messages == [PING]


def test_sealed_packets_are_refused_where_nothing_is_encrypted() -> None:
    with pytest.raises(PacketError):
        PLAIN.open(SEALED.seal(parts_of(PING), checksum=True))


def test_packets_of_other_pools_are_refused() -> None:
    for ring in (None, RING):
        blue, red = framing_of(ring, label=b"blue"), framing_of(ring, label=b"red")
        for ours, theirs in ((blue, red), (blue, framing_of(ring)), (framing_of(ring), red)):
            with pytest.raises(LabelError):
                ours.open(theirs.seal(parts_of(PING), checksum=False))


def test_a_seal_is_bound_to_the_label() -> None:
    sealed = framing_of(RING, label=b"red").seal(parts_of(PING), checksum=False)
    with pytest.raises(PacketError, match="No installed keys"):
        framing_of(RING, label=b"blu").open(sealed.replace(b"red", b"blu", 1))


def test_one_bad_part_does_not_spoil_the_others() -> None:
    opened = PLAIN.open(packets.compound([*parts_of(PING), b"\x63\x80", b"", *parts_of(NACK)]))
    assert opened.messages == [PING, NACK]
    assert opened.complaints == ["msg type (99) not supported", "missing message type byte"]


def test_the_parts_that_a_cut_packet_still_has_are_taken() -> None:
    datagram = PLAIN.seal(parts_of(PING, NACK, NACK), checksum=False)[:-1]
    opened = PLAIN.open(datagram)
    assert opened.messages == [PING, NACK]
    assert opened.complaints == ["Compound request had 1 truncated messages"]


def test_a_compound_of_nothing_is_nothing() -> None:
    assert PLAIN.open(b"\x07\x00") == framing.Opened()


@pytest.mark.parametrize("ring", [None, RING])
def test_an_empty_datagram_is_refused(ring: Keyring | None) -> None:
    with pytest.raises(PacketError):
        framing_of(ring).open(b"")


def test_what_a_consul_server_opened_of_strange_packets_we_open_too() -> None:
    """And what it refused, we refuse: see its log in wire/gossip/gossip.md section 9."""
    strange = capture("errors-enc")
    read: list[PacketMessage] = []
    refused = []
    for datagram in strange.datagrams:
        try:
            read += framing_of(strange.ring).open(datagram).messages
        except PacketError as failure:
            refused.append(str(failure))
    assert refused == [
        "Decrypt packet failed: Payload is too small to decrypt: 17",
        "Decrypt packet failed: No installed keys could decrypt the message",  # other key
        "Decrypt packet failed: No installed keys could decrypt the message",  # bound data
    ]
    pings = [one for one in read if isinstance(one, Ping)]
    acks = [one for one in read if isinstance(one, Ack)]
    assert len(pings) == len(acks) == 3  # of version 1, of version 0, with a checksum


# ---------------------------------------------------------------- limits


def test_a_datagram_of_the_limit_is_opened_and_no_larger_one() -> None:
    largest = packets.encode(User(bytes(framing.DATAGRAM_BYTES_MAX - 1)))
    assert PLAIN.open(largest).messages == [User(bytes(framing.DATAGRAM_BYTES_MAX - 1))]
    with pytest.raises(PacketError, match="a datagram of 65537 bytes"):
        PLAIN.open(largest + b"\0")


def bomb(plain_bytes: int) -> bytes:
    """A user message of so many bytes, compressed."""
    buf = packed([Kind.USER, *zeros(plain_bytes - 1)])
    return bytes([Kind.COMPRESS]) + fields.pack({"Algo": 0, "Buf": buf})


def test_a_packet_decompresses_to_the_limit_and_no_further() -> None:
    most = framing.PLAIN_BYTES_MAX
    assert PLAIN.open(bomb(most)).messages == [User(bytes(most - 1))]
    with pytest.raises(PacketError, match="decompresses to more than"):
        PLAIN.open(bomb(most + 1))


def test_all_that_one_packet_compresses_shares_the_limit() -> None:
    half = bomb(framing.PLAIN_BYTES_MAX // 2)
    assert len(PLAIN.open(packets.compound([half, half])).messages) == 2
    opened = PLAIN.open(packets.compound([half, bomb(1 << 20), half, *parts_of(PING)]))
    assert [type(one) for one in opened.messages] == [User, Ping]
    assert len(opened.complaints) == 2


@pytest.mark.parametrize("wrap", [compressed, lambda inner: packets.compound([inner])])
def test_as_many_layers_as_the_limit_are_opened_and_no_more(wrap: object) -> None:
    assert callable(wrap)
    data = packets.encode(PING)
    for _ in range(framing.LAYERS_MAX):
        data = wrap(data)
    assert PLAIN.open(data).messages == [PING]
    with pytest.raises(PacketError, match="layers around a message"):
        PLAIN.open(wrap(data))


def test_as_many_parts_as_the_limit_are_opened_and_no_more() -> None:
    def nest(parts: int) -> bytes:
        """So many parts, those that are compounds too."""
        full, left = divmod(parts, packets.PARTS_MAX + 1)
        one = packets.encode(NACK)
        compounds = [packets.compound([one] * packets.PARTS_MAX)] * full
        return packets.compound([*compounds, *[one] * left])

    compounds = framing.PARTS_MAX // (packets.PARTS_MAX + 1)
    opened = PLAIN.open(nest(framing.PARTS_MAX))
    assert len(opened.messages) == framing.PARTS_MAX - compounds
    assert opened.complaints == []
    more = PLAIN.open(nest(framing.PARTS_MAX + 1))
    assert len(more.messages) == framing.PARTS_MAX - compounds
    assert more.complaints == [f"more than {framing.PARTS_MAX} parts in one datagram"]


def test_a_datagram_costs_few_lines_of_log() -> None:
    opened = PLAIN.open(packets.compound([*parts_of(PING), *[b"\x63"] * 200]))
    assert opened.messages == [PING]
    assert len(opened.complaints) == framing.COMPLAINTS_MAX


@given(data=st.binary(max_size=200), kind=st.integers(0, 15))
def test_any_bytes_are_opened_or_refused(data: bytes, kind: int) -> None:
    for both in (PLAIN, SEALED, framing_of(RING, encrypt_verify_incoming=False)):
        try:
            opened = both.open(bytes([kind]) + data)
        except PacketError:
            continue
        for message in opened.messages:
            assert packets.decode(packets.encode(message)) == message
