"""Bytes of real servers, read and written again."""

from pathlib import Path
from typing import Any

import msgpack
import pytest

from proconsul.raft import codec
from proconsul.raft.codec import RpcKind
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    Configuration,
    EntryKind,
    InstallSnapshot,
    Peer,
    PreVote,
    PreVoteReply,
    RequestVote,
    Server,
    ServerAddress,
    ServerId,
    Suffrage,
    Term,
    TimeoutNow,
    Token,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "raft"
OF_PROTOCOL_1 = "RequestVote-error.01"
WITHOUT_FIELDS = "RequestPreVote.01"  # the client sent the version only
TOKEN = Token(7)

requests = [
    path
    for path in sorted(GOLDEN.glob("*.req.bin"))
    if not path.name.startswith((OF_PROTOCOL_1, WITHOUT_FIELDS))
]
replies = [
    path for path in sorted(GOLDEN.glob("*.resp.bin")) if not path.name.startswith(OF_PROTOCOL_1)
]


def read(path: Path) -> tuple[int, dict[bytes, Any], bytes]:
    """Type byte, map, and what follows."""
    data = path.read_bytes()
    unpacker = codec.unpacker(1 << 20)
    unpacker.feed(data[1:])
    body = unpacker.unpack()
    return data[0], body, data[1 + unpacker.tell() :]


@pytest.mark.parametrize("path", requests, ids=lambda path: path.stem)
def test_a_real_request_is_written_again_byte_for_byte(path: Path) -> None:
    kind, body, rest = read(path)
    request = codec.decode_request(kind, body, TOKEN)
    assert request.token == TOKEN
    assert codec.kind_of(request) == kind
    size = codec.snapshot_size(body) if isinstance(request, InstallSnapshot) else 0
    assert size == len(rest)
    assert codec.encode_request(request, snapshot_size=size) + rest == path.read_bytes()


@pytest.mark.parametrize("path", replies, ids=lambda path: path.stem)
def test_a_real_reply_is_written_again_byte_for_byte(path: Path) -> None:
    kind = path.with_name(path.name.replace(".resp.", ".req.")).read_bytes()[0]
    unpacker = codec.unpacker(1 << 20)
    unpacker.feed(path.read_bytes())
    assert unpacker.unpack() == b""
    reply = codec.decode_reply(RpcKind(kind), unpacker.unpack(), TOKEN)
    assert codec.encode_reply(reply) == path.read_bytes()


def test_an_error_is_a_text_and_nil_as_the_real_one_writes_it() -> None:
    kind, body, _ = read(GOLDEN / f"{OF_PROTOCOL_1}.req.bin")
    with pytest.raises(codec.VersionError) as refused:
        codec.decode_request(kind, body, TOKEN)
    answer = (GOLDEN / f"{OF_PROTOCOL_1}.resp.bin").read_bytes()
    assert codec.encode_error(str(refused.value)) == answer


def test_a_heartbeat_is_told_from_an_empty_append() -> None:
    kind, body, _ = read(GOLDEN / "Heartbeat.01.req.bin")
    heartbeat = codec.decode_request(kind, body, TOKEN)
    kind, body, _ = read(GOLDEN / "AppendEntries-empty.01.req.bin")
    empty = codec.decode_request(kind, body, TOKEN)
    assert isinstance(heartbeat, AppendEntries)
    assert isinstance(empty, AppendEntries)
    assert heartbeat.is_heartbeat
    assert not empty.is_heartbeat


def test_a_sender_with_an_id_fills_the_newer_header_and_the_older_key() -> None:
    me = Peer(ServerId("id-1"), ServerAddress("127.0.0.1:8300"))
    data = codec.encode_request(AppendEntries(token=TOKEN, term=Term(3), leader=me))
    body = msgpack.unpackb(data[1:], raw=True)
    assert (body[b"ID"], body[b"Addr"], body[b"Leader"]) == (
        b"id-1",
        b"127.0.0.1:8300",
        b"127.0.0.1:8300",
    )
    assert list(body) == sorted(body)
    again = codec.decode_request(0, body, TOKEN)
    assert isinstance(again, AppendEntries)
    assert again.leader == me


def test_a_vote_request_of_an_old_server_has_an_address_only() -> None:
    kind, body, _ = read(GOLDEN / "RequestVote.01.req.bin")
    request = codec.decode_request(kind, body, TOKEN)
    assert isinstance(request, RequestVote)
    assert request.candidate.id == ""
    assert request.candidate.address.endswith(":8300")


