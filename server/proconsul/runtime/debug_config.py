"""`DebugConfig` of `/v1/agent/self`: every setting of Consul 1.8.7 under its name there.

Tools and people read it to see what an agent really runs with. Secrets are hidden, durations are
Go's texts, addresses carry their network. What this server has no setting for is shown as Consul
shows it when it is not set.
"""

import math
from collections.abc import Iterable
from typing import Any

from proconsul import CONSUL_VERSION
from proconsul.config.schema import (
    Config,
    Gossip,
    ListenAddress,
    LoadedConfig,
    TcpAddress,
    UnixAddress,
)
from proconsul.config.sections import ROLE_TTL_S
from proconsul.runtime.debug_definitions import HIDDEN, check_settings, service_settings
from proconsul.wire.golang import SECOND, format_duration

FLOAT64_MAX = 1.7976931348623157e308
SEGMENT_LIMIT = 64


def debug_config(loaded: LoadedConfig, node_id: str, revision: str) -> dict[str, Any]:
    """All settings, sorted by name."""
    config = loaded.config
    parts = (
        _identity(config, node_id, revision),
        _acl(config),
        _addresses(config),
        _cluster(config),
        _gossip("LAN", config.gossip_lan),
        _gossip("WAN", config.gossip_wan),
        _consensus(config),
        _dns(config),
        _http(config),
        _limits(config),
        _tls(config),
        _checks(config),
        _mesh(config),
        _automatic(config),
        {
            "Checks": [check_settings(check) for check in loaded.checks],
            "Logging": _logging(config),
            "Services": [service_settings(service) for service in loaded.services],
            "Telemetry": _telemetry(config),
        },
    )
    merged = {name: value for part in parts for name, value in part.items()}
    return dict(sorted(merged.items()))


def _text(seconds: float) -> str:
    return format_duration(round(seconds * SECOND))


def _tcp(address: TcpAddress | None) -> str:
    return "" if address is None else _with_network("tcp", address)


def _with_network(network: str, address: TcpAddress) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{network}://{host}:{address.port}"


def _listeners(addresses: Iterable[ListenAddress]) -> list[str]:
    return [
        f"unix://{one.path}" if isinstance(one, UnixAddress) else _tcp(one) for one in addresses
    ]


def _identity(config: Config, node_id: str, revision: str) -> dict[str, Any]:
    return {
        "DataDir": config.data_dir,
        "Datacenter": config.datacenter,
        "DevMode": config.dev_mode,
        "DisableAnonymousSignature": config.dev_mode,
        "DisableHostNodeID": config.disable_host_node_id,
        "DisableRemoteExec": config.disable_remote_exec,
        "DisableUpdateCheck": config.disable_update_check,
        "EnableDebug": config.enable_debug,
        "EnableUI": config.ui,
        "EnterpriseRuntimeConfig": {},
        "NodeID": node_id,
        "NodeMeta": dict(sorted(config.node_meta.items())),
        "NodeName": config.node_name,
        "NonVotingServer": config.non_voting_server,
        "PidFile": config.pid_file,
        "PrimaryDatacenter": config.primary_datacenter,
        "Revision": revision,
        "ServerMode": config.server,
        "UIContentPath": config.ui_content_path,
        "UIDir": config.ui_dir,
        "Version": CONSUL_VERSION,
        "VersionPrerelease": "",
        "Watches": [dict(watch) for watch in config.watches],
    }


def _acl(config: Config) -> dict[str, Any]:
    acl = config.acl
    return {
        "ACLAgentMasterToken": HIDDEN,
        "ACLAgentToken": HIDDEN,
        "ACLDatacenter": config.primary_datacenter,
        "ACLDefaultPolicy": acl.default_policy,
        "ACLDisabledTTL": _text(acl.disabled_ttl_s),
        "ACLDownPolicy": acl.down_policy,
        "ACLEnableKeyListPolicy": acl.enable_key_list_policy,
        "ACLEnableTokenPersistence": acl.enable_token_persistence,
        "ACLMasterToken": HIDDEN,
        "ACLPolicyTTL": _text(acl.policy_ttl_s),
        "ACLReplicationToken": HIDDEN,
        # Consul shows what was set, and nothing was if it is the default.
        "ACLRoleTTL": "0s" if acl.role_ttl_s == ROLE_TTL_S else _text(acl.role_ttl_s),
        "ACLToken": HIDDEN,
        "ACLTokenReplication": acl.enable_token_replication,
        "ACLTokenTTL": _text(acl.token_ttl_s),
        "ACLsEnabled": acl.enabled,
    }


