"""The settings of a server, as frozen structs.

Names are Consul's configuration keys; every duration carries its unit. The defaults are not
here but in `defaults.py`, in the same form as a user's file: one way in for all settings.
"""

from __future__ import annotations

import msgspec

from proconsul.config.definitions import CheckDefinition as CheckDefinition
from proconsul.config.definitions import ServiceDefinition as ServiceDefinition


class TcpAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An IP address (never a name) and a port, to listen on or to tell others."""

    host: str
    port: int


class UnixAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A unix socket to listen on."""

    path: str


ListenAddress = TcpAddress | UnixAddress


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Ports of each protocol; -1 is off."""

    dns: int
    http: int
    https: int
    grpc: int
    probe: int
    server: int
    serf_lan: int
    serf_wan: int
    sidecar_min_port: int
    sidecar_max_port: int
    expose_min_port: int
    expose_max_port: int


class Listeners(msgspec.Struct, frozen=True, kw_only=True):
    """Where each client protocol listens; an empty tuple is off."""

    dns: tuple[TcpAddress, ...]
    http: tuple[ListenAddress, ...]
    https: tuple[ListenAddress, ...]
    grpc: tuple[ListenAddress, ...]
    probe: tuple[ListenAddress, ...]


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server's own protocols listen, and what others are told; None is off."""

    bind_addr: str
    advertise_addr: str
    advertise_addr_wan: str
    rpc_bind: TcpAddress | None
    rpc_advertise: TcpAddress
    serf_lan_bind: TcpAddress | None
    serf_lan_advertise: TcpAddress
    serf_wan_bind: TcpAddress | None
    serf_wan_advertise: TcpAddress | None
    serf_lan_allowed_cidrs: tuple[str, ...]
    serf_wan_allowed_cidrs: tuple[str, ...]
    tagged_addresses: dict[str, str]


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to join; `max_attempts` 0 is for ever."""

    start_join: tuple[str, ...]
    start_join_wan: tuple[str, ...]
    retry_join: tuple[str, ...]
    retry_join_wan: tuple[str, ...]
    retry_interval_s: float
    retry_interval_wan_s: float
    retry_max_attempts: int
    retry_max_attempts_wan: int
    rejoin_after_leave: bool


class Gossip(msgspec.Struct, frozen=True, kw_only=True):
    """Timing of one gossip pool; `reconnect_timeout_s` 0 is the built-in 3 days."""

    gossip_interval_s: float
    gossip_nodes: int
    probe_interval_s: float
    probe_timeout_s: float
    suspicion_mult: int
    retransmit_mult: int
    reconnect_timeout_s: float


class Raft(msgspec.Struct, frozen=True, kw_only=True):
    """Raft's timing, already multiplied by `performance.raft_multiplier`; a 0 is "built in"."""

    protocol: int
    multiplier: int
    heartbeat_timeout_s: float
    election_timeout_s: float
    leader_lease_timeout_s: float
    snapshot_threshold: int
    snapshot_interval_s: float
    trailing_logs: int


class Autopilot(msgspec.Struct, frozen=True, kw_only=True):
    """The first autopilot configuration of a new cluster (then it lives in the state)."""

    cleanup_dead_servers: bool
    last_contact_threshold_s: float
    max_trailing_logs: int
    min_quorum: int
    server_stabilization_time_s: float
    redundancy_zone_tag: str
    disable_upgrade_migration: bool
    upgrade_version_tag: str


class Acl(msgspec.Struct, frozen=True, kw_only=True):
    """Access control; legacy `acl_*` keys have been folded in. Tokens are empty when not set."""

    enabled: bool
    default_policy: str
    down_policy: str
    enable_key_list_policy: bool
    enable_token_replication: bool
    enable_token_persistence: bool
    token_ttl_s: float
    policy_ttl_s: float
    role_ttl_s: float
    disabled_ttl_s: float
    master_token: str
    agent_master_token: str
    agent_token: str
    default_token: str
    replication_token: str


class Soa(msgspec.Struct, frozen=True, kw_only=True):
    """The SOA record's numbers, in seconds."""

    refresh_s: int
    retry_s: int
    expire_s: int
    min_ttl_s: int


