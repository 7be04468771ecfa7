"""Is a file a whole snapshot, and what is in it?

An archive is a gzipped tar of `meta.json`, `state.bin` and `SHA256SUMS`, in any order and nothing
else (Consul, snapshot/archive.go). The sums are of the other two. `state.bin` is a header and then
records: one byte for the kind, one msgpack object each. They are counted here, not understood, so a
snapshot of a newer server is counted as well.

Every size that an archive can claim has a limit, as it may come from anywhere.
"""

import gzip
import hashlib
import json
import tarfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import msgpack

META_BYTES_MAX: Final = 2**20  # a few hundred bytes, and the addresses of the peers
STATE_BYTES_MAX: Final = 2**36  # unpacked; no store of ours is as large
RECORD_BYTES_MAX: Final = 2**30
PIECE_BYTES: Final = 2**18

META, STATE, SUMS = "meta.json", "state.bin", "SHA256SUMS"
MEMBERS: Final = frozenset({META, STATE, SUMS})

KEYS: Final = 2  # Consul's KVSRequestType
MARKS: Final = 16  # its IndexRequestType: names and numbers, ours among them
CLUSTER_MARK: Final = "proconsul-cluster:"


class ArchiveError(Exception):
    """The file is no whole snapshot; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A file that is a whole snapshot. `records` are counted by kind."""

    index: int
    term: int
    size_bytes: int
    sha256: str
    cluster_id: str = ""
    records: dict[int, int] = field(default_factory=dict)

    @property
    def keys(self) -> int:
        """Entries of the KV store."""
        return self.records.get(KEYS, 0)

    @property
    def total(self) -> int:
        """Records of all kinds."""
        return sum(self.records.values())


def check(path: Path) -> Archive:
    """Read all of it. Raises ArchiveError if anything is missing, otherwise, or too much."""
    try:
        sums, meta, state = _members(path)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ArchiveError(f"it is no gzipped tar, or not all of it: {error}") from error
    _compare(sums, {META: hashlib.sha256(meta).hexdigest(), STATE: state.sha256})
    index, term, size = _meta(meta)
    if size != state.size_bytes:
        raise ArchiveError(f"{STATE} has {state.size_bytes} bytes, {META} says {size}")
    if index <= 0:
        raise ArchiveError("its index is 0: it was taken of nothing")
    return Archive(
        index=index,
        term=term,
        size_bytes=path.stat().st_size,
        sha256=sha256_of(path),
        cluster_id=state.cluster_id,
        records=dict(state.records),
    )


def sha256_of(path: Path) -> str:
    """Of the file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    sha256: str
    size_bytes: int
    cluster_id: str
    records: Counter[int]


def _members(path: Path) -> tuple[bytes, bytes, _State]:
    small: dict[str, bytes] = {}
    state: _State | None = None
    with gzip.open(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
        for member in archive:
            held = archive.extractfile(member) if member.isfile() else None
            if held is None or member.name not in MEMBERS:
                raise ArchiveError(f"{member.name!r} does not belong into a snapshot")
            if member.name in small or (member.name == STATE and state is not None):
                raise ArchiveError(f"{member.name} is there twice")
            if member.name == STATE:
                state = _read_state(held, member.size)
            elif member.size > META_BYTES_MAX:
                raise ArchiveError(f"{member.name} has {member.size} bytes")
            else:
                small[member.name] = held.read()
        while unpacked.read(PIECE_BYTES):
            """Nothing but padding, and then gzip's own checksum."""
    missing = MEMBERS - small.keys() - ({STATE} if state is not None else set())
    if missing or state is None:
        raise ArchiveError(f"{', '.join(sorted(missing))} is missing")
    return small[SUMS], small[META], state


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        piece = self._file.read(size)
        self.digest.update(piece)
        self.size_bytes += len(piece)
        return piece


def _read_state(file: IO[bytes], size_bytes: int) -> _State:
    if size_bytes > STATE_BYTES_MAX:
        raise ArchiveError(f"{STATE} claims {size_bytes} bytes")
    hashing = _Hashing(file)
    unpacker = msgpack.Unpacker(
        hashing,
        raw=True,
        strict_map_key=False,
        read_size=PIECE_BYTES,
        max_buffer_size=RECORD_BYTES_MAX,
    )
    records: Counter[int] = Counter()
    marks: list[tuple[int, str]] = []
    try:
        if not size_bytes:
            raise ArchiveError(f"{STATE} is empty")
        unpacker.skip()  # the header
        while kind := unpacker.read_bytes(1):
            if kind[0] == MARKS:
                marks += _mark(unpacker.unpack())
            else:
                unpacker.skip()
            records[kind[0]] += 1
    except (msgpack.UnpackException, ValueError) as error:
        raise ArchiveError(
            f"{STATE}: what follows record {records.total()} is none: {error or 'it is cut off'}"
        ) from error
    return _State(
        sha256=hashing.digest.hexdigest(),
        size_bytes=hashing.size_bytes,
        cluster_id=max(marks, default=(0, ""))[1],
        records=records,
    )


def _mark(record: object) -> list[tuple[int, str]]:
    if not isinstance(record, dict):
        return []
    name, number = record.get(b"Key"), record.get(b"Value")
    text = name.decode(errors="replace") if isinstance(name, bytes) else ""
    if not text.startswith(CLUSTER_MARK) or not isinstance(number, int):
        return []
    return [(number, text.removeprefix(CLUSTER_MARK))]


def _compare(sums: bytes, found: dict[str, str]) -> None:
    said: dict[str, str] = {}
    for line in sums.decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        said[name] = digest
    for name, digest in found.items():
        if said.get(name) != digest:
            raise ArchiveError(f"{name} is not what {SUMS} says")


def _meta(content: bytes) -> tuple[int, int, int]:
    try:
        meta: Any = json.loads(content)
        return int(meta["Index"]), int(meta["Term"]), int(meta["Size"])
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{META} is not one: {error}") from error
