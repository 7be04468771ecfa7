"""Who is sent entries at once, and who with the next tick (docs/adr/0023)."""

from collections import Counter

import msgspec
import pytest

from proconsul.raft.effects import Role
from proconsul.raft.front import DOUBT_TICKS, HELD_BYTES_MAX, RACE_TICKS, Front
from proconsul.raft.membership import AddNonvoter, AddVoter, RemoveServer
from proconsul.raft.messages import AppendEntries, EntryKind, Index, InstallSnapshot, ServerId
from server_tests.raft.harness import SETTINGS, World, members, middle, peer, started

HELD_MAX = 8
HOLDING = msgspec.structs.replace(SETTINGS, held_entries_max=HELD_MAX)


def led(*names: str, **settings: int) -> World:
    """A cluster that s1 leads, in a quiet moment."""
    world = started(*names, settings=msgspec.structs.replace(HOLDING, **settings))
    world.elect("s1")
    tick(world)
    return world


def tick(world: World) -> None:
    """A tick passes at the leader, and all that comes of it."""
    world["s1"].tick()
    world.run()


def propose(world: World, data: bytes = b"a") -> dict[str, int]:
    """A write comes: whom it is sent to at once, and in how many entries."""
    world["s1"].propose(EntryKind.COMMAND, data)
    return sent(world)


def sent(world: World) -> dict[str, int]:
    """How many entries a turn of the leader sends to whom."""
    counts: Counter[str] = Counter()
    for one in world.take("s1").send:
        if isinstance(one.request, AppendEntries) and one.request.entries:
            counts[one.to.id] += len(one.request.entries)
    return dict(counts)


def answer(world: World, name: str) -> None:
    """This follower takes what is on its way to it, and the leader hears so."""
    world.serve(name)
    for parcel in [one for one in world.network if one.source == name]:
        world.deliver(parcel)


def busy(*names: str, **settings: int) -> World:
    """Such a cluster that has just taken a write, which s2 was the first to have."""
    world = led(*names, **settings)
    propose(world)
    answer(world, "s2")
    world.run()
    return world


def test_in_quiet_times_everybody_is_sent_a_write_at_once() -> None:
    world = led("s1", "s2", "s3")
    for _ in range(3):
        assert propose(world) == {"s2": 1, "s3": 1}
        world.run()
        tick(world)


def test_in_busy_times_only_so_many_as_a_majority_needs() -> None:
    world = busy("s1", "s2", "s3")
    for number in range(3):
        assert propose(world) == {"s2": 1}
        world.run()
        assert world["s1"].commit_index == world["s1"].last_index
        assert world["s3"].last_index == world["s1"].last_index - number - 1


def test_the_tick_brings_the_others_what_they_lack_in_one_message() -> None:
    world = busy("s1", "s2", "s3")
    for _ in range(3):
        propose(world)
        world.run()
    world["s1"].tick()
    assert sent(world) == {"s3": 3}
    world.run()
    tick(world)
    assert {node.applied_index for node in world.nodes} == {world["s1"].last_index}


@pytest.mark.parametrize("quickest", ["s2", "s3"])
def test_in_front_is_who_was_first_to_have_what_all_were_sent(quickest: str) -> None:
    world = led("s1", "s2", "s3")
    propose(world)
    answer(world, quickest)
    world.run()
    assert propose(world) == {quickest: 1}


def test_in_busy_times_everybody_is_sent_a_write_now_and_then() -> None:
    world = busy("s1", "s2", "s3")
    to_all = 0
    for _ in range(2 * RACE_TICKS + 1):
        to_all += propose(world) == {"s2": 1, "s3": 1}
        world.run()
        propose(world)
        world.run()
        tick(world)
    assert to_all == 2


def test_of_five_servers_two_are_in_front() -> None:
    world = led("s1", "s2", "s3", "s4", "s5")
    propose(world)
    answer(world, "s4")
    answer(world, "s2")
    world.run()
    assert propose(world) == {"s2": 1, "s4": 1}
    world.run()
    assert world["s1"].commit_index == world["s1"].last_index


def test_who_is_the_only_other_voter_never_waits() -> None:
    world = led("s1", "s2")
    for _ in range(3):
        assert propose(world) == {"s2": 1}


def test_when_the_one_in_front_is_lost_another_is_there_at_once() -> None:
    world = busy("s1", "s2", "s3")
    assert propose(world) == {"s2": 1}
    world.lose(next(one for one in world.network if one.target == "s2"))
    assert sent(world) == {"s3": 1}
    answer(world, "s3")
    assert world["s1"].commit_index < world["s1"].last_index, "its own disk is not done"
    world.machines["s1"].sync()
    assert world["s1"].commit_index == world["s1"].last_index
    assert propose(world) == {"s3": 1}


def test_when_the_one_in_front_is_silent_the_next_tick_has_another_in_its_place() -> None:
    world = busy("s1", "s2", "s3")
    assert propose(world) == {"s2": 1}
    world.machines["s1"].sync()
    world["s1"].tick()
    assert sent(world) == {"s3": 1}
    answer(world, "s3")
    assert world["s1"].commit_index == world["s1"].last_index
    assert propose(world) == {"s3": 1}, "s2 has to take what it was sent before"