def _addresses(config: Config) -> dict[str, Any]:
    cluster, ports, listeners = config.cluster, config.ports, config.listeners
    sockets = config.unix_sockets
    dns = [_with_network(network, one) for one in listeners.dns for network in ("tcp", "udp")]
    return {
        "AdvertiseAddrLAN": cluster.advertise_addr,
        "AdvertiseAddrWAN": cluster.advertise_addr_wan,
        "BindAddr": cluster.bind_addr,
        "ClientAddrs": list(config.client_addrs),
        "ConnectSidecarMaxPort": ports.sidecar_max_port,
        "ConnectSidecarMinPort": ports.sidecar_min_port,
        "DNSAddrs": dns,
        "DNSPort": ports.dns,
        "ExposeMaxPort": ports.expose_max_port,
        "ExposeMinPort": ports.expose_min_port,
        "GRPCAddrs": _listeners(listeners.grpc),
        "GRPCPort": ports.grpc,
        "HTTPAddrs": _listeners(listeners.http),
        "HTTPPort": ports.http,
        "HTTPSAddrs": _listeners(listeners.https),
        "HTTPSPort": ports.https,
        "RPCAdvertiseAddr": _tcp(cluster.rpc_advertise),
        "RPCBindAddr": _tcp(cluster.rpc_bind),
        "SerfAdvertiseAddrLAN": _tcp(cluster.serf_lan_advertise),
        "SerfAdvertiseAddrWAN": _tcp(cluster.serf_wan_advertise),
        "SerfAllowedCIDRsLAN": list(cluster.serf_lan_allowed_cidrs),
        "SerfAllowedCIDRsWAN": list(cluster.serf_wan_allowed_cidrs),
        "SerfBindAddrLAN": _tcp(cluster.serf_lan_bind),
        "SerfBindAddrWAN": _tcp(cluster.serf_wan_bind),
        "SerfPortLAN": ports.serf_lan,
        "SerfPortWAN": ports.serf_wan,
        "ServerPort": ports.server,
        "TaggedAddresses": dict(sorted(cluster.tagged_addresses.items())),
        "TranslateWANAddrs": config.translate_wan_addrs,
        "UnixSocketGroup": sockets.group,
        "UnixSocketMode": sockets.mode,
        "UnixSocketUser": sockets.user,
    }


def _cluster(config: Config) -> dict[str, Any]:
    joining = config.joining
    return {
        "Bootstrap": config.bootstrap,
        "BootstrapExpect": config.bootstrap_expect,
        "DisableCoordinates": config.disable_coordinates,
        "DisableKeyringFile": config.disable_keyring_file,
        "EncryptKey": HIDDEN,
        "EncryptVerifyIncoming": config.encrypt_verify_incoming,
        "EncryptVerifyOutgoing": config.encrypt_verify_outgoing,
        "LeaveDrainTime": _text(config.leave_drain_time_s),
        "LeaveOnTerm": config.leave_on_terminate,
        "PrimaryGateways": [],
        "PrimaryGatewaysInterval": "30s",
        "ReconnectTimeoutLAN": _text(config.gossip_lan.reconnect_timeout_s),
        "ReconnectTimeoutWAN": _text(config.gossip_wan.reconnect_timeout_s),
        "RejoinAfterLeave": joining.rejoin_after_leave,
        "RetryJoinIntervalLAN": _text(joining.retry_interval_s),
        "RetryJoinIntervalWAN": _text(joining.retry_interval_wan_s),
        "RetryJoinLAN": list(joining.retry_join),
        "RetryJoinMaxAttemptsLAN": joining.retry_max_attempts,
        "RetryJoinMaxAttemptsWAN": joining.retry_max_attempts_wan,
        "RetryJoinWAN": list(joining.retry_join_wan),
        "SegmentLimit": SEGMENT_LIMIT,
        "SegmentName": "",
        "SegmentNameLimit": SEGMENT_LIMIT,
        "Segments": [],
        "SkipLeaveOnInt": config.skip_leave_on_interrupt,
        "StartJoinAddrsLAN": list(joining.start_join),
        "StartJoinAddrsWAN": list(joining.start_join_wan),
        "SyncCoordinateIntervalMin": _text(config.sync_coordinate_interval_min_s),
        "SyncCoordinateRateTarget": config.sync_coordinate_rate_target_per_s,
    }


