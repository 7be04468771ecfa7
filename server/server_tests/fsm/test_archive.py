"""Archives: Consul's own, and every way in which one may be broken."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from proconsul.fsm import tar_stream
from proconsul.fsm.archive import (
    ArchiveError,
    ArchiveMeta,
    ArchiveServer,
    read_archive,
    write_archive,
)

CAPTURED = Path(__file__).parent.parent / "golden" / "snapshot" / "consul-1.8.7.snap"
STATE = bytes(range(256)) * 700
META = ArchiveMeta(
    id="2-118-1795366735127",
    index=118,
    term=2,
    peers=b"\x91\xaf127.83.0.1:8300",
    servers=(ArchiveServer(suffrage=0, id="s1", address="127.83.0.1:8300"),),
    configuration_index=1,
    size_bytes=len(STATE),
)


def archive() -> bytes:
    return b"".join(write_archive(META, [STATE[:1000], STATE[1000:]], mtime_s=1_600_000_000))


def read(data: bytes, piece_bytes: int = 1000) -> tuple[ArchiveMeta, bytes]:
    state = bytearray()
    pieces = (data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes))
    return read_archive(pieces, state.extend), bytes(state)


def remade(change: dict[str, bytes | None], order: tuple[str, ...] = ()) -> bytes:
    """The archive with some members changed (or, with None, left out), by the stock library."""
    members = {}
    with tarfile.open(fileobj=io.BytesIO(archive()), mode="r:gz") as source:
        for info in source:
            file = source.extractfile(info)
            assert file is not None
            members[info.name] = file.read()
    kept = {name: data for name, data in {**members, **change}.items() if data is not None}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as target:
        for name in order or kept:
            info = tarfile.TarInfo(name)
            info.size = len(kept[name])
            target.addfile(info, io.BytesIO(kept[name]))
    # The stock library fills up the last 10 KiB; Consul takes that for damage.
    return gzip.compress(packed.getvalue()[: packed.tell()].rstrip(b"\0") + bytes(1024 + 512))


@pytest.mark.parametrize("piece_bytes", [1, 333, 1 << 20])
def test_consuls_own_archive_is_read(piece_bytes: int) -> None:
    meta, state = read(CAPTURED.read_bytes(), piece_bytes)
    assert (meta.index, meta.term, meta.size_bytes) == (118, 2, len(state))
    assert meta.servers == (
        ArchiveServer(
            suffrage=0, id="3fbd8c38-b626-ca16-82cf-d6cd5408deda", address="127.83.0.1:8300"
        ),
    )


def test_what_is_written_is_read_again() -> None:
    assert read(archive()) == (META, STATE)


def test_nothing_stands_behind_the_two_zero_blocks() -> None:
    unpacked = gzip.decompress(archive())
    assert unpacked.endswith(bytes(1024))
    assert len(unpacked) % 10240
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
        assert tar.getnames() == ["meta.json", "state.bin", "SHA256SUMS"]
        assert {(one.mode, one.uid, one.mtime) for one in tar} == {(0o600, 0, 1_600_000_000)}


def test_meta_json_has_the_bytes_that_consul_writes() -> None:
    with tarfile.open(CAPTURED, mode="r:gz") as tar:
        file = tar.extractfile("meta.json")
        assert file is not None
        theirs = file.read()
    meta, state = read(CAPTURED.read_bytes())
    ours = gzip.decompress(b"".join(write_archive(meta, [state], mtime_s=0)))
    assert theirs in ours


def test_a_state_of_more_than_eight_gigabytes_has_a_header_that_says_so() -> None:
    header = tar_stream.member_header("state.bin", 1 << 40, 0)
    member = next(tar_stream.members(io.BytesIO(header).read))
    assert member.size_bytes == 1 << 40


@pytest.mark.parametrize("size", [b"-7", b"+7", b"1_0", b"8", b"0o7", b"x"])
def test_a_size_that_is_not_octal_is_refused(size: bytes) -> None:
    header = bytearray(tar_stream.member_header("state.bin", 0, 0))
    header[124:136] = size.rjust(11, b" ") + b"\0"
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * ord(" "))
    with pytest.raises(tar_stream.TarError):
        list(tar_stream.members(io.BytesIO(header).read))


# Named, because the bytes of a gzip are different every time and would be the tests' names.
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "failed to decompress snapshot: EOF"),
    "one byte": (b"\x1f", "failed to decompress snapshot: unexpected EOF"),
    "no gzip": (b"no archive at all", "failed to decompress snapshot: gzip: invalid header"),
    "cut early": (archive()[:60], "failed reading snapshot: unexpected EOF"),
    "cut in the state": (
        gzip.compress(gzip.decompress(archive())[:1540]),
        "failed to read or write snapshot data: unexpected EOF",
    ),
    "cut at the end": (archive()[:-1], "unexpected EOF"),
    "short rubbish behind": (archive() + b"rubbish", "unexpected EOF"),
    "rubbish behind": (archive() + b"only rubbish", "gzip: invalid header"),
    "wrong sum": (archive()[:-6] + b"xx" + archive()[-4:], "gzip: invalid checksum"),
    "no tar": (gzip.compress(b"x" * 1000), "archive/tar: invalid tar header"),
    "short tar": (gzip.compress(b"x" * 100), "unexpected EOF"),
    "tail inside": (
        gzip.compress(gzip.decompress(archive()) + b"tail"),
        "4 unread uncompressed bytes remain",
    ),
    "tail behind": (archive() + gzip.compress(b"tail"), "4 unread uncompressed bytes remain"),
    "unknown member": (remade({"more": b""}), 'unexpected file "more" in snapshot'),
    "other state": (remade({"state.bin": b"other"}), 'hash check failed for "state.bin"'),
    "other meta": (remade({"meta.json": b"{}"}), 'hash check failed for "meta.json"'),
    "no sums": (remade({"SHA256SUMS": b""}), 'file missing for "meta.json"'),
    "sums missing": (remade({"SHA256SUMS": None}), 'file missing for "meta.json"'),
    "sums rubbish": (remade({"SHA256SUMS": b"rubbish"}), "failed checking integrity of snapshot"),
    "sums of another": (remade({"SHA256SUMS": b"00" * 32 + b"  x\n"}), 'list missing hash for "x"'),
    "no json": (remade({"meta.json": b"no json"}), "failed to decode snapshot metadata"),
    "huge meta": (remade({"meta.json": bytes(1 << 20) + b"x"}), "at most 1048576 make sense"),
}


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_a_broken_archive_is_refused_in_consuls_words(how: str) -> None:
    data, words = BROKEN[how]
    with pytest.raises(ArchiveError) as caught:
        read(data)
    assert words in str(caught.value)


def test_members_may_come_in_any_order() -> None:
    data = remade({}, order=("SHA256SUMS", "state.bin", "meta.json"))
    unpacked = gzip.decompress(data)
    end = max(at for at in range(512, len(unpacked), 512) if any(unpacked[at - 512 : at]))
    assert read(gzip.compress(unpacked[:end] + bytes(1024))) == (META, STATE)


def test_the_state_is_never_held_whole() -> None:
    pieces: list[int] = []
    read_archive([archive()], lambda piece: pieces.append(len(piece)))
    assert sum(pieces) == len(STATE)
    assert max(pieces) <= 64 * 1024
