"""Consul's defaults, in the form of a source that all others are merged over.

Source: agent/config/default.go; the numbers of gossip are memberlist's LAN and WAN profiles,
those of raft are for a `performance.raft_multiplier` of 1.
"""

from __future__ import annotations

from proconsul.config.decode import Raw

_KV_VALUE_BYTES_MAX = 512 * 1024

DEFAULTS: Raw = {
    "acl_default_policy": "allow",
    "acl_down_policy": "extend-cache",
    "acl_ttl": "30s",
    "acl": {"policy_ttl": "30s"},
    "bind_addr": "0.0.0.0",
    "bootstrap": False,
    "bootstrap_expect": 0,
    "check_output_max_size": 4096,
    "check_update_interval": "5m",
    "client_addr": "127.0.0.1",
    "datacenter": "dc1",
    "default_query_time": "300s",
    "disable_coordinates": False,
    "disable_host_node_id": True,
    "disable_remote_exec": True,
    "domain": "consul.",
    "encrypt_verify_incoming": True,
    "encrypt_verify_outgoing": True,
    "log_level": "INFO",
    "max_query_time": "600s",
    "primary_gateways_interval": "30s",
    "protocol": 2,
    "retry_interval": "30s",
    "retry_interval_wan": "30s",
    "server": False,
    "syslog_facility": "LOCAL0",
    "tls_min_version": "tls12",
    "autopilot": {
        "cleanup_dead_servers": True,
        "last_contact_threshold": "200ms",
        "max_trailing_logs": 250,
        "server_stabilization_time": "10s",
    },
    "gossip_lan": {
        "gossip_interval": "200ms",
        "gossip_nodes": 3,
        "retransmit_mult": 4,
        "probe_interval": "1s",
        "probe_timeout": "500ms",
        "suspicion_mult": 4,
    },
    "gossip_wan": {
        "gossip_interval": "500ms",
        "gossip_nodes": 3,
        "retransmit_mult": 4,
        "probe_interval": "5s",
        "probe_timeout": "3s",
        "suspicion_mult": 6,
    },
    "dns_config": {
        "allow_stale": True,
        "a_record_limit": 0,
        "udp_answer_limit": 3,
        "max_stale": "87600h",
        "recursor_timeout": "2s",
    },
    "limits": {
        "http_max_conns_per_client": 200,
        "https_handshake_timeout": "5s",
        "rpc_handshake_timeout": "5s",
        "rpc_rate": -1.0,
        "rpc_max_burst": 1000,
        "rpc_max_conns_per_client": 100,
        "kv_max_value_size": _KV_VALUE_BYTES_MAX,
        "txn_max_req_len": _KV_VALUE_BYTES_MAX,
    },
    "performance": {"leave_drain_time": "5s", "raft_multiplier": 5, "rpc_hold_timeout": "7s"},
    "ports": {
        "dns": 8600,
        "http": 8500,
        "https": -1,
        "grpc": -1,
        "probe": -1,
        "serf_lan": 8301,
        "serf_wan": 8302,
        "server": 8300,
        "proxy_min_port": 20000,
        "proxy_max_port": 20255,
        "sidecar_min_port": 21000,
        "sidecar_max_port": 21255,
        "expose_min_port": 21500,
        "expose_max_port": 21755,
    },
    "drain_time": "0s",
    "kubernetes": {"credentials": "/var/run/secrets/kubernetes.io/serviceaccount"},
    "telemetry": {"metrics_prefix": "consul", "filter_default": True},
}

_DEV_GOSSIP: Raw = {
    "gossip_interval": "100ms",
    "probe_interval": "100ms",
    "probe_timeout": "100ms",
    "suspicion_mult": 3,
}

DEV: Raw = {
    "bind_addr": "127.0.0.1",
    "disable_anonymous_signature": True,
    "disable_keyring_file": True,
    "enable_debug": True,
    "ui": True,
    "log_level": "DEBUG",
    "server": True,
    "gossip_lan": _DEV_GOSSIP,
    "gossip_wan": _DEV_GOSSIP,
    "connect": {"enabled": True},
    "performance": {"raft_multiplier": 1},
    "ports": {"grpc": 8502},
}

FIXED: Raw = {
    "acl": {"disabled_ttl": "120s"},
    "ae_interval": "1m",
    "check_deregister_interval_min": "1m",
    "check_reap_interval": "30s",
    "sync_coordinate_rate_target": 64.0,
    "sync_coordinate_interval_min": "15s",
    "consul": {
        "coordinate": {"update_batch_size": 128, "update_max_batches": 5, "update_period": "5s"},
        "raft": {
            "election_timeout": "1s",
            "heartbeat_timeout": "1s",
            "leader_lease_timeout": "500ms",
        },
        "server": {"health_interval": "2s"},
    },
}
"""What no user can change: known keys, but this is merged over every file."""

FIXED_DEV: Raw = {
    "consul": {
        "coordinate": {"update_period": "100ms"},
        "raft": {
            "election_timeout": "52ms",
            "heartbeat_timeout": "35ms",
            "leader_lease_timeout": "20ms",
        },
        "server": {"health_interval": "10ms"},
    }
}
"""The same in dev mode: it has one server, on loopback, that should be there at once."""
