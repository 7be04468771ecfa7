"""What a server says of itself and of its pools, besides what every agent does."""

from typing import Protocol

from proconsul.api.process import Member
from proconsul.config.schema import Config
from proconsul.gossip.effects import PoolMember
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.own_description import Stats, own_stats
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.replicated_log import contact_text


class Pool(Protocol):
    """What is shown of the gossip pool."""

    def stats(self) -> dict[str, str]:
        """What `consul info` shows of the pool."""


def shown_in_wan(config: Config, member: PoolMember, *, is_own: bool) -> Member:
    """A server of this datacenter as the pool of all datacenters would show it."""
    tags = {name: value for name, value in member.tags.items() if name != "wan_join_port"}
    return Member(
        name=f"{member.name}.{config.datacenter}",
        address=config.cluster.advertise_addr_wan if is_own else member.address.host,
        port=config.ports.serf_wan,
        tags=tags,
        status=int(member.status),
        protocol=member.protocol,
        delegate=member.delegate,
    )


def server_stats(config: Config, driver: RaftDriver, local: LocalAgent, lan: Pool) -> Stats:
    """What `consul info` prints."""
    node = driver.node
    sections = {
        **own_stats(local),
        "consul": {
            "acl": "enabled" if config.acl.enabled else "disabled",
            "bootstrap": _word(config.bootstrap),
            "known_datacenters": "1",
            "leader": _word(node.is_leader),
            "leader_addr": node.leader.address if node.leader else "",
            "server": "true",
        },
        "raft": _raft(driver),
        "serf_lan": lan.stats(),
    }
    if config.ports.serf_wan >= 0:
        sections["serf_wan"] = _empty_pool(config)
    return sections


def _word(truth: bool) -> str:
    return "true" if truth else "false"


def _raft(driver: RaftDriver) -> dict[str, str]:
    node = driver.node
    servers = " ".join(
        f"{{Suffrage:{server.suffrage.name.capitalize()} ID:{server.id} Address:{server.address}}}"
        for server in node.configuration.servers
    )
    return {
        "applied_index": str(node.applied_index),
        "commit_index": str(node.commit_index),
        "fsm_pending": "0",
        "last_contact": contact_text(driver),
        "last_log_index": str(node.last_index),
        "last_log_term": str(node.last_term),
        "last_snapshot_index": str(node.snapshot.index),
        "last_snapshot_term": str(node.snapshot.term),
        "latest_configuration": f"[{servers}]",
        "latest_configuration_index": str(node.configuration_index),
        "num_peers": str(max(len(node.configuration.servers) - 1, 0)),
        "protocol_version": "3",
        "protocol_version_max": "3",
        "protocol_version_min": "0",
        "snapshot_version_max": "1",
        "snapshot_version_min": "0",
        "state": node.role.value.capitalize(),
        "term": str(node.term),
    }


def _empty_pool(config: Config) -> dict[str, str]:
    """The pool of all datacenters, in which this server is alone."""
    return {
        "coordinate_resets": "0",
        "encrypted": _word(bool(config.encrypt)),
        "event_queue": "0",
        "event_time": "1",
        "failed": "0",
        "health_score": "0",
        "intent_queue": "0",
        "left": "0",
        "member_time": "1",
        "members": "1",
        "query_queue": "0",
        "query_time": "1",
    }
