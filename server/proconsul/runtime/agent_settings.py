"""From the configuration to what each part of the agent wants to know."""

import ipaddress
import math
from collections.abc import Callable

from proconsul import CONSUL_VERSION
from proconsul.api.http import Request
from proconsul.api.surface import HttpSettings
from proconsul.config.schema import Config
from proconsul.endpoints.context import Facts
from proconsul.leader import lan_tags
from proconsul.leader.pool import ServerMember
from proconsul.local.checks import CheckRules
from proconsul.local.services import PortRange
from proconsul.local.state import NodeIdentity
from proconsul.model.operator import AutopilotConfig
from proconsul.raft.settings import Settings
from proconsul.runtime.local_registry import LocalSettings
from proconsul.runtime.raft_driver import TICK_S
from proconsul.runtime.raft_snapshots import SnapshotPolicy
from proconsul.wire.golang import SECOND, Duration

# What stands for a 0 in the configuration (hashicorp/raft's defaults).
SNAPSHOT_INTERVAL_S = 30.0
SNAPSHOT_THRESHOLD = 16_384
TRAILING_LOGS = 10_240

# At any multiplier: autopilot takes a server for healthy that heard its leader in the last 200 ms.
HEARTBEAT_S = 0.1

SERF_PROTOCOL = (1, 5, 2)  # min, max, current: what Consul 1.8.7 speaks
RAFT_VERSION = 3

BODY_BYTES_MAX = 8 << 20  # of requests that have no limit of their own


def body_limit(config: Config, request: Request) -> int | None:
    """The most bytes that a request's body may have; None: it is streamed.

    Consul judges a KV value by its Content-Length only: one that comes in chunks may be larger.
    """
    if request.path == "/v1/snapshot":
        return None
    limits = config.limits
    if request.path.startswith("/v1/kv/") and request.content_length >= 0:
        return limits.kv_max_value_size_bytes
    return max(limits.txn_max_req_len_bytes, limits.kv_max_value_size_bytes, BODY_BYTES_MAX)


def raft_settings(config: Config) -> Settings:
    """Raft's timing in ticks."""
    return Settings(
        heartbeat_ticks=round(HEARTBEAT_S / TICK_S),
        election_ticks=math.ceil(config.raft.election_timeout_s / TICK_S),
        lease_ticks=math.ceil(config.raft.leader_lease_timeout_s / TICK_S),
    )


def snapshot_policy(config: Config) -> SnapshotPolicy:
    """When raft snapshots are taken."""
    raft = config.raft
    return SnapshotPolicy(
        interval_s=raft.snapshot_interval_s or SNAPSHOT_INTERVAL_S,
        threshold=raft.snapshot_threshold or SNAPSHOT_THRESHOLD,
        trailing=raft.trailing_logs or TRAILING_LOGS,
    )


def node_meta(config: Config) -> dict[str, str]:
    """What the node tells of itself in the catalog."""
    return {"consul-network-segment": "", **config.node_meta}


def check_rules(config: Config) -> CheckRules:
    """What checks of this agent may do."""
    checks = config.checks
    return CheckRules(
        enable_local_scripts=checks.enable_local_script_checks or checks.enable_script_checks,
        enable_remote_scripts=checks.enable_script_checks,
        output_size_bytes_max=checks.output_max_size_bytes,
        deregister_after_min_s=checks.deregister_interval_min_s,
    )


def own_member(config: Config, node_id: str) -> ServerMember:
    """This server as other members know it."""
    return ServerMember(
        node=config.node_name,
        node_id=node_id,
        datacenter=config.datacenter,
        address=config.cluster.advertise_addr,
        rpc_port=config.cluster.rpc_advertise.port,
        version=CONSUL_VERSION,
        raft_version=RAFT_VERSION,
        serf_protocol=SERF_PROTOCOL,
        non_voter=config.non_voting_server,
        bootstrap=config.bootstrap or config.bootstrap_expect == 1 or config.dev_mode,
        expect=config.bootstrap_expect,
    )


def server_tags(config: Config, me: ServerMember) -> dict[str, str]:
    """What this server gossips of itself."""
    return lan_tags.server_tags(
        me,
        acls=config.acl.enabled,
        tells_bootstrap=config.bootstrap or not config.dev_mode,  # -dev founds, and is silent
        use_tls=config.tls.verify_outgoing,
    )


def local_settings(config: Config, node_id: str) -> LocalSettings:
    """What the agent's own services and checks must know."""
    return LocalSettings(
        node=NodeIdentity(
            id=node_id,
            name=config.node_name,
            datacenter=config.datacenter,
            address=config.cluster.advertise_addr,
            tagged_addresses=dict(config.cluster.tagged_addresses),
        ),
        node_meta=node_meta(config),
        rules=check_rules(config),
        check_update_interval_s=config.checks.update_interval_s,
        discard_check_output=config.checks.discard_output,
        reap_interval_s=config.checks.reap_interval_s,
        sync_interval_s=config.ae_interval_s,
        sidecar_ports=PortRange(
            first=config.ports.sidecar_min_port, last=config.ports.sidecar_max_port
        ),
    )


def facts_of(config: Config, node_id: str) -> Facts:
    """What RPC handlers must know."""
    return Facts(
        datacenter=config.datacenter,
        primary_datacenter=config.primary_datacenter,
        node_name=config.node_name,
        node_id=node_id,
        default_query_time_s=config.default_query_time_s,
        max_query_time_s=config.max_query_time_s,
        session_ttl_min_ns=int(config.session_ttl_min_s * SECOND),
        kv_value_bytes_max=config.limits.kv_max_value_size_bytes,
        txn_bytes_max=config.limits.txn_max_req_len_bytes,
        acl_enabled=config.acl.enabled,
        connect_enabled=config.connect.enabled,
        coordinates_enabled=not config.disable_coordinates,
        rpc_hold_timeout_s=config.rpc_hold_timeout_s,
        auto_encrypt_allow_tls=config.connect.auto_encrypt_allow_tls,
    )


def http_settings(config: Config) -> HttpSettings:
    """What the HTTP surface must know."""
    return HttpSettings(
        always_pretty=config.dev_mode,
        translate_wan_addresses=config.translate_wan_addrs,
        refuse_unprintable=not config.http.disable_unprintable_char_filter,
        block_endpoints=config.http.block_endpoints,
        ui_enabled=config.ui,
        write_allowed_from=_allowed_networks(config.http.allow_write_http_from),
    )


def _allowed_networks(networks: tuple[str, ...]) -> Callable[[str], bool] | None:
    if not networks:
        return None
    parsed = [ipaddress.ip_network(network, strict=False) for network in networks]

    def allowed(remote: str) -> bool:
        try:
            address = ipaddress.ip_address(remote.rpartition(":")[0].strip("[]"))
        except ValueError:
            return False
        return any(address in network for network in parsed)

    return allowed


def first_autopilot(config: Config) -> AutopilotConfig:
    """What the first leader of a new cluster writes."""
    autopilot = config.autopilot
    return AutopilotConfig(
        cleanup_dead_servers=autopilot.cleanup_dead_servers,
        last_contact_threshold=Duration(round(autopilot.last_contact_threshold_s * SECOND)),
        max_trailing_logs=autopilot.max_trailing_logs,
        min_quorum=autopilot.min_quorum,
        server_stabilization_time=Duration(round(autopilot.server_stabilization_time_s * SECOND)),
        redundancy_zone_tag=autopilot.redundancy_zone_tag,
        disable_upgrade_migration=autopilot.disable_upgrade_migration,
        upgrade_version_tag=autopilot.upgrade_version_tag,
    )