def _gossip(pool: str, gossip: Gossip) -> dict[str, Any]:
    prefix = f"Gossip{pool}"
    return {
        f"{prefix}GossipInterval": _text(gossip.gossip_interval_s),
        f"{prefix}GossipNodes": gossip.gossip_nodes,
        f"{prefix}ProbeInterval": _text(gossip.probe_interval_s),
        f"{prefix}ProbeTimeout": _text(gossip.probe_timeout_s),
        f"{prefix}RetransmitMult": gossip.retransmit_mult,
        f"{prefix}SuspicionMult": gossip.suspicion_mult,
    }


def _consensus(config: Config) -> dict[str, Any]:
    autopilot, raft = config.autopilot, config.raft
    return {
        "AEInterval": _text(config.ae_interval_s),
        "AutopilotCleanupDeadServers": autopilot.cleanup_dead_servers,
        "AutopilotDisableUpgradeMigration": autopilot.disable_upgrade_migration,
        "AutopilotLastContactThreshold": _text(autopilot.last_contact_threshold_s),
        "AutopilotMaxTrailingLogs": autopilot.max_trailing_logs,
        "AutopilotMinQuorum": autopilot.min_quorum,
        "AutopilotRedundancyZoneTag": autopilot.redundancy_zone_tag,
        "AutopilotServerStabilizationTime": _text(autopilot.server_stabilization_time_s),
        "AutopilotUpgradeVersionTag": autopilot.upgrade_version_tag,
        "ConfigEntryBootstrap": [dict(entry) for entry in config.config_entries_bootstrap],
        "ConsulCoordinateUpdateBatchSize": config.coordinate_update_batch_size,
        "ConsulCoordinateUpdateMaxBatches": config.coordinate_update_max_batches,
        "ConsulCoordinateUpdatePeriod": _text(config.coordinate_update_period_s),
        "ConsulRaftElectionTimeout": _text(raft.election_timeout_s),
        "ConsulRaftHeartbeatTimeout": _text(raft.heartbeat_timeout_s),
        "ConsulRaftLeaderLeaseTimeout": _text(raft.leader_lease_timeout_s),
        "ConsulServerHealthInterval": _text(config.server_health_interval_s),
        "DefaultQueryTime": _text(config.default_query_time_s),
        "MaxQueryTime": _text(config.max_query_time_s),
        "RPCHoldTimeout": _text(config.rpc_hold_timeout_s),
        "RPCProtocol": config.rpc_protocol,
        "RaftProtocol": raft.protocol,
        "RaftSnapshotInterval": _text(raft.snapshot_interval_s),
        "RaftSnapshotThreshold": raft.snapshot_threshold,
        "RaftTrailingLogs": raft.trailing_logs,
        "SessionTTLMin": _text(config.session_ttl_min_s),
    }