class Dns(msgspec.Struct, frozen=True, kw_only=True):
    """How names are answered; `service_ttl_s` by service name, with `*` and prefixes `web-*`."""

    domain: str
    alt_domain: str
    recursors: tuple[str, ...]
    allow_stale: bool
    a_record_limit: int
    disable_compression: bool
    enable_truncate: bool
    max_stale_s: float
    node_ttl_s: float
    only_passing: bool
    recursor_timeout_s: float
    service_ttl_s: dict[str, float]
    udp_answer_limit: int
    enable_additional_node_meta_txt: bool
    soa: Soa
    use_cache: bool
    cache_max_age_s: float


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP API: `allow_write_http_from` are networks in CIDR form, empty allows all."""

    block_endpoints: tuple[str, ...]
    allow_write_http_from: tuple[str, ...]
    response_headers: dict[str, str]
    use_cache: bool
    disable_unprintable_char_filter: bool


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one client may take; `rpc_rate_per_s` is infinite when not limited."""

    http_max_conns_per_client: int
    https_handshake_timeout_s: float
    rpc_handshake_timeout_s: float
    rpc_max_burst: int
    rpc_max_conns_per_client: int
    rpc_rate_per_s: float
    kv_max_value_size_bytes: int
    txn_max_req_len_bytes: int


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics; `prometheus_retention_time_s` 0 turns the Prometheus form off."""

    disable_hostname: bool
    metrics_prefix: str
    prometheus_retention_time_s: float
    filter_default: bool
    allowed_prefixes: tuple[str, ...]
    blocked_prefixes: tuple[str, ...]
    statsd_address: str
    statsite_address: str
    dogstatsd_addr: str
    dogstatsd_tags: tuple[str, ...]


class Logging(msgspec.Struct, frozen=True, kw_only=True):
    """Where log lines go and in which form; rotation limits of 0 are none."""

    level: str
    json: bool
    file: str
    rotate_bytes: int
    rotate_duration_s: float
    rotate_max_files: int
    enable_syslog: bool
    syslog_facility: str


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Certificates and who must show one; paths are empty when not set."""

    ca_file: str
    ca_path: str
    cert_file: str
    key_file: str
    server_name: str
    verify_incoming: bool
    verify_incoming_rpc: bool
    verify_incoming_https: bool
    verify_outgoing: bool
    verify_server_hostname: bool
    min_version: str
    cipher_suites: tuple[str, ...]
    prefer_server_cipher_suites: bool


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """The service mesh; `ca_config` has the CamelCase keys under which the CA stores it."""

    enabled: bool
    ca_provider: str
    ca_config: dict[str, object]
    enable_mesh_gateway_wan_federation: bool
    auto_encrypt_allow_tls: bool


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """What health checks of this agent may do."""

    enable_script_checks: bool
    enable_local_script_checks: bool
    update_interval_s: float
    output_max_size_bytes: int
    discard_output: bool
    deregister_interval_min_s: float
    reap_interval_s: float
    enable_agent_tls: bool


class UnixSockets(msgspec.Struct, frozen=True, kw_only=True):
    """Owner and mode of unix sockets; empty keeps what the process has."""

    user: str
    group: str
    mode: str


class Kubernetes(msgspec.Struct, frozen=True, kw_only=True):
    """What a server does for itself on Kubernetes; all of it is off unless it is asked for.

    `bootstrap_guard` names a ConfigMap, "" is none. `credentials` is the folder with the token,
    the CA and the namespace that are mounted into each pod. What is empty behind that comes from
    the pod's environment.
    """

    label_own_pod: bool
    bootstrap_guard: str
    credentials: str
    api_url: str
    namespace: str
    pod_name: str


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the server was told. `bootstrap_expect` 1 has become `bootstrap`.

    `data_dir` is empty only in dev mode, where the caller provides a temporary one.
    """

    node_name: str
    node_id: str
    node_meta: dict[str, str]
    datacenter: str
    primary_datacenter: str
    data_dir: str
    dev_mode: bool
    server: bool
    bootstrap: bool
    bootstrap_expect: int
    non_voting_server: bool
    client_addrs: tuple[str, ...]
    ports: Ports
    listeners: Listeners
    cluster: Cluster
    joining: Joining
    gossip_lan: Gossip
    gossip_wan: Gossip
    encrypt: str
    encrypt_verify_incoming: bool
    encrypt_verify_outgoing: bool
    disable_keyring_file: bool
    raft: Raft
    autopilot: Autopilot
    acl: Acl
    dns: Dns
    http: Http
    limits: Limits
    telemetry: Telemetry
    logging: Logging
    tls: Tls
    connect: Connect
    checks: Checks
    unix_sockets: UnixSockets
    enable_debug: bool
    ui: bool
    ui_dir: str
    ui_content_path: str
    pid_file: str
    auto_reload_config: bool
    leave_on_terminate: bool
    skip_leave_on_interrupt: bool
    leave_drain_time_s: float
    drain_time_s: float
    recovery_file: str
    encrypt_keys_file: str
    kubernetes: Kubernetes
    rpc_hold_timeout_s: float
    rpc_protocol: int
    session_ttl_min_s: float
    default_query_time_s: float
    max_query_time_s: float
    translate_wan_addrs: bool
    disable_coordinates: bool
    disable_host_node_id: bool
    disable_remote_exec: bool
    disable_update_check: bool
    ae_interval_s: float
    sync_coordinate_rate_target_per_s: float
    sync_coordinate_interval_min_s: float
    coordinate_update_period_s: float
    coordinate_update_batch_size: int
    coordinate_update_max_batches: int
    server_health_interval_s: float
    watches: tuple[dict[str, object], ...]
    config_entries_bootstrap: tuple[dict[str, object], ...]


class LoadedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all sources: settings, definitions, and warnings in the order they arose."""

    config: Config
    warnings: tuple[str, ...]
    services: tuple[ServiceDefinition, ...]
    checks: tuple[CheckDefinition, ...]
