"""Several members together, as their users see it. See gossip/serf.py."""

import pytest

from proconsul.gossip.effects import (
    Change,
    JoinEnded,
    LeaveEnded,
    MemberChanged,
    MemberStatus,
    PoolMember,
)
from proconsul.gossip.failure import SerfError
from proconsul.gossip.settings import SerfSettings
from server_tests.gossip.bench import at
from server_tests.gossip.serf_world import SerfWorld

# -------------------------------------------------------------------- coming


def test_who_begins_is_alone_and_knows_itself() -> None:
    world = SerfWorld()
    a = world.start("a", tags={"role": "consul"})
    (own,) = a.serf.members()
    assert (own.name, own.tags, own.status) == ("a", {"role": "consul"}, MemberStatus.ALIVE)
    assert (own.protocol, own.delegate) == ((1, 5, 2), (2, 5, 4))
    assert a.changes("a") == [Change.JOIN]


def test_who_joins_knows_everybody_and_everybody_knows_it() -> None:
    world = SerfWorld()
    a, b, c = (world.start(name, tags={"role": name}) for name in "abc")
    assert world.join(b, a) == JoinEnded(1, 1, ())
    world.join(c, b)
    took_s = world.run_until(lambda: world.knows(a, "a", "b", "c"))
    assert took_s < 2.0
    assert [member.tags["role"] for member in a.serf.members()] == ["a", "b", "c"]
    assert a.changes("c") == b.changes("c") == [Change.JOIN]


def test_two_that_join_each_other_tell_that_they_joined_once_each() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    assert a.serf.stats()["member_time"] == b.serf.stats()["member_time"] == "2"


def test_a_join_tries_all_addresses_and_says_which_failed() -> None:
    world = SerfWorld()
    a, b, c, dead = (world.start(name) for name in ("a", "b", "c", "dead"))
    world.kill(dead)
    ended = world.join(c, dead, a, b)
    assert (ended.reached, ended.failures) == (2, ("Failed to join 10.0.0.4: connection refused",))
    world.run_until(lambda: world.knows(a, "a", "b", "c") and world.knows(b, "a", "b", "c"))


def test_a_join_of_nobody_ends_too() -> None:
    world = SerfWorld()
    a = world.start("a")
    assert world.join(a) == JoinEnded(1, 0, ())


class OnlyDc1:
    """Rules as Consul has them."""

    def refuse_member(self, member: PoolMember) -> str | None:
        return self.refuse_join([member])

    def refuse_join(self, members: list[PoolMember]) -> str | None:
        wrong = [member.name for member in members if member.tags.get("dc") == "dc2"]
        return f"Member '{wrong[0]}' part of wrong datacenter 'dc2'" if wrong else None


def test_a_join_that_is_refused_fails_and_the_reason_is_told() -> None:
    world = SerfWorld()
    a = world.start("a", tags={"dc": "dc1"}, admission=OnlyDc1())
    b = world.start("b", tags={"dc": "dc2"})
    ended = world.join(a, b)
    assert ended.failures == ("Failed to join 10.0.0.2: Member 'b' part of wrong datacenter 'dc2'",)
    assert world.knows(a, "a")


def test_a_member_that_is_refused_by_name_does_not_get_in_by_gossip() -> None:
    world = SerfWorld()
    a = world.start("a", tags={"dc": "dc1"}, admission=OnlyDc1())
    b = world.start("b", tags={"dc": "dc1"})
    c = world.start("c", tags={"dc": "dc2"})
    world.join(b, a)
    world.join(c, b)
    world.run(5.0)
    assert world.knows(a, "a", "b")
    assert any("wrong datacenter" in line for line in a.log)


# -------------------------------------------------------------------- tags


def test_other_tags_are_told() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    world.do(a, lambda serf, now_s: serf.set_tags({"role": "node", "x": "1"}, now_s))
    world.run_until(lambda: bool(b.changes("a")))
    assert a.changes("a") == b.changes("a") == [Change.UPDATE]
    (change,) = b.of(MemberChanged)
    assert change.member.tags == {"role": "node", "x": "1"}


def test_the_same_tags_are_no_news() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    world.do(a, lambda serf, now_s: serf.set_tags({"role": "node"}, now_s))
    world.run(5.0)
    assert a.changes("a") == b.changes("a") == []


def test_tags_of_more_than_512_bytes_are_refused() -> None:
    world = SerfWorld()
    a = world.start("a")
    fits = {"k": "x" * (512 - 7)}  # magic, map, key of two bytes, length of three
    world.do(a, lambda serf, now_s: serf.set_tags(fits, now_s))
    with pytest.raises(SerfError, match="Encoded length of tags exceeds limit of 512 bytes"):
        a.serf.set_tags({"k": "x" * (513 - 7)}, world.now_s)
    assert a.serf.members()[0].tags == fits
    with pytest.raises(SerfError, match="exceeds limit of 512 bytes"):
        world.start("b", tags={"k": "x" * 512})


