"""One message of Serf to bytes and back."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip import serf_codec
from proconsul.gossip.address import Address
from proconsul.gossip.failure import PacketError
from proconsul.gossip.serf_codec import Kind
from proconsul.gossip.serf_messages import (
    ConflictResponse,
    Join,
    KeyRequest,
    KeyResponse,
    Leave,
    NodeFilter,
    Query,
    QueryResponse,
    Relay,
    SerfMessage,
    TagFilter,
    UnknownFilter,
    UserEvent,
)
from server_tests.gossip.conflict_answers import decode_conflict

HERE = Address(bytes([127, 60, 3, 1]), 7946)

ltimes = st.integers(0, (1 << 64) - 1)
ids = st.integers(0, (1 << 32) - 1)
names = st.text(max_size=20)
payloads = st.binary(max_size=80)
addresses = st.builds(Address, st.binary(min_size=4, max_size=4), st.integers(0, 65535))
filters = st.one_of(
    st.builds(NodeFilter, st.lists(names, max_size=3).map(tuple)),
    st.builds(TagFilter, tag=names, expression=names),
    st.builds(UnknownFilter, st.binary(max_size=9).map(lambda data: b"\x02" + data)),
)

messages = st.one_of(
    st.builds(Leave, ltime=ltimes, node=names, prune=st.booleans()),
    st.builds(Join, ltime=ltimes, node=names),
    st.builds(UserEvent, ltime=ltimes, name=names, payload=payloads, coalesce=st.booleans()),
    st.builds(
        Query,
        ltime=ltimes,
        id=ids,
        address=addresses,
        source_node=names,
        filters=st.lists(filters, max_size=3).map(tuple),
        flags=ids,
        relay_factor=st.integers(0, 255),
        timeout_ns=st.integers(-(1 << 63), (1 << 63) - 1),
        name=names,
        payload=payloads,
    ),
    st.builds(QueryResponse, ltime=ltimes, id=ids, sender=names, flags=ids, payload=payloads),
    st.builds(Relay, address=addresses, zone=names, node=names, message=payloads),
    st.builds(KeyRequest, payloads),
    st.builds(
        KeyResponse,
        result=st.booleans(),
        message=names,
        keys=st.lists(names, max_size=3).map(tuple),
        primary_key=names,
    ),
)


@given(message=messages)
def test_every_message_comes_back(message: SerfMessage) -> None:
    assert serf_codec.decode(serf_codec.encode(message)) == message


@given(message=messages)
def test_keys_are_sorted_as_go_sorts_them(message: SerfMessage) -> None:
    unpacker = msgpack.Unpacker(unicode_errors="surrogateescape")
    unpacker.feed(serf_codec.encode(message)[1:])
    keys = list(unpacker.unpack())
    assert keys == sorted(keys)


def test_a_query_is_written_as_serf_writes_it() -> None:
    query = Query(
        ltime=1,
        id=0x6567FC11,
        address=HERE,
        source_node="a",
        filters=(NodeFilter(("a", "c")), TagFilter(tag="role", expression="^web")),
        flags=1,
        relay_factor=0,
        timeout_ns=3_000_000_000,
        name="uptime",
        payload=b"",
    )
    assert serf_codec.encode(query) == (
        b"\x04\x8b\xa4Addr\xa4\x7f\x3c\x03\x01"
        b"\xa7Filters\x92\xa6\x00\x92\xa1a\xa1c\xb5\x01\x82\xa4Expr\xa4^web\xa3Tag\xa4role"
        b"\xa5Flags\x01\xa2ID\xce\x65\x67\xfc\x11\xa5LTime\x01\xa4Name\xa6uptime"
        b"\xa7Payload\xc0\xa4Port\xcd\x1f\x0a\xabRelayFactor\x00\xaaSourceNode\xa1a"
        b"\xa7Timeout\xce\xb2\xd0\x5e\x00"
    )


def test_what_is_relayed_is_the_rest_and_stays_as_it_is() -> None:
    inner = b"\x05\x85 not a whole message"
    relay = Relay(address=HERE, zone="", node="a", message=inner)
    data = serf_codec.encode(relay)
    assert data.startswith(
        b"\x09\x82\xa8DestAddr\x83\xa2IP\xa4\x7f\x3c\x03\x01\xa4Port\xcd\x1f\x0a\xa4Zone\xa0"
        b"\xa8DestName\xa1a\x05"
    )
    assert serf_codec.decode(data) == relay


def test_what_old_versions_leave_out_is_empty() -> None:
    body = msgpack.packb({"LTime": 1, "Name": "q", "Future": [1]})
    query = serf_codec.decode(bytes([Kind.QUERY]) + body)
    assert isinstance(query, Query)
    assert (query.source_node, query.relay_factor, query.filters) == ("", 0, ())
    assert serf_codec.decode(bytes([Kind.JOIN, 0xC0])) == Join(ltime=0, node="")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02\x80",  # of a kind that we do not know
        b"\x00",
        b"\x00\x81\xa1a\x01",  # names that are a map
        b"\x00\x91\x05",  # a name that is a number
        b"\x01\x91\xa1a",
        b"\x01\x81\xa4Expr\x05",
    ],
)
def test_a_filter_that_cannot_be_read_is_one_that_is_not_known(data: bytes) -> None:
    body = msgpack.packb({"Filters": [data, b"\x00\x91\xa1a"]}, use_bin_type=False)
    query = serf_codec.decode(bytes([Kind.QUERY]) + body)
    assert isinstance(query, Query)
    assert query.filters == (UnknownFilter(data), NodeFilter(("a",)))


def test_a_request_for_a_list_has_an_empty_key_that_is_not_nil() -> None:
    assert serf_codec.encode(KeyRequest(b"")) == b"\x07\x81\xa3Key\xa0"


def test_bytes_that_are_no_utf_8_survive() -> None:
    data = b"\x01\x82\xa5LTime\x01\xa4Node\xa2\xfe\x80"
    assert serf_codec.encode(serf_codec.decode(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x06\x80",  # only within a response: decode_conflict reads it
        b"\x0a\x80",
        b"\xff\x80",
        b"\x01\x81\xa5LTime\xff",
        b"\x01\x81\xa4Node\x05",
        b"\x00\x81\xa5Prune\x01",
        b"\x04\x81\xa7Filters\xa1a",
        b"\x04\x81\xabRelayFactor\xcd\x01\x00",
        b"\x09\x81\xa8DestAddr\xa1a",
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        serf_codec.decode(data)


# ---------------------------------------------------------------- name conflicts

MEMBER = ConflictResponse(
    name="a",
    address=HERE,
    tags={"role": "web", "dc": "east"},
    status=1,
    protocol=(1, 5, 2),
    delegate=(2, 5, 4),
)


def test_a_member_comes_back() -> None:
    data = serf_codec.encode_conflict(MEMBER)
    assert decode_conflict(data) == MEMBER
    assert data[0] == Kind.CONFLICT_RESPONSE
    keys = list(msgpack.unpackb(data[1:]))
    assert keys == sorted(keys)


def test_an_unknown_member_is_nil() -> None:
    assert serf_codec.encode_conflict(None) == b"\x06\xc0"
    assert decode_conflict(b"\x06\xc0") is None


@pytest.mark.parametrize("data", [b"", b"\x05\xc0", b"\x06", b"\x06\x90", b"\x06\x81\xa4Tags\x05"])
def test_what_is_no_member_is_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode_conflict(data)
