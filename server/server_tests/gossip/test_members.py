"""Who is listed, in which order they are probed, and who is picked. See gossip/members.py."""

import random
from collections import Counter

from proconsul.gossip.address import address_of
from proconsul.gossip.delegate import Node
from proconsul.gossip.members import Member, Members
from proconsul.gossip.messages import NodeState

FORGET_AFTER_S = 30.0


def member(name: str, state: NodeState = NodeState.ALIVE, changed_s: float = 0.0) -> Member:
    address = address_of("10.0.0.1", 8301)
    node = Node(name=name, address=address, meta=b"", vsn=bytes([1, 5, 2, 2, 5, 4]), state=state)
    return Member(node, 1, changed_s)


def pool(*others: Member, seed: int = 1) -> Members:
    members = Members(member("us"), random.Random(seed).randrange)
    for other in others:
        members.add(other)
    return members


def turn(members: Members, count: int, now_s: float = 0.0) -> list[str]:
    found = (members.next_to_probe(FORGET_AFTER_S, now_s) for _ in range(count))
    return [one.name for one in found if one is not None]


def test_in_each_turn_each_other_member_is_probed_once() -> None:
    members = pool(*(member(f"m{number}") for number in range(20)))
    turn(members, 20)  # some come in behind the place where the first turn stands
    everybody = sorted(f"m{number}" for number in range(20))
    first, second = turn(members, 20), turn(members, 20)
    assert sorted(first) == sorted(second) == everybody
    assert first != second


def test_the_gone_are_not_probed_and_suspects_are() -> None:
    members = pool(
        member("dead", NodeState.DEAD),
        member("left", NodeState.LEFT),
        member("suspect", NodeState.SUSPECT),
    )
    assert turn(members, 3) == ["suspect"] * 3


def test_alone_there_is_nobody_to_probe() -> None:
    assert pool().next_to_probe(FORGET_AFTER_S, 0.0) is None


def test_the_long_dead_and_left_are_forgotten_at_the_end_of_a_turn() -> None:
    members = pool(
        member("dead", NodeState.DEAD, 10.0),
        member("left", NodeState.LEFT, 10.0),
        member("alive"),
    )
    turn(members, 3, now_s=40.0)
    assert len(members) == 4
    turn(members, 3, now_s=40.1)
    assert len(members) == 2
    assert members.get("dead") is None
    assert members.get("left") is None
    assert members.get("alive") is not None


def test_this_member_is_never_forgotten() -> None:
    members = Members(member("us", NodeState.LEFT), random.Random(1).randrange)
    members.add(member("alive"))
    turn(members, 3, now_s=1000.0)
    assert members.get("us") is members.own


def test_who_is_present_is_counted() -> None:
    one, two = member("one"), member("two")
    members = pool(one, two)
    assert (members.present, members.others_present) == (3, 2)
    members.change_state(one, NodeState.SUSPECT, 1, 1.0)
    assert members.present == 3
    members.change_state(one, NodeState.DEAD, 1, 2.0)
    assert (members.present, members.others_present) == (2, 1)
    members.change_state(members.own, NodeState.LEFT, 1, 3.0)
    assert (members.present, members.others_present) == (1, 1)
    members.change_state(one, NodeState.ALIVE, 2, 4.0)
    assert (members.present, members.others_present) == (2, 2)


def test_a_state_dates_from_when_it_began() -> None:
    one = member("one", changed_s=1.0)
    members = pool(one)
    members.change_state(one, NodeState.ALIVE, 2, 5.0)
    assert one.changed_s == 1.0
    members.change_state(one, NodeState.DEAD, 2, 6.0)
    assert one.changed_s == 6.0


def test_picked_are_those_that_are_wanted_each_once_and_never_us() -> None:
    members = pool(*(member(f"m{number}") for number in range(50)))
    for _ in range(100):
        names = [one.name for one in members.pick(3, lambda one: one.name != "m7")]
        assert len(set(names)) == 3
        assert not {"m7", "us"} & set(names)


def test_the_only_one_that_is_wanted_is_found_among_many() -> None:
    members = pool(*(member(f"m{number}", NodeState.LEFT) for number in range(200)))
    members.add(member("alive"))
    for _ in range(20):
        picked = members.pick(3, lambda one: one.state is NodeState.ALIVE)
        assert [one.name for one in picked] == ["alive"]


def test_all_are_picked_alike() -> None:
    members = pool(*(member(f"m{number}") for number in range(10)))
    counted = Counter(one.name for _ in range(2000) for one in members.pick(3, lambda _: True))
    assert len(counted) == 10
    assert min(counted.values()) > 450  # of 600 expected, 20 is a standard deviation
    assert max(counted.values()) < 750
