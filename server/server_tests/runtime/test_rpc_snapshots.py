"""Snapshots here or at the leader, over the port's own connection."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from proconsul.endpoints.context import Log
from proconsul.errors import NoLeaderError, ProconsulError, RpcError
from proconsul.rpc.snapshot_stream import NamedSnapshotRequest, SnapshotOp, SnapshotRequest
from proconsul.runtime.rpc_client import ClientLimits, RemoteError, RpcClient
from proconsul.runtime.rpc_snapshots import Snapshots
from server_tests.endpoints.site import FACTS
from server_tests.runtime.rpc_site import rpc_site

SAVE = SnapshotRequest(datacenter="dc1", op=SnapshotOp.SAVE)
STALE = SnapshotRequest(datacenter="dc1", op=SnapshotOp.SAVE, allow_stale=True)
RESTORE = SnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE)


@dataclass
class View:
    """How a server sees the cluster."""

    leads: bool = False
    leader: str = ""
    has_lease: bool = True
    is_replaced: bool = False  # another server leads, as a majority would say

    def is_leader(self) -> bool:
        return self.leads

    def leader_known(self) -> bool:
        return bool(self.leader)

    def leader_address(self) -> str:
        return self.leader

    def last_contact_ns(self) -> int:
        return 7_000_000

    def may_read_by_lease(self) -> bool:
        return self.has_lease

    async def confirm_leadership(self) -> None:
        if self.is_replaced:
            raise NoLeaderError


@dataclass
class Desk:
    """A server's snapshots, with a state that is some text."""

    view: View
    restored: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    async def save(self) -> tuple[int, AsyncIterator[bytes]]:
        return 9, some(b"this", b"server's")

    async def restore(self, archive: AsyncIterator[bytes], restore_uid: str) -> bool:
        self.restored.append(await whole(archive))
        is_new = not restore_uid or restore_uid not in self.names
        self.names.append(restore_uid)
        return is_new

    def snapshots(self) -> Snapshots:
        return Snapshots(
            facts=lambda: FACTS,
            log_of_servers=cast("Log", self.view),
            save=self.save,
            restore=self.restore,
            client=RpcClient(ClientLimits(), None),
        )


async def some(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def whole(archive: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in archive])


async def test_the_leader_saves_and_restores_its_own_state() -> None:
    desk = Desk(View(leads=True))
    response, archive = await desk.snapshots().save(SAVE)
    assert (response.index, response.known_leader, response.last_contact) == (9, True, 0)
    assert await whole(archive) == b"thisserver's"
    response = await desk.snapshots().restore(RESTORE, some(b"new ", b"state"))
    assert response.error == ""
    assert desk.restored == [b"new state"]


async def test_a_leader_without_a_lease_asks_before_it_saves() -> None:
    desk = Desk(View(leads=True, has_lease=False)).snapshots()
    response, _ = await desk.save(SAVE)
    assert response.index == 9
    replaced = Desk(View(leads=True, has_lease=False, is_replaced=True)).snapshots()
    with pytest.raises(NoLeaderError):
        await replaced.save(SAVE)
    response, _ = await replaced.save(STALE)
    assert response.index == 9


async def test_another_server_passes_both_on_to_the_leader() -> None:
    async with rpc_site() as leader:
        desk = Desk(View(leader=leader.address))
        response, archive = await desk.snapshots().save(SAVE)
        assert response.index == 42
        assert await whole(archive) == leader.snapshots.archive
        await desk.snapshots().restore(RESTORE, some(b"new ", b"state"))
        assert leader.snapshots.restored == [b"new state"]
        assert desk.restored == []


async def test_a_name_goes_to_the_leader_with_the_restore_and_its_word_comes_back() -> None:
    named = NamedSnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE, restore_uid="restore-1")
    async with rpc_site() as leader:
        desk = Desk(View(leader=leader.address))
        first = await desk.snapshots().restore(named, some(b"state"))
        second = await desk.snapshots().restore(named, some(b"state"))
        assert (first.already_applied, second.already_applied) == (False, True)
        assert leader.snapshots.restored == [b"state"]
        await desk.snapshots().restore(RESTORE, some(b"more"))
        assert leader.snapshots.names == ["restore-1", ""]


async def test_the_leader_does_a_named_restore_once() -> None:
    named = NamedSnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE, restore_uid="restore-1")
    desk = Desk(View(leads=True))
    answers = [await desk.snapshots().restore(named, some(b"state")) for _ in range(2)]
    assert [answer.already_applied for answer in answers] == [False, True]


async def test_a_stale_snapshot_is_this_servers_own() -> None:
    desk = Desk(View(leader="127.0.0.1:1"))
    response, archive = await desk.snapshots().save(STALE)
    assert (response.known_leader, response.last_contact) == (True, 7_000_000)
    assert await whole(archive) == b"thisserver's"


async def test_the_leaders_refusal_is_passed_back() -> None:
    async with rpc_site() as leader:
        leader.snapshots.failure = RpcError("not today")
        desk = Desk(View(leader=leader.address))
        with pytest.raises(RemoteError, match="not today"):
            await desk.snapshots().save(SAVE)


async def test_what_cannot_be_done_says_why() -> None:
    nobody = Desk(View()).snapshots()
    with pytest.raises(NoLeaderError):
        await nobody.save(SAVE)
    with pytest.raises(NoLeaderError):
        await nobody.restore(RESTORE, some())
    leader = Desk(View(leads=True)).snapshots()
    mars = SnapshotRequest(datacenter="mars")
    for asked in (leader.save(mars), leader.restore(mars, some())):
        with pytest.raises(ProconsulError, match="No path to datacenter"):
            await asked
    stale = SnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE, allow_stale=True)
    with pytest.raises(RpcError, match="stale not allowed for restore"):
        await leader.restore(stale, some())