def test_once_a_write_was_not_committed_within_a_tick_nobody_waits_for_a_while() -> None:
    world = busy("s1", "s2", "s3")
    propose(world)
    world["s1"].tick()
    world["s1"].tick()
    world.run()
    for _ in range(DOUBT_TICKS):
        propose(world)
        world.run()
        assert propose(world) == {"s2": 1, "s3": 1}
        world.run()
        tick(world)
    propose(world)
    world.run()
    assert len(propose(world)) == 1


def test_nobody_lacks_more_than_the_settings_say() -> None:
    world = busy("s1", "s2", "s3")
    for _ in range(HELD_MAX):
        assert propose(world) == {"s2": 1}
        world.run()
    assert propose(world) == {"s2": 1, "s3": HELD_MAX + 1}


def test_large_values_do_not_wait() -> None:
    world = busy("s1", "s2", "s3")
    half = b"x" * (HELD_BYTES_MAX // 2)
    assert propose(world, half) == {"s2": 1}
    assert propose(world, half) == {"s2": 1}
    assert propose(world, b"x") == {"s2": 1, "s3": 3}


def test_who_lacks_what_others_have_long_had_does_not_wait_for_ticks() -> None:
    world = busy("s1", "s2", "s3", entries_a_message_max=2, flights_max=1)
    for _ in range(HELD_MAX + 1):
        propose(world)
    world.run()
    assert {node.last_index for node in world.nodes} == {world["s1"].last_index}


def test_when_somebody_waits_for_a_follower_it_hears_of_all_at_once() -> None:
    world = busy("s1", "s2", "s3")
    propose(world)
    world.run()
    world["s1"].tell_commit()
    assert sent(world) == {"s3": 1}
    world.run()
    assert world["s3"].applied_index == world["s1"].last_index


def test_leadership_goes_to_one_that_waited_as_to_any_other() -> None:
    world = busy("s1", "s2", "s3")
    propose(world)
    world.run()
    world["s1"].transfer(ServerId("s3"))
    world.run()
    assert world["s3"].role is Role.LEADER


@pytest.mark.parametrize("kind", [AddVoter, AddNonvoter])
def test_a_new_member_is_sent_all_at_once_and_then_waits_as_others_do(
    kind: type[AddVoter | AddNonvoter],
) -> None:
    world = World(("s1", "s2", "s3"), middle, HOLDING)
    for name in ("s1", "s2"):
        world[name].bootstrap(members("s1", "s2"))
    world.run()
    world.elect("s1")
    world["s1"].change(kind(peer("s3").id, peer("s3").address))
    assert set(sent(world)) >= {"s2"}
    world.run()
    assert world["s3"].last_index == world["s1"].last_index
    tick(world)
    propose(world)
    answer(world, "s2")
    world.run()
    assert propose(world) == {"s2": 1}
    tick(world)
    assert world["s3"].last_index == world["s1"].last_index


def test_when_the_members_change_nobody_waits_until_one_has_answered() -> None:
    world = busy("s1", "s2", "s3", "s4", "s5")
    propose(world)
    world.run()
    world["s1"].change(RemoveServer(peer("s2").id))
    assert set(sent(world)) == {"s3", "s4", "s5"}
    assert set(propose(world)) == {"s3", "s4", "s5"}
    world.run()
    assert world["s1"].commit_index == world["s1"].last_index
    assert len(propose(world)) == 2


def test_a_leader_that_removes_itself_needs_one_follower_more() -> None:
    world = busy("s1", "s2", "s3", "s4", "s5")
    world["s1"].change(RemoveServer(peer("s1").id))
    sent(world)
    answer(world, "s2")
    assert len(propose(world)) == 3


def test_who_has_no_vote_is_never_in_front() -> None:
    world = led("s1", "s2", "s3")
    world["s1"].change(RemoveServer(peer("s3").id))
    world.run()
    world["s1"].change(AddNonvoter(peer("s3").id, peer("s3").address))
    world.run()
    tick(world)
    assert propose(world) == {"s2": 1, "s3": 1}
    answer(world, "s3")
    assert propose(world) == {"s2": 1}
    world.run()
    assert world["s1"].commit_index == world["s1"].last_index


def test_a_restored_snapshot_is_sent_to_everybody_at_once() -> None:
    world = busy("s1", "s2", "s3")
    propose(world)
    world.run()
    world.restore("s1")
    sends = world.take("s1").send
    assert {one.to.id for one in sends if isinstance(one.request, InstallSnapshot)} == {"s2", "s3"}


def test_a_majority_without_the_leaders_own_disk_comes_with_the_tick() -> None:
    world = busy("s1", "s2", "s3")
    assert propose(world) == {"s2": 1}
    answer(world, "s2")
    assert world["s1"].commit_index < world["s1"].last_index
    world["s1"].tick()
    world.take("s1")
    answer(world, "s3")
    assert world["s1"].commit_index == world["s1"].last_index


def test_of_those_that_are_equally_far_who_is_in_front_stays() -> None:
    front = Front(HELD_MAX)
    a, b, c = ServerId("a"), ServerId("b"), ServerId("c")
    front.choose([(a, Index(1)), (b, Index(2)), (c, Index(2))], 1)
    assert front.members == (b,)
    front.choose([(a, Index(3)), (b, Index(2)), (c, Index(2))], 1)
    assert front.members == (a,)
    front.choose([(a, Index(3)), (b, Index(3)), (c, Index(3))], 1)
    assert front.members == (a,)
    front.choose([(a, Index(3)), (b, Index(4)), (c, Index(5))], 2)
    assert set(front.members) == {b, c}
