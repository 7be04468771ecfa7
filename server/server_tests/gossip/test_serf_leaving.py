"""How members go, are made to go, and come back. See gossip/serf.py."""

import pytest

from proconsul.gossip.effects import (
    Change,
    LeaveEnded,
    MemberStatus,
)
from proconsul.gossip.failure import SerfError
from proconsul.gossip.settings import SerfSettings
from server_tests.gossip.serf_world import Host, SerfWorld, target


def statuses(hosts: list[Host], name: str) -> list[MemberStatus | None]:
    return [host.status(name) for host in hosts]


# -------------------------------------------------------------------- going


def test_a_leave_is_told_before_it_ends_and_nobody_takes_it_for_a_failure() -> None:
    world = SerfWorld()
    hosts = world.pool("a", "b", "c")
    a, b, c = hosts
    world.do(c, lambda serf, now_s: serf.leave(now_s))
    assert c.serf.is_leaving
    assert not c.serf.has_left
    took_s = world.run_until(lambda: bool(c.of(LeaveEnded)))
    assert 3.0 < took_s < 6.0
    assert c.serf.has_left
    assert statuses(hosts, "c") == [MemberStatus.LEFT] * 3
    assert a.changes("c") == b.changes("c") == c.changes("c") == [Change.LEAVE]
    world.kill(c)
    world.run(60.0)
    assert a.changes("c") == b.changes("c") == [Change.LEAVE]
    assert a.serf.stats()["left"] == "1"


def test_a_full_exchange_before_the_leave_is_heard_does_not_make_it_a_failure() -> None:
    world = SerfWorld()
    a, b, c = world.pool("a", "b", "c")
    world.do(c, lambda serf, now_s: serf.leave(now_s))
    for host in (a, b):
        world.do(host, lambda serf, now_s: serf.join([target(c.address)], now_s))
    world.run_until(lambda: bool(c.of(LeaveEnded)))
    world.kill(c)
    world.run(60.0)
    assert a.changes("c") == b.changes("c") == [Change.LEAVE]


def test_who_is_alone_leaves_at_once() -> None:
    world = SerfWorld()
    a = world.start("a")
    world.do(a, lambda serf, now_s: serf.leave(now_s))
    assert a.of(LeaveEnded) == [LeaveEnded()]
    assert a.status("a") is MemberStatus.LEFT


def test_a_second_leave_does_nothing() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    for _ in range(2):
        world.do(a, lambda serf, now_s: serf.leave(now_s))
    world.run(20.0)
    world.do(a, lambda serf, now_s: serf.leave(now_s))
    assert a.of(LeaveEnded) == [LeaveEnded()]
    assert b.changes("a") == [Change.LEAVE]


def test_who_cannot_be_heard_leaves_in_the_end() -> None:
    world = SerfWorld()
    a, _ = world.pool("a", "b")
    world.cut_off.add("a")
    world.do(a, lambda serf, now_s: serf.leave(now_s))
    took_s = world.run_until(lambda: bool(a.of(LeaveEnded)))
    assert took_s <= 5.0 + 5.0 + 3.1


def test_who_leaves_joins_nobody() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    world.do(a, lambda serf, now_s: serf.leave(now_s))
    with pytest.raises(SerfError, match="Serf can't Join after Leave or Shutdown"):
        a.serf.join([target(b.address)], world.now_s)


def test_a_join_that_ends_while_we_leave_does_not_take_the_leave_back() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    world.do(a, lambda serf, now_s: serf.join([target(b.address)], now_s))
    world.do(a, lambda serf, now_s: serf.leave(now_s))
    world.run_until(lambda: bool(a.of(LeaveEnded)))
    world.kill(a)
    world.run(30.0)
    assert b.changes("a") == [Change.LEAVE]


def test_who_is_killed_has_failed_and_is_back_when_it_joins_again() -> None:
    world = SerfWorld()
    a, b, c = world.pool("a", "b", "c")
    world.kill(c)
    world.run_until(lambda: a.status("c") is b.status("c") is MemberStatus.FAILED)
    assert a.serf.stats()["failed"] == "1"
    c = world.restart(c)
    world.join(c, b)
    world.run_until(lambda: world.knows(a, "a", "b", "c"))
    assert a.changes("c") == [Change.FAILED, Change.JOIN]
    assert a.serf.stats()["failed"] == "0"


