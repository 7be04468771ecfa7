"""raft.messages to and from the bytes of HashiCorp's raft transport and log.

A request is a type byte and a map, a reply an error text and a map (wire/raft.md, 1 and 2).
Maps have all their keys, sorted; nothing is framed, so the transport reads with an incremental
unpacker (`unpacker`) and gives what it read to `decode_request` and `decode_reply`. What every
write is made of, append_codec.py puts together, and reads where it comes in the usual form.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, assert_never

import msgpack

from proconsul.raft.append_codec import encode_append, encode_append_reply
from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    Configuration,
    EntryKind,
    Index,
    InstallReply,
    InstallSnapshot,
    Peer,
    PreVote,
    PreVoteReply,
    Reply,
    Request,
    RequestVote,
    Server,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Suffrage,
    Term,
    TimeoutNow,
    TimeoutNowReply,
    Token,
    VoteReply,
    entry_kind,
)

PROTOCOL_VERSION = 3
SNAPSHOT_VERSION = 1
UNSUPPORTED_VERSION = "operation not supported with current protocol version"

Body = Mapping[bytes, Any]


class RpcKind(IntEnum):
    """The byte in front of a request."""

    APPEND_ENTRIES = 0
    REQUEST_VOTE = 1
    INSTALL_SNAPSHOT = 2
    TIMEOUT_NOW = 3
    PRE_VOTE = 4


_APPEND_BYTE: Final = bytes((RpcKind.APPEND_ENTRIES,))
_NO_ERROR: Final = b"\xa0"


class CodecError(ValueError):
    """The bytes are no message of ours; close the connection."""


class VersionError(CodecError):
    """A protocol version that we do not speak; answer with the error's text."""

    def __init__(self) -> None:
        super().__init__(UNSUPPORTED_VERSION)


def unpacker(size_max: int) -> msgpack.Unpacker:
    """What the transport reads values with: text and bytes alike come as bytes.

    What it raises is a ValueError or an UnpackException: keys that are no strings are refused, or
    those that are maps would be a TypeError.
    """
    return msgpack.Unpacker(raw=True, strict_map_key=True, max_buffer_size=size_max)


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=False)
    return packed


