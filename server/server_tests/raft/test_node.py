"""Stories that the scripts cannot tell: limits, restarts from odd disks, back-pressure."""

from collections.abc import Sequence

import msgspec
import pytest

from proconsul.raft.effects import ReadAnswer, RefusedError, Role
from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    Configuration,
    EntryKind,
    HardState,
    Index,
    InstallReply,
    InstallSnapshot,
    Peer,
    RequestVote,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Term,
    TimeoutNow,
    Token,
    VoteReply,
)
from proconsul.raft.node import Node, Stored
from server_tests.raft.harness import SETTINGS, World, members, middle, peer, started


def no_reading(first: Index, last: Index, bytes_max: int) -> Sequence[Entry]:
    raise AssertionError("nothing old is needed here")


def alone(stored: Stored, young_entries_max: int = 1000) -> Node:
    settings = msgspec.structs.replace(SETTINGS, young_entries_max=young_entries_max)
    node = Node(peer("s1"), settings, middle, no_reading, stored)
    node.start()
    return node


def empty() -> Stored:
    return Stored(hard_state=HardState(), snapshot=SnapshotMeta(), entries=(), applied=Index(0))


def write(node: Node) -> None:
    """Do all that a node wants, as a disk without faults."""
    while effects := node.take():
        if effects.persist is not None:
            node.persisted(effects.persist.number)
        if effects.apply:
            node.applied(effects.apply[-1].index)


def test_a_server_without_members_never_stands() -> None:
    node = alone(empty())
    for _ in range(100):
        node.tick()
    assert not node.take()
    assert node.role is Role.FOLLOWER


def test_a_bootstrap_needs_a_voter_and_an_empty_log() -> None:
    node = alone(empty())
    with pytest.raises(RefusedError, match="voter"):
        node.bootstrap(Configuration())
    node.bootstrap(members("s1"))
    with pytest.raises(RefusedError, match="new clusters"):
        node.bootstrap(members("s1"))


def test_nothing_is_proposed_to_a_server_that_does_not_lead() -> None:
    with pytest.raises(RefusedError, match="not the leader"):
        alone(empty()).propose(EntryKind.COMMAND, b"a")


def test_a_leader_that_is_too_far_ahead_of_its_disk_refuses_more() -> None:
    node = alone(empty())
    node.bootstrap(members("s1"))
    write(node)
    for _ in range(SETTINGS.uncommitted_entries_max):
        node.propose(EntryKind.COMMAND, b"a")
    with pytest.raises(RefusedError, match="too many"):
        node.propose(EntryKind.COMMAND, b"a")
    write(node)
    node.propose(EntryKind.COMMAND, b"a")


def test_applying_that_is_stuck_is_not_buried() -> None:
    node = alone(empty())
    node.bootstrap(members("s1"))
    write(node)
    for _ in range(3 * SETTINGS.apply_entries_max):
        node.propose(EntryKind.COMMAND, b"a")
    handed: list[int] = []
    while effects := node.take():
        if effects.persist is not None:
            node.persisted(effects.persist.number)
        handed += [len(effects.apply)] if effects.apply else []
    assert handed == [SETTINGS.apply_entries_max] * 3
    for _ in range(2 * SETTINGS.apply_ahead_max):
        node.propose(EntryKind.COMMAND, b"a")
    more = 0
    while effects := node.take():
        if effects.persist is not None:
            node.persisted(effects.persist.number)
        more += len(effects.apply)
    assert more + sum(handed) < SETTINGS.apply_ahead_max + SETTINGS.apply_entries_max
    node.applied(Index(2 + sum(handed) + more))
    assert node.take().apply


def test_a_restart_applies_only_what_the_state_lacks() -> None:
    entries = [Entry(Index(1), Term(1), EntryKind.CONFIGURATION, CONFIGURATION)]
    entries += [Entry(Index(n), Term(1), EntryKind.COMMAND, b"%d" % n) for n in range(2, 6)]
    node = alone(
        Stored(
            hard_state=HardState(Term(1)),
            snapshot=SnapshotMeta(),
            entries=iter(entries),
            applied=Index(5),
        )
    )
    write_first = node.take().persist
    assert write_first is not None
    node.persisted(write_first.number)
    noop = node.take().persist
    assert noop is not None
    node.persisted(noop.number)
    assert [entry.index for entry in node.take().apply] == [6]


CONFIGURATION = started("s1")["s1"].log.entries(Index(1), Index(1), 100)[0].data