# -------------------------------------------------------------------- what outlives a process


def test_who_crashed_finds_its_pool_again() -> None:
    world = SerfWorld()
    hosts = world.pool("a", "b", "c")
    a, _, c = hosts
    before = c.serf.stats()["member_time"]
    assert before != "1"
    c = world.restart(c)
    assert world.knows(c, "c")
    assert c.serf.stats()["member_time"] == before
    world.do(c, lambda serf, now_s: serf.rejoin_kept(now_s))
    world.run_until(lambda: world.knows(c, "a", "b", "c"))
    assert sum("Re-joined to previously known node" in line for line in c.log) == 1
    assert world.knows(a, "a", "b", "c")
    assert a.changes("c") == []


def test_a_rejoin_goes_on_until_somebody_answers() -> None:
    world = SerfWorld()
    a, b, c, d = world.pool("a", "b", "c", "d")
    for host in (a, b, d):
        world.kill(host)
    d = world.restart(d)
    world.do(d, lambda serf, now_s: serf.rejoin_kept(now_s))
    world.run_until(lambda: d.status("c") is MemberStatus.ALIVE)
    d.log.clear()
    world.kill(c)
    d = world.restart(d)
    world.do(d, lambda serf, now_s: serf.rejoin_kept(now_s))
    world.run(2.0)
    assert "serf: Failed to re-join any previously known node" in d.log


def test_who_left_rejoins_nobody_unless_it_shall() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    world.do(b, lambda serf, now_s: serf.leave(now_s))
    world.run_until(lambda: bool(b.of(LeaveEnded)))
    assert b.kept().alive == {}
    assert b.kept().left
    assert b.kept(rejoin_after_leave=True).alive == {"a": a.address}
    b = world.restart(b, rejoin_after_leave=True)
    world.do(b, lambda serf, now_s: serf.rejoin_kept(now_s))
    world.run_until(lambda: world.knows(a, "a", "b"))


def test_the_file_can_be_written_anew_from_memory() -> None:
    world = SerfWorld()
    a, b, c = world.pool("a", "b", "c")
    world.do(a, lambda serf, now_s: serf.user_event("e", b"", coalesce=False, now_s=now_s))
    world.do(b, lambda serf, now_s: serf.query("q", b"", now_s=now_s))
    world.run(1.0)
    world.kill(b)
    world.run(30.0)
    kept = a.kept()
    assert kept.alive == {"c": c.address}
    assert (kept.event_clock, kept.query_clock) == (1, 1)
    whole = list(a.serf.snapshot_lines())
    assert len(whole) < len(a.file)
    a.file = whole
    assert a.kept() == kept
    assert a.serf.snapshot_bytes_max == 128 * 1024


# -------------------------------------------------------------------- the rest


def test_who_had_a_name_first_keeps_it() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    other = world.start("b", address=at(99))
    world.join(other, a)
    world.run(5.0)
    assert [member.address for member in a.serf.members()] == [a.address, b.address]
    assert any("Name conflict for 'b'" in line for line in a.log)
    assert any("Node name conflicts with another node at 10.0.0.2:8301" in e for e in other.log)


def test_members_find_out_how_far_they_are_from_each_other() -> None:
    world = SerfWorld()
    a, _ = world.pool("a", "b")
    world.run(120.0)
    coordinate = a.serf.cached_coordinate("b")
    assert coordinate is not None
    assert 0.0005 < a.serf.coordinate().distance_s(coordinate) < 0.004
    assert a.serf.cached_coordinate("a") == a.serf.coordinate()
    assert a.serf.cached_coordinate("x") is None


def test_without_coordinates_none_are_sent() -> None:
    world = SerfWorld(settings=SerfSettings(coordinates=False))
    a, _ = world.pool("a", "b")
    world.run(10.0)
    assert a.serf.cached_coordinate("b") is None
    with pytest.raises(SerfError, match="Coordinates are disabled"):
        a.serf.coordinate()
    assert "coordinate_resets" not in a.serf.stats()


def test_what_consul_info_shows() -> None:
    world = SerfWorld()
    a, _ = world.pool("a", "b")
    assert a.serf.stats() == {
        "members": "2",
        "failed": "0",
        "left": "0",
        "health_score": "0",
        "member_time": "2",
        "event_time": "1",
        "query_time": "1",
        "intent_queue": "0",
        "event_queue": "0",
        "query_queue": "0",
        "coordinate_resets": "0",
        "encrypted": "false",
    }
    assert SerfWorld(keys=[bytes(16)]).start("a").serf.stats()["encrypted"] == "true"
