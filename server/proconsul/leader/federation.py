"""What a leader tells of its own datacenter: where its mesh gateways are.

After agent/consul/leader_federation_state_ae.go of 1.8: a datacenter has a state even where it has
no gateway. Servers before 1.8 die on the command, so nothing is written until all servers say that
they know it; a state that is there already says so, too. Pure.
"""

from collections.abc import Iterable

from proconsul.gossip.effects import MemberStatus, PoolMember
from proconsul.leader.lan_tags import SERVER
from proconsul.model.catalog import CheckServiceNode
from proconsul.model.federation_state import FederationState

KNOWS_STATES = "ft_fs"
COUNTED = frozenset({MemberStatus.ALIVE, MemberStatus.FAILED})  # who has left comes anew, or never


def all_know_states(members: Iterable[PoolMember], datacenter: str) -> bool:
    """Whether there are servers, and all take federation states."""
    flags = [
        one.tags.get(KNOWS_STATES, "")
        for one in members
        if one.status in COUNTED
        and (one.tags.get("role"), one.tags.get("dc")) == (SERVER, datacenter)
    ]
    return bool(flags) and all(flag == "1" for flag in flags)


def due(
    stored: FederationState | None, datacenter: str, gateways: list[CheckServiceNode]
) -> FederationState | None:
    """The state to write, or None where the stored one says the same."""
    if stored is None or (stored.mesh_gateways or []) != gateways:
        return FederationState(datacenter=datacenter, mesh_gateways=gateways or None)
    return None
