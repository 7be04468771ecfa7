"""Snapshots: the archive of `consul snapshot save`, the tar inside, the state inside of that.

The first byte of an input says which of them the rest is; what is around it is made here, so
that changes come through sums and compression. The second byte chooses the pieces.
"""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from proconsul.errors import RpcError
from proconsul.fsm import chunking, tar_stream
from proconsul.fsm.apply import apply
from proconsul.fsm.archive import (
    META,
    STATE,
    SUMS,
    ArchiveError,
    ArchiveMeta,
    read_archive,
    write_archive,
)
from proconsul.fsm.commands import CommandError
from proconsul.fsm.snapshot import SnapshotError
from proconsul.fsm.tar_stream import TarError
from proconsul.store.state import State
from proconsul.wire import msgpack
from server_tests.fsm.states import empty_state, restored, saved
from server_tests.fuzz.msgpack_mutation import MSGPACK
from server_tests.fuzz.target import Target, cut, promise
from server_tests.store.memory_engine import MemoryEngine

GOLDEN = Path(__file__).parents[2] / "golden"
CAPTURED = (GOLDEN / "snapshot" / "consul-1.8.7.snap").read_bytes()
INFLATED_MAX = 2000  # times what came in: more than deflate can
_MTIME_S = 1_600_000_000


def _read(pieces: Iterable[bytes]) -> tuple[ArchiveMeta | None, str, int]:
    """(what an archive says, the sum of its state, how large that is)."""
    digest = hashlib.sha256()
    size = 0

    def keep(piece: bytes) -> None:
        nonlocal size
        promise(0 < len(piece) <= 64 * 1024, "small pieces")
        digest.update(piece)
        size += len(piece)

    try:
        meta = read_archive(pieces, keep)
    except ArchiveError as failure:
        promise(bool(str(failure)), "it says why")
        return None, "", 0
    return meta, digest.hexdigest(), size


def _check_archive(data: bytes, way: int) -> None:
    whole = meta, _, size = _read(cut(data, 0))
    promise(whole == _read(cut(data, way)), "other pieces, the same archive")
    promise(size <= INFLATED_MAX * len(data), "not more than can come out")
    if meta is not None:
        state: list[bytes] = []
        read_archive([data], state.append)
        fitting = ArchiveMeta(
            **{name: getattr(meta, name) for name in meta.__struct_fields__} | {"size_bytes": size}
        )
        again = write_archive(fitting, state, _MTIME_S)
        promise(_read(again) == (fitting, whole[1], size), "read as it was written")


def _check_tar(data: bytes, way: int) -> None:
    def names(pieces: Iterable[bytes]) -> list[tuple[str, int, int]]:
        found = []
        try:
            for member in tar_stream.members(_reader(pieces)):
                promise(member.size_bytes >= 0, "no size below nothing")
                found.append((member.name, member.size_bytes, sum(map(len, member.pieces))))
        except TarError as failure:
            promise(bool(str(failure)), "it says why")
        promise(all(size == read for _, size, read in found), "as large as it says")
        return found

    promise(names(cut(data, 0)) == names(cut(data, way)), "other pieces, the same files")
    _check_archive(gzip.compress(data, 1, mtime=0), way)


