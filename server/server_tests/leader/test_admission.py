"""Who may be in the pool."""

import pytest
from msgspec.structs import replace

from proconsul.gossip.address import address_of
from proconsul.gossip.effects import MemberStatus, PoolMember
from proconsul.leader.admission import LanAdmission
from proconsul.leader.lan_tags import client_tags
from server_tests.leader.test_lan_tags import member, tags_of

GATE = LanAdmission("me", "id-me", "dc1")


def client(name: str, node_id: str, datacenter: str = "dc1") -> PoolMember:
    tags = client_tags(datacenter=datacenter, node_id=node_id, version="1.8.7", acls=False)
    return member(tags, name=name)


def test_agents_of_this_datacenter_and_plain_serf_agents_are_welcome() -> None:
    assert GATE.refuse_join([client("a", "1"), client("b", "2"), member({"role": "web"})]) is None
    assert GATE.refuse_member(member(tags_of())) is None
    assert GATE.refuse_member(client("me", "id-me")) is None


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (client("a", "1", "dc2"), "Member 'a' part of wrong datacenter 'dc2'"),
        (
            member({**tags_of(), "segment": "x"}),
            "Member 's1' part of wrong segment 'x' (expected '')",
        ),
        (client("a", "id-me"), "Member 'a' has conflicting node ID 'id-me' with this agent's ID"),
    ],
)
def test_strangers_and_doubles_are_refused(one: PoolMember, why: str) -> None:
    assert GATE.refuse_member(one) == why
    assert GATE.refuse_join([client("b", "2"), one]) == why


def test_two_of_one_join_must_not_share_an_id_unless_one_has_left() -> None:
    one, other = client("a", "1"), client("b", "1")
    assert GATE.refuse_join([one, other]) == (
        "Member 'b' has conflicting node ID '1' with member 'a'"
    )
    assert GATE.refuse_join([one, replace(other, status=MemberStatus.LEFT)]) is None
    assert GATE.refuse_join([client("a", ""), client("b", "")]) is None  # old ones have none


def test_allowed_networks_keep_others_out() -> None:
    gate = LanAdmission("me", "id-me", "dc1", ["10.0.0.0/24", "fd00::/64"])
    assert gate.refuse_member(client("a", "1")) is None
    outside = replace(client("a", "1"), address=address_of("10.0.1.1", 8301))
    assert gate.refuse_member(outside) == "Member 'a' has IP '10.0.1.1' which is not allowed"
    inside = replace(client("a", "1"), address=address_of("fd00::7", 8301))
    assert gate.refuse_member(inside) is None
