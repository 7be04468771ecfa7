"""What a user is told about keys that do not do here what their names say.

`IDLE` names those that have no effect yet: they are accepted, checked, and warned about once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def _names(row: str) -> frozenset[str]:
    return frozenset(row.split())


DEPRECATED = frozenset({"acl_enforce_version_8"})
"""Keys of older versions: dropped with a warning, whatever their value."""

ENTERPRISE = _names(
    """acl.msp_disable_bootstrap acl.tokens.managed_service_provider audit
    autopilot.disable_upgrade_migration autopilot.redundancy_zone_tag
    autopilot.upgrade_version_tag dns_config.prefer_namespace non_voting_server segment
    segments"""
)
"""Keys of Consul Enterprise: Consul warns that they have no effect, and so do we."""

IDLE = _names(
    """acl.default_policy acl.disabled_ttl acl.down_policy acl.enable_key_list_policy
    acl.enable_token_replication acl.policy_ttl acl.role_ttl acl.token_ttl
    acl.tokens.agent_master acl.tokens.master acl.tokens.replication acl_agent_master_token
    acl_default_policy acl_disabled_ttl acl_down_policy acl_enable_key_list_policy
    acl_master_token acl_replication_token acl_ttl addresses.dns addresses.grpc ae_interval
    alt_domain auto_config auto_encrypt cache check_deregister_interval_min check_reap_interval
    config_entries connect.ca_config connect.ca_provider
    connect.enable_mesh_gateway_wan_federation connect.test_ca_leaf_root_change_spread consul
    disable_anonymous_signature disable_host_node_id discovery_max_stale
    dns_config enable_acl_replication enable_agent_tls_for_checks enable_central_service_config
    enable_debug enable_syslog gossip_wan http_config.use_cache log_rotate_bytes
    log_rotate_duration log_rotate_max_files performance.leave_drain_time ports.dns
    ports.expose_max_port ports.expose_min_port ports.grpc ports.proxy_max_port
    ports.proxy_min_port primary_gateways primary_gateways_interval protocol raft_protocol
    reconnect_timeout_wan recursors retry_interval_wan retry_join_wan retry_max_wan revision
    segment_limit segment_name_limit serf_wan serf_wan_allowed_cidrs server_name snapshot_agent
    start_join_wan syslog_facility telemetry.dogstatsd_addr telemetry.dogstatsd_tags
    telemetry.statsd_address telemetry.statsite_address ui ui_content_path ui_dir version
    version_prerelease watches"""
)
"""Keys whose value nobody acts on yet. A block stands for all that is in it.

`disable_remote_exec` is none of them: what it is set for is always so.
"""

_CIRCONUS = "telemetry.circonus_"


def warnings_about(keys: Iterable[str], ports: Mapping[str, object]) -> list[str]:
    """What a user should know about the keys that were set; `ports` are the merged ones."""
    warnings = []
    for key in dict.fromkeys(keys):
        if key in DEPRECATED:
            warnings.append(f'config key "{key}" is deprecated and should be removed')
        elif key in ENTERPRISE:
            warnings.append(f'"{key}" is a Consul Enterprise configuration and will have no effect')
        elif (key in IDLE or key.startswith(_CIRCONUS)) and not _is_closed(key, ports):
            warnings.append(f'config key "{key}" does nothing yet')
    return warnings


def _is_closed(key: str, ports: Mapping[str, object]) -> bool:
    """Who turns a listener off gets just that."""
    group, _, name = key.partition(".")
    port = ports.get(name) if group == "ports" else None
    return isinstance(port, int) and port <= 0