def _with_true_sums(data: bytes) -> bytes:
    """The same with headers whose own sums are right."""
    fixed = bytearray(data)
    for at in range(0, len(data) - tar_stream.BLOCK + 1, tar_stream.BLOCK):
        if data[at + 257 : at + 262] == b"ustar":
            block = data[at : at + tar_stream.BLOCK]
            total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
            fixed[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(fixed)


def _reader(pieces: Iterable[bytes]) -> Callable[[int], bytes]:
    held = bytearray().join(pieces)

    def read(size: int) -> bytes:
        taken = bytes(held[:size])
        del held[:size]
        return taken

    return read


def _check_members(data: bytes, way: int) -> None:
    """meta.json and state.bin with true sums around them."""
    at = int.from_bytes(data[:2], "big")
    members = {META: data[2 : 2 + at], STATE: data[2 + at :]}
    lines = [f"{hashlib.sha256(one).hexdigest()}  {name}\n" for name, one in members.items()]
    packed = zlib.compressobj(1, wbits=31)
    tar = b"".join(
        tar_stream.member_header(name, len(one), _MTIME_S) + one + tar_stream.padding(len(one))
        for name, one in (*members.items(), (SUMS, "".join(lines).encode()))
    )
    _check_archive(packed.compress(tar + tar_stream.END) + packed.flush(), way)


def _check_state(data: bytes, way: int) -> None:
    def state_of(pieces: Iterable[bytes]) -> bytes | None:
        try:
            return saved(restored(pieces))
        except SnapshotError as failure:
            promise(bool(str(failure)), "it says why")
            return None

    whole = state_of(cut(data, 0))
    promise(whole == state_of(cut(data, way)), "other pieces, the same state")
    if whole is not None:
        # A record without indexes, which no server writes, gets those of the header.
        again = state_of([whole]) or b""
        promise(state_of([again]) == again, "a state is read as it was written")


def check(data: bytes) -> None:
    """Read it."""
    kind, option, rest = data[:1], data[1:2] or b"\0", data[2:]
    way = 1 + option[0] % 2
    match kind[0] % 4 if kind else 0:
        case 0:
            _check_archive(rest, way)
        case 1:
            _check_tar(_with_true_sums(rest) if option[0] & 2 else rest, way)
        case 2:
            _check_members(rest, way)
        case _:
            _check_state(rest, way)


# ---------------------------------------------------------------- seeds


def _captured_commands() -> State:
    """The state that the captured commands of a real log make."""
    state = State(MemoryEngine())
    for index, path in enumerate(sorted((GOLDEN / "fsm").glob("*.bin")), 10):
        try:
            with state.write(index) as txn:
                apply(txn, path.read_bytes())
        except (RpcError, CommandError):
            continue  # what it needs is not there
    return state


def _records(state: bytes) -> list[bytes]:
    """The header of a state, and each record of it."""
    values = list(msgpack.unpack_chunks([state]))
    packed = [msgpack.pack(value) for value in values]
    return [packed[0], *(bytes([a]) + b for a, b in zip(values[1::2], packed[2::2], strict=True))]


def seeds() -> list[bytes]:
    """The captured archive, taken apart, and one record of each kind."""
    tar = gzip.decompress(CAPTURED)
    state: list[bytes] = []
    meta = read_archive([CAPTURED], state.append)
    written = gzip.decompress(b"".join(write_archive(meta, state, _MTIME_S)))
    made = [b"\0\0" + CAPTURED, b"\0\1" + gzip.compress(tar[:2000], 9), b"\1\0" + tar]
    made += [b"\1\2" + one for one in (tar, written, _with_pax(written))]
    made.append(b"\0\0" + CAPTURED[:1000] + CAPTURED)
    member = tar_stream.members(_reader([tar]))
    meta_json = b"".join(next(one for one in member if one.name == META).pieces)
    small = b"\x81\xa9LastIndex\x05"
    made.append(b"\2\0" + len(meta_json).to_bytes(2, "big") + meta_json + small)
    made.append(b"\2\0\x00\x02{}" + small)
    everything = [b"".join(state), saved(_captured_commands())]
    for one in everything:
        header, *records = _records(one)
        made.append(b"\3\0" + header + b"".join(records)[:6000])
        made += [b"\3\1" + header + record for record in records if len(record) < 4000]
    made += [b"\3\0" + saved(empty_state()), b"\3\1" + saved(_half_a_command())]
    return made


def _half_a_command() -> State:
    """A state with a piece of a large command."""
    state = State(MemoryEngine())
    with state.write(9) as txn:
        chunking.take(txn, b"a piece", chunking.encode_chunk_info(7, 1, 3), term=2)
        chunking.take(txn, b"another", chunking.encode_chunk_info(8, 0, 2), term=2)
    return state


def _with_pax(tar: bytes) -> bytes:
    """An archive in which the size of a file stands in a header before it."""
    record = b"14 size=400000\n"
    header = bytearray(tar_stream.member_header("pax", len(record), _MTIME_S))
    header[156:157] = b"x"
    return bytes(header) + record + tar_stream.padding(len(record)) + tar


TARGET = Target(
    name="snapshot_archive",
    check=check,
    seeds=seeds,
    mutations=MSGPACK,
    size_bytes_max=12_000,
    memory_bytes_max=8 << 20,
)