def test_a_snapshot_behind_the_log_empties_the_log_at_the_start() -> None:
    meta = SnapshotMeta(
        index=Index(9),
        term=Term(2),
        configuration=members("s1"),
        configuration_index=Index(1),
    )
    old = [Entry(Index(1), Term(1), EntryKind.CONFIGURATION, CONFIGURATION)]
    node = alone(
        Stored(hard_state=HardState(Term(2)), snapshot=meta, entries=old, applied=Index(9))
    )
    persist = node.take().persist
    assert persist is not None
    assert persist.reset_to == meta
    node.persisted(persist.number)
    write(node)
    assert node.is_leader
    assert node.applied_index == 10
    assert node.snapshot_meta(Index(10)).configuration == members("s1")


def test_a_log_that_begins_in_front_of_its_snapshot_is_kept() -> None:
    meta = SnapshotMeta(
        index=Index(4), term=Term(1), configuration=members("s1"), configuration_index=Index(1)
    )
    entries = [Entry(Index(n), Term(1), EntryKind.COMMAND, b"%d" % n) for n in range(3, 7)]
    node = alone(
        Stored(hard_state=HardState(Term(1)), snapshot=meta, entries=entries, applied=Index(6))
    )
    assert (node.log.first_index, node.last_index) == (3, 6)
    assert node.configuration == members("s1")


def test_a_vote_goes_to_an_id_and_not_to_an_address() -> None:
    world = started("s1", "s2", "s3")

    def asked(name: str, identity: str, address: str) -> bool:
        request = RequestVote(
            token=Token(0),
            term=Term(5),
            candidate=Peer(ServerId(identity), ServerAddress(address)),
            last_index=Index(1),
            last_term=Term(1),
        )
        node = world[name]
        node.step(request)
        effects = node.take()
        if effects.persist is not None:
            node.persisted(effects.persist.number)
        replies = effects.replies + node.take().replies
        return replies == (VoteReply(token=Token(0), term=Term(5), granted=True),)

    assert asked("s1", "s2", "10.0.0.1:8300")
    assert not asked("s1", "s3", "10.0.0.1:8300"), "the address went to another pod"
    assert asked("s1", "s2", "10.0.0.9:8300"), "its own address may have changed"
    assert asked("s1", "", "10.0.0.1:8300"), "an old server sends no id"
    assert not asked("s1", "", "10.0.0.3:8300")


def test_its_own_vote_counts_when_that_vote_is_on_disk() -> None:
    world = started("s1", "s2", "s3")
    world.elect("s2")
    world["s2"].propose(EntryKind.COMMAND, b"a")
    world.take("s2")
    for parcel in list(world.network):
        world.deliver(parcel)
    world.take("s1")  # its write of the entry waits ...
    world["s1"].step(TimeoutNow(token=Token(0)))
    world.take("s1")  # ... and behind it the one of its vote
    candidacy = world["s1"].candidacy
    assert candidacy is not None
    world.machines["s1"].sync(writes_max=1)
    assert candidacy.granted == set()
    world.machines["s1"].sync(writes_max=1)
    assert candidacy.granted == {"s1"}


def test_a_cut_off_leader_answers_no_read() -> None:
    world = started("s1", "s2", "s3")
    world.elect("s1")
    read = world["s1"].read()
    world.take("s1")
    for parcel in [one for one in world.network if one.source == "s1"]:
        world.lose(parcel)
    for _ in range(15):
        world["s2"].tick()
    for _ in range(SETTINGS.election_ticks):
        world["s3"].tick()
    for _ in range(12):
        for name in ("s2", "s3"):
            world.take(name)
            world.machines[name].sync()
        for parcel in [one for one in world.network if "s1" in (one.source, one.target)]:
            world.lose(parcel)
        for parcel in list(world.network):
            world.deliver(parcel)
    world.take("s1")
    assert world["s1"].is_leader, "nobody has told it"
    assert world["s2"].is_leader
    assert world.machines["s1"].answers == []
    for _ in range(SETTINGS.heartbeat_ticks):
        world["s2"].tick()
    world.run()
    assert world.machines["s1"].answers == [ReadAnswer(read, None)]


