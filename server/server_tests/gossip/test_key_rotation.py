"""Keys of a pool, changed while it lives. See gossip/key_rotation.py and internal_queries.py."""

import base64

import pytest

from proconsul.gossip import serf_codec
from proconsul.gossip.effects import (
    Effect,
    KeyringEnded,
    KeysChanged,
    MemberStatus,
    QueryEnded,
    QueryHeard,
)
from proconsul.gossip.journal import Journal
from proconsul.gossip.key_rotation import KeyKeeper, KeyOperation, in_base64, tally
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import User
from proconsul.gossip.queries import ANSWERABLE_MAX
from proconsul.gossip.serf_messages import KeyRequest, KeyResponse, Query
from server_tests.gossip.conflict_answers import decode_conflict
from server_tests.gossip.serf_world import Host, SerfWorld

OLD, NEW, THIRD = bytes(range(32)), bytes(range(16, 48)), bytes(16)


def operate(
    world: SerfWorld, host: Host, operation: KeyOperation, key: bytes = b"", relay_factor: int = 0
) -> KeyringEnded:
    token = world.do(
        host,
        lambda serf, now_s: serf.keyring(operation, key, relay_factor=relay_factor, now_s=now_s),
    )
    return world.ended(host, KeyringEnded, token)


# -------------------------------------------------------------------- in a pool


def test_a_key_is_changed_everywhere_while_the_pool_lives() -> None:
    world = SerfWorld(keys=[OLD])
    hosts = world.pool("a", "b", "c")
    a, b, c = hosts
    old, new = in_base64(OLD), in_base64(NEW)

    ended = operate(world, a, KeyOperation.LIST)
    assert (ended.members, ended.responses, ended.errors, ended.failure) == (3, 3, 0, "")
    assert ended.keys == ended.primary_keys == {old: 3}
    assert ended.messages == {}

    assert operate(world, b, KeyOperation.INSTALL, NEW).failure == ""
    assert operate(world, c, KeyOperation.USE, NEW, relay_factor=2).failure == ""
    assert {host.keys_file for host in hosts} == {(new, old)}
    assert operate(world, a, KeyOperation.LIST).keys == {new: 3, old: 3}

    assert operate(world, a, KeyOperation.REMOVE, OLD).failure == ""
    ended = operate(world, a, KeyOperation.LIST, relay_factor=1)
    assert ended.keys == ended.primary_keys == {new: 3}
    assert {host.keys_file for host in hosts} == {(new,)}

    world.run(30.0)
    assert all(world.knows(host, "a", "b", "c") for host in hosts)
    assert a.changes("b") == []


def test_one_that_does_not_answer_makes_it_a_failure() -> None:
    world = SerfWorld(keys=[OLD])
    a, _, c = world.pool("a", "b", "c")
    world.kill(c)
    ended = operate(world, a, KeyOperation.INSTALL, NEW)
    assert (ended.members, ended.responses, ended.errors) == (3, 2, 0)
    assert ended.failure == "2/3 nodes reported success"


def test_what_members_refuse_is_told() -> None:
    world = SerfWorld(keys=[OLD])
    a, _ = world.pool("a", "b")
    ended = operate(world, a, KeyOperation.REMOVE, OLD)
    assert ended.failure == "2/2 nodes reported failure"
    assert ended.messages == dict.fromkeys("ab", "removing the primary key is not allowed")
    assert operate(world, a, KeyOperation.USE, NEW).errors == 2
    assert operate(world, a, KeyOperation.INSTALL, b"short").messages == dict.fromkeys(
        "ab", "key size must be 16, 24 or 32 bytes"
    )
    assert a.keys_file == ()


def test_without_encryption_there_is_nothing_to_change() -> None:
    world = SerfWorld()
    a, _ = world.pool("a", "b")
    ended = operate(world, a, KeyOperation.LIST)
    assert ended.failure == "2/2 nodes reported failure"
    assert ended.messages == dict.fromkeys("ab", "Keyring is empty (encryption not enabled)")
    assert ended.keys == ended.primary_keys == {}
    for operation in (KeyOperation.INSTALL, KeyOperation.USE, KeyOperation.REMOVE):
        assert operate(world, a, operation, NEW).messages == dict.fromkeys(
            "ab", "No keyring to modify (encryption not enabled)"
        )


def test_who_is_alone_answers_itself_at_once() -> None:
    world = SerfWorld(keys=[OLD])
    a = world.start("a")
    start_s = world.now_s
    assert operate(world, a, KeyOperation.LIST).keys == {in_base64(OLD): 1}
    assert world.now_s == start_s


def test_users_do_not_hear_such_queries() -> None:
    world = SerfWorld(keys=[OLD])
    a, b = world.pool("a", "b")
    operate(world, a, KeyOperation.LIST)
    world.do(a, lambda serf, now_s: serf.query("_serf_whatever", b"", now_s=now_s))
    world.run(5.0)
    assert b.heard == []
    assert "serf: Unhandled internal query 'whatever'" in b.log


def test_who_has_another_key_is_not_reached() -> None:
    world = SerfWorld(keys=[OLD])
    a = world.start("a")
    world.keys = [NEW]
    b = world.start("b")
    world.hosts[b.address] = b
    token = world.do(b, lambda serf, now_s: serf.query("q", b"", timeout_s=1.0, now_s=now_s))
    assert world.ended(b, QueryEnded, token).asked == 1
    assert world.knows(a, "a")


