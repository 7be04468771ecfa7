"""The program of a snapshot Job: fetch, check, upload, read back, tidy up, tell.

What another pod of the same Job did already is found again by the run's mark in the names: a whole
archive with its side file is the result, an archive without one is half done and goes. The side
file is written last, so it stands for all that came before it. Tidying up comes after it, and its
failure is told but fails nothing: the snapshot is there. What it keeps as the newest verified one
was read in this run: a side file tells what an archive was, not what became of it.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from proconsul_operator.actions.archive import Archive, ArchiveError, check, sha256_of
from proconsul_operator.actions.job_orders import JobError, SnapshotOrder
from proconsul_operator.actions.job_server import JobServer
from proconsul_operator.actions.objectstore import AbsentError, ObjectStore, StoreError
from proconsul_operator.actions.snapshot_names import (
    RUN_LENGTH,
    Archived,
    newest_verified,
    parsed,
    side_of,
    surplus,
)
from proconsul_operator.api.values import time_text

SIDE_BYTES_MAX: Final = 2**16
ARCHIVES_MAX: Final = 100_000  # that retention looks at

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a run works with. `throw_away` is the server beside it, for `verify: Restore`."""

    server: JobServer
    store: ObjectStore
    throw_away: JobServer
    work: Path
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep  # noqa: TID251 - no event loop in a Job


def take(order: SnapshotOrder, run: str, tools: Tools) -> dict[str, Any]:
    """One snapshot; the result for the termination message. Raises JobError.

    `run` is a UID that is the same for all pods of one Job.
    """
    mark = hashlib.sha256(run.encode()).hexdigest()[:RUN_LENGTH]
    try:
        done = _found(order, mark, tools)
        if done is None:
            done = _take(order, mark, tools)
        _tidy(order, done, tools)
    except StoreError as error:
        raise JobError(error.reason, str(error)) from error
    except ArchiveError as error:
        raise JobError("ArchiveBroken", str(error)) from error
    return done


def _take(order: SnapshotOrder, mark: str, tools: Tools) -> dict[str, Any]:
    started_s = tools.clock()
    file = tools.work / "state.snap"
    version = tools.server.version()
    tools.server.save(file, stale=order.consistency == "Stale")
    archive = check(file)
    log.info("fetched: index %d, %d bytes", archive.index, archive.size_bytes)
    archived = Archived(cluster=order.cluster, taken_s=started_s, index=archive.index, run=mark)
    tools.store.put(archived.name, file, sha256=archive.sha256)
    _read_back(archived.name, archive, tools.store)
    keys = 0
    if order.verify == "Restore":
        keys = _try_out(file, archive, tools)
    elif order.verify == "Archive":
        keys = archive.keys
    result = {
        "index": archive.index,
        "term": archive.term,
        "clusterID": archive.cluster_id,
        "version": version,
        "sizeBytes": archive.size_bytes,
        "sha256": archive.sha256,
        "location": tools.store.url(archived.name),
        "verified": order.verify != "None",
        "keysChecked": keys,
        "startedAt": time_text(started_s),
        "completedAt": time_text(tools.clock()),
    }
    _put_side(order, archived, result, tools)
    return result


def _read_back(name: str, archive: Archive, store: ObjectStore) -> None:
    """What the store gives is what it was given."""
    digest, size = hashlib.sha256(), 0
    for piece in store.get(name):
        digest.update(piece)
        size += len(piece)
    if (size, digest.hexdigest()) != (archive.size_bytes, archive.sha256):
        store.delete(name)
        raise JobError(
            "ReadBackDiffers",
            f"{store.url(name)} gave {size} bytes back, of {archive.size_bytes}, and they are "
            "not the same",
        )


def _is_as_told(name: str, said: Mapping[str, Any], store: ObjectStore) -> bool:
    """It has the checksum that the file beside it tells."""
    digest = hashlib.sha256()
    try:
        for piece in store.get(name):
            digest.update(piece)
    except AbsentError:
        return False
    return digest.hexdigest() == said.get("sha256")


def _try_out(file: Path, archive: Archive, tools: Tools) -> int:
    """Into the throw-away server, and the same number of keys comes out."""
    tools.throw_away.await_leader(pause=tools.pause)
    tools.throw_away.restore(file)
    keys = tools.throw_away.keys()
    if keys != archive.keys:
        raise JobError(
            "RestoreDiffers", f"the archive has {archive.keys} keys, restored there are {keys}"
        )
    return keys


def _put_side(
    order: SnapshotOrder, archived: Archived, result: Mapping[str, Any], tools: Tools
) -> None:
    said = {
        **result,
        "cluster": order.cluster,
        "namespace": order.namespace,
        "record": order.record,
        "schedule": order.schedule,
        "verify": order.verify,
    }
    file = tools.work / "side.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n")
    tools.store.put(archived.side, file, sha256=sha256_of(file))


def side(store: ObjectStore, name: str) -> dict[str, Any] | None:
    """What the file beside an archive says; None if there is none, or none that can be read."""
    content = bytearray()
    try:
        for piece in store.get(side_of(name)):
            content += piece
            if len(content) > SIDE_BYTES_MAX:
                return None
        found = msgspec.json.decode(bytes(content))
    except (AbsentError, msgspec.DecodeError):
        return None
    return found if isinstance(found, dict) else None


_RESULT: Final = (
    "index", "term", "clusterID", "version", "sizeBytes", "sha256", "location", "verified",
    "keysChecked", "startedAt", "completedAt",
)  # fmt: skip


def _found(order: SnapshotOrder, mark: str, tools: Tools) -> dict[str, Any] | None:
    """What an earlier pod of this run has done."""
    if order.destination.http is not None:
        return None
    for archived in _archives(order, tools.store):
        if archived.run != mark:
            continue
        said = side(tools.store, archived.name)
        if said is not None:
            log.info("an earlier pod of this Job has taken it")
            return {key: said[key] for key in _RESULT if key in said}
        tools.store.delete(archived.name)
    return None


def _archives(order: SnapshotOrder, store: ObjectStore) -> list[Archived]:
    found = []
    for entry in store.list(f"{order.cluster}/"):
        archived = parsed(order.cluster, entry.name)
        if archived is not None:
            found.append(archived)
        if len(found) > ARCHIVES_MAX:
            raise StoreError(f"more than {ARCHIVES_MAX} archives: take some away by hand")
    return found


def _tidy(order: SnapshotOrder, done: Mapping[str, Any], tools: Tools) -> None:
    if order.retention is None or order.destination.http is not None:
        return
    try:
        said = {
            archived: side(tools.store, archived.name) or {}
            for archived in _archives(order, tools.store)
        }
        held = {archived: bool(each.get("verified")) for archived, each in said.items()}
        while (newest := newest_verified(held)) is not None:
            if tools.store.url(newest.name) == done.get("location"):
                break
            if _is_as_told(newest.name, said[newest], tools.store):
                break
            log.warning("no longer good: %s", newest.name)
            held[newest] = False
        for archived in surplus(held, order.retention, tools.clock()):
            log.info("no longer kept: %s", archived.name)
            tools.store.delete(archived.name)  # the archive first: a side file alone misleads none
            tools.store.delete(archived.side)
    except StoreError as error:
        log.warning("old archives stay: %s", error)
