"""Every key that Consul 1.8.7 knows, and its type; and the few of our own.

The table decides what a file may say; what is not in it is an `invalid config key`. Which of them
do nothing here is told in `notices.py`. `OWN` are the keys that Consul does not know.
Source: agent/config/config.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, field


class Scalar(Enum):
    """A plain value; the text is Go's name for the type, which errors quote."""

    STRING = "string"
    BOOL = "bool"
    INT = "int"
    UINT = "uint"
    FLOAT = "float64"


class ListOf(Struct, frozen=True):
    """Values in a row; a later source appends to an earlier one."""

    item: Kind


class MapOf(Struct, frozen=True):
    """Values under names that the user chooses; a later source is laid over an earlier one."""

    item: Kind


class FreeMap(Struct, frozen=True):
    """A map whose insides somebody else judges."""


class Group(Struct, frozen=True):
    """A block with known keys.

    `aliases` are other (lower-case) names of keys. A `whole` block of a later source replaces
    an earlier one, the others merge key by key.
    """

    fields: Mapping[str, Kind]
    aliases: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False


Kind = Scalar | ListOf | MapOf | FreeMap | Group

_STRINGS = ListOf(Scalar.STRING)
_STRING_MAP = MapOf(Scalar.STRING)


def _plain(
    *, string: str = "", boolean: str = "", integer: str = "", strings: str = ""
) -> dict[str, Kind]:
    """Keys by type, each argument a row of names."""
    fields: dict[str, Kind] = {}
    for names, kind in (
        (string, Scalar.STRING),
        (boolean, Scalar.BOOL),
        (integer, Scalar.INT),
        (strings, _STRINGS),
    ):
        fields.update(dict.fromkeys(names.split(), kind))
    return fields


_GOSSIP = Group(
    _plain(
        integer="gossip_nodes retransmit_mult suspicion_mult",
        string="gossip_interval probe_interval probe_timeout",
    )
)

_MESH_GATEWAY = Group(_plain(string="mode"), whole=True)

CHECK = Group(
    {
        **_plain(
            string="""alias_node alias_service body deregister_critical_service_after
                docker_container_id grpc http id interval method name notes service_id shell
                status tcp timeout token ttl""",
            strings="args",
            integer="failures_before_critical output_max_size success_before_passing",
            boolean="grpc_use_tls tls_skip_verify",
        ),
        "header": MapOf(_STRINGS),
    },
    aliases={
        "serviceid": "service_id",
        "scriptargs": "args",
        "dockercontainerid": "docker_container_id",
        "tlsskipverify": "tls_skip_verify",
        "deregistercriticalserviceafter": "deregister_critical_service_after",
    },
    whole=True,
)

_UPSTREAM = Group(
    {
        **_plain(
            string="""datacenter destination_name destination_namespace destination_type
                local_bind_address""",
            integer="local_bind_port",
        ),
        "config": FreeMap(),
        "mesh_gateway": _MESH_GATEWAY,
    }
)

_EXPOSE = Group(
    {
        **_plain(boolean="checks", integer="port"),
        "paths": ListOf(
            Group(_plain(integer="listener_port local_path_port", string="path protocol"))
        ),
    },
    whole=True,
)

_PROXY = Group(
    {
        **_plain(
            string="destination_service_id destination_service_name local_service_address",
            integer="local_service_port",
        ),
        "config": FreeMap(),
        "upstreams": ListOf(_UPSTREAM),
        "mesh_gateway": _MESH_GATEWAY,
        "expose": _EXPOSE,
    },
    whole=True,
)


def _service(connect: Mapping[str, Kind]) -> Group:
    return Group(
        {
            **_plain(
                string="address id kind name token",
                strings="tags",
                integer="port",
                boolean="enable_tag_override",
            ),
            "tagged_addresses": MapOf(Group(_plain(string="address", integer="port"))),
            "meta": _STRING_MAP,
            "check": CHECK,
            "checks": ListOf(CHECK),
            "weights": Group(_plain(integer="passing warning"), whole=True),
            "proxy": _PROXY,
            "connect": Group({"native": Scalar.BOOL, **connect}, whole=True),
        },
        whole=True,
    )


# A sidecar in a sidecar is a known key with an error of its own; a third one nobody asks for.
_NESTED = _service({"sidecar_service": FreeMap()})
SERVICE = _service({"sidecar_service": _service({"sidecar_service": _NESTED})})

