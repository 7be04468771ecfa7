"""Autopilot and raft as operators see them."""

from typing import ClassVar

from proconsul.model.query import WriteRequest
from proconsul.wire.golang import ZERO_TIME, Duration, Time
from proconsul.wire.gostruct import GoStruct


class AutopilotConfig(GoStruct, frozen=True, kw_only=True):
    """How the servers look after themselves."""

    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    cleanup_dead_servers: bool = False
    last_contact_threshold: Duration = Duration(0)
    max_trailing_logs: int = 0
    min_quorum: int = 0
    server_stabilization_time: Duration = Duration(0)
    redundancy_zone_tag: str = ""
    disable_upgrade_migration: bool = False
    upgrade_version_tag: str = ""
    create_index: int = 0
    modify_index: int = 0


class AutopilotSetConfigRequest(WriteRequest, frozen=True, kw_only=True):
    """Change autopilot's configuration."""

    datacenter: str = ""
    config: AutopilotConfig = AutopilotConfig()
    cas: bool = False


class ServerStats(GoStruct, frozen=True, kw_only=True):
    """How far a server is, by its own account."""

    last_contact: str = ""
    last_term: int = 0
    last_index: int = 0


class ServerHealth(GoStruct, frozen=True, kw_only=True):
    """What autopilot thinks of a server."""

    id: str = ""
    name: str = ""
    address: str = ""
    serf_status: int = 0  # Serf's number: 0 none, 1 alive, 2 leaving, 3 left, 4 failed
    version: str = ""
    leader: bool = False
    last_contact: Duration = Duration(0)
    last_term: int = 0
    last_index: int = 0
    healthy: bool = False
    voter: bool = False
    stable_since: Time = ZERO_TIME


class OperatorHealthReply(GoStruct, frozen=True, kw_only=True):
    """Answer: whether the servers are healthy, and how many may fail."""

    healthy: bool = False
    failure_tolerance: int = 0
    servers: list[ServerHealth] | None = None


class RaftServer(GoStruct, frozen=True, kw_only=True):
    """A server as raft knows it."""

    id: str = ""
    node: str = ""
    address: str = ""
    leader: bool = False
    protocol_version: str = ""
    voter: bool = False


class RaftConfigurationResponse(GoStruct, frozen=True, kw_only=True):
    """Answer: the servers that raft knows."""

    servers: list[RaftServer] | None = None
    index: int = 0


class RaftRemovePeerRequest(WriteRequest, frozen=True, kw_only=True):
    """Take a server out of raft, by ID or address."""

    datacenter: str = ""
    address: str = ""
    id: str = ""


class RaftTransferLeaderRequest(WriteRequest, frozen=True, kw_only=True):
    """Have another server lead: that of an ID, or whichever is furthest."""

    datacenter: str = ""
    id: str = ""
