"""When a lease holds, what ends it, and when a leader may have none. See raft/lease.py."""

import msgspec
import pytest

from proconsul.raft.lease import Lease, duration_s
from proconsul.raft.membership import RemoveServer
from proconsul.raft.messages import EntryKind, Index
from proconsul.raft.node import Settings
from server_tests.raft.harness import SETTINGS, peer, started


def test_it_holds_from_the_question_not_from_its_answer() -> None:
    lease = Lease(0.5)
    lease.asked(1, 10.0)
    assert not lease.holds(10.0)
    lease.confirmed(1)  # at 10.4, say
    assert lease.holds(10.49)
    assert not lease.holds(10.5)


def test_each_round_that_is_answered_renews_it() -> None:
    lease = Lease(0.5)
    lease.asked(1, 10.0)
    lease.asked(2, 10.1)
    lease.asked(3, 10.2)
    lease.confirmed(2)
    assert lease.holds(10.59)
    assert not lease.holds(10.61)
    lease.confirmed(3)
    assert lease.holds(10.69)


def test_the_same_round_is_not_begun_again_by_more_of_its_questions() -> None:
    lease = Lease(0.5)
    lease.asked(1, 10.0)
    lease.asked(1, 10.3)
    lease.confirmed(1)
    assert not lease.holds(10.5)


def test_answers_of_an_earlier_leadership_count_for_nothing() -> None:
    lease = Lease(0.5)
    lease.asked(7, 10.0)
    lease.asked(1, 12.0)  # rounds begin anew with each leadership
    lease.confirmed(0)
    assert not lease.holds(12.1)


def test_it_ends_at_once_with_the_leadership() -> None:
    lease = Lease(0.5)
    lease.asked(1, 10.0)
    lease.confirmed(1)
    lease.end()
    assert not lease.holds(10.1)


def test_a_round_whose_questions_have_left_is_not_noted_again_after_the_end() -> None:
    """The driver notes a round before it sends, and ends the lease when it comes to the events."""
    lease = Lease(0.5)
    lease.asked(1, 10.0)
    lease.end()  # the leadership began with this round
    lease.asked(1, 10.4)
    lease.confirmed(1)
    assert not lease.holds(10.41), "the questions left at 10.0, if not before"
    lease.asked(2, 10.5)
    lease.confirmed(2)
    assert lease.holds(10.99)


def test_a_server_that_does_not_lead_asks_nobody() -> None:
    lease = Lease(0.5)
    lease.asked(3, 10.0)
    lease.asked(0, 11.0)
    lease.confirmed(0)
    assert not lease.holds(11.0)
    lease.asked(1, 12.0)
    lease.confirmed(1)
    assert lease.holds(12.4)


@pytest.mark.parametrize(("lease_ticks", "election_ticks"), [(25, 50), (50, 50), (99, 50), (1, 3)])
def test_it_is_shorter_than_what_followers_promise(lease_ticks: int, election_ticks: int) -> None:
    settings = Settings(lease_ticks=lease_ticks, election_ticks=election_ticks)
    least_ticks = settings.promise_ticks - 1  # the first one may come at once
    assert least_ticks < election_ticks
    fast, slow = 0.95, 1.05
    assert duration_s(settings, tick_s=0.02) * slow < least_ticks * 0.02 * fast


def test_a_new_leader_may_have_none_before_its_first_entry_is_applied() -> None:
    world = started("s1", "s2", "s3")
    for name in ("s2", "s3"):
        for _ in range(SETTINGS.election_ticks):
            world[name].tick()
    leader = world["s1"]
    while not leader.is_leader:
        leader.tick()
        for _ in world.settle():
            applied = leader.applied_index >= 2
            assert leader.may_hold_a_lease is (leader.is_leader and applied)
    assert leader.may_hold_a_lease


def test_a_leader_that_told_another_to_stand_may_have_none_in_that_term() -> None:
    world = started("s1", "s2", "s3")
    world.elect("s1")
    leader = world["s1"]
    leader.transfer(peer("s2").id)
    assert not leader.may_hold_a_lease
    world.take("s1")
    for parcel in list(world.network):
        world.lose(parcel)
    for _ in range(SETTINGS.election_ticks + 1):
        leader.tick()
        world.run()
    assert leader.is_leader
    assert not leader.is_handing_over
    leader.propose(EntryKind.COMMAND, b"a")
    world.run()
    assert not leader.may_hold_a_lease, "what was told may still arrive"


def test_a_leader_that_gave_up_before_it_told_anybody_has_its_lease_back() -> None:
    world = started("s1", "s2", "s3")
    world.elect("s1")
    leader = world["s1"]
    leader.propose(EntryKind.COMMAND, b"a")
    leader.transfer(peer("s2").id)
    for _ in range(SETTINGS.election_ticks + 1):
        world.take("s1")
        world.machines["s1"].sync()
        for parcel in list(world.network):
            if parcel.target == "s2":
                world.lose(parcel)  # it never has all entries
            else:
                world.deliver(parcel)
        world.take("s3")
        world.machines["s3"].sync()
        leader.tick()
    assert leader.is_leader
    assert leader.may_hold_a_lease


def test_a_leader_that_removes_itself_may_have_none() -> None:
    """With two, the other one decides alone as soon as it has the entry, and asks nobody."""
    world = started("s1", "s2")
    world.elect("s1")
    assert world["s1"].may_hold_a_lease
    world["s1"].change(RemoveServer(peer("s1").id))
    assert not world["s1"].may_hold_a_lease
    world.take("s1")
    for parcel in list(world.network):
        world.deliver(parcel)
    world.take("s2")
    world.machines["s2"].sync()
    world.crash("s2")
    world.take("s2")
    world.machines["s2"].sync()
    world.take("s2")
    assert world["s2"].is_leader
    assert world["s1"].is_leader, "it has not heard of it"


def test_one_that_decides_alone_needs_no_lease_but_its_first_entry() -> None:
    world = started("s1", settings=msgspec.structs.replace(SETTINGS, lease_ticks=3))
    assert world["s1"].is_only_voter
    assert world["s1"].may_hold_a_lease
    assert world["s1"].applied_index == Index(2)