def test_an_entry_of_an_earlier_term_is_not_committed_by_counting() -> None:
    world = started(
        "s1", "s2", "s3", settings=msgspec.structs.replace(SETTINGS, entries_a_message_max=1)
    )
    world.elect("s1")
    world["s1"].propose(EntryKind.COMMAND, b"a")
    world.take("s1")
    world.machines["s1"].sync()
    for parcel in list(world.network):
        world.lose(parcel)
    world.crash("s1")
    for _ in range(SETTINGS.election_ticks):
        world["s2"].tick()
        world["s3"].tick()
    seen: list[tuple[int, int]] = []  # (entries of s2, committed by the leader)
    for _ in range(100):
        world["s1"].tick()
        for _, _ in world.settle():
            if world["s1"].is_leader:
                seen.append((world["s2"].log.stable_index, world["s1"].commit_index))
    assert (3, 0) in seen, "the entry was on two disks, and not committed by that"
    assert seen[-1] == (4, 4)


def test_a_leader_whose_disk_is_done_first_has_only_to_wait() -> None:
    world = started("s1", "s2", "s3")
    world.elect("s1")
    world["s1"].propose(EntryKind.COMMAND, b"a")
    world.take("s1")
    world.machines["s1"].sync()
    assert world["s1"].has_only_to_wait


def test_a_leader_whose_disk_is_done_last_has_something_to_apply() -> None:
    world = started("s1", "s2", "s3")
    world.elect("s1")
    world["s1"].propose(EntryKind.COMMAND, b"a")
    world.take("s1")
    for name in ("s2", "s3"):
        world.serve(name)
    for parcel in list(world.network):
        world.deliver(parcel)
    assert world["s1"].commit_index == world["s1"].last_index
    assert not world.take("s1").apply
    world.machines["s1"].sync()
    assert not world["s1"].has_only_to_wait
    assert world.take("s1").apply


def test_who_decides_alone_or_does_not_lead_has_more_to_do_than_to_wait() -> None:
    node = alone(empty())
    assert not node.has_only_to_wait
    node.bootstrap(members("s1"))
    persist = node.take().persist
    assert persist is not None
    node.persisted(persist.number)
    assert node.is_leader
    assert not node.has_only_to_wait, "its first entry is not written"
    write(node)
    node.propose(EntryKind.COMMAND, b"a")
    persist = node.take().persist
    assert persist is not None
    node.persisted(persist.number)
    assert not node.has_only_to_wait


def test_a_late_reply_to_an_earlier_leadership_means_nothing() -> None:
    world = started("s1", "s2", "s3")
    world.elect("s1")
    world["s1"].propose(EntryKind.COMMAND, b"a")
    world.take("s1")
    for name in ("s2", "s3"):
        world.serve(name)
    late = list(world.network)
    assert len(late) == 2
    world.network.clear()
    world.elect("s2")
    world.elect("s1")
    world["s1"].propose(EntryKind.COMMAND, b"b")
    world.take("s1")
    before = world["s1"].commit_index
    world.network += late
    for parcel in late:
        world.deliver(parcel)
    assert world["s1"].commit_index == before


def test_a_read_is_answered_when_its_index_is_applied() -> None:
    node = alone(empty())
    node.bootstrap(members("s1"))
    write(node)
    node.propose(EntryKind.COMMAND, b"a")
    persist = node.take().persist
    assert persist is not None
    node.persisted(persist.number)
    read = node.read()
    effects = node.take()
    assert [entry.data for entry in effects.apply] == [b"a"]
    assert not effects.reads, "the state is not there yet"
    node.applied(Index(3))
    assert node.take().reads == (ReadAnswer(read, Index(3)),)


def test_a_snapshot_that_was_no_good_is_refused_and_changes_nothing() -> None:
    world = started("s1", "s2", "s3")
    node = world["s1"]
    meta = SnapshotMeta(index=Index(9), term=Term(1), configuration=members("s1", "s2", "s3"))
    node.step(InstallSnapshot(token=Token(5), term=Term(2), leader=peer("s2"), snapshot=meta))
    effects = node.take()
    assert effects.install is not None
    assert effects.persist is not None
    node.persisted(effects.persist.number)
    node.install_failed(effects.install)
    assert node.take().replies == (InstallReply(token=Token(5), term=Term(2), accepted=False),)
    assert (node.last_index, node.applied_index) == (1, 0)


def test_the_same_happenings_give_the_same_effects() -> None:
    def play() -> list[str]:
        world = World(("s1", "s2", "s3"), middle)
        for name in ("s1", "s2", "s3"):
            world[name].bootstrap(members("s1", "s2", "s3"))
        for _ in range(40):
            world["s1"].tick()
        return [f"{name} {effects}" for name, effects in world.settle()]

    assert play() == play()
