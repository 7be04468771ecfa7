"""A user's snapshot that only its leader ever had must not be taken for what was agreed on."""

import pytest

from proconsul.raft.effects import AbandonedSnapshotError
from proconsul.raft.messages import EntryKind, Index, InstallSnapshot, SnapshotMeta, Term, Token
from server_tests.raft.harness import SETTINGS, World, members, peer, started


def restored_alone(beyond: int) -> World:
    """s1 leads, restores a snapshot, and is cut off before anybody else has it; s2 leads then."""
    world = started("s1", "s2", "s3")
    world.elect("s1")
    world["s1"].propose(EntryKind.COMMAND, b"a")
    world.run()
    world.restore("s1", beyond)
    world.take("s1")
    world.machines["s1"].sync()
    lose_all_of_s1(world)
    for _ in range(4 * SETTINGS.election_ticks):
        for name in ("s2", "s3"):
            world[name].tick()
            world.take(name)
            world.machines[name].sync()
            lose_all_of_s1(world)
            for parcel in list(world.network):
                world.deliver(parcel)
    assert world["s2"].is_leader or world["s3"].is_leader
    return world


def lose_all_of_s1(world: World) -> None:
    for parcel in [one for one in world.network if "s1" in (one.source, one.target)]:
        world.lose(parcel)


def meet_again(world: World) -> None:
    for _ in range(10 * SETTINGS.election_ticks):
        for node in world.nodes:
            node.tick()
        world.run()


@pytest.mark.parametrize("beyond", [0, 1000])
def test_its_server_ends_rather_than_go_on_from_it(beyond: int) -> None:
    world = restored_alone(beyond)
    new = max(world.nodes, key=lambda node: node.term)
    new.propose(EntryKind.COMMAND, b"b")
    with pytest.raises(AbandonedSnapshotError, match="a majority never took it"):
        meet_again(world)
    assert world.machines["s1"].state == (b"restored",), "nothing was built on it"


def test_it_is_the_same_after_a_restart() -> None:
    world = restored_alone(0)
    world.crash("s1")
    with pytest.raises(AbandonedSnapshotError):
        meet_again(world)


def test_an_older_snapshot_of_another_leader_does_not_pass_for_known() -> None:
    node = restored_alone(1000)["s1"]
    meta = SnapshotMeta(index=Index(6), term=Term(9), configuration=members("s1", "s2", "s3"))
    with pytest.raises(AbandonedSnapshotError):
        node.step(InstallSnapshot(token=Token(1), term=Term(9), leader=peer("s2"), snapshot=meta))


def test_a_snapshot_of_the_others_that_lies_further_takes_its_place() -> None:
    world = restored_alone(0)
    node = world["s1"]
    meta = SnapshotMeta(index=Index(50), term=Term(9), configuration=members("s1", "s2", "s3"))
    node.step(InstallSnapshot(token=Token(1), term=Term(9), leader=peer("s2"), snapshot=meta))
    effects = node.take()
    assert effects.install is not None
    node.installed(effects.install)
    assert (node.applied_index, node.snapshot) == (50, meta)
