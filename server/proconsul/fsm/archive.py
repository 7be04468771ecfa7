"""The file of `consul snapshot save`: a gzipped tar of meta.json, state.bin and SHA256SUMS.

(wire/fsm.md section 8.) Writing and reading are streams; the state itself is spooled by the
caller, who has to know its size before and may use what was read only after `read_archive`
has returned: by then every sum was checked. Error texts are Consul's.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from proconsul.errors import ProconsulError
from proconsul.fsm import tar_stream

META, STATE, SUMS = "meta.json", "state.bin", "SHA256SUMS"

_SMALL_BYTES_MAX = 1024 * 1024  # of meta.json and SHA256SUMS, which are held in memory
_PIECE_BYTES_MAX = 64 * 1024
_GZIP = 31  # zlib's window bits for a gzip stream
_GZIP_HEADER_BYTES = 10  # without the optional parts
_GZIP_MAGIC = b"\x1f\x8b"


class ArchiveError(ProconsulError):
    """An archive is damaged or none at all; nothing of it may be used."""


class ArchiveServer(Struct, frozen=True, kw_only=True):
    """A server of the raft configuration that a snapshot was taken under."""

    suffrage: int  # 0 voter, 1 nonvoter, 2 staging
    id: str
    address: str


class ArchiveMeta(Struct, frozen=True, kw_only=True):
    """`meta.json`: which point of the log the state is of, and the cluster at that time."""

    id: str  # "<term>-<index>-<milliseconds>"
    index: int
    term: int
    peers: bytes  # msgpack array of addresses
    servers: tuple[ArchiveServer, ...]
    configuration_index: int
    size_bytes: int  # of state.bin
    version: int = 1


# ---------------------------------------------------------------- writing


def write_archive(meta: ArchiveMeta, state: Iterable[bytes], mtime_s: int) -> Iterator[bytes]:
    """The bytes of an archive; `state` must give exactly `meta.size_bytes`."""
    compressor = zlib.compressobj(wbits=_GZIP)
    for piece in _tar_pieces(meta, state, mtime_s):
        if packed := compressor.compress(piece):
            yield packed
    yield compressor.flush()


def _tar_pieces(meta: ArchiveMeta, state: Iterable[bytes], mtime_s: int) -> Iterator[bytes]:
    meta_json = _meta_to_json(meta)
    yield from _whole_file(META, meta_json, mtime_s)
    yield tar_stream.member_header(STATE, meta.size_bytes, mtime_s)
    state_hash = hashlib.sha256()
    written = 0
    for piece in state:
        state_hash.update(piece)
        written += len(piece)
        yield piece
    assert written == meta.size_bytes, "the size stands in front of the state"
    yield tar_stream.padding(written)
    sums = f"{hashlib.sha256(meta_json).hexdigest()}  {META}\n{state_hash.hexdigest()}  {STATE}\n"
    yield from _whole_file(SUMS, sums.encode(), mtime_s)
    # Nothing may follow: readers take more than these two blocks for damage.
    yield tar_stream.END


def _whole_file(name: str, data: bytes, mtime_s: int) -> Iterator[bytes]:
    yield tar_stream.member_header(name, len(data), mtime_s)
    yield data
    yield tar_stream.padding(len(data))


# ---------------------------------------------------------------- reading


def read_archive(source: Iterable[bytes], keep_state: Callable[[bytes], object]) -> ArchiveMeta:
    """Read and check a whole archive; `keep_state` gets the pieces of the state.

    Raises ArchiveError: then what was kept must be thrown away.
    """
    stream = _Inflated(source)
    sums = {META: hashlib.sha256(), STATE: hashlib.sha256()}
    small = {META: b"{}", SUMS: b""}
    failed = "failed reading snapshot"
    try:
        for member in tar_stream.members(stream.read):
            if member.name not in (META, STATE, SUMS):
                raise ArchiveError(
                    f'failed to read snapshot file: unexpected file "{member.name}" in snapshot'
                )
            if member.name == STATE:
                failed = "failed to read or write snapshot data"
            for piece in _counted(member, small):
                if member.name in sums:
                    sums[member.name].update(piece)
                if member.name == STATE:
                    keep_state(piece)
            failed = "failed reading snapshot"
    except (tar_stream.TarError, _GzipError) as failure:
        raise ArchiveError(f"failed to read snapshot file: {failed}: {failure}") from failure
    meta = _meta_from_json(small[META])
    _check_sums(small[SUMS], {name: one.digest() for name, one in sums.items()})
    try:
        left = stream.drain()
    except _GzipError as failure:
        raise ArchiveError(str(failure)) from failure
    if left:
        raise ArchiveError(f"{left} unread uncompressed bytes remain")
    return meta


def _counted(member: tar_stream.Member, small: dict[str, bytes]) -> Iterator[bytes]:
    """The pieces of a member; the small ones are also put together, within their limit."""
    if member.name not in small:
        yield from member.pieces
        return
    if member.size_bytes > _SMALL_BYTES_MAX:
        raise ArchiveError(
            f"failed to read snapshot file: {member.name} has {member.size_bytes} bytes, "
            f"at most {_SMALL_BYTES_MAX} make sense"
        )
    pieces = list(member.pieces)
    small[member.name] = b"".join(pieces)
    yield from pieces


def _check_sums(listed: bytes, found: dict[str, bytes]) -> None:
    def refuse(why: str) -> ArchiveError:
        return ArchiveError(
            f"failed to read snapshot file: failed checking integrity of snapshot: {why}"
        )

    seen = set()
    for line in listed.decode("utf-8", "replace").splitlines():
        digits, _, name = line.partition("  ")
        try:
            digest = binascii.unhexlify(digits)
        except (binascii.Error, ValueError):
            raise refuse("input does not match format") from None
        if name not in found:
            raise refuse(f'list missing hash for "{name}"')
        if digest != found[name]:
            raise refuse(f'hash check failed for "{name}"')
        seen.add(name)
    for name in found:
        if name not in seen:
            raise refuse(f'file missing for "{name}"')


class _GzipError(ValueError):
    """The compressed stream is damaged; str() is Go's word for it."""


