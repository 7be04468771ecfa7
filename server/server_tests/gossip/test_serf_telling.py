"""Events and queries, from member to member. See gossip/serf.py."""

import pytest

from proconsul.gossip import serf_codec
from proconsul.gossip.asking import OPEN_MAX
from proconsul.gossip.effects import (
    QueryEnded,
    QueryHeard,
    UserEventHeard,
)
from proconsul.gossip.failure import SerfError
from proconsul.gossip.serf_messages import Query
from proconsul.gossip.settings import SerfSettings
from server_tests.gossip.serf_world import Host, SerfWorld

# -------------------------------------------------------------------- events


def test_an_event_is_heard_once_by_everybody() -> None:
    world = SerfWorld()
    hosts = world.pool("a", "b", "c", "d")
    ltime = world.do(
        hosts[0], lambda serf, now_s: serf.user_event("deploy", b"v2", coalesce=True, now_s=now_s)
    )
    world.run(10.0)
    expected = [UserEventHeard(ltime=ltime, name="deploy", payload=b"v2", coalesce=True)]
    assert [host.of(UserEventHeard) for host in hosts] == [expected] * 4


def test_who_was_away_hears_what_it_missed() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    world.cut_off.add("b")
    world.do(a, lambda serf, now_s: serf.user_event("missed", b"", coalesce=False, now_s=now_s))
    world.run(30.0)
    assert b.events() == []
    world.cut_off.clear()
    world.run_until(lambda: b.events() == ["missed"], 300.0)


def test_who_joins_does_not_hear_old_events() -> None:
    world = SerfWorld()
    a, _ = world.pool("a", "b")
    world.do(a, lambda serf, now_s: serf.user_event("old", b"", coalesce=False, now_s=now_s))
    world.run(5.0)
    c = world.start("c")
    world.join(c, a)
    world.run(120.0)
    assert c.events() == []
    world.do(a, lambda serf, now_s: serf.user_event("new", b"", coalesce=False, now_s=now_s))
    world.run(5.0)
    assert c.events() == ["new"]


def test_who_was_restarted_hears_no_event_twice() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    world.do(a, lambda serf, now_s: serf.user_event("first", b"", coalesce=False, now_s=now_s))
    world.run(5.0)
    world.kill(b)
    world.do(a, lambda serf, now_s: serf.user_event("second", b"", coalesce=False, now_s=now_s))
    world.run(5.0)
    b = world.restart(b)
    world.do(b, lambda serf, now_s: serf.rejoin_kept(now_s))
    world.run(5.0)
    assert b.events() == ["second"]


def test_events_that_are_too_large_are_refused_in_serfs_words() -> None:
    world = SerfWorld()
    a = world.start("a")
    with pytest.raises(
        SerfError, match=r"^user event exceeds configured limit of 512 bytes before encoding$"
    ):
        a.serf.user_event("e", bytes(512), coalesce=False, now_s=world.now_s)
    with pytest.raises(
        SerfError,
        match=r"^encoded user event exceeds configured limit of 512 bytes after encoding$",
    ):
        a.serf.user_event("e", bytes(511), coalesce=False, now_s=world.now_s)
    assert a.serf.stats()["event_time"] == "1"


def test_an_event_that_no_packet_could_carry_is_refused() -> None:
    world = SerfWorld(settings=SerfSettings(user_event_bytes_max=10_000))
    a = world.start("a")
    a.serf.user_event("e", bytes(1200), coalesce=False, now_s=world.now_s)
    with pytest.raises(SerfError, match="does not fit in a packet"):
        a.serf.user_event("e", bytes(1400), coalesce=False, now_s=world.now_s)
    with pytest.raises(SerfError, match="exceeds sane limit of 9216 bytes before encoding"):
        a.serf.user_event("e", bytes(9216), coalesce=False, now_s=world.now_s)


# -------------------------------------------------------------------- queries


def answer_all(world: SerfWorld, hosts: list[Host], payload: bytes = b"") -> None:
    for host in hosts:
        for heard in host.of(QueryHeard):
            name = host.name.encode()
            host.serf.respond(heard, payload or name, world.now_s)
            world.settle(host)
        host.heard = [effect for effect in host.heard if not isinstance(effect, QueryHeard)]