def test_who_left_can_come_back_under_its_name() -> None:
    """The reply to its join says that it left; it must say that it did not, and be believed."""
    world = SerfWorld()
    a, b, c = world.pool("a", "b", "c")
    world.do(c, lambda serf, now_s: serf.leave(now_s))
    world.run_until(lambda: bool(c.of(LeaveEnded)))
    c = world.restart(c)
    world.join(c, a)
    world.run_until(lambda: world.knows(a, "a", "b", "c") and world.knows(b, "a", "b", "c"))
    world.run(120.0)  # full exchanges with those that still have it among the left
    assert world.knows(a, "a", "b", "c")
    assert world.knows(b, "a", "b", "c")
    assert a.changes("c") == b.changes("c") == [Change.LEAVE, Change.JOIN]
    assert a.serf.stats()["left"] == b.serf.stats()["left"] == "0"
    # And it can leave again.
    world.do(c, lambda serf, now_s: serf.leave(now_s))
    world.run_until(lambda: bool(c.of(LeaveEnded)))
    assert a.changes("c") == b.changes("c") == [Change.LEAVE, Change.JOIN, Change.LEAVE]


def test_a_partition_that_heals_leaves_no_trace() -> None:
    """Both sides take each other for failed; then they reconnect by themselves."""
    world = SerfWorld()
    hosts = world.pool("a", "b", "c", "d")
    world.cut_off |= {"a"}
    world.run(60.0)
    a, b = hosts[:2]
    assert world.knows(a, "a")
    assert b.status("a") is MemberStatus.FAILED
    world.cut_off.clear()
    world.run_until(lambda: all(world.knows(host, *"abcd") for host in hosts), 300.0)


# -------------------------------------------------------------------- being made to go


def test_a_failed_member_is_made_to_leave() -> None:
    world = SerfWorld()
    a, b, c = world.pool("a", "b", "c")
    world.kill(c)
    world.run_until(lambda: a.status("c") is b.status("c") is MemberStatus.FAILED)
    assert world.do(a, lambda serf, now_s: serf.force_leave("c", prune=False, now_s=now_s))
    assert a.status("c") is MemberStatus.LEFT
    world.run_until(lambda: b.status("c") is MemberStatus.LEFT)
    assert a.changes("c") == b.changes("c") == [Change.FAILED, Change.LEAVE]


def test_with_prune_it_is_forgotten() -> None:
    world = SerfWorld()
    a, b, c = world.pool("a", "b", "c")
    world.kill(c)
    world.run_until(lambda: a.status("c") is b.status("c") is MemberStatus.FAILED)
    world.do(a, lambda serf, now_s: serf.force_leave("c", prune=True, now_s=now_s))
    world.run_until(lambda: b.status("c") is None)
    assert a.status("c") is None
    assert a.changes("c") == b.changes("c") == [Change.FAILED, Change.LEAVE, Change.REAP]
    world.run(120.0)
    assert a.status("c") is b.status("c") is None


def test_nobody_is_made_to_leave_whom_nobody_knows() -> None:
    world = SerfWorld()
    a = world.start("a")
    assert not world.do(a, lambda serf, now_s: serf.force_leave("x", prune=False, now_s=now_s))


@pytest.mark.parametrize("prune", [False, True])
def test_who_is_alive_does_not_let_itself_be_made_to_leave(prune: bool) -> None:
    world = SerfWorld()
    hosts = world.pool("a", "b", "c")
    a, b, c = hosts
    world.do(a, lambda serf, now_s: serf.force_leave("c", prune=prune, now_s=now_s))
    assert a.status("c") is MemberStatus.LEAVING
    world.run(60.0)
    assert statuses(hosts, "c") == [MemberStatus.ALIVE] * 3
    world.kill(c)
    world.run_until(lambda: b.status("c") is not MemberStatus.ALIVE)
    assert b.status("c") is MemberStatus.FAILED


def test_nor_does_it_take_it_from_itself() -> None:
    world = SerfWorld()
    hosts = world.pool("a", "b")
    a = hosts[0]
    world.do(a, lambda serf, now_s: serf.force_leave("a", prune=True, now_s=now_s))
    world.run(10.0)
    assert statuses(hosts, "a") == [MemberStatus.ALIVE] * 2


# -------------------------------------------------------------------- forgetting


def test_who_failed_long_ago_is_reaped() -> None:
    settings = SerfSettings(reconnect_timeout_s=120.0, tombstone_timeout_s=60.0)
    world = SerfWorld(settings=settings)
    a, b, c = world.pool("a", "b", "c")
    world.kill(b)
    world.do(c, lambda serf, now_s: serf.leave(now_s))
    world.run_until(lambda: bool(c.of(LeaveEnded)))
    world.kill(c)
    world.run_until(lambda: a.status("c") is None, 90.0)
    assert a.status("b") is MemberStatus.FAILED
    world.run_until(lambda: a.status("b") is None, 150.0)
    assert a.changes("b") == [Change.FAILED, Change.REAP]
    assert a.changes("c") == [Change.LEAVE, Change.REAP]