def _unpack(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data, raw=True, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as failure:
        raise CodecError(f"not one msgpack value: {failure}") from failure


# Configurations.


def encode_configuration(configuration: Configuration) -> bytes:
    """The data of a Configuration entry."""
    servers = [
        {"Address": server.address, "ID": server.id, "Suffrage": int(server.suffrage)}
        for server in configuration.servers
    ]
    return _pack({"Servers": servers})


def decode_configuration(data: bytes) -> Configuration:
    """The members that a Configuration entry names. Raises CodecError."""
    body = _unpack(data)
    try:
        servers = tuple(
            Server(
                ServerId(one[b"ID"].decode()),
                ServerAddress(one[b"Address"].decode()),
                Suffrage(one[b"Suffrage"]),
            )
            for one in body[b"Servers"] or ()
        )
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        raise CodecError(f"not a configuration: {failure!r}") from failure
    return Configuration(servers)


# Requests.


def kind_of(request: Request) -> RpcKind:
    """The byte that goes in front of it, and by which its reply is read."""
    match request:
        case AppendEntries():
            return RpcKind.APPEND_ENTRIES
        case RequestVote():
            return RpcKind.REQUEST_VOTE
        case InstallSnapshot():
            return RpcKind.INSTALL_SNAPSHOT
        case TimeoutNow():
            return RpcKind.TIMEOUT_NOW
        case PreVote():
            return RpcKind.PRE_VOTE
    assert_never(request)


def encode_request(request: Request, *, snapshot_size: int = 0) -> bytes:
    """Type byte and map. The `snapshot_size` bytes of an InstallSnapshot's body follow it."""
    fields: dict[str, object]
    match request:
        case AppendEntries():
            return _APPEND_BYTE + encode_append(request)
        case RequestVote():
            fields = _vote_fields(request) | {
                "Candidate": request.candidate.address,
                "LeadershipTransfer": request.leadership_transfer,
            }
        case PreVote():
            fields = _vote_fields(request)
        case InstallSnapshot():
            fields = _install_fields(request, snapshot_size)
        case TimeoutNow():
            fields = {"ProtocolVersion": PROTOCOL_VERSION}
            if request.term is not None:
                fields["Term"] = request.term  # ours alone; others skip it
        case _:
            assert_never(request)
    return bytes([kind_of(request)]) + _pack(dict(sorted(fields.items())))


def _header(sender: Peer) -> dict[str, object]:
    """RPCHeader: id and address are what raft 1.3.7 added; older decoders skip them."""
    header: dict[str, object] = {"ProtocolVersion": PROTOCOL_VERSION}
    if sender.id:
        header |= {"ID": sender.id, "Addr": sender.address}
    return header


def _vote_fields(request: RequestVote | PreVote) -> dict[str, object]:
    return _header(request.candidate) | {
        "LastLogIndex": request.last_index,
        "LastLogTerm": request.last_term,
        "Term": request.term,
    }


def _install_fields(request: InstallSnapshot, size: int) -> dict[str, object]:
    snapshot = request.snapshot
    voters = [one for one in snapshot.configuration.servers if one.suffrage is Suffrage.VOTER]
    return _header(request.leader) | {
        "Configuration": encode_configuration(snapshot.configuration),
        "ConfigurationIndex": snapshot.configuration_index,
        "LastLogIndex": snapshot.index,
        "LastLogTerm": snapshot.term,
        "Leader": request.leader.address,
        "Peers": _pack([server.address for server in voters]),  # for protocols below 3
        "Size": size,
        "SnapshotVersion": SNAPSHOT_VERSION,
        "Term": request.term,
    }


def decode_request(kind: int, body: Body, token: Token) -> Request:
    """A request as it was read. Raises VersionError, or CodecError for anything else wrong."""
    try:
        version = body.get(b"ProtocolVersion", 0)
        if not PROTOCOL_VERSION - 1 <= version <= PROTOCOL_VERSION:
            raise VersionError
        return _decode_request(RpcKind(kind), body, token)
    except CodecError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        raise CodecError(f"raft request of type {kind}: {failure!r}") from failure


def _decode_request(kind: RpcKind, body: Body, token: Token) -> Request:
    match kind:
        case RpcKind.APPEND_ENTRIES:
            return AppendEntries(
                token=token,
                term=Term(_number(body, b"Term")),
                leader=_peer(body, b"Leader"),
                previous_index=Index(_number(body, b"PrevLogEntry")),
                previous_term=Term(_number(body, b"PrevLogTerm")),
                entries=tuple(_entry(one) for one in body.get(b"Entries") or ()),
                commit_index=Index(_number(body, b"LeaderCommitIndex")),
            )
        case RpcKind.REQUEST_VOTE:
            return RequestVote(
                token=token,
                term=Term(_number(body, b"Term")),
                candidate=_peer(body, b"Candidate"),
                last_index=Index(_number(body, b"LastLogIndex")),
                last_term=Term(_number(body, b"LastLogTerm")),
                leadership_transfer=bool(body.get(b"LeadershipTransfer")),
            )
        case RpcKind.PRE_VOTE:
            return PreVote(
                token=token,
                term=Term(_number(body, b"Term")),
                candidate=_peer(body, b"Addr"),
                last_index=Index(_number(body, b"LastLogIndex")),
                last_term=Term(_number(body, b"LastLogTerm")),
            )
        case RpcKind.INSTALL_SNAPSHOT:
            return _decode_install(body, token)
        case RpcKind.TIMEOUT_NOW:
            told = b"Term" in body
            return TimeoutNow(token=token, term=Term(_number(body, b"Term")) if told else None)
    assert_never(kind)


def _decode_install(body: Body, token: Token) -> InstallSnapshot:
    if _number(body, b"SnapshotVersion") != SNAPSHOT_VERSION:
        raise CodecError("a snapshot of another version")
    snapshot = SnapshotMeta(
        index=Index(_number(body, b"LastLogIndex")),
        term=Term(_number(body, b"LastLogTerm")),
        configuration=decode_configuration(body[b"Configuration"]),
        configuration_index=Index(_number(body, b"ConfigurationIndex")),
    )
    term = Term(_number(body, b"Term"))
    return InstallSnapshot(token=token, term=term, leader=_peer(body, b"Leader"), snapshot=snapshot)


def snapshot_size(body: Body) -> int:
    """How many bytes follow an InstallSnapshot's map. Raises CodecError."""
    return _number(body, b"Size")


def _peer(body: Body, old_key: bytes) -> Peer:
    """The sender: in the header if it fills that, else in the key that came before it."""
    address = body.get(b"Addr") or body.get(old_key) or b""
    return Peer(ServerId((body.get(b"ID") or b"").decode()), ServerAddress(address.decode()))


def _entry(body: Body) -> Entry:
    kind, data = entry_kind(_number(body, b"Type")), _bytes(body, b"Data")
    if kind is EntryKind.CONFIGURATION:
        decode_configuration(data)  # it comes into force with the entry: too late to refuse it
    index, term = Index(_number(body, b"Index")), Term(_number(body, b"Term"))
    return Entry(index, term, kind, data, _bytes(body, b"Extensions"))


def _bytes(body: Body, key: bytes) -> bytes:
    value = body.get(key)
    if value is None:
        return b""
    if type(value) is not bytes:
        raise CodecError(f"{key.decode()} is no string")
    return value


def _number(body: Body, key: bytes) -> int:
    value = body.get(key, 0)
    if type(value) is not int or value < 0:
        raise CodecError(f"{key.decode()} is no number")
    return value


# Replies.


def encode_reply(reply: Reply) -> bytes:
    """No error text, and the map."""
    fields: dict[str, object]
    match reply:
        case AppendReply():
            return _NO_ERROR + encode_append_reply(reply)
        case VoteReply():
            fields = {
                "Granted": reply.granted,
                "Peers": None,
                "ProtocolVersion": PROTOCOL_VERSION,
                "Term": reply.term,
            }
        case PreVoteReply():
            fields = {
                "Granted": reply.granted,
                "ProtocolVersion": PROTOCOL_VERSION,
                "Term": reply.term,
            }
        case InstallReply():  # its version was never filled in
            fields = {"ProtocolVersion": 0, "Success": reply.accepted, "Term": reply.term}
        case TimeoutNowReply():
            fields = {"ProtocolVersion": 0}
        case _:
            assert_never(reply)
    return _NO_ERROR + _pack(fields)


def encode_error(text: str) -> bytes:
    """An error text, and nothing behind it."""
    return _pack(text) + _pack(None)


def decode_reply(kind: RpcKind, body: Body, token: Token) -> Reply:
    """The reply to a request of this kind and token. Raises CodecError.

    A reply with an error text is no reply: the transport reports the token as lost.
    """
    term = Term(_number(body, b"Term"))
    match kind:
        case RpcKind.APPEND_ENTRIES:
            return AppendReply(
                token=token,
                term=term,
                accepted=bool(body.get(b"Success")),
                last_index=Index(_number(body, b"LastLog")),
                no_retry_backoff=bool(body.get(b"NoRetryBackoff")),
            )
        case RpcKind.REQUEST_VOTE:
            return VoteReply(token=token, term=term, granted=bool(body.get(b"Granted")))
        case RpcKind.PRE_VOTE:
            return PreVoteReply(token=token, term=term, granted=bool(body.get(b"Granted")))
        case RpcKind.INSTALL_SNAPSHOT:
            return InstallReply(token=token, term=term, accepted=bool(body.get(b"Success")))
        case RpcKind.TIMEOUT_NOW:
            return TimeoutNowReply(token=token)
    assert_never(kind)
