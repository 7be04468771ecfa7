"""What the servers' HTTP API answers, as typed values, and as the plans want to see it.

Bytes become structs here and nowhere else. A document that is none raises msgspec.DecodeError or
ValidationError: for the caller that is an answer that was not understood, so it knows nothing.
Sources: server/proconsul/model/raft_local.py for ours, Consul's HTTP API for the others.
"""

from typing import Final

import msgspec

from proconsul_operator.plans.observe import (
    Configuration,
    Health,
    Keyring,
    Local,
    RaftServer,
)

FAILED_MEMBER: Final = 4  # serf's StatusFailed, in /v1/agent/members


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Consul's names: capitals, and abbreviations that are spelled out below."""


class RaftLocalServer(_Document, frozen=True, kw_only=True):
    """A member of a server's own configuration."""

    id: str = msgspec.field(name="ID")
    address: str
    voter: bool


class RaftLocalConfiguration(_Document, frozen=True, kw_only=True):
    """A server's own configuration."""

    index: int
    servers: list[RaftLocalServer]


class RaftLocal(_Document, frozen=True, kw_only=True):
    """`GET /v1/proconsul/raft/local`."""

    node_id: str = msgspec.field(name="NodeID")
    node_name: str
    address: str
    cluster_id: str = msgspec.field(name="ClusterID")
    restore_uid: str = msgspec.field(name="RestoreUID")
    version: str
    state: str
    term: int
    last_term: int
    last_index: int
    commit_index: int
    applied_index: int
    leader_commit_index: int
    leader_id: str = msgspec.field(name="LeaderID")
    last_contact_ms: float
    configuration: RaftLocalConfiguration
    recovery_epoch: int
    decommissioned: bool


class ConfigurationServer(_Document, frozen=True, kw_only=True):
    """A member, as the leader says it."""

    id: str = msgspec.field(name="ID")
    node: str
    address: str
    voter: bool


class RaftConfiguration(_Document, frozen=True, kw_only=True):
    """`GET /v1/operator/raft/configuration`."""

    index: int
    servers: list[ConfigurationServer]


class AutopilotServer(_Document, frozen=True, kw_only=True):
    """What autopilot thinks of a member."""

    id: str = msgspec.field(name="ID")
    healthy: bool
    last_index: int = 0


class AutopilotHealth(_Document, frozen=True, kw_only=True):
    """`GET /v1/operator/autopilot/health`."""

    servers: list[AutopilotServer] | None = None


class KeyringAnswer(_Document, frozen=True, kw_only=True):
    """One gossip pool of `GET /v1/operator/keyring`."""

    wan: bool = msgspec.field(name="WAN", default=False)
    keys: dict[str, int] | None = None
    primary_keys: dict[str, int] | None = None
    num_nodes: int = 0


class AgentMember(_Document, frozen=True, kw_only=True):
    """A member of gossip, of `GET /v1/agent/members`."""

    name: str
    status: int


class AgentConfig(_Document, frozen=True, kw_only=True):
    """The part of an agent's own description that we read."""

    version: str = ""


class AgentSelf(_Document, frozen=True, kw_only=True):
    """`GET /v1/agent/self`."""

    config: AgentConfig


class TlsLocal(_Document, frozen=True, kw_only=True):
    """`GET /v1/proconsul/tls`."""

    certificate: str
    authorities: list[str]


MANAGEMENT_POLICY: Final = "00000000-0000-0000-0000-000000000001"  # Consul's global-management


class FirstToken(_Document, frozen=True, kw_only=True):
    """`PUT /v1/acl/bootstrap`."""

    accessor_id: str = msgspec.field(name="AccessorID")
    secret_id: str = msgspec.field(name="SecretID")


class Cleared(_Document, frozen=True, kw_only=True):
    """`DELETE /v1/proconsul/decommission`: there was a marker."""

    cleared: bool


def local_of(document: RaftLocal, names: dict[str, str]) -> Local:
    """As plans see it. `names`: node names by server ID, as far as they are known."""
    names = {**names, document.node_id: document.node_name}
    servers = tuple(
        RaftServer(id=each.id, name=names.get(each.id, ""), voter=each.voter, address=each.address)
        for each in document.configuration.servers
    )
    contact_ms = document.last_contact_ms
    return Local(
        id=document.node_id,
        state=document.state,
        cluster_id=document.cluster_id,
        restore_uid=document.restore_uid,
        version=document.version,
        term=document.term,
        last_term=document.last_term,
        last_index=document.last_index,
        commit_index=document.commit_index,
        applied_index=document.applied_index,
        leader_commit_index=document.leader_commit_index,
        leader_id=document.leader_id,
        last_contact_s=None if contact_ms < 0 else contact_ms / 1000,
        configuration=Configuration(index=document.configuration.index, servers=servers),
        recovery_epoch=document.recovery_epoch,
        decommissioned=document.decommissioned,
        address=document.address,
    )


def configuration_of(document: RaftConfiguration) -> Configuration:
    """As plans see it."""
    servers = tuple(
        RaftServer(id=each.id, name=each.node, voter=each.voter, address=each.address)
        for each in document.servers
    )
    return Configuration(index=document.index, servers=servers)


def healths_of(document: AutopilotHealth) -> tuple[Health, ...]:
    """As plans see it."""
    return tuple(
        Health(id=each.id, healthy=each.healthy, last_index=each.last_index)
        for each in document.servers or ()
    )


def keyring_of(pools: list[KeyringAnswer], members: list[AgentMember]) -> Keyring | None:
    """The local pool's keys; None if gossip is in the clear (there is no pool that has any)."""
    lan = next((pool for pool in pools if not pool.wan), None)
    if lan is None:
        return None
    return Keyring(
        keys=lan.keys or {},
        primary=lan.primary_keys or {},
        nodes=lan.num_nodes,
        failed=sum(1 for member in members if member.status == FAILED_MEMBER),
    )
