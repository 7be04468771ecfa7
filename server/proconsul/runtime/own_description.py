"""What `/v1/agent/self` says of any agent, server or client."""

import asyncio
import os
import platform
from typing import Any

from proconsul import CONSUL_VERSION, __version__
from proconsul.api.process import Member
from proconsul.config.schema import LoadedConfig
from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.effects import PoolMember
from proconsul.runtime.agent_settings import node_meta
from proconsul.runtime.debug_config import debug_config
from proconsul.runtime.local_agent import LocalAgent

REVISION = ""  # of the Consul that this agent behaves as; a release tells none
OWN_REVISION = f"proconsul-{__version__}"  # in the statistics, where no client looks for Consul's
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Stats = dict[str, dict[str, str]]
"""What `consul info` prints: sections of text."""


def described(
    loaded: LoadedConfig,
    node_id: str,
    member: Member,
    coordinate: Coordinate | None,
    stats: Stats,
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
        "Coord": None if coordinate is None else coordinate_json(coordinate),
        "Member": member,
        "Stats": dict(sorted(stats.items())),
        "Meta": dict(sorted(node_meta(config).items())),
    }


def coordinate_json(coordinate: Coordinate) -> dict[str, Any]:
    """As Consul shows it."""
    return {
        "Vec": list(coordinate.vec),
        "Error": coordinate.error,
        "Adjustment": coordinate.adjustment,
        "Height": coordinate.height,
    }


def shown(member: PoolMember) -> Member:
    """A member of the LAN pool."""
    return Member(
        name=member.name,
        address=member.address.host,
        port=member.address.port,
        tags=member.tags,
        status=int(member.status),
        protocol=member.protocol,
        delegate=member.delegate,
    )


def own_stats(local: LocalAgent) -> Stats:
    """The sections that every agent has."""
    kinds = [check.type for check in local.checks().values()]
    return {
        "agent": {
            "check_monitors": str(kinds.count("script")),
            "check_ttls": str(kinds.count("ttl")),
            **local.stats(),
        },
        "build": {"prerelease": "", "revision": OWN_REVISION, "version": CONSUL_VERSION},
        "runtime": {
            "arch": _GO_ARCHITECTURES.get(platform.machine(), platform.machine()),
            "cpu_count": str(os.cpu_count()),
            "goroutines": str(len(asyncio.all_tasks())),
            "max_procs": str(len(os.sched_getaffinity(0))),
            "os": "linux",
            "version": f"python{platform.python_version()}",
        },
    }
