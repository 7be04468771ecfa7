"""Whether servers know federation states, and when a datacenter's own is to be written."""

import pytest
from msgspec.structs import replace

from proconsul.gossip.effects import MemberStatus, PoolMember
from proconsul.leader.federation import all_know_states, due
from proconsul.leader.lan_tags import client_tags
from proconsul.model.catalog import CheckServiceNode, Node, NodeService
from proconsul.model.federation_state import FederationState
from proconsul.model.health import HealthCheck
from proconsul.wire.gostruct import decode, encode
from server_tests.runtime.fake_pool import member, server

NEW = server("s1", "127.0.0.1:8300", ft_fs="1")
OLD = server("s2", "127.0.0.2:8300")
FAR = server("s3", "127.0.0.3:8300", dc="dc2")
CLIENT = member(
    "c1", "127.0.0.4", client_tags(datacenter="dc1", node_id="c", version="1.2.0", acls=False)
)
GATEWAY = CheckServiceNode(
    node=Node(node="gw", address="10.0.0.1", meta={}),
    service=NodeService(id="gw", service="gw", kind="mesh-gateway", port=443, tags=[]),
    checks=[HealthCheck(node="gw", check_id="serfHealth", status="passing")],
)


@pytest.mark.parametrize(
    ("members", "know"),
    [
        ([NEW], True),
        ([NEW, OLD], False),
        ([NEW, CLIENT, FAR], True),
        ([NEW, replace(OLD, status=MemberStatus.FAILED)], False),  # it may come back as it was
        ([NEW, replace(OLD, status=MemberStatus.LEFT)], True),
        ([NEW, server("s4", "127.0.0.5:8300", ft_fs="0")], False),
        ([], False),
        ([CLIENT], False),
    ],
)
def test_all_servers_of_the_datacenter_must_know_them(
    members: list[PoolMember], know: bool
) -> None:
    assert all_know_states(members, "dc1") is know


def test_a_datacenter_without_gateways_has_a_state_too() -> None:
    state = due(None, "dc1", [])
    assert state == FederationState(datacenter="dc1")
    assert due(state, "dc1", []) is None
    assert due(FederationState(datacenter="dc1", mesh_gateways=[]), "dc1", []) is None


def test_it_is_written_again_when_the_gateways_change() -> None:
    state = due(FederationState(datacenter="dc1"), "dc1", [GATEWAY])
    assert state is not None
    assert state.mesh_gateways == [GATEWAY]
    stored = decode(FederationState, encode(state))
    assert due(stored, "dc1", [GATEWAY]) is None
    assert due(stored, "dc1", []) == FederationState(datacenter="dc1")
    assert due(stored, "dc1", [GATEWAY, GATEWAY]) is not None