def _dns(config: Config) -> dict[str, Any]:
    dns, soa = config.dns, config.dns.soa
    return {
        "DNSARecordLimit": dns.a_record_limit,
        "DNSAllowStale": dns.allow_stale,
        "DNSAltDomain": dns.alt_domain,
        "DNSCacheMaxAge": _text(dns.cache_max_age_s),
        "DNSDisableCompression": dns.disable_compression,
        "DNSDomain": dns.domain,
        "DNSEnableTruncate": dns.enable_truncate,
        "DNSMaxStale": _text(dns.max_stale_s),
        "DNSNodeMetaTXT": dns.enable_additional_node_meta_txt,
        "DNSNodeTTL": _text(dns.node_ttl_s),
        "DNSOnlyPassing": dns.only_passing,
        "DNSRecursorTimeout": _text(dns.recursor_timeout_s),
        "DNSRecursors": list(dns.recursors),
        "DNSSOA": {
            "Expire": soa.expire_s,
            "Minttl": soa.min_ttl_s,
            "Refresh": soa.refresh_s,
            "Retry": soa.retry_s,
        },
        "DNSServiceTTL": {name: _text(ttl) for name, ttl in sorted(dns.service_ttl_s.items())},
        "DNSUDPAnswerLimit": dns.udp_answer_limit,
        "DNSUseCache": dns.use_cache,
        "DiscoveryMaxStale": "0s",
    }


def _http(config: Config) -> dict[str, Any]:
    http = config.http
    return {
        "AllowWriteHTTPFrom": list(http.allow_write_http_from),
        "DisableHTTPUnprintableCharFilter": http.disable_unprintable_char_filter,
        "HTTPBlockEndpoints": list(http.block_endpoints),
        "HTTPResponseHeaders": dict(sorted(http.response_headers.items())),
        "HTTPUseCache": http.use_cache,
    }


def _limits(config: Config) -> dict[str, Any]:
    limits = config.limits
    rate = limits.rpc_rate_per_s
    return {
        "HTTPMaxConnsPerClient": limits.http_max_conns_per_client,
        "HTTPSHandshakeTimeout": _text(limits.https_handshake_timeout_s),
        "KVMaxValueSize": limits.kv_max_value_size_bytes,
        "RPCHandshakeTimeout": _text(limits.rpc_handshake_timeout_s),
        "RPCMaxBurst": limits.rpc_max_burst,
        "RPCMaxConnsPerClient": limits.rpc_max_conns_per_client,
        "RPCRateLimit": -1 if math.isinf(rate) else rate,
        "TxnMaxReqLen": limits.txn_max_req_len_bytes,
    }


def _tls(config: Config) -> dict[str, Any]:
    tls = config.tls
    return {
        "CAFile": tls.ca_file,
        "CAPath": tls.ca_path,
        "CertFile": tls.cert_file,
        "KeyFile": HIDDEN,
        "ServerName": tls.server_name,
        "TLSCipherSuites": list(tls.cipher_suites),
        "TLSMinVersion": tls.min_version,
        "TLSPreferServerCipherSuites": tls.prefer_server_cipher_suites,
        "VerifyIncoming": tls.verify_incoming,
        "VerifyIncomingHTTPS": tls.verify_incoming_https,
        "VerifyIncomingRPC": tls.verify_incoming_rpc,
        "VerifyOutgoing": tls.verify_outgoing,
        "VerifyServerHostname": tls.verify_server_hostname,
    }


def _checks(config: Config) -> dict[str, Any]:
    checks = config.checks
    return {
        "CheckDeregisterIntervalMin": _text(checks.deregister_interval_min_s),
        "CheckOutputMaxSize": checks.output_max_size_bytes,
        "CheckReapInterval": _text(checks.reap_interval_s),
        "CheckUpdateInterval": _text(checks.update_interval_s),
        "DiscardCheckOutput": checks.discard_output,
        "EnableAgentTLSForChecks": checks.enable_agent_tls,
        "EnableLocalScriptChecks": checks.enable_local_script_checks or checks.enable_script_checks,
        "EnableRemoteScriptChecks": checks.enable_script_checks,
    }


