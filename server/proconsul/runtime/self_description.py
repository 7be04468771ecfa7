"""`/v1/agent/self` and the members list: what this agent says of itself."""

import asyncio
import os
import platform
from typing import Any

from proconsul import CONSUL_VERSION, __version__
from proconsul.api.process import Member
from proconsul.config.schema import Config, LoadedConfig
from proconsul.leader.pool import ServerMember
from proconsul.runtime.agent_settings import node_meta
from proconsul.runtime.debug_config import debug_config
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.replicated_log import contact_text

SERF_ALIVE = 1
REVISION = ""  # of the Consul that this server behaves as; a release tells none
OWN_REVISION = f"proconsul-{__version__}"  # in the statistics, where no client looks for Consul's
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def own_member(config: Config, member: ServerMember, *, wan: bool) -> Member:
    """This server with the tags that Consul servers gossip."""
    tags = {
        "acls": "1" if config.acl.enabled else "0",
        "build": f"{CONSUL_VERSION}:{REVISION}",
        "dc": config.datacenter,
        "ft_fs": "1",  # it knows federation states
        "id": member.node_id,
        "port": str(member.rpc_port),
        "raft_vsn": str(member.raft_version),
        "role": "consul",
        "segment": "",
        "vsn": "2",
        "vsn_max": "3",
        "vsn_min": "2",
    }
    if not wan and config.ports.serf_wan >= 0:
        tags["wan_join_port"] = str(config.ports.serf_wan)
    if config.bootstrap or config.bootstrap_expect == 1:
        tags["bootstrap"] = "1"
    elif config.bootstrap_expect:
        tags["expect"] = str(config.bootstrap_expect)
    if config.tls.verify_outgoing:
        tags["use_tls"] = "1"
    if config.non_voting_server:
        tags["nonvoter"] = "1"
    return Member(
        name=f"{member.node}.{config.datacenter}" if wan else member.node,
        address=config.cluster.advertise_addr_wan if wan else member.address,
        port=config.ports.serf_wan if wan else config.ports.serf_lan,
        tags=tags,
        status=SERF_ALIVE,
        protocol=member.serf_protocol,
        delegate=(2, 5, 4),
    )


def describe(
    loaded: LoadedConfig, node_id: str, member: Member, driver: RaftDriver, local: LocalAgent
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
        "Stats": stats(config, driver, local),
        "Meta": dict(sorted(node_meta(config).items())),
    }


def stats(config: Config, driver: RaftDriver, local: LocalAgent) -> dict[str, dict[str, str]]:
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
        "serf_lan": _pool(config),
    }
    if config.ports.serf_wan >= 0:
        sections["serf_wan"] = _pool(config)
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


def _pool(config: Config) -> dict[str, str]:
    """A pool that has this server alone, in which nothing ever happens."""
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
