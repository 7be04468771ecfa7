"""Spools, and work in threads that nobody leaves alone."""

import asyncio
import threading

import pytest

from proconsul.fsm.archive import ArchiveError
from proconsul.raft.messages import Configuration, Index, SnapshotMeta, Term
from proconsul.runtime import snapshot_archive
from proconsul.runtime.snapshot_archive import IN_MEMORY_BYTES_MAX, PIECE_BYTES, Spool, in_thread
from proconsul.runtime.state_machine import GivenUpError

META = SnapshotMeta(
    index=Index(7), term=Term(2), configuration=Configuration(), configuration_index=Index(1)
)


@pytest.mark.real_clock
async def test_a_cancelled_wait_lasts_until_the_work_has_noticed() -> None:
    give_up, begun = threading.Event(), threading.Event()
    steps: list[str] = []

    def work() -> None:
        begun.set()
        give_up.wait()
        steps.append("work")

    async def wait() -> None:
        try:
            await in_thread(work, give_up)
        finally:
            steps.append("closed")

    waiting = asyncio.ensure_future(wait())
    await asyncio.to_thread(begun.wait)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert steps == ["work", "closed"]


async def test_what_the_work_raises_comes_out() -> None:
    def work() -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        await in_thread(work, threading.Event())


def test_a_spool_is_read_from_the_beginning_however_large() -> None:
    with Spool() as spool:
        size_bytes = spool.write_all(
            [bytes(PIECE_BYTES)] * (IN_MEMORY_BYTES_MAX // PIECE_BYTES + 2)
        )
        for _ in range(2):
            assert sum(len(piece) for piece in spool.chunks()) == size_bytes


def test_nothing_goes_in_or_out_once_it_was_given_up() -> None:
    with Spool() as spool:
        spool.write(b"before")
        chunks = spool.chunks()
        spool.give_up.set()
        with pytest.raises(GivenUpError):
            spool.write(b"after")
        with pytest.raises(GivenUpError):
            next(chunks)


async def test_an_archive_comes_back_as_it_went_out() -> None:
    state = Spool()
    size_bytes = state.write_all([b"state" * 1000])
    with Spool() as archive, Spool() as found:
        async for piece in snapshot_archive.pieces(META, size_bytes, state):
            archive.write(piece)
        meta = snapshot_archive.read(archive, found)
        assert (meta.index, meta.term, meta.size_bytes) == (7, 2, 5000)
        assert b"".join(found.chunks()) == b"state" * 1000


def test_what_is_no_archive_is_refused() -> None:
    with Spool() as archive, Spool() as found:
        archive.write(b"not an archive at all")
        with pytest.raises(ArchiveError):
            snapshot_archive.read(archive, found)
