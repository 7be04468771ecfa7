"""Large commands, in pieces."""

from typing import Any

import pytest

from proconsul.fsm import chunking
from proconsul.fsm.apply import apply
from proconsul.fsm.chunking import CHUNK_BYTES_MAX, ChunkError
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.fsm.snapshot import SnapshotError
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.store.schema import KVS
from proconsul.store.state import State
from proconsul.wire import msgpack
from server_tests.fsm.states import empty_state, records, restored, saved

VALUE = bytes(range(256)) * 5000
COMMAND = encode_command(
    MessageType.KVS, KVSRequest(op="set", dir_ent=DirEntry(key="large", value=VALUE))
)


def take(state: State, index: int, piece: chunking.Piece, term: int = 1) -> object:
    with state.write(index) as txn:
        return apply(txn, piece.data, piece.extensions, term)


def stored(state: State) -> DirEntry | None:
    return state.read().row(KVS, b"large")


def test_only_large_kv_commands_are_cut() -> None:
    assert chunking.needs_cutting(COMMAND)
    assert not chunking.needs_cutting(COMMAND[:CHUNK_BYTES_MAX])
    assert not chunking.needs_cutting(bytes((MessageType.TXN,)) + COMMAND[1:])


def test_the_extensions_are_those_of_a_capture() -> None:
    captured = bytes.fromhex("08bdb7d9998bf38ce8641803")
    info = chunking.decode_chunk_info(captured)
    assert (info.sequence_num, info.num_chunks) == (0, 3)
    assert chunking.encode_chunk_info(info.op_num, 0, 3) == captured
    assert chunking.decode_chunk_info(captured + b"\x22\x02ab") == info  # next_extensions


def test_a_command_in_pieces_is_applied_with_the_last_of_them() -> None:
    state = empty_state()
    pieces = chunking.cut(COMMAND, op_num=7)
    assert [len(piece.data) for piece in pieces][:2] == [CHUNK_BYTES_MAX] * 2
    for index, piece in enumerate(pieces, start=10):
        assert stored(state) is None
        take(state, index, piece)
    row = stored(state)
    assert row is not None
    assert row.value == VALUE
    assert row.modify_index == 12
    assert records(saved(state))[1][-1] == (MessageType.CHUNKING_STATE, {"ChunkMap": {}})


def test_pieces_of_two_commands_may_be_mixed() -> None:
    state = empty_state()
    other = COMMAND.replace(b"large", b"small")
    mixed = zip(chunking.cut(COMMAND, 1), chunking.cut(other, 2), strict=True)
    for index, piece in enumerate([piece for pair in mixed for piece in pair], start=1):
        take(state, index, piece)
    assert stored(state) is not None
    assert state.read().row(KVS, b"small") is not None


def test_a_new_term_drops_what_is_incomplete() -> None:
    state = empty_state()
    first, second, third = chunking.cut(COMMAND, op_num=7)
    take(state, 1, first, term=1)
    take(state, 2, second, term=1)
    take(state, 3, third, term=2)
    assert stored(state) is None
    take(state, 4, first, term=2)
    take(state, 5, second, term=2)
    assert stored(state) is not None


def test_pieces_wait_in_snapshots_for_the_rest() -> None:
    state = empty_state()
    first, second, third = chunking.cut(COMMAND, op_num=(1 << 64) - 1)
    take(state, 1, first)
    take(state, 2, third)
    again = restored([saved(state)])
    assert saved(again) == saved(state)
    take(again, 3, second)
    row = stored(again)
    assert row is not None
    assert row.value == VALUE


@pytest.mark.parametrize(
    "extensions",
    [
        b"\x08",
        b"\xff" * 11,
        b"\x22\x05a",
        b"\x0b",
        chunking.encode_chunk_info(1, 3, 3),
        chunking.encode_chunk_info(1, 0, 0),
        chunking.encode_chunk_info(1, 0, chunking.CHUNKS_MAX + 1),
        chunking.encode_chunk_info(1 << 64, 0, 2),
    ],
)
def test_extensions_that_make_no_sense_are_refused(extensions: bytes) -> None:
    with pytest.raises(ChunkError):
        take(empty_state(), 1, chunking.Piece(b"x", extensions))


def test_a_command_cannot_have_more_pieces_than_it_had_before() -> None:
    state = empty_state()
    take(state, 1, chunking.Piece(b"x", chunking.encode_chunk_info(1, 0, 2)))
    with pytest.raises(ChunkError, match="has 2 chunks, and then 3"):
        take(state, 2, chunking.Piece(b"x", chunking.encode_chunk_info(1, 2, 3)))


@pytest.mark.parametrize(
    "change",
    [
        {"SequenceNum": -1},
        {"SequenceNum": 1},
        {"NumChunks": 1 << 40},
        {"OpNum": 8},
        {"OpNum": -7},
    ],
)
def test_a_piece_in_a_snapshot_that_is_not_what_its_place_says_is_refused(
    change: dict[str, int],
) -> None:
    piece: dict[str, Any] = {"OpNum": 7, "SequenceNum": 0, "NumChunks": 2, "Term": 1, "Data": "x"}
    piece |= change
    record = {"ChunkMap": {min(7, piece["OpNum"]): [piece, None]}}
    with pytest.raises(SnapshotError):
        restored([b"\x81\xa9LastIndex\x05" + bytes([29]) + msgpack.pack(record)])
