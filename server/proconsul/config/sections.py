"""The blocks of the settings, each from merged sources to its struct.

Source: agent/config/builder.go (Build).
"""

from __future__ import annotations

import math

from proconsul.config import addresses
from proconsul.config.failure import ConfigError
from proconsul.config.schema import (
    Acl,
    Autopilot,
    Checks,
    Connect,
    Dns,
    Gossip,
    Http,
    Joining,
    Kubernetes,
    Limits,
    Logging,
    Raft,
    Soa,
    Telemetry,
    Tls,
)
from proconsul.config.settings import Settings

RAFT_MULTIPLIER_MAX = 10
ROLE_TTL_S = 30.0

CIPHER_SUITES = frozenset(
    f"TLS_ECDHE_{key}_WITH_AES_{cipher}"
    for key in ("ECDSA", "RSA")
    for cipher in [
        "128_CBC_SHA",
        "128_CBC_SHA256",
        "128_GCM_SHA256",
        "256_CBC_SHA",
        "256_GCM_SHA384",
    ]
)
"""What `tls_cipher_suites` may name; it is for TLS 1.2, newer versions choose on their own."""

_CA_CONFIG_KEYS = {
    "private_key": "PrivateKey",
    "root_cert": "RootCert",
    "rotation_period": "RotationPeriod",
    "intermediate_cert_ttl": "IntermediateCertTTL",
    "address": "Address",
    "token": "Token",
    "root_pki_path": "RootPKIPath",
    "intermediate_pki_path": "IntermediatePKIPath",
    "ca_file": "CAFile",
    "ca_path": "CAPath",
    "cert_file": "CertFile",
    "key_file": "KeyFile",
    "tls_server_name": "TLSServerName",
    "tls_skip_verify": "TLSSkipVerify",
    "existing_arn": "ExistingARN",
    "delete_on_exit": "DeleteOnExit",
    "leaf_cert_ttl": "LeafCertTTL",
    "csr_max_per_second": "CSRMaxPerSecond",
    "csr_max_concurrent": "CSRMaxConcurrent",
    "private_key_type": "PrivateKeyType",
    "private_key_bits": "PrivateKeyBits",
}


def joining(settings: Settings) -> Joining:
    """Whom to join."""
    return Joining(
        start_join=settings.names_or_ips("start_join"),
        start_join_wan=settings.names_or_ips("start_join_wan"),
        retry_join=settings.names_or_ips("retry_join"),
        retry_join_wan=settings.names_or_ips("retry_join_wan"),
        retry_interval_s=settings.duration_s("retry_interval"),
        retry_interval_wan_s=settings.duration_s("retry_interval_wan"),
        retry_max_attempts=settings.number("retry_max"),
        retry_max_attempts_wan=settings.number("retry_max_wan"),
        rejoin_after_leave=settings.flag("rejoin_after_leave"),
    )


def gossip(settings: Settings, pool: str, reconnect_timeout: str) -> Gossip:
    """One pool: `gossip_lan` or `gossip_wan`."""
    return Gossip(
        gossip_interval_s=settings.duration_s(f"{pool}.gossip_interval"),
        gossip_nodes=settings.number(f"{pool}.gossip_nodes"),
        probe_interval_s=settings.duration_s(f"{pool}.probe_interval"),
        probe_timeout_s=settings.duration_s(f"{pool}.probe_timeout"),
        suspicion_mult=settings.number(f"{pool}.suspicion_mult"),
        retransmit_mult=settings.number(f"{pool}.retransmit_mult"),
        reconnect_timeout_s=settings.duration_s(reconnect_timeout),
    )


