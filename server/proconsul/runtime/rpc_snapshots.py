"""Snapshots over the RPC port: one connection, one archive (wire/rpc.md section 9)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from proconsul.endpoints.context import Facts, Log
from proconsul.errors import NoLeaderError, ProconsulError, RpcError
from proconsul.rpc.snapshot_stream import (
    HeadReader,
    NamedSnapshotRequest,
    NamedSnapshotResponse,
    SnapshotOp,
    SnapshotRequest,
    SnapshotResponse,
    unnamed,
)
from proconsul.runtime.logs import logger
from proconsul.runtime.rpc_client import RpcClient
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.wire.golang import Duration
from proconsul.wire.gostruct import WireError, encode
from proconsul.wire.msgpack import MsgpackError

Archive = AsyncIterator[bytes]

log = logger("rpc")


class SnapshotHandler(Protocol):
    """What a snapshot connection asks for; both raise ProconsulError."""

    async def save(self, request: SnapshotRequest) -> tuple[SnapshotResponse, Archive]:
        """The archive of the state."""

    async def restore(self, request: SnapshotRequest, archive: Archive) -> NamedSnapshotResponse:
        """Replace the state by an archive's."""


class Snapshots:
    """Saves and restores here, or passes the whole stream on to the leader."""

    def __init__(
        self,
        *,
        facts: Callable[[], Facts],
        log_of_servers: Log,
        save: Callable[[], Awaitable[tuple[int, Archive]]],
        restore: Callable[[Archive, str], Awaitable[bool]],
        client: RpcClient,
    ) -> None:
        """`save` and `restore` are RaftSnapshots' own."""
        self._facts = facts
        self._log = log_of_servers
        self._save = save
        self._restore = restore
        self._client = client

    async def save(self, request: SnapshotRequest) -> tuple[SnapshotResponse, Archive]:
        """The archive of this server's state, or of the leader's. Raises ProconsulError."""
        self._check_datacenter(request)
        leader = None if request.allow_stale else self._other_leader()
        if leader is not None:
            return await self._client.save_snapshot(leader, request)
        if not (request.allow_stale or self._log.may_read_by_lease()):
            await self._log.confirm_leadership()
        index, archive = await self._save()
        leading = self._log.is_leader()
        response = SnapshotResponse(
            index=index,
            known_leader=leading or self._log.leader_known(),
            last_contact=Duration(0 if leading else self._log.last_contact_ns()),
        )
        return response, archive

    async def restore(self, request: SnapshotRequest, archive: Archive) -> NamedSnapshotResponse:
        """Replace the state of the cluster. Raises ProconsulError."""
        self._check_datacenter(request)
        if request.allow_stale:
            raise RpcError("stale not allowed for restore")
        leader = self._other_leader()
        if leader is not None:
            return await self._client.restore_snapshot(leader, request, archive)
        restore_uid = request.restore_uid if isinstance(request, NamedSnapshotRequest) else ""
        is_new = await self._restore(archive, restore_uid)
        return NamedSnapshotResponse(already_applied=not is_new)

    def _check_datacenter(self, request: SnapshotRequest) -> None:
        if request.datacenter != self._facts().datacenter:
            raise RpcError("No path to datacenter")

    def _other_leader(self) -> str | None:
        """The leader's address; None when that is this server. Raises NoLeaderError."""
        if self._log.is_leader():
            return None
        address = self._log.leader_address()
        if not address:
            raise NoLeaderError
        return address


async def serve_snapshot(stream: SocketStream, handler: SnapshotHandler, patience_s: float) -> None:
    """Serve a connection of first byte 5, and close it; `patience_s` bounds each wait for bytes."""
    try:
        request, rest = await _read_head(stream, patience_s)
        try:
            await _serve(stream, handler, request, _upload(stream, rest, patience_s))
        except ProconsulError as failure:
            await stream.write(encode(SnapshotResponse(error=str(failure))))
    except (MsgpackError, WireError, TimeoutError) as failure:
        log.warning("a snapshot request cannot be read: %s", str(failure) or "it does not go on")
    except ConnectionError as failure:
        log.info("a snapshot connection was lost: %s", failure)
    finally:
        stream.close()


async def _serve(
    stream: SocketStream, handler: SnapshotHandler, request: SnapshotRequest, upload: Archive
) -> None:
    if request.op == SnapshotOp.RESTORE:
        restored = await handler.restore(request, upload)
        is_named = isinstance(request, NamedSnapshotRequest)
        await stream.write(encode(restored if is_named else SnapshotResponse()))
        return
    if request.op != SnapshotOp.SAVE:
        raise RpcError(f"unrecognized snapshot op {request.op}")
    response, archive = await handler.save(request)
    await stream.write(encode(response))
    try:
        async for piece in archive:
            await stream.write(piece)
    except ProconsulError as failure:
        # It is too late to say so: an archive that breaks off does not pass its check.
        log.error("a snapshot broke off: %s", failure)
        stream.abort()


async def _read_head(stream: SocketStream, patience_s: float) -> tuple[SnapshotRequest, bytes]:
    reader = HeadReader(NamedSnapshotRequest)
    while True:
        async with asyncio.timeout(patience_s):
            data = await stream.read()
        if not data:
            raise ConnectionError("it ended before the request")
        head = reader.feed(data)
        if head is not None:
            return unnamed(head[0]), head[1]


async def _upload(stream: SocketStream, first: bytes, patience_s: float) -> Archive:
    if first:
        yield first
    while True:
        async with asyncio.timeout(patience_s):
            data = await stream.read()
        if not data:
            return
        yield data