def _mesh(config: Config) -> dict[str, Any]:
    connect = config.connect
    return {
        "ConnectCAConfig": dict.fromkeys(sorted(connect.ca_config), HIDDEN),
        "ConnectCAProvider": connect.ca_provider,
        "ConnectEnabled": connect.enabled,
        "ConnectMeshGatewayWANFederationEnabled": connect.enable_mesh_gateway_wan_federation,
        "ConnectTestCALeafRootChangeSpread": "0s",
        "EnableCentralServiceConfig": False,
    }


def _automatic(config: Config) -> dict[str, Any]:
    """Automatic configuration and encryption, and the agent's cache: this server has none."""
    method_config = {
        "BoundAudiences": None,
        "BoundIssuer": "",
        "ClaimMappings": None,
        "ClockSkewLeeway": 0,
        "ExpirationLeeway": 0,
        "JWKSCACert": "",
        "JWKSURL": "",
        "JWTSupportedAlgs": None,
        "JWTValidationPubKeys": None,
        "ListClaimMappings": None,
        "NotBeforeLeeway": 0,
        "OIDCDiscoveryCACert": "",
        "OIDCDiscoveryURL": "",
    }
    method = {
        "ACLAuthMethodEnterpriseFields": {},
        "Config": method_config,
        "Description": "",
        "DisplayName": "",
        "EnterpriseMeta": {},
        "MaxTokenTTL": "0s",
        "Name": "Auto Config Authorizer",
        "RaftIndex": {"CreateIndex": 0, "ModifyIndex": 0},
        "TokenLocality": "",
        "Type": "jwt",
    }
    return {
        "AutoConfig": {
            "Authorizer": {
                "AllowReuse": False,
                "AuthMethod": method,
                "ClaimAssertions": [],
                "Enabled": False,
            },
            "DNSSANs": [],
            "Enabled": False,
            "IPSANs": [],
            "IntroToken": HIDDEN,
            "IntroTokenFile": "",
            "ServerAddresses": [],
        },
        "AutoEncryptAllowTLS": config.connect.auto_encrypt_allow_tls,
        "AutoEncryptDNSSAN": [],
        "AutoEncryptIPSAN": [],
        "AutoEncryptTLS": False,
        "Cache": {"EntryFetchMaxBurst": 2, "EntryFetchRate": FLOAT64_MAX},
    }


def _logging(config: Config) -> dict[str, Any]:
    logging = config.logging
    return {
        "EnableSyslog": logging.enable_syslog,
        "LogFilePath": logging.file,
        "LogJSON": logging.json,
        "LogLevel": logging.level,
        "LogRotateBytes": logging.rotate_bytes,
        "LogRotateDuration": _text(logging.rotate_duration_s),
        "LogRotateMaxFiles": logging.rotate_max_files,
        "Name": "",
        "SyslogFacility": logging.syslog_facility,
    }


_CIRCONUS = (
    *("APIApp", "APIURL", "BrokerID", "BrokerSelectTag", "CheckDisplayName"),
    *("CheckForceMetricActivation", "CheckID", "CheckInstanceID", "CheckSearchTag", "CheckTags"),
    *("SubmissionInterval", "SubmissionURL"),
)


def _telemetry(config: Config) -> dict[str, Any]:
    telemetry = config.telemetry
    shown: dict[str, Any] = {
        **{f"Circonus{name}": "" for name in _CIRCONUS},
        "CirconusAPIToken": HIDDEN,
        "AllowedPrefixes": list(telemetry.allowed_prefixes),
        "BlockedPrefixes": list(telemetry.blocked_prefixes),
        "Disable": False,
        "DisableHostname": telemetry.disable_hostname,
        "DogstatsdAddr": telemetry.dogstatsd_addr,
        "DogstatsdTags": list(telemetry.dogstatsd_tags),
        "FilterDefault": telemetry.filter_default,
        "MetricsPrefix": telemetry.metrics_prefix,
        "PrometheusRetentionTime": _text(telemetry.prometheus_retention_time_s),
        "StatsdAddr": telemetry.statsd_address,
        "StatsiteAddr": telemetry.statsite_address,
    }
    return dict(sorted(shown.items()))
