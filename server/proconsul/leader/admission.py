"""Who may be in this datacenter's LAN pool (consul: agent/consul/merge.go).

Asked for every alive message with that member alone, and for a join with all that the other side
knows: a join is refused as a whole.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from proconsul.gossip.effects import MemberStatus
from proconsul.gossip.effects import PoolMember as Member
from proconsul.leader.lan_tags import CLIENT, SERVER


class LanAdmission:
    """The rules, as an agent with this name, ID and datacenter applies them."""

    def __init__(
        self, name: str, node_id: str, datacenter: str, networks: Iterable[str] = ()
    ) -> None:
        """`networks` (`serf_lan_allowed_cidrs`) are where members may be; none: anywhere."""
        self._name = name
        self._node_id = node_id
        self._datacenter = datacenter
        self._networks = [ipaddress.ip_network(one, strict=False) for one in networks]

    def refuse_member(self, member: Member) -> str | None:
        """Why one must not be a member, or None."""
        return self.refuse_join([member])

    def refuse_join(self, members: Sequence[Member]) -> str | None:
        """Why a join with these must fail, or None."""
        by_id: dict[str, str] = {}
        for member in members:
            reason = (
                self._namesake(member, by_id) or self._stranger(member) or self._outsider(member)
            )
            if reason is not None:
                return reason
        return None

    def _namesake(self, member: Member, by_id: dict[str, str]) -> str | None:
        node_id = member.tags.get("id", "")
        if not node_id or member.status is MemberStatus.LEFT:
            return None
        if node_id == self._node_id and member.name != self._name:
            return (
                f"Member '{member.name}' has conflicting node ID '{node_id}' with this agent's ID"
            )
        other = by_id.setdefault(node_id, member.name)
        if other != member.name:
            return (
                f"Member '{member.name}' has conflicting node ID '{node_id}' with member '{other}'"
            )
        return None

    def _stranger(self, member: Member) -> str | None:
        tags = member.tags
        if tags.get("role") not in (SERVER, CLIENT):
            return None  # a plain Serf agent, which is no agent of ours
        datacenter = tags.get("dc", "")
        if datacenter != self._datacenter:
            return f"Member '{member.name}' part of wrong datacenter '{datacenter}'"
        segment = tags.get("segment", "")
        if segment:
            return f"Member '{member.name}' part of wrong segment '{segment}' (expected '')"
        return None

    def _outsider(self, member: Member) -> str | None:
        if not self._networks:
            return None
        address = ipaddress.ip_address(member.address.ip)
        if any(address in network for network in self._networks):
            return None
        return f"Member '{member.name}' has IP '{member.address.host}' which is not allowed"