def raft(settings: Settings) -> Raft:
    """Raft's timing at the chosen multiplier."""
    multiplier = settings.number("performance.raft_multiplier")
    if not 1 <= multiplier <= RAFT_MULTIPLIER_MAX:
        raise ConfigError(
            f"performance.raft_multiplier cannot be {multiplier}. "
            f"Must be between 1 and {RAFT_MULTIPLIER_MAX}"
        )
    return Raft(
        protocol=settings.number("raft_protocol"),
        multiplier=multiplier,
        heartbeat_timeout_s=settings.duration_s("consul.raft.heartbeat_timeout") * multiplier,
        election_timeout_s=settings.duration_s("consul.raft.election_timeout") * multiplier,
        leader_lease_timeout_s=settings.duration_s("consul.raft.leader_lease_timeout") * multiplier,
        snapshot_threshold=settings.number("raft_snapshot_threshold"),
        snapshot_interval_s=settings.duration_s("raft_snapshot_interval"),
        trailing_logs=settings.number("raft_trailing_logs"),
    )


def autopilot(settings: Settings) -> Autopilot:
    """The first autopilot configuration."""
    return Autopilot(
        cleanup_dead_servers=settings.flag("autopilot.cleanup_dead_servers"),
        last_contact_threshold_s=settings.duration_s("autopilot.last_contact_threshold"),
        max_trailing_logs=settings.number("autopilot.max_trailing_logs"),
        min_quorum=settings.number("autopilot.min_quorum"),
        server_stabilization_time_s=settings.duration_s("autopilot.server_stabilization_time"),
        redundancy_zone_tag=settings.text("autopilot.redundancy_zone_tag"),
        disable_upgrade_migration=settings.flag("autopilot.disable_upgrade_migration"),
        upgrade_version_tag=settings.text("autopilot.upgrade_version_tag"),
    )


def acl(settings: Settings) -> Acl:
    """The `acl` block, and behind it the `acl_*` keys of older versions."""
    token_ttl_path = "acl.token_ttl" if settings.at("acl.token_ttl") is not None else "acl_ttl"
    return Acl(
        # Naming a datacenter for ACLs turned them on, before there was a key for that.
        enabled=settings.flag("acl.enabled", default=settings.at("acl_datacenter") is not None),
        default_policy=settings.text("acl.default_policy", "acl_default_policy"),
        down_policy=settings.text("acl.down_policy", "acl_down_policy"),
        enable_key_list_policy=settings.flag(
            "acl.enable_key_list_policy", "acl_enable_key_list_policy"
        ),
        enable_token_replication=settings.flag(
            "acl.enable_token_replication",
            "enable_acl_replication",
            default=settings.at("acl_replication_token") is not None,
        ),
        enable_token_persistence=settings.flag("acl.enable_token_persistence"),
        token_ttl_s=settings.duration_s(token_ttl_path),
        policy_ttl_s=settings.duration_s("acl.policy_ttl"),
        role_ttl_s=settings.duration_s("acl.role_ttl") or ROLE_TTL_S,
        disabled_ttl_s=settings.duration_s("acl.disabled_ttl"),
        master_token=settings.text("acl.tokens.master", "acl_master_token"),
        agent_master_token=settings.text("acl.tokens.agent_master", "acl_agent_master_token"),
        agent_token=settings.text("acl.tokens.agent", "acl_agent_token"),
        default_token=settings.text("acl.tokens.default", "acl_token"),
        replication_token=settings.text("acl.tokens.replication", "acl_replication_token"),
    )


def dns(settings: Settings) -> Dns:
    """How names are answered."""
    return Dns(
        domain=settings.text("domain"),
        alt_domain=settings.text("alt_domain"),
        recursors=_recursors(settings),
        allow_stale=settings.flag("dns_config.allow_stale"),
        a_record_limit=settings.number("dns_config.a_record_limit"),
        disable_compression=settings.flag("dns_config.disable_compression"),
        enable_truncate=settings.flag("dns_config.enable_truncate"),
        max_stale_s=settings.duration_s("dns_config.max_stale"),
        node_ttl_s=settings.duration_s("dns_config.node_ttl"),
        only_passing=settings.flag("dns_config.only_passing"),
        recursor_timeout_s=settings.duration_s("dns_config.recursor_timeout", "recursor_timeout"),
        service_ttl_s={
            name: settings.seconds(f'dns_config.service_ttl["{name}"]', text)
            for name, text in settings.pairs("dns_config.service_ttl").items()
        },
        udp_answer_limit=settings.number("dns_config.udp_answer_limit"),
        enable_additional_node_meta_txt=settings.flag(
            "dns_config.enable_additional_node_meta_txt", default=True
        ),
        soa=Soa(
            refresh_s=settings.number("dns_config.soa.refresh", 3600),
            retry_s=settings.number("dns_config.soa.retry", 600),
            expire_s=settings.number("dns_config.soa.expire", 86400),
            min_ttl_s=settings.number("dns_config.soa.min_ttl", 0),
        ),
        use_cache=settings.flag("dns_config.use_cache"),
        cache_max_age_s=settings.duration_s("dns_config.cache_max_age"),
    )


