"""Who is known, and who lives."""

from dataclasses import replace

import pytest

from proconsul.errors import RpcError
from proconsul.leader.acquaintances import (
    FAILED_AFTER_S,
    FORGOTTEN_AFTER_S,
    MEMBERS_MAX,
    TEXT_MAX,
    Acquaintances,
    identity_of,
    member_of,
)
from proconsul.leader.pool import PoolMember, Status
from server_tests.leader.servers import server

A, B, C = server("a"), server("b"), server("c")


def pass_time(known: Acquaintances, from_s: float, to_s: float) -> list[PoolMember]:
    """Look at the clock every second; gives all that failed."""
    failed = []
    now_s = from_s
    while now_s < to_s:
        now_s = min(now_s + 1, to_s)
        failed += known.tick(now_s)
    return failed


def status_of(known: Acquaintances, node: str) -> Status:
    member = known.named(node)
    return Status.NONE if member is None else member.status


def test_who_is_heard_lives_until_it_is_silent() -> None:
    known = Acquaintances(A, 0)
    assert known.heard(B, 0) == PoolMember(B, Status.ALIVE, 0)
    assert known.heard(B, 3) is None  # no news
    assert pass_time(known, 0, 3 + FAILED_AFTER_S - 0.5) == []
    (failed,) = known.tick(3 + FAILED_AFTER_S)
    assert failed == PoolMember(B, Status.FAILED, 3 + FAILED_AFTER_S)
    assert known.others_alive() == []
    assert known.alive() == [A]  # this server never fails
    assert known.heard(B, 20) == PoolMember(B, Status.ALIVE, 20)


def test_members_are_in_the_order_of_their_names() -> None:
    known = Acquaintances(B, 0)
    known.heard(C, 1)
    known.heard(A, 2)
    assert [each.server.node for each in known.members()] == ["a", "b", "c"]


def test_a_server_is_alive_at_its_new_address_at_once() -> None:
    known = Acquaintances(A, 0)
    known.heard(B, 0)
    there = replace(B, address="10.0.9.9")
    assert known.heard(there, 1) == PoolMember(there, Status.ALIVE, 0)  # it never failed
    pass_time(known, 1, 30)
    back = replace(B, address="10.0.9.10")
    assert known.heard(back, 30) == PoolMember(back, Status.ALIVE, 30)
    assert len(known.members()) == 2


def test_who_stood_still_itself_does_not_blame_the_others() -> None:
    known = Acquaintances(A, 0)
    known.heard(B, 0)
    assert known.tick(100) == []  # nobody looked for a hundred seconds
    assert pass_time(known, 100, 100 + FAILED_AFTER_S - 1) == []
    assert pass_time(known, 104, 100 + FAILED_AFTER_S + 1) != []


def test_after_three_days_a_failed_server_is_forgotten() -> None:
    known = Acquaintances(A, 0)
    known.heard(B, 0)
    pass_time(known, 0, 10)
    known.tick(FORGOTTEN_AFTER_S)
    assert status_of(known, "b") is Status.FAILED
    known.tick(FORGOTTEN_AFTER_S + 10)
    assert status_of(known, "b") is Status.NONE


def test_another_datacenter_is_refused_in_consuls_words() -> None:
    known = Acquaintances(A, 0)
    with pytest.raises(RpcError, match=r"^Member 'b' part of wrong datacenter 'dc2'$"):
        known.heard(server("b", datacenter="dc2"), 0)


def test_our_own_id_elsewhere_is_refused_in_consuls_words() -> None:
    known = Acquaintances(A, 0)
    text = "^Member 'b' has conflicting node ID 'a-0000' with this agent's ID$"
    with pytest.raises(RpcError, match=text):
        known.heard(server("b", node_id=A.node_id), 0)
    with pytest.raises(RpcError, match="conflicting node ID"):
        known.heard(replace(A, address="10.0.9.9"), 0)


def test_an_id_is_one_members_only() -> None:
    known = Acquaintances(A, 0)
    known.heard(B, 0)
    copy = server("c", node_id=B.node_id)
    with pytest.raises(RpcError, match="'c' has conflicting node ID 'b-0000' with member 'b'"):
        known.heard(copy, 1)
    pass_time(known, 1, 30)
    known.heard(copy, 30)  # b failed: it has another name now
    assert [each.server.node for each in known.members()] == ["a", "c"]


def test_a_name_belongs_to_who_lives() -> None:
    known = Acquaintances(A, 0)
    known.heard(B, 0)
    other = server("b", node_id="x-0000", address="10.0.9.9")
    with pytest.raises(RpcError, match=r"conflicts with another node at 10\.0\.0\.2:8300\. Names"):
        known.heard(other, 1)
    with pytest.raises(RpcError, match="Node name conflicts"):
        known.heard(server("a", node_id="x-0000"), 1)  # nobody takes our own name
    pass_time(known, 1, 30)
    assert known.heard(other, 30) == PoolMember(other, Status.ALIVE, 30)
    assert known.with_id(B.node_id) is None


def test_an_introduction_must_name_the_server() -> None:
    known = Acquaintances(A, 0)
    for bad in (
        server("b", node_id=""),
        server("b", address=""),
        server("b", rpc_port=0),
        server("b", rpc_port=65536),
        server("b", version="1" * (TEXT_MAX + 1)),
    ):
        with pytest.raises(RpcError, match="an introduction"):
            known.heard(bad, 0)


def test_who_failed_first_makes_room_and_who_lives_never() -> None:
    known = Acquaintances(A, 0)
    crowd = [server(f"n{number:03}", node_id=str(number)) for number in range(MEMBERS_MAX)]
    for each in crowd[:-1]:
        known.heard(each, 0)
    with pytest.raises(RpcError, match="no more are taken"):
        known.heard(crowd[-1], 0)
    known.departed("n005", 1)
    known.departed("n004", 2)
    known.heard(crowd[-1], 3)
    assert status_of(known, "n005") is Status.NONE
    assert status_of(known, "n004") is Status.LEFT
    assert len(known.members()) == MEMBERS_MAX


def test_who_departs_has_left_until_it_is_heard_again() -> None:
    known = Acquaintances(A, 0)
    known.heard(B, 0)
    assert known.departed("b", 1) == PoolMember(B, Status.LEFT, 1)
    assert known.departed("b", 2) is None
    assert known.departed("a", 2) is None  # nobody sends us away
    assert pass_time(known, 2, 30) == []
    assert status_of(known, "b") is Status.LEFT
    known.heard(B, 30)
    assert status_of(known, "b") is Status.ALIVE


def test_who_failed_can_be_forced_out_and_who_lives_cannot() -> None:
    known = Acquaintances(A, 0)
    known.heard(B, 0)
    known.heard(C, 0)
    assert known.force_out("b", 1, prune=False) is None
    pass_time(known, 1, 30)
    assert known.force_out("b", 30, prune=False) == PoolMember(B, Status.LEFT, 30)
    assert known.force_out("c", 30, prune=True) == PoolMember(C, Status.LEFT, 30)
    assert [each.server.node for each in known.members()] == ["a", "b"]
    assert known.force_out("nobody", 30, prune=True) is None


def test_a_server_arrives_as_it_was_sent() -> None:
    sent = server("b", non_voter=True, bootstrap=True, expect=5, address="fd00::2")
    assert member_of(identity_of(sent)) == sent
