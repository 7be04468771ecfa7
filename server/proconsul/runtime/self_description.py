"""`/v1/agent/self` and the members list: what this agent says of itself."""

import asyncio
import os
import platform
from collections.abc import Sequence
from typing import Any

from proconsul import CONSUL_VERSION, __version__
from proconsul.api.process import Member
from proconsul.config.schema import Config, LoadedConfig
from proconsul.leader.pool import PoolMember, Status
from proconsul.runtime.agent_settings import node_meta
from proconsul.runtime.debug_config import debug_config
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.replicated_log import contact_text

VSN = (2, 3, 2)  # versions of Consul's own protocol: min, max, current
REVISION = ""  # of the Consul that this server behaves as; a release tells none
OWN_REVISION = f"proconsul-{__version__}"  # in the statistics, where no client looks for Consul's
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def member_of(config: Config, member: PoolMember, *, wan: bool) -> Member:
    """A server with the tags that Consul servers gossip.

    What servers do not tell each other without gossip is taken to be as it is here.
    """
    server = member.server
    low, high, current = VSN
    tags = {
        "acls": "1" if config.acl.enabled else "0",
        "build": f"{server.version}:{REVISION}",
        "dc": server.datacenter,
        "ft_fs": "1",  # it knows federation states
        "id": server.node_id,
        "port": str(server.rpc_port),
        "raft_vsn": str(server.raft_version),
        "role": "consul",
        "segment": "",
        "vsn": str(current),
        "vsn_max": str(high),
        "vsn_min": str(low),
    }
    if not wan and config.ports.serf_wan >= 0:
        tags["wan_join_port"] = str(config.ports.serf_wan)
    if server.bootstrap:
        if config.bootstrap or not config.dev_mode:  # -dev founds a cluster, and does not say so
            tags["bootstrap"] = "1"
    elif server.expect:
        tags["expect"] = str(server.expect)
    if config.tls.verify_outgoing:
        tags["use_tls"] = "1"
    if server.non_voter:
        tags["nonvoter"] = "1"
    is_own = server.address == config.cluster.advertise_addr
    return Member(
        name=f"{server.node}.{server.datacenter}" if wan else server.node,
        address=config.cluster.advertise_addr_wan if wan and is_own else server.address,
        port=config.ports.serf_wan if wan else config.ports.serf_lan,
        tags=tags,
        status=int(member.status),
        protocol=server.serf_protocol,
        delegate=(2, 5, 4),
    )


def describe(
    loaded: LoadedConfig,
    node_id: str,
    member: Member,
    driver: RaftDriver,
    local: LocalAgent,
    members: Sequence[PoolMember],
) -> dict[str, Any]:
    """The builtins of the answer; its Member is a `Member`."""
    config = loaded.config
    return {
        "Config": {
            "Datacenter": config.datacenter,
            "NodeName": config.node_name,
            "NodeID": node_id,
            "Revision": REVISION,
            "Server": config.server,
            "Version": CONSUL_VERSION,
        },
        "DebugConfig": debug_config(loaded, node_id, REVISION),
        "Coord": None
        if config.disable_coordinates
        else {"Vec": [0.0] * 8, "Error": 1.5, "Adjustment": 0.0, "Height": 1e-05},
        "Member": member,
        "Stats": stats(config, driver, local, members),
        "Meta": dict(sorted(node_meta(config).items())),
    }


def stats(
    config: Config, driver: RaftDriver, local: LocalAgent, members: Sequence[PoolMember]
) -> dict[str, dict[str, str]]:
    """What `consul info` prints: sections of text."""
    kinds = [check.type for check in local.checks().values()]
    node = driver.node
    sections = {
        "agent": {
            "check_monitors": str(kinds.count("script")),
            "check_ttls": str(kinds.count("ttl")),
            **local.stats(),
        },
        "build": {"prerelease": "", "revision": OWN_REVISION, "version": CONSUL_VERSION},
        "consul": {
            "acl": "enabled" if config.acl.enabled else "disabled",
            "bootstrap": _word(config.bootstrap),
            "known_datacenters": "1",
            "leader": _word(node.is_leader),
            "leader_addr": node.leader.address if node.leader else "",
            "server": "true",
        },
        "raft": _raft(driver),
        "runtime": {
            "arch": _GO_ARCHITECTURES.get(platform.machine(), platform.machine()),
            "cpu_count": str(os.cpu_count()),
            "goroutines": str(len(asyncio.all_tasks())),
            "max_procs": str(len(os.sched_getaffinity(0))),
            "os": "linux",
            "version": f"python{platform.python_version()}",
        },
        "serf_lan": _pool(config, members),
    }
    if config.ports.serf_wan >= 0:
        sections["serf_wan"] = _pool(config, members)
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


def _pool(config: Config, members: Sequence[PoolMember]) -> dict[str, str]:
    """A pool in which nothing is gossiped."""
    statuses = [each.status for each in members]
    return {
        "coordinate_resets": "0",
        "encrypted": _word(bool(config.encrypt)),
        "event_queue": "0",
        "event_time": "1",
        "failed": str(statuses.count(Status.FAILED)),
        "health_score": "0",
        "intent_queue": "0",
        "left": str(statuses.count(Status.LEFT)),
        "member_time": "1",
        "members": str(len(members)),
        "query_queue": "0",
        "query_time": "1",
    }
