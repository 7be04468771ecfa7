"""Serf's tags in Consul's meaning: what agents tell of themselves, and what others make of it.

After wire/gossip/consul-serf.md sections 2 and 3: role, port, vsn and build make a server; what is
there must be well-formed, or the member is none.
"""

import re
from collections.abc import Iterable, Mapping

from proconsul.gossip.effects import PoolMember as Member
from proconsul.leader.pool import LanMember, PoolMember, ServerMember

SERVER, CLIENT = "consul", "node"
PROTOCOL_MIN, PROTOCOL_MAX, PROTOCOL = 2, 3, 2  # of Consul itself, as 1.8.7 has them
RAFT_VERSION_UNKNOWN = 1  # what a server speaks that does not say

_BUILD = re.compile(r"\d+\.\d+\.\d+", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def base_tags(
    *, role: str, datacenter: str, node_id: str, version: str, acls: bool
) -> dict[str, str]:
    """What servers and clients have in common."""
    return {
        "role": role,
        "dc": datacenter,
        "segment": "",
        "id": node_id,
        "vsn": str(PROTOCOL),
        "vsn_min": str(PROTOCOL_MIN),
        "vsn_max": str(PROTOCOL_MAX),
        "build": f"{version}:",
        "acls": "1" if acls else "0",
    }


def server_tags(
    me: ServerMember, *, acls: bool, tells_bootstrap: bool, use_tls: bool
) -> dict[str, str]:
    """Of a server in the LAN pool. There is no `wan_join_port`, for there is no WAN pool."""
    tags = base_tags(
        role=SERVER, datacenter=me.datacenter, node_id=me.node_id, version=me.version, acls=acls
    )
    tags |= {
        "raft_vsn": str(me.raft_version),
        "port": str(me.rpc_port),
        "ft_fs": "1",  # it knows federation states
    }
    if me.bootstrap:
        if tells_bootstrap:
            tags["bootstrap"] = "1"
    elif me.expect:
        tags["expect"] = str(me.expect)
    if use_tls:
        tags["use_tls"] = "1"
    if me.non_voter:
        tags["nonvoter"] = "1"
    return tags


def client_tags(*, datacenter: str, node_id: str, version: str, acls: bool) -> dict[str, str]:
    """Of a client agent."""
    return base_tags(
        role=CLIENT, datacenter=datacenter, node_id=node_id, version=version, acls=acls
    )


def server_of(member: Member) -> ServerMember | None:
    """The server that a member is, or None; of any datacenter."""
    tags = member.tags
    if tags.get("role") != SERVER or not _are_well_formed(tags):
        return None
    build = _BUILD.search(tags.get("build", ""))
    if build is None:
        return None
    return ServerMember(
        node=member.name,
        node_id=tags.get("id", ""),
        datacenter=tags.get("dc", ""),
        address=member.address.host,
        rpc_port=int(tags["port"]),
        version=build.group(),
        raft_version=int(tags.get("raft_vsn", RAFT_VERSION_UNKNOWN)),
        serf_protocol=member.protocol,
        non_voter="nonvoter" in tags,
        bootstrap="bootstrap" in tags,
        expect=int(tags.get("expect", 0)),
    )


def _are_well_formed(tags: Mapping[str, str]) -> bool:
    needed = (tags.get("port", ""), tags.get("vsn", ""))
    features = [name for name in tags if name.startswith("ft_")]
    optional = ("raft_vsn", "expect", "wan_join_port", *features)
    given = (tags[name] for name in optional if name in tags)
    if not all(_INTEGER.fullmatch(value) for value in (*needed, *given)):
        return False
    return 0 < int(tags["port"]) < 65536 and int(tags.get("expect", 0)) >= 0


def pool_member_of(member: Member) -> PoolMember | None:
    """A server with its status, or None for what is none."""
    server = server_of(member)
    return None if server is None else PoolMember(server, member.status, member.since_s)


def agent_of(member: Member, datacenter: str) -> LanMember | None:
    """The agent that a member is, if it is one of this datacenter."""
    tags = member.tags
    if tags.get("role") not in (SERVER, CLIENT) or tags.get("dc") != datacenter:
        return None
    return LanMember(
        node=member.name,
        node_id=tags.get("id", ""),
        address=member.address.host,
        status=member.status,
        server=server_of(member),
    )


def understands_coordinates(members: Iterable[Member]) -> bool:
    """Whether all servers take coordinates: only then are they told any."""
    versions = (each.tags.get("vsn_max", "") for each in members if each.tags.get("role") == SERVER)
    return all(_INTEGER.fullmatch(one) and int(one) >= PROTOCOL_MAX for one in versions)
