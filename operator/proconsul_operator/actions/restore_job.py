"""The program of a Job that reads an archive: to check it, to put it into a cluster, or to end it.

The archive is checked before it is put anywhere, and it is put under the restore's UID: the servers
know it again, so a second pod of the same Job does no harm.

A Job that verifies an archive again ends well whenever it knows the answer, be it good or bad; it
fails, and is tried again, as long as the store does not answer. A bad answer is found twice before
it is given, and "it is gone" only by a store that can list the rest: the one that says so may be
a proxy whose store is away.
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proconsul_operator.actions.archive import Archive, ArchiveError, check
from proconsul_operator.actions.job_orders import JobError, RestoreOrder, failure
from proconsul_operator.actions.job_server import ARCHIVE_BYTES_MAX, JobServer
from proconsul_operator.actions.objectstore import AbsentError, ObjectStore, StoreError
from proconsul_operator.actions.snapshot_job import side
from proconsul_operator.actions.snapshot_names import side_of

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTools:
    """What it works with: the archive is `name` in `store`."""

    server: JobServer
    store: ObjectStore
    name: str
    work: Path


def carry_out(order: RestoreOrder, tools: RestoreTools) -> dict[str, Any]:
    """The result for the termination message. Raises JobError."""
    try:
        if order.act == "Delete":
            return _delete(tools)
        if order.act == "Verify":
            return _verify(order, tools)
        file = tools.work / "state.snap"
        archive = _fetch(file, tools)
    except StoreError as error:
        raise JobError(error.reason, str(error)) from error
    except ArchiveError as error:
        raise JobError("ArchiveBroken", str(error)) from error
    told = {
        "index": archive.index,
        "term": archive.term,
        "clusterID": archive.cluster_id,
        "sizeBytes": archive.size_bytes,
        "sha256": archive.sha256,
        "keysChecked": archive.keys,
        "location": tools.store.url(tools.name),
    }
    if order.act == "Restore":
        told["alreadyApplied"] = not tools.server.restore(file, order.restore_uid)
    return told


def _verify(order: RestoreOrder, tools: RestoreTools) -> dict[str, Any]:
    error = _damage(order, tools) and _damage(order, tools)
    told: dict[str, Any] = {"location": tools.store.url(tools.name), "verified": error is None}
    if error is not None:
        log.error("%s: %s", error.reason, error)
        told |= failure(error)
    return told


def _damage(order: RestoreOrder, tools: RestoreTools) -> JobError | None:
    """What is wrong with it; None for nothing. Raises StoreError if that cannot be said."""
    file = tools.work / "state.snap"
    try:
        size, digest = _load(file, tools)
    except AbsentError as error:
        if order.location.http is None and _is_listed(tools):
            raise StoreError(f"{error}, and yet it is listed") from error
        return JobError("ObjectAbsent", str(error))
    if order.sha256 and (size, digest) == (order.size_bytes, order.sha256):
        return None
    try:
        check(file)
    except ArchiveError as error:
        return JobError("ArchiveBroken", str(error))
    if not order.sha256:
        return None
    return JobError(
        "ChecksumDiffers",
        f"it is another archive: {size} bytes with the SHA-256 {digest}, of {order.size_bytes} "
        f"with {order.sha256}",
    )


def _is_listed(tools: RestoreTools) -> bool:
    try:
        return any(entry.name == tools.name for entry in tools.store.list(tools.name))
    except AbsentError as error:
        raise StoreError(f"nothing can be listed: {error}") from error


def _delete(tools: RestoreTools) -> dict[str, Any]:
    tools.store.delete(tools.name)
    if tools.name.endswith(".snap"):
        tools.store.delete(side_of(tools.name))
    return {"location": tools.store.url(tools.name)}


def _load(file: Path, tools: RestoreTools) -> tuple[int, str]:
    """Its size, and its SHA-256 in hex."""
    digest, size = hashlib.sha256(), 0
    with file.open("wb") as write:
        for piece in tools.store.get(tools.name):
            size += len(piece)
            if size > ARCHIVE_BYTES_MAX:
                raise JobError("TooLarge", f"more than {ARCHIVE_BYTES_MAX} bytes")
            digest.update(piece)
            write.write(piece)
    return size, digest.hexdigest()


def _fetch(file: Path, tools: RestoreTools) -> Archive:
    _, digest = _load(file, tools)
    said = _side(tools)
    if said is not None and said.get("sha256", digest) != digest:
        raise ArchiveError("it is not the file whose SHA-256 stands in the file beside it")
    archive = check(file)
    log.info("fetched: index %d, %d bytes", archive.index, archive.size_bytes)
    return archive


def _side(tools: RestoreTools) -> dict[str, Any] | None:
    """A store may refuse to say that there is none; the archive has sums of its own."""
    if not tools.name.endswith(".snap"):
        return None
    try:
        return side(tools.store, tools.name)
    except StoreError:
        return None