def test_a_query_is_answered_by_everybody_the_asker_too() -> None:
    world = SerfWorld()
    hosts = world.pool("a", "b", "c")
    a = hosts[0]
    token = world.do(a, lambda serf, now_s: serf.query("load", b"?", want_ack=True, now_s=now_s))
    start_s = world.now_s
    world.run_until(lambda: all(host.of(QueryHeard) for host in hosts))
    answer_all(world, hosts)
    ended = world.ended(a, QueryEnded, token)
    assert ended.asked == 3
    assert ended.acks == {"a", "b", "c"}
    assert ended.responses == {"a": b"a", "b": b"b", "c": b"c"}
    assert world.now_s - start_s < 3.0, "it ends when all have answered"


def test_a_query_ends_when_its_time_is_over() -> None:
    world = SerfWorld()
    hosts = world.pool("a", "b", "c")
    a, b, _ = hosts
    token = world.do(a, lambda serf, now_s: serf.query("load", b"", now_s=now_s))
    start_s = world.now_s
    world.run_until(lambda: bool(b.of(QueryHeard)))
    answer_all(world, [b])
    ended = world.ended(a, QueryEnded, token)
    assert ended.responses == {"b": b"b"}
    assert world.now_s - start_s == pytest.approx(3.2, abs=0.1)


def test_only_those_answer_that_are_meant() -> None:
    world = SerfWorld()
    hosts = [world.start(name, tags={"dc": dc}) for name, dc in zip("abc", "xyx", strict=True)]
    for host in hosts[1:]:
        world.join(host, hosts[0])
    world.run(3.0)
    a, b, c = hosts
    world.do(
        a,
        lambda serf, now_s: serf.query(
            "load", b"", nodes=["b", "c"], tags=[("dc", "^x")], now_s=now_s
        ),
    )
    world.run(3.0)
    assert [len(host.of(QueryHeard)) for host in (a, b, c)] == [0, 0, 1]


def test_an_answer_that_is_relayed_arrives_once() -> None:
    world = SerfWorld()
    hosts = world.pool("a", "b", "c", "d")
    a = hosts[0]
    token = world.do(
        a, lambda serf, now_s: serf.query("load", b"", relay_factor=2, timeout_s=2.0, now_s=now_s)
    )
    world.run_until(lambda: all(host.of(QueryHeard) for host in hosts))
    before = len(world.packets)
    answer_all(world, hosts[1:])
    sent = [packet.to for _, packet in world.packets[before:]]
    assert sent.count(a.address) >= 3
    assert len(sent) - 3 <= 2 * 3
    assert world.ended(a, QueryEnded, token).responses.keys() == {"b", "c", "d"}


def test_a_query_that_is_too_large_is_refused() -> None:
    world = SerfWorld()
    a = world.start("a")
    empty = Query(
        ltime=1,
        id=2**31 - 1,
        address=a.address,
        source_node="a",
        filters=(),
        flags=0,
        relay_factor=0,
        timeout_ns=3_200_000_000,
        name="q",
        payload=bytes(256),  # a length of three bytes
    )
    largest = 256 + 1024 - len(serf_codec.encode(empty))
    with pytest.raises(SerfError, match=r"^query exceeds limit of 1024 bytes$"):
        a.serf.query("q", bytes(largest + 1), now_s=world.now_s)
    assert a.serf.stats()["query_time"] == "1"
    a.serf.query("q", bytes(largest), now_s=world.now_s)


def test_no_more_queries_can_be_open_than_the_limit() -> None:
    world = SerfWorld()
    a = world.start("a")
    for _ in range(OPEN_MAX):
        a.serf.query("q", b"", now_s=world.now_s)
    with pytest.raises(SerfError, match="256 queries are open"):
        a.serf.query("q", b"", now_s=world.now_s)
    assert a.serf.stats()["query_time"] == str(OPEN_MAX + 1)


def test_an_answer_is_given_once_and_in_time() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    for _ in range(2):
        world.do(a, lambda serf, now_s: serf.query("q", b"", timeout_s=5.0, now_s=now_s))
    world.run(2.0)
    first, second = b.of(QueryHeard)
    with pytest.raises(SerfError, match=r"^response exceeds limit of 1024 bytes$"):
        b.serf.respond(first, bytes(1024), world.now_s)
    b.serf.respond(first, b"", world.now_s)
    with pytest.raises(SerfError, match=r"^response already sent$"):
        b.serf.respond(first, b"", world.now_s)
    world.run(5.0)
    with pytest.raises(SerfError, match=r"^response is past the deadline$"):
        b.serf.respond(second, b"", world.now_s)