def test_a_pre_vote_comes_back_as_it_was() -> None:
    me = Peer(ServerId("id-1"), ServerAddress("127.0.0.1:8300"))
    asked = PreVote(token=TOKEN, term=Term(4), candidate=me, last_index=9, last_term=3)  # type: ignore[arg-type]
    data = codec.encode_request(asked)
    assert data[0] == 4
    assert codec.decode_request(4, msgpack.unpackb(data[1:], raw=True), TOKEN) == asked
    answer = PreVoteReply(token=TOKEN, term=Term(3), granted=True)
    body = msgpack.unpackb(codec.encode_reply(answer)[1:], raw=True)
    assert codec.decode_reply(RpcKind.PRE_VOTE, body, TOKEN) == answer


def test_a_chunk_keeps_its_extensions_and_kinds_keep_their_numbers() -> None:
    kind, body, _ = read(
        GOLDEN / "AppendEntries-Barrier+Command+Configuration+Noop-multi.01.req.bin"
    )
    request = codec.decode_request(kind, body, TOKEN)
    assert isinstance(request, AppendEntries)
    assert {entry.kind for entry in request.entries} == set(EntryKind)
    body[b"Entries"][0][b"Extensions"] = b"\x18\x03"
    again = codec.decode_request(kind, body, TOKEN)
    assert isinstance(again, AppendEntries)
    assert again.entries[0].extensions == b"\x18\x03"


def test_a_configuration_comes_back_as_it_was() -> None:
    configuration = Configuration(
        (
            Server(ServerId("a" * 36), ServerAddress("127.0.0.1:8300")),
            Server(ServerId("b"), ServerAddress("127.0.0.2:8300"), Suffrage.NONVOTER),
        )
    )
    data = codec.encode_configuration(configuration)
    assert data.startswith(b"\x81\xa7Servers\x92\x83\xa7Address")
    assert b"\xda\x00\x24aaaa" in data
    assert codec.decode_configuration(data) == configuration


@pytest.mark.parametrize(
    "data", [b"", b"\x90", b"\x81\xa7Servers\x91\x80", b"\xc1", b"\x81\x80\x80"]
)
def test_what_is_no_configuration_is_an_error(data: bytes) -> None:
    with pytest.raises(codec.CodecError):
        codec.decode_configuration(data)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (9, {}),
        (0, {b"Term": b"x"}),
        (0, {b"Term": -1}),
        (0, {b"Entries": [{b"Type": 2}]}),
        (0, {b"Entries": 5}),
        (0, {b"Entries": [{b"Data": 5}]}),
        (0, {b"Entries": [{b"Data": msgpack.ExtType(5, b"x")}]}),
        (0, {b"Entries": [{b"Extensions": [b"x"]}]}),
        (0, {b"Entries": [{b"Type": 5, b"Data": b"no members"}]}),
        (0, {b"Leader": b"\xff"}),
        (2, {b"SnapshotVersion": 9}),
        (0, {b"ProtocolVersion": b"3"}),
    ],
)
def test_a_request_that_makes_no_sense_is_an_error(kind: int, change: dict[bytes, Any]) -> None:
    body = {b"ProtocolVersion": 3, b"Term": 1} | change
    with pytest.raises(codec.CodecError):
        codec.decode_request(kind, body, TOKEN)


def test_the_answer_of_a_follower_says_nothing_more_than_hashicorps() -> None:
    reply = AppendReply(token=TOKEN, term=Term(4), accepted=True)
    assert msgpack.unpackb(codec.encode_reply(reply)[1:]) == {
        "LastLog": 0,
        "NoRetryBackoff": False,
        "ProtocolVersion": 3,
        "Success": True,
        "Term": 4,
    }


def test_the_word_to_take_over_says_of_which_term_it_is() -> None:
    request = TimeoutNow(token=TOKEN, term=Term(9))
    encoded = codec.encode_request(request)
    unpacker = codec.unpacker(1 << 20)
    unpacker.feed(encoded[1:])
    assert codec.decode_request(encoded[0], unpacker.unpack(), TOKEN) == request
    kind, body, _ = read(GOLDEN / "TimeoutNow.01.req.bin")
    assert codec.decode_request(kind, body, TOKEN) == TimeoutNow(token=TOKEN, term=None)