_ACL = Group(
    {
        **_plain(
            boolean="""enable_key_list_policy enable_token_persistence enable_token_replication
                enabled msp_disable_bootstrap""",
            string="default_policy disabled_ttl down_policy policy_ttl role_ttl token_ttl",
        ),
        "tokens": Group(
            {
                **_plain(string="agent agent_master default master replication"),
                "managed_service_provider": ListOf(Group(_plain(string="accessor_id secret_id"))),
            }
        ),
    }
)

_AUDIT = Group(
    {
        "enabled": Scalar.BOOL,
        "sink": MapOf(
            Group(
                _plain(
                    string="delivery_guarantee format name path rotate_duration type",
                    integer="rotate_bytes rotate_max_files",
                )
            )
        ),
    },
    whole=True,
)

_AUTO_CONFIG = Group(
    {
        **_plain(
            boolean="enabled",
            string="intro_token intro_token_file",
            strings="dns_sans ip_sans server_addresses",
        ),
        "authorization": Group(
            {
                "enabled": Scalar.BOOL,
                "static": Group(
                    {
                        **_plain(
                            strings="""bound_audiences claim_assertions jwt_supported_algs
                                jwt_validation_pub_keys""",
                            boolean="allow_reuse",
                            string="""bound_issuer clock_skew_leeway expiration_leeway
                                jwks_ca_cert jwks_url not_before_leeway oidc_discovery_ca_cert
                                oidc_discovery_url""",
                        ),
                        "claim_mappings": _STRING_MAP,
                        "list_claim_mappings": _STRING_MAP,
                    }
                ),
            }
        ),
    }
)

_AUTOPILOT = Group(
    {
        **_plain(
            boolean="cleanup_dead_servers disable_upgrade_migration",
            string="""last_contact_threshold redundancy_zone_tag server_stabilization_time
                upgrade_version_tag""",
            integer="max_trailing_logs",
        ),
        "min_quorum": Scalar.UINT,
    }
)

_CONSUL = Group(
    {
        "coordinate": Group(
            _plain(integer="update_batch_size update_max_batches", string="update_period")
        ),
        "raft": Group(_plain(string="election_timeout heartbeat_timeout leader_lease_timeout")),
        "server": Group(_plain(string="health_interval")),
    }
)

_DNS = Group(
    {
        **_plain(
            boolean="""allow_stale disable_compression enable_additional_node_meta_txt
                enable_truncate only_passing prefer_namespace use_cache""",
            integer="a_record_limit udp_answer_limit",
            string="cache_max_age max_stale node_ttl recursor_timeout",
        ),
        "service_ttl": _STRING_MAP,
        "soa": Group(
            dict.fromkeys(("expire", "min_ttl", "refresh", "retry"), Scalar.UINT), whole=True
        ),
    }
)

_LIMITS = Group(
    {
        **_plain(
            integer="http_max_conns_per_client rpc_max_burst rpc_max_conns_per_client",
            string="https_handshake_timeout rpc_handshake_timeout",
        ),
        "rpc_rate": Scalar.FLOAT,
        "kv_max_value_size": Scalar.UINT,
        "txn_max_req_len": Scalar.UINT,
    }
)

OWN = frozenset(
    {
        "addresses.probe", "auto_reload_config", "drain_time", "encrypt_keys_file", "kubernetes",
        "ports.probe", "recovery_file",
    }
)  # fmt: skip

_KUBERNETES = Group(
    _plain(boolean="label_own_pod", string="api_url bootstrap_guard credentials namespace pod_name")
)

_TELEMETRY = Group(
    _plain(
        string="""circonus_api_app circonus_api_token circonus_api_url circonus_broker_id
            circonus_broker_select_tag circonus_check_display_name
            circonus_check_force_metric_activation circonus_check_id circonus_check_instance_id
            circonus_check_search_tag circonus_check_tags circonus_submission_interval
            circonus_submission_url dogstatsd_addr metrics_prefix prometheus_retention_time
            statsd_address statsite_address""",
        boolean="disable_hostname filter_default",
        strings="dogstatsd_tags prefix_filter",
    )
)

