"""net/rpc over msgpack: calls, replies and snapshot heads of a stream, and all argument structs.

The first byte of an input chooses the reader, the second the struct or the pieces.
"""

from collections.abc import Callable
from typing import Any

from proconsul.endpoints.table import METHODS
from proconsul.errors import RpcError
from proconsul.model.catalog import ServiceNode
from proconsul.model.kv import DirEntry
from proconsul.rpc import msgpack_rpc
from proconsul.rpc.msgpack_rpc import (
    Call,
    CallReader,
    Reply,
    ReplyReader,
    decode_reply,
    decode_request,
    encode_call,
    encode_error,
    encode_reply,
    encode_value,
)
from proconsul.rpc.snapshot_stream import (
    HEAD_BYTES_MAX,
    HeadReader,
    SnapshotRequest,
    SnapshotResponse,
)
from proconsul.wire import gostruct, msgpack
from proconsul.wire.golang import Float32
from proconsul.wire.gostruct import GoStruct, WireError
from proconsul.wire.msgpack import MsgpackError
from server_tests.fuzz.msgpack_mutation import MSGPACK
from server_tests.fuzz.target import Target, cut, promise
from server_tests.rpc.captured import CALLS, GOLDEN, request_of, response_of

BODY_BYTES_MAX = 3000  # small, so that inputs come to the limit
METHOD_NAMES = sorted(METHODS.names())
FORMS: tuple[Any, ...] = (None, Any, str, bool, list[str], list[ServiceNode], DirEntry)

Outcome = tuple[list[object], bool]  # what was read, and whether it went wrong


def _read(reader: Any, read_next: Callable[[], object], pieces: list[bytes]) -> Outcome:
    """All that comes out of a reader."""
    found: list[object] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (one := read_next()) is not None:
                found.append(one)
            _look(reader._values.pending_bytes, len(piece), BODY_BYTES_MAX)
    except (MsgpackError, WireError):
        return found, True
    return found, False


def _look(pending_bytes: int, piece_bytes: int, bytes_max: int) -> None:
    limit = max(bytes_max, msgpack_rpc.HEADER_BYTES_MAX)
    promise(pending_bytes <= limit, "no more is held than a value may have")


def _check_calls(wire: bytes, way: int) -> None:
    def calls(pieces: list[bytes]) -> Outcome:
        reader = CallReader(BODY_BYTES_MAX)
        outcome = _read(reader, reader.next_call, pieces)
        if not outcome[1]:
            promise(not (reader.is_between_calls and reader.pending_bytes), "nothing between")
        return outcome

    found, _ = whole = calls(list(cut(wire, 0)))
    promise(whole == calls(list(cut(wire, way))), "other pieces, the same calls")
    for call in found:
        assert isinstance(call, Call)
        promise(len(call.body) <= BODY_BYTES_MAX, "a body within its limit")
        _check_call(call)


def _check_call(call: Call) -> None:
    reader = CallReader(BODY_BYTES_MAX)
    reader.feed(encode_call(call))
    promise(reader.next_call() == call, "a call is read as it was written")
    replies = ReplyReader(BODY_BYTES_MAX)
    replies.feed(encode_reply(call, call.body) + encode_error(call, "no"))
    kept, refused = replies.next_reply(), replies.next_reply()
    promise(kept == Reply(call.seq, call.method, "", call.body), "so is a reply")
    promise(refused == Reply(call.seq, call.method, "no", b"\x80"), "and a refusal")
    try:
        method = METHODS.find(call.method)
    except RpcError:
        return
    _check_arguments(method.request, call.body)


def _check_arguments(form: type[GoStruct] | None, body: bytes) -> None:
    try:
        value = decode_request(form, body)
    except (MsgpackError, WireError):
        return
    written = encode_value(value)
    again = encode_value(decode_request(form, written))
    promise(written == again, "arguments are read as they were written")


def _check_replies(wire: bytes, way: int, form: Any) -> None:
    def replies(pieces: list[bytes]) -> Outcome:
        reader = ReplyReader(BODY_BYTES_MAX)
        return _read(reader, reader.next_reply, pieces)

    found, _ = whole = replies(list(cut(wire, 0)))
    promise(whole == replies(list(cut(wire, way))), "other pieces, the same replies")
    for reply in found:
        assert isinstance(reply, Reply)
        try:
            value = decode_reply(form, reply.body)
        except (MsgpackError, WireError):
            continue
        if form is not Any and form is not None:
            written = encode_value(value)
            promise(encode_value(decode_reply(form, written)) == written, "a reply, read again")