def _recursors(settings: Settings) -> tuple[str, ...]:
    found: list[str] = []
    for text in settings.texts("recursors"):
        try:
            found += addresses.expand(text, settings.host).split()
        except addresses.TemplateError as error:
            raise ConfigError(f'Invalid DNS recursor template "{text}": {error}') from None
    for recursor in found:
        if recursor.startswith("unix://"):
            raise ConfigError(f"DNS Recursors cannot be unix sockets: {recursor}")
        if recursor in ("0.0.0.0", "::", "[::]"):
            raise ConfigError("DNS recursor address cannot be 0.0.0.0, :: or [::]")
    return tuple(dict.fromkeys(found))


def http(settings: Settings) -> Http:
    """The HTTP API."""
    return Http(
        block_endpoints=settings.texts("http_config.block_endpoints"),
        allow_write_http_from=settings.networks(
            "http_config.allow_write_http_from", "allow_write_http_from"
        ),
        response_headers=settings.pairs("http_config.response_headers"),
        use_cache=settings.flag("http_config.use_cache", default=True),
        disable_unprintable_char_filter=settings.flag("disable_http_unprintable_char_filter"),
    )


def limits(settings: Settings) -> Limits:
    """What one client may take."""
    rate = settings.real("limits.rpc_rate")
    return Limits(
        http_max_conns_per_client=settings.number("limits.http_max_conns_per_client"),
        https_handshake_timeout_s=settings.duration_s("limits.https_handshake_timeout"),
        rpc_handshake_timeout_s=settings.duration_s("limits.rpc_handshake_timeout"),
        rpc_max_burst=settings.number("limits.rpc_max_burst"),
        rpc_max_conns_per_client=settings.number("limits.rpc_max_conns_per_client"),
        rpc_rate_per_s=rate if rate > 0 else math.inf,
        kv_max_value_size_bytes=settings.number("limits.kv_max_value_size"),
        txn_max_req_len_bytes=settings.number("limits.txn_max_req_len"),
    )


def telemetry(settings: Settings) -> Telemetry:
    """Metrics, with the filter rules sorted by their sign."""
    allowed: list[str] = []
    blocked: list[str] = []
    for rule in settings.texts("telemetry.prefix_filter"):
        if not rule:
            settings.warnings.append("Cannot have empty filter rule in prefix_filter")
        elif rule[0] in "+-":
            (allowed if rule[0] == "+" else blocked).append(rule[1:])
        else:
            settings.warnings.append(f"Filter rule must begin with either '+' or '-': \"{rule}\"")
    return Telemetry(
        disable_hostname=settings.flag("telemetry.disable_hostname"),
        metrics_prefix=settings.text("telemetry.metrics_prefix"),
        prometheus_retention_time_s=settings.duration_s(
            "telemetry.prometheus_retention_time", "prometheus_retention_time"
        ),
        filter_default=settings.flag("telemetry.filter_default"),
        allowed_prefixes=tuple(allowed),
        blocked_prefixes=tuple(blocked),
        statsd_address=settings.text("telemetry.statsd_address"),
        statsite_address=settings.text("telemetry.statsite_address"),
        dogstatsd_addr=settings.text("telemetry.dogstatsd_addr"),
        dogstatsd_tags=settings.texts("telemetry.dogstatsd_tags"),
    )