ROOT = Group(
    {
        **_plain(
            string="""acl_agent_master_token acl_agent_token acl_datacenter acl_default_policy
                acl_disabled_ttl acl_down_policy acl_master_token acl_replication_token acl_token
                acl_ttl advertise_addr advertise_addr_ipv4 advertise_addr_ipv6 advertise_addr_wan
                advertise_addr_wan_ipv4 advertise_addr_wan_ipv6 ae_interval alt_domain bind_addr
                ca_file ca_path cert_file check_deregister_interval_min check_reap_interval
                check_update_interval client_addr data_dir datacenter default_query_time
                discovery_max_stale domain drain_time encrypt encrypt_keys_file key_file log_file
                log_level log_rotate_duration max_query_time node_id node_name pid_file
                primary_datacenter primary_gateways_interval raft_snapshot_interval
                reconnect_timeout reconnect_timeout_wan recovery_file retry_interval
                retry_interval_wan revision segment serf_lan serf_wan server_name session_ttl_min
                sync_coordinate_interval_min syslog_facility tls_cipher_suites
                tls_min_version ui_content_path ui_dir version version_prerelease""",
            boolean="""acl_enable_key_list_policy auto_reload_config bootstrap
                disable_anonymous_signature
                disable_coordinates disable_host_node_id disable_http_unprintable_char_filter
                disable_keyring_file disable_remote_exec disable_update_check
                discard_check_output enable_acl_replication enable_agent_tls_for_checks
                enable_central_service_config enable_debug enable_local_script_checks
                enable_script_checks enable_syslog encrypt_verify_incoming
                encrypt_verify_outgoing leave_on_terminate log_json non_voting_server
                rejoin_after_leave server skip_leave_on_interrupt tls_prefer_server_cipher_suites
                translate_wan_addrs ui verify_incoming verify_incoming_https verify_incoming_rpc
                verify_outgoing verify_server_hostname""",
            integer="""bootstrap_expect check_output_max_size log_rotate_bytes
                log_rotate_max_files protocol raft_protocol raft_snapshot_threshold
                raft_trailing_logs retry_max retry_max_wan segment_limit segment_name_limit""",
            strings="""primary_gateways recursors retry_join retry_join_wan
                serf_lan_allowed_cidrs serf_wan_allowed_cidrs start_join start_join_wan""",
        ),
        "acl": _ACL,
        "addresses": Group(_plain(string="dns grpc http https probe")),
        "audit": _AUDIT,
        "auto_config": _AUTO_CONFIG,
        "auto_encrypt": Group(_plain(boolean="allow_tls tls", strings="dns_san ip_san")),
        "autopilot": _AUTOPILOT,
        "cache": Group({"entry_fetch_max_burst": Scalar.INT, "entry_fetch_rate": Scalar.FLOAT}),
        "check": CHECK,
        "checks": ListOf(CHECK),
        "config_entries": Group({"bootstrap": ListOf(FreeMap())}),
        "connect": Group(
            {
                **_plain(
                    boolean="enable_mesh_gateway_wan_federation enabled",
                    string="ca_provider test_ca_leaf_root_change_spread",
                ),
                "ca_config": FreeMap(),
            }
        ),
        "consul": _CONSUL,
        "dns_config": _DNS,
        "gossip_lan": _GOSSIP,
        "gossip_wan": _GOSSIP,
        "http_config": Group(
            {
                **_plain(strings="allow_write_http_from block_endpoints", boolean="use_cache"),
                "response_headers": _STRING_MAP,
            }
        ),
        "kubernetes": _KUBERNETES,
        "limits": _LIMITS,
        "node_meta": _STRING_MAP,
        "performance": Group(
            _plain(string="leave_drain_time rpc_hold_timeout", integer="raft_multiplier")
        ),
        "ports": Group(
            _plain(
                integer="""dns expose_max_port expose_min_port grpc http https probe proxy_max_port
                    proxy_min_port serf_lan serf_wan server sidecar_max_port sidecar_min_port"""
            )
        ),
        "segments": ListOf(
            Group(_plain(string="advertise bind name", integer="port", boolean="rpc_listener"))
        ),
        "service": SERVICE,
        "services": ListOf(SERVICE),
        "snapshot_agent": FreeMap(),
        "sync_coordinate_rate_target": Scalar.FLOAT,
        "tagged_addresses": _STRING_MAP,
        "telemetry": _TELEMETRY,
        "unix_sockets": Group(_plain(string="group mode user")),
        "watches": ListOf(FreeMap()),
    }
)