def _check_head(wire: bytes, way: int, form: type[GoStruct]) -> None:
    def head(pieces: list[bytes]) -> tuple[object, bytes, bool]:
        reader = HeadReader(form)
        got: tuple[Any, bytes] | None = None
        behind = b""
        try:
            for piece in pieces:
                if got is not None:
                    behind += piece
                    continue
                got = reader.feed(piece)
                _look(reader._values.pending_bytes, len(piece), HEAD_BYTES_MAX)
        except (MsgpackError, WireError):
            return None, b"", True
        return (None, b"", False) if got is None else (got[0], got[1] + behind, False)

    whole = struct, rest, _ = head(list(cut(wire, 0)))
    promise(whole == head(list(cut(wire, way))), "other pieces, the same head and archive")
    if isinstance(struct, GoStruct):
        promise(wire.endswith(rest), "the archive is what follows")
        promise(gostruct.decode(form, gostruct.encode(struct)) == struct, "read as it was written")


def _check_values(wire: bytes, count: int) -> None:
    """The dialect itself."""
    try:
        streamed = list(msgpack.unpack_chunks(cut(wire, 2)))
    except MsgpackError:
        streamed = []
    try:
        values = msgpack.unpack_all(wire, count)
    except MsgpackError:
        return
    promise(streamed == values or _has_nan(values), "other pieces, the same values")
    packed = b"".join(map(msgpack.pack, values))
    promise(b"".join(map(msgpack.pack, msgpack.unpack_all(packed, count))) == packed, "the same")
    halves = Float32.of(0.5)
    slowly = msgpack.pack([halves, *values])  # the fast way knows no float32
    promise(slowly[slowly.index(b"\xca") :] == msgpack.pack(halves) + packed, "the slow way, too")


def _has_nan(value: object) -> bool:
    if isinstance(value, dict):
        return any(_has_nan(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return any(map(_has_nan, value))
    return value != value


def check(data: bytes) -> None:
    """Read one stream."""
    kind, option, wire = data[:1], data[1:2] or b"\0", data[2:]
    way = 1 + option[0] % 2
    match kind[0] % 5 if kind else 0:
        case 0:
            _check_calls(wire, way)
        case 1:
            _check_replies(wire, way, FORMS[option[0] % len(FORMS)])
        case 2:
            _check_head(wire, way, SnapshotResponse if option[0] & 2 else SnapshotRequest)
        case 3:
            method = METHODS.find(METHOD_NAMES[option[0] % len(METHOD_NAMES)])
            _check_arguments(method.request, wire)
        case _:
            _check_values(wire, option[0] % 8)


def seeds() -> list[bytes]:
    """What a real agent and a real server said."""
    made = []
    for call in CALLS:
        request = request_of(call)
        made.append(b"\0\0" + request)
        response = response_of(call)
        made.append(bytes([1, len(response) % len(FORMS)]) + response[:8000])
        reader = CallReader(1 << 20)
        reader.feed(request)
        read = reader.next_call()
        assert read is not None
        made.append(b"\4\1" + read.body)
        if read.method in METHOD_NAMES:
            made.append(bytes([3, METHOD_NAMES.index(read.method)]) + read.body)
    for name in ("snapshot-save.1", "snapshot-restore.2"):
        made.append(b"\2\0" + (GOLDEN / f"{name}.c2s.bin").read_bytes()[1:])
        made.append(b"\2\2" + (GOLDEN / f"{name}.s2c.bin").read_bytes())
    made.append(bytes([1, FORMS.index(str)]) + encode_reply(Call(1, "a.b", b""), b"\xa1x"))
    made.append(bytes([1, FORMS.index(list[str])]) + encode_reply(Call(1, "a", b""), b"\x91\xa1x"))
    made.append(
        b"\4\3\xca\x7f\xc0\x00\x00\x81\xa1a\xca\x3f\x80\x00\x00\x92\xc0\xca\x3f\x80\x00\x00"
    )
    return made


TARGET = Target(name="msgpack_rpc", check=check, seeds=seeds, mutations=MSGPACK)