def logging(settings: Settings) -> Logging:
    """The log."""
    return Logging(
        level=settings.text("log_level").upper(),
        json=settings.flag("log_json"),
        file=settings.text("log_file"),
        rotate_bytes=settings.number("log_rotate_bytes"),
        rotate_duration_s=settings.duration_s("log_rotate_duration"),
        rotate_max_files=settings.number("log_rotate_max_files"),
        enable_syslog=settings.flag("enable_syslog"),
        syslog_facility=settings.text("syslog_facility"),
    )


def tls(settings: Settings) -> Tls:
    """Certificates and who must show one."""
    verify_hostname = settings.flag("verify_server_hostname")
    return Tls(
        ca_file=settings.text("ca_file"),
        ca_path=settings.text("ca_path"),
        cert_file=settings.text("cert_file"),
        key_file=settings.text("key_file"),
        server_name=settings.text("server_name"),
        verify_incoming=settings.flag("verify_incoming"),
        verify_incoming_rpc=settings.flag("verify_incoming_rpc"),
        verify_incoming_https=settings.flag("verify_incoming_https"),
        # Who wants the name of a server verified wants it verified at all (CVE-2018-19653).
        verify_outgoing=settings.flag("verify_outgoing") or verify_hostname,
        verify_server_hostname=verify_hostname,
        min_version=settings.text("tls_min_version"),
        cipher_suites=_cipher_suites(settings),
        prefer_server_cipher_suites=settings.flag("tls_prefer_server_cipher_suites"),
    )


def _cipher_suites(settings: Settings) -> tuple[str, ...]:
    text = settings.text("tls_cipher_suites").strip()
    suites = tuple(text.split(",")) if text else ()
    for suite in suites:
        if suite not in CIPHER_SUITES:
            settings.problems.append(
                f'tls_cipher_suites: invalid tls cipher suites: unsupported cipher "{suite}"'
            )
            break
    return suites


def connect(settings: Settings) -> Connect:
    """The service mesh; what needs it turns it on."""
    given = settings.at("connect.ca_config")
    allows_tls = settings.flag("auto_encrypt.allow_tls")
    return Connect(
        enabled=settings.flag("connect.enabled")
        or allows_tls
        or settings.flag("auto_config.enabled"),
        ca_provider=settings.text("connect.ca_provider"),
        ca_config={
            _CA_CONFIG_KEYS.get(str(key).lower(), str(key)): value
            for key, value in (given.items() if isinstance(given, dict) else ())
        },
        enable_mesh_gateway_wan_federation=settings.flag(
            "connect.enable_mesh_gateway_wan_federation"
        ),
        auto_encrypt_allow_tls=allows_tls,
    )


def kubernetes(settings: Settings) -> Kubernetes:
    """What a server does for itself on Kubernetes."""
    return Kubernetes(
        label_own_pod=settings.flag("kubernetes.label_own_pod"),
        bootstrap_guard=settings.text("kubernetes.bootstrap_guard"),
        credentials=settings.text("kubernetes.credentials"),
        api_url=settings.text("kubernetes.api_url"),
        namespace=settings.text("kubernetes.namespace"),
        pod_name=settings.text("kubernetes.pod_name"),
    )


def checks(settings: Settings) -> Checks:
    """What health checks may do."""
    return Checks(
        enable_script_checks=settings.flag("enable_script_checks"),
        enable_local_script_checks=settings.flag(
            "enable_local_script_checks", "enable_script_checks"
        ),
        update_interval_s=settings.duration_s("check_update_interval"),
        output_max_size_bytes=settings.number("check_output_max_size"),
        discard_output=settings.flag("discard_check_output"),
        deregister_interval_min_s=settings.duration_s("check_deregister_interval_min"),
        reap_interval_s=settings.duration_s("check_reap_interval"),
        enable_agent_tls=settings.flag("enable_agent_tls_for_checks"),
    )
