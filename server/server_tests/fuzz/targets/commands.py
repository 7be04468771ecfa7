"""The commands of the log: read, written again, shown as JSON, and applied one after the other.

An input is a byte of options and records, a command each. Whatever a leader of any version may
have put into the log, a server understands it, or says that it cannot; two servers come to the
same state, and a snapshot of that is the same state again.
"""

from pathlib import Path

import msgspec

from proconsul.fsm import chunking
from proconsul.fsm.apply import apply
from proconsul.fsm.commands import (
    CommandError,
    CoordinateBatch,
    MessageType,
    Skipped,
    decode_command,
    encode_command,
)
from proconsul.model.acl import ACLRequest
from proconsul.store.state import State
from proconsul.store.transaction import WriteTransaction
from proconsul.wire.gostruct import GoStruct, from_wire, to_json
from server_tests.fsm.states import empty_state, restored, saved
from server_tests.fuzz.msgpack_mutation import MSGPACK
from server_tests.fuzz.mutation import ANY_BYTES
from server_tests.fuzz.records import RECORDS, in_a_record, join, split
from server_tests.fuzz.target import Target, promise

GOLDEN = Path(__file__).parents[2] / "golden" / "fsm"
COMMANDS_MAX = 40
_IN_PIECES = 1


def _check_command(data: bytes) -> None:
    try:
        decoded = decode_command(data)
    except CommandError as failure:
        promise(bool(str(failure)), "it says why")
        return
    if isinstance(decoded, Skipped):
        return
    message_type, request = decoded
    written = encode_command(message_type, request)
    again = decode_command(written)
    assert not isinstance(again, Skipped)
    promise(encode_command(*again) == written, "read as it was written")
    for part in request.updates if isinstance(request, CoordinateBatch) else [request]:
        plain = msgspec.to_builtins(part, builtin_types=(bytes,), enc_hook=float)
        msgspec.convert(plain, type(part))  # each field has its type
        _check_json(part)


def _check_chunks(data: bytes) -> None:
    """The extensions of an entry, and a command in pieces."""
    try:
        info = chunking.decode_chunk_info(data)
    except CommandError:
        pass
    else:
        written = chunking.encode_chunk_info(info.op_num, info.sequence_num, info.num_chunks)
        promise(chunking.decode_chunk_info(written) == info, "extensions, read as written")
    large = bytes([MessageType.KVS]) + data * (1 + chunking.CHUNK_BYTES_MAX // len(data))
    promise(chunking.needs_cutting(large), "it is large")
    pieces = chunking.cut(large, op_num=len(data))
    promise(b"".join(piece.data for piece in pieces) == large, "all of it, in order")


def _check_json(part: GoStruct) -> None:
    try:
        to_json(part)
    except ValueError as failure:
        promise("year outside of range" in str(failure), "all but far times can be shown")


def _applied(commands: list[bytes], *, in_pieces: bool) -> tuple[State, list[str]]:
    """(the state, what each command gave)."""
    state = empty_state()
    results: list[str] = []
    for index, command in enumerate(commands, 10):
        try:
            with state.write(index) as txn:
                results.append(repr(_apply(txn, command, in_pieces=in_pieces)))
        except CommandError as failure:
            results.append(repr(failure))
    return state, results


def _apply(txn: WriteTransaction, command: bytes, *, in_pieces: bool) -> object:
    if not in_pieces:
        return apply(txn, command)
    half = len(command) // 2
    result: object = None
    for number, piece in enumerate((command[:half], command[half:])):
        info = chunking.encode_chunk_info(txn.index, number, 2)
        result = apply(txn, piece, info, term=2)
    return result


def check(data: bytes) -> None:
    """Read and apply a log."""
    in_pieces = bool(data and data[0] & _IN_PIECES)
    commands = [one for one in split(data[1:])[:COMMANDS_MAX] if one]
    for command in commands:
        _check_command(command)
    if len(commands) == 1:
        _check_chunks(commands[0])
    first, results = _applied(commands, in_pieces=in_pieces)
    second, same_results = _applied(commands, in_pieces=in_pieces)
    whole = saved(first)
    promise(whole == saved(second), "two servers, one state")
    promise(results == same_results, "and the same results")
    again = saved(restored([whole]))
    promise(saved(restored([again])) == again, "a snapshot is the same state")


def seeds() -> list[bytes]:
    """The captured commands, alone and in their order."""
    commands = [path.read_bytes() for path in sorted(GOLDEN.glob("*.bin"))]
    made = [bytes([number % 2]) + join([one]) for number, one in enumerate(commands)]
    made += [b"\0" + join(commands[start : start + 12]) for start in range(0, len(commands), 6)]
    extensions = chunking.encode_chunk_info(1 << 40, 1, 3)
    made += [b"\0" + join([extensions + more]) for more in (b"", b"\x22\x02ab", b"\x2d1234")]
    legacy = {"Op": "set", "ACL": {"ID": "a", "Name": "a", "Type": "client", "Rules": ""}}
    commands = [
        encode_command(MessageType.ACL, from_wire(ACLRequest, legacy | {"Op": op}))
        for op in ("bootstrap-init", "bootstrap-now", "set", "delete", "force-set")
    ]
    made.append(b"\0" + join(commands))
    return made


TARGET = Target(
    name="commands",
    check=check,
    seeds=seeds,
    mutations=(*RECORDS, *map(in_a_record, (*MSGPACK, *MSGPACK, *ANY_BYTES))),
    size_bytes_max=6000,
    memory_bytes_max=16 << 20,
)
