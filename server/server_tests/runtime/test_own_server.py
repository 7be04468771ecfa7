"""What a server says of itself: taken from its raft as it is, and never waited for."""

import random

import pytest

from proconsul.config.flags import parse_agent_flags
from proconsul.config.parse import Source, parse
from proconsul.config.schema import Config
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.model.cluster_mark import ClusterMark
from proconsul.raft.messages import (
    AppendEntries,
    Index,
    Input,
    Peer,
    ServerAddress,
    ServerId,
    Term,
    Token,
)
from proconsul.runtime.commit_heard import CommitHeard
from proconsul.runtime.own_server import DECOMMISSIONED, Idle, OwnServer
from proconsul.runtime.tls_files import TlsFiles
from server_tests.runtime.driver_world import ME, Life, World, begin
from server_tests.runtime.test_rpc_port import MACHINE
from server_tests.sim.disk import SimDisk

CLUSTER = "11111111-2222-3333-4444-555555555555"


def configured(text: str) -> Config:
    """What a server with this file was told."""
    flags = parse_agent_flags(["-server", "-data-dir=/data", "-bind=10.0.0.5", "-node=n1"])
    return parse(flags, [Source("a.hcl", text, "hcl")], MACHINE).config


CONFIG = configured("")


class Marker:
    """A marker in memory."""

    def __init__(self) -> None:
        self.state = ""

    def put(self) -> None:
        self.state = "left"

    def clear(self, node_id: str) -> bool:
        had, self.state = bool(self.state), node_id if self.state else ""
        return had


def own(
    life: Life,
    heard: CommitHeard,
    marker: Marker | None = None,
    ended: list[bool] | None = None,
    removal: str = "",
) -> OwnServer:
    server = OwnServer(
        CONFIG,
        ME.id,
        life.driver,
        heard,
        life.replicated.state,
        is_ending=lambda: False,
        end=ended.append if ended is not None else lambda _: None,
        marker=marker or Marker(),
        recovery_epoch=3,
        tls=lambda: TlsFiles(certificate="ab", authorities=("cd", "ef")),
        removal=lambda: removal,
    )
    server.started = True
    return server


def told(commit_index: int) -> AppendEntries:
    """A leader's word."""
    return AppendEntries(
        token=Token(1),
        term=Term(1),
        leader=Peer(ServerId("l"), ServerAddress("10.0.0.9:8300")),
        commit_index=Index(commit_index),
    )


def nobody(_: Input) -> None:
    """Takes what is passed on."""


async def test_a_leader_is_ready_and_tells_the_marks_of_its_cluster() -> None:
    life = await begin(World(SimDisk(random.Random(1).randrange)))
    mark = ClusterMark(cluster_id=CLUSTER, restore_uid="r-1")
    await life.driver.propose(encode_command(MessageType.CLUSTER_MARK, mark))
    server = own(life, CommitHeard(nobody))
    assert server.probe("readyz").ok
    assert server.probe("livez").ok
    local = server.raft_local()
    assert (local.cluster_id, local.restore_uid, local.recovery_epoch) == (CLUSTER, "r-1", 3)
    assert (local.node_id, local.leader_id, local.vote) == (ME.id, ME.id, ME.id)
    assert (local.state, local.voter, local.last_contact_ms) == ("Leader", True, 0)
    assert local.last_index == local.commit_index == local.applied_index
    assert [one.id for one in local.configuration.servers] == [ME.id]
    await life.stop()


async def test_how_far_it_is_behind_is_what_leaders_have_said() -> None:
    life = await begin(World(SimDisk(random.Random(1).randrange)))
    passed_on: list[Input] = []
    heard = CommitHeard(passed_on.append)
    server = own(life, heard)
    applied = life.driver.node.applied_index
    for commit_index in (applied + 999, 1):  # an old message takes nothing back
        heard.deliver(told(commit_index))
    assert len(passed_on) == 2
    assert server.probe("readyz").ok
    heard.deliver(told(applied + 1000))
    assert server.probe("readyz").reason == "FarBehind"
    assert server.raft_local().leader_commit_index == applied + 1000
    await life.stop()


async def test_who_is_idle_says_why_and_is_alive() -> None:
    life = Life(World(SimDisk(random.Random(1).randrange)))
    server = own(life, CommitHeard(nobody))
    server.idle = Idle("ForeignCluster", "its data belong to another cluster")
    assert server.probe("readyz").reason == "ForeignCluster"
    assert server.probe("livez").ok
    assert server.probe("startz").ok
    local = server.raft_local()
    assert (local.state, local.idle_reason, local.decommissioned) == (
        "Idle",
        "ForeignCluster",
        False,
    )
    assert (local.cluster_id, local.leader_id, local.last_contact_ms) == ("", "", -1)
    await life.stop()


async def test_it_tells_the_certificate_that_it_uses_and_whom_it_trusts() -> None:
    life = Life(World(SimDisk(random.Random(1).randrange)))
    told = own(life, CommitHeard(nobody)).tls_local()
    assert (told.certificate, told.authorities) == ("ab", ["cd", "ef"])
    await life.stop()


async def test_who_was_removed_says_so_unless_it_leads_or_hears_who_does() -> None:
    life = await begin(World(SimDisk(random.Random(1).randrange)))
    server = own(life, CommitHeard(nobody), removal="it is none of us")
    assert server.probe("readyz").ok
    assert server.raft_local().removed
    await life.stop()
    alone = Life(World(SimDisk(random.Random(1).randrange)))
    server = own(alone, CommitHeard(nobody), removal="it is none of us")
    verdict = server.probe("readyz")
    assert (verdict.reason, verdict.message) == ("Removed", "it is none of us")
    assert server.probe("livez").ok
    await alone.stop()


async def test_the_only_voter_cannot_be_spared() -> None:
    life = await begin(World(SimDisk(random.Random(1).randrange)))
    marker, ended = Marker(), list[bool]()
    server = own(life, CommitHeard(nobody), marker, ended)
    with pytest.raises(RpcError, match="no other voter"):
        await server.decommission()
    assert (marker.state, ended) == ("", [])
    await life.stop()


async def test_who_was_taken_out_may_be_taken_out_again_and_be_let_in() -> None:
    life = Life(World(SimDisk(random.Random(1).randrange)))
    marker, ended = Marker(), list[bool]()
    server = own(life, CommitHeard(nobody), marker, ended)
    assert not await server.recommission()
    marker.put()
    server.idle = Idle(DECOMMISSIONED, "it was decommissioned")
    assert server.raft_local().decommissioned
    await server.decommission()
    assert ended == []
    assert await server.recommission()
    assert (marker.state, ended) == (ME.id, [False])
    await life.stop()


async def test_who_is_idle_for_another_reason_is_not_decommissioned_by_the_way() -> None:
    life = Life(World(SimDisk(random.Random(1).randrange)))
    marker = Marker()
    server = own(life, CommitHeard(nobody), marker)
    server.idle = Idle("ForeignCluster", "its data belong to another cluster")
    with pytest.raises(RpcError, match="belong to another cluster"):
        await server.decommission()
    assert marker.state == ""
    await life.stop()
