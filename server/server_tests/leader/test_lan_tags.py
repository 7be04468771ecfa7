"""What tags make of a member: a server, a client, a stranger."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from proconsul.gossip.address import address_of
from proconsul.gossip.effects import MemberStatus, PoolMember
from proconsul.leader.lan_tags import (
    agent_of,
    client_tags,
    pool_member_of,
    server_of,
    server_tags,
    understands_coordinates,
)
from server_tests.leader.pool_and_raft import server


def member(tags: dict[str, str], **fields: Any) -> PoolMember:
    """Member `s1` at 10.0.0.1."""
    one = PoolMember(
        name="s1",
        address=address_of("10.0.0.1", 8301),
        tags=tags,
        status=MemberStatus.ALIVE,
        protocol=(1, 5, 2),
        delegate=(2, 5, 4),
        since_s=1.0,
    )
    return structs.replace(one, **fields)


def tags_of(**fields: Any) -> dict[str, str]:
    me = replace(server("s1"), **fields)
    return server_tags(me, acls=False, tells_bootstrap=True, use_tls=False)


CLIENT = client_tags(datacenter="dc1", node_id="s1", version="1.8.7", acls=True)


@pytest.mark.parametrize("fields", [{}, {"bootstrap": True}, {"expect": 3}, {"non_voter": True}])
def test_a_server_is_what_it_says_of_itself(fields: dict[str, Any]) -> None:
    assert server_of(member(tags_of(**fields))) == replace(server("s1"), **fields)


def test_the_tags_are_those_of_a_real_server() -> None:
    assert tags_of(bootstrap=True) == {
        "acls": "0",
        "bootstrap": "1",
        "build": "1.8.7:",
        "dc": "dc1",
        "ft_fs": "1",
        "id": "s1",
        "port": "8300",
        "raft_vsn": "3",
        "role": "consul",
        "segment": "",
        "vsn": "2",
        "vsn_max": "3",
        "vsn_min": "2",
    }
    assert set(CLIENT) == {
        *("acls", "build", "dc", "id", "role", "segment", "vsn", "vsn_max", "vsn_min")
    }


@pytest.mark.parametrize("name", ["role", "port", "vsn", "build"])
def test_without_one_of_these_it_is_no_server(name: str) -> None:
    tags = tags_of()
    del tags[name]
    assert server_of(member(tags)) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("role", "node"),
        ("port", "x"),
        ("port", "0"),
        ("port", "65536"),
        ("vsn", ""),
        ("build", "devel"),
        ("raft_vsn", "three"),
        ("expect", "-1"),
        ("wan_join_port", "x"),
        ("ft_fs", "yes"),
        ("port", "9" * 4000),
    ],
)
def test_what_is_there_must_be_well_formed(name: str, value: str) -> None:
    assert server_of(member({**tags_of(), name: value})) is None


def test_as_little_as_a_client_needs_makes_a_server() -> None:
    tags = {"role": "consul", "dc": "dc1", "port": "8300", "vsn": "2", "build": "1.16.4:abc"}
    found = server_of(member(tags))
    assert found is not None
    assert (found.version, found.raft_version, found.node_id) == ("1.16.4", 1, "")


def test_agents_are_of_this_datacenter_and_have_a_role() -> None:
    found = agent_of(member(CLIENT), "dc1")
    assert found is not None
    assert (found.node, found.node_id, found.address, found.server) == (
        "s1",
        "s1",
        "10.0.0.1",
        None,
    )
    assert agent_of(member(CLIENT), "dc2") is None
    assert agent_of(member({"role": "web"}), "dc1") is None
    assert agent_of(member({}), "dc1") is None
    failed = pool_member_of(member(tags_of(), status=MemberStatus.FAILED))
    assert failed is not None
    assert (failed.status, failed.since_s) == (MemberStatus.FAILED, 1.0)
    assert pool_member_of(member(CLIENT)) is None


def test_coordinates_are_told_if_all_servers_understand_them() -> None:
    old = {**tags_of(), "vsn_max": "2"}
    assert understands_coordinates([member(tags_of()), member({**CLIENT, "vsn_max": "1"})])
    assert not understands_coordinates([member(tags_of()), member(old)])
    assert not understands_coordinates([member({**tags_of(), "vsn_max": ""})])