class _Inflated:
    """A gzip stream as a reader that never holds more than a piece or two."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = iter(source)
        self._inflate = zlib.decompressobj(wbits=_GZIP)
        self._packed = b""
        self._ready = bytearray()
        try:
            self._refuse_other_formats()
        except _GzipError as failure:
            raise ArchiveError(f"failed to decompress snapshot: {failure}") from failure

    def _refuse_other_formats(self) -> None:
        while len(self._packed) < _GZIP_HEADER_BYTES:
            piece = next(self._source, None)
            if piece is None:
                raise _GzipError("unexpected EOF" if self._packed else "EOF")
            self._packed += piece
        if not self._packed.startswith(_GZIP_MAGIC):
            raise _GzipError("gzip: invalid header")

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, or what is left."""
        while len(self._ready) < size and self._more():
            pass
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def drain(self) -> int:
        """Read to the end and count what was there."""
        count = len(self._ready)
        self._ready.clear()
        while self._more():
            count += len(self._ready)
            self._ready.clear()
        return count

    def _more(self) -> bool:
        """Inflate a little more; False at the end of everything."""
        if not self._packed:
            piece = next(self._source, None)
            if piece is None:
                if not self._inflate.eof:
                    raise _GzipError("unexpected EOF")
                return False
            self._packed = piece
        if self._inflate.eof:  # another gzip member follows, as with `cat a.gz b.gz`
            self._refuse_other_formats()
            self._inflate = zlib.decompressobj(wbits=_GZIP)
        try:
            self._ready += self._inflate.decompress(self._packed, _PIECE_BYTES_MAX)
        except zlib.error as failure:
            wrong_sum = "incorrect data check" in str(failure) or "length check" in str(failure)
            word = "gzip: invalid checksum" if wrong_sum else f"flate: corrupt input ({failure})"
            raise _GzipError(word) from failure
        self._packed = self._inflate.unconsumed_tail or self._inflate.unused_data
        return True


# ---------------------------------------------------------------- meta.json


class _ServerJson(msgspec.Struct):
    Suffrage: int = 0
    ID: str = ""
    Address: str = ""


class _ConfigurationJson(msgspec.Struct):
    Servers: list[_ServerJson] | None = None


class _MetaJson(msgspec.Struct):
    Version: int = 0
    ID: str = ""
    Index: int = 0
    Term: int = 0
    Peers: str | None = None
    Configuration: _ConfigurationJson = msgspec.field(default_factory=_ConfigurationJson)
    ConfigurationIndex: int = 0
    Size: int = 0


def _meta_to_json(meta: ArchiveMeta) -> bytes:
    servers = [_ServerJson(one.suffrage, one.id, one.address) for one in meta.servers]
    made = _MetaJson(
        Version=meta.version,
        ID=meta.id,
        Index=meta.index,
        Term=meta.term,
        Peers=base64.b64encode(meta.peers).decode(),
        Configuration=_ConfigurationJson(servers),
        ConfigurationIndex=meta.configuration_index,
        Size=meta.size_bytes,
    )
    return msgspec.json.encode(made) + b"\n"


def _meta_from_json(data: bytes) -> ArchiveMeta:
    try:
        read = msgspec.json.decode(data, type=_MetaJson)
        peers = base64.b64decode(read.Peers or "", validate=True)
    except (msgspec.MsgspecError, ValueError) as failure:
        raise ArchiveError(
            f"failed to read snapshot file: failed to decode snapshot metadata: {failure}"
        ) from failure
    return ArchiveMeta(
        version=read.Version,
        id=read.ID,
        index=read.Index,
        term=read.Term,
        peers=peers,
        servers=tuple(
            ArchiveServer(suffrage=one.Suffrage, id=one.ID, address=one.Address)
            for one in read.Configuration.Servers or ()
        ),
        configuration_index=read.ConfigurationIndex,
        size_bytes=read.Size,
    )