# -------------------------------------------------------------------- a ping, a conflict


def test_everybody_acknowledges_a_ping() -> None:
    world = SerfWorld()
    a, _ = world.pool("a", "b")
    token = world.do(
        a, lambda serf, now_s: serf.query("_serf_ping", b"", want_ack=True, now_s=now_s)
    )
    ended = world.ended(a, QueryEnded, token)
    assert ended.acks == {"a", "b"}
    assert ended.responses == {}


def test_internal_queries_do_not_take_the_place_of_users_that_wait_for_an_answer() -> None:
    world = SerfWorld()
    a, b = world.pool("a", "b")
    world.do(a, lambda serf, now_s: serf.query("q", b"", timeout_s=60.0, now_s=now_s))
    world.run(1.0)
    (heard,) = b.of(QueryHeard)
    for number in range(ANSWERABLE_MAX):
        ping = Query(
            ltime=5 + number,
            id=number,
            address=a.address,
            source_node="a",
            filters=(),
            flags=0,
            relay_factor=0,
            timeout_ns=10**9,
            name="_serf_ping",
            payload=b"",
        )
        b.serf.absorb(User(serf_codec.encode(ping)), world.now_s)
    b.serf.respond(heard, b"", world.now_s)


def test_who_else_has_a_name_is_answered_by_all_but_the_one_of_that_name() -> None:
    world = SerfWorld()
    a, _, c = world.pool("a", "b", "c")
    token = world.do(a, lambda serf, now_s: serf.query("_serf_conflict", b"c", now_s=now_s))
    ended = world.ended(a, QueryEnded, token)
    assert set(ended.responses) == {"a", "b"}
    for payload in ended.responses.values():
        member = decode_conflict(payload)
        assert member is not None
        assert (member.name, member.address) == ("c", c.address)
        assert (member.tags, member.status) == ({"role": "node"}, MemberStatus.ALIVE)
    token = world.do(a, lambda serf, now_s: serf.query("_serf_conflict", b"x", now_s=now_s))
    ended = world.ended(a, QueryEnded, token)
    assert [decode_conflict(payload) for payload in ended.responses.values()] == [
        None,
        None,
        None,
    ]


# -------------------------------------------------------------------- one member


def keeper(*keys: bytes) -> tuple[KeyKeeper, list[Effect]]:
    effects: list[Effect] = []
    return KeyKeeper(Keyring(keys), effects, Journal(effects, "serf")), effects


@pytest.mark.parametrize("payload", [b"", b"\x07", b"\x07\xc1", b"\x01\x80", b"\x63"])
def test_a_request_that_cannot_be_read_is_answered_without_a_reason(payload: bytes) -> None:
    keys, effects = keeper(OLD)
    answer = keys.answer(KeyOperation.INSTALL, payload, lambda body: True)
    response = serf_codec.decode(answer)
    assert isinstance(response, KeyResponse)
    assert not response.result
    assert not any(isinstance(effect, KeysChanged) for effect in effects)


def test_a_list_that_does_not_fit_is_cut_and_says_so() -> None:
    ring = [bytes([number]) * 32 for number in range(40)]
    keys, _ = keeper(*ring)
    answer = keys.answer(KeyOperation.LIST, b"", lambda body: len(body) <= 980)
    response = serf_codec.decode(answer)
    assert isinstance(response, KeyResponse)
    shown = len(response.keys)
    assert 10 < shown < 40
    assert response.message == f"truncated key list response, showing first {shown} of 40 keys"
    assert response.result
    assert response.primary_key == base64.b64encode(ring[0]).decode()
    longer = serf_codec.encode(
        KeyResponse(
            result=True,
            message=response.message,
            keys=(*response.keys, response.primary_key),
            primary_key=response.primary_key,
        )
    )
    assert len(longer) > 980


def test_in_a_pool_a_long_list_arrives_cut() -> None:
    world = SerfWorld(keys=[bytes([number]) * 32 for number in range(40)])
    a, _ = world.pool("a", "b")
    ended = operate(world, a, KeyOperation.LIST)
    assert ended.failure == ""
    assert all("truncated key list response" in text for text in ended.messages.values())
    assert 10 < len(ended.keys) < 40


# -------------------------------------------------------------------- counting


def test_answers_that_cannot_be_read_are_errors() -> None:
    good = serf_codec.encode(
        KeyResponse(result=True, message="by the way", keys=("k",), primary_key="k")
    )
    ended = tally(
        QueryEnded(
            token=7,
            asked=4,
            acks=frozenset(),
            responses={
                "good": good,
                "empty": b"",
                "other": serf_codec.encode(KeyRequest(b"")),
                "broken": b"\x08\xc1",
            },
        )
    )
    assert ended == KeyringEnded(
        token=7,
        members=4,
        responses=4,
        errors=3,
        messages={
            "good": "by the way",
            "empty": "Failed to decode key query response: []",
            "other": "Invalid key query response type: [7 129 163 75 101 121 160]",
            "broken": "Failed to decode key query response: [8 193]",
        },
        keys={"k": 1},
        primary_keys={"k": 1},
        failure="3/4 nodes reported failure",
    )
