"""`/v1/agent/self` and the members list: what this agent says of itself."""

import os
import platform
from typing import Any

import msgspec

from proconsul import CONSUL_VERSION, __version__
from proconsul.api.process import Member
from proconsul.config.schema import Config
from proconsul.leader.own_node import ServerMember
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.raft_driver import RaftDriver

SERF_ALIVE = 1
REVISION = f"proconsul-{__version__}"


def own_member(config: Config, member: ServerMember, *, wan: bool) -> Member:
    """This server with the tags that Consul servers gossip."""
    tags = {
        "acls": "1" if config.acl.enabled else "0",
        "build": f"{CONSUL_VERSION}:{REVISION}",
        "dc": config.datacenter,
        "id": member.node_id,
        "port": str(member.rpc_port),
        "raft_vsn": str(member.raft_version),
        "role": "consul",
        "segment": "",
        "vsn": "2",
        "vsn_max": "3",
        "vsn_min": "2",
    }
    if not config.ports.serf_wan < 0:
        tags["wan_join_port"] = str(config.ports.serf_wan)
    if config.bootstrap or config.bootstrap_expect == 1:
        tags["bootstrap"] = "1"
    elif config.bootstrap_expect:
        tags["expect"] = str(config.bootstrap_expect)
    name = f"{member.node}.{config.datacenter}" if wan else member.node
    port = config.ports.serf_wan if wan else config.ports.serf_lan
    return Member(
        name=name,
        address=member.address,
        port=port,
        tags=dict(sorted(tags.items())),
        status=SERF_ALIVE,
        protocol=member.serf_protocol,
        delegate=(2, 5, 4),
    )


def describe(
    config: Config, node_id: str, member: Member, driver: RaftDriver, local: LocalAgent
) -> dict[str, Any]:
    """The builtins of the answer, without what the API adds."""
    return {
        "Config": {
            "Datacenter": config.datacenter,
            "NodeName": config.node_name,
            "NodeID": node_id,
            "Revision": REVISION,
            "Server": config.server,
            "Version": CONSUL_VERSION,
        },
        "DebugConfig": debug_config(config, node_id),
        "Coord": {"Vec": [0.0] * 8, "Error": 1.5, "Adjustment": 0.0, "Height": 1e-05},
        "Member": member,
        "Stats": stats(driver, local),
        "Meta": {"consul-network-segment": "", **config.node_meta},
    }


def debug_config(config: Config, node_id: str) -> dict[str, Any]:
    """Every setting by Consul's name where tools read it, the others by ours."""
    mine = msgspec.to_builtins(config)
    for secret in ("encrypt",):
        mine[secret] = "hidden" if mine[secret] else ""
    mine["acl"] = {
        name: ("hidden" if name.endswith("token") and value else value)
        for name, value in mine["acl"].items()
    }
    return {
        "ACLsEnabled": config.acl.enabled,
        "ACLDefaultPolicy": config.acl.default_policy,
        "Datacenter": config.datacenter,
        "DevMode": config.dev_mode,
        "EnableDebug": config.enable_debug,
        "GRPCPort": config.ports.grpc,
        "HTTPPort": config.ports.http,
        "HTTPSPort": config.ports.https,
        "LogLevel": config.logging.level,
        "NodeID": node_id,
        "NodeName": config.node_name,
        "ServerMode": config.server,
        "Telemetry": {
            "DisableHostname": config.telemetry.disable_hostname,
            "MetricsPrefix": config.telemetry.metrics_prefix,
            "PrometheusRetentionTime": f"{config.telemetry.prometheus_retention_time_s:g}s",
        },
        "Proconsul": mine,
    }


def stats(driver: RaftDriver, local: LocalAgent) -> dict[str, dict[str, str]]:
    """What `consul info` prints: sections of text."""
    node = driver.node
    return {
        "agent": {"check_monitors": "0", "check_ttls": "0", **local.stats()},
        "build": {"prerelease": "", "revision": REVISION, "version": CONSUL_VERSION},
        "consul": {
            "acl": "disabled",
            "bootstrap": "true",
            "known_datacenters": "1",
            "leader": "true" if node.is_leader else "false",
            "leader_addr": node.leader.address if node.leader else "",
            "server": "true",
        },
        "raft": {
            "applied_index": str(node.applied_index),
            "commit_index": str(node.commit_index),
            "fsm_pending": "0",
            "last_contact": "0" if node.is_leader else "never",
            "last_log_index": str(node.last_index),
            "last_log_term": str(node.last_term),
            "last_snapshot_index": str(node.snapshot.index),
            "last_snapshot_term": str(node.snapshot.term),
            "latest_configuration_index": str(node.configuration_index),
            "num_peers": str(max(len(node.configuration.servers) - 1, 0)),
            "protocol_version": "3",
            "protocol_version_max": "3",
            "protocol_version_min": "0",
            "snapshot_version_max": "1",
            "snapshot_version_min": "0",
            "state": node.role.value.capitalize(),
            "term": str(node.term),
        },
        "runtime": {
            "arch": platform.machine(),
            "cpu_count": str(os.cpu_count()),
            "goroutines": "0",
            "os": "linux",
            "version": f"python{platform.python_version()}",
        },
    }
