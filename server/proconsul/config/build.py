"""From merged sources to `Config`: every setting in its type, with its unit.

What only makes sense together is checked in `validate.py`.
Source: agent/config/builder.go (Build).
"""

from __future__ import annotations

from proconsul.config import cluster_settings, sections
from proconsul.config.schema import Config, UnixSockets
from proconsul.config.settings import Settings

SESSION_TTL_MIN_S = 10.0


def build(settings: Settings, *, dev_mode: bool) -> Config:
    """All settings; problems with single values are left in `settings`."""
    ports = cluster_settings.ports(settings)
    cluster = cluster_settings.cluster(settings, ports)
    client_addrs, listeners = cluster_settings.listeners(settings, ports)
    datacenter = settings.text("datacenter").lower()
    server = settings.flag("server")
    bootstrap, bootstrap_expect = _bootstrap(settings)
    return Config(
        node_name=_node_name(settings),
        node_id=settings.text("node_id"),
        node_meta=settings.pairs("node_meta"),
        datacenter=datacenter,
        primary_datacenter=_primary_datacenter(settings) or datacenter,
        data_dir=settings.text("data_dir"),
        dev_mode=dev_mode,
        server=server,
        bootstrap=bootstrap,
        bootstrap_expect=bootstrap_expect,
        non_voting_server=settings.flag("non_voting_server"),
        client_addrs=client_addrs,
        ports=ports,
        listeners=listeners,
        cluster=cluster,
        joining=sections.joining(settings),
        gossip_lan=sections.gossip(settings, "gossip_lan", "reconnect_timeout"),
        gossip_wan=sections.gossip(settings, "gossip_wan", "reconnect_timeout_wan"),
        encrypt=settings.text("encrypt"),
        encrypt_verify_incoming=settings.flag("encrypt_verify_incoming"),
        encrypt_verify_outgoing=settings.flag("encrypt_verify_outgoing"),
        disable_keyring_file=settings.flag("disable_keyring_file"),
        raft=sections.raft(settings),
        autopilot=sections.autopilot(settings),
        acl=sections.acl(settings),
        dns=sections.dns(settings),
        http=sections.http(settings),
        limits=sections.limits(settings),
        telemetry=sections.telemetry(settings),
        logging=sections.logging(settings),
        tls=sections.tls(settings),
        connect=sections.connect(settings),
        checks=sections.checks(settings),
        unix_sockets=UnixSockets(
            user=settings.text("unix_sockets.user"),
            group=settings.text("unix_sockets.group"),
            mode=settings.text("unix_sockets.mode"),
        ),
        enable_debug=settings.flag("enable_debug"),
        ui=settings.flag("ui"),
        ui_dir=settings.text("ui_dir"),
        ui_content_path=_ui_path(settings.text("ui_content_path")),
        pid_file=settings.text("pid_file"),
        auto_reload_config=settings.flag("auto_reload_config"),
        leave_on_terminate=settings.flag("leave_on_terminate", default=not server),
        skip_leave_on_interrupt=settings.flag("skip_leave_on_interrupt", default=server),
        leave_drain_time_s=settings.duration_s("performance.leave_drain_time"),
        drain_time_s=max(settings.duration_s("drain_time"), 0.0),
        recovery_file=settings.text("recovery_file"),
        encrypt_keys_file=settings.text("encrypt_keys_file"),
        kubernetes=sections.kubernetes(settings),
        rpc_hold_timeout_s=settings.duration_s("performance.rpc_hold_timeout"),
        rpc_protocol=settings.number("protocol"),
        session_ttl_min_s=settings.duration_s("session_ttl_min") or SESSION_TTL_MIN_S,
        default_query_time_s=settings.duration_s("default_query_time"),
        max_query_time_s=settings.duration_s("max_query_time"),
        translate_wan_addrs=settings.flag("translate_wan_addrs"),
        disable_coordinates=settings.flag("disable_coordinates"),
        disable_host_node_id=settings.flag("disable_host_node_id"),
        disable_remote_exec=settings.flag("disable_remote_exec"),
        disable_update_check=settings.flag("disable_update_check"),
        ae_interval_s=settings.duration_s("ae_interval"),
        sync_coordinate_rate_target_per_s=settings.real("sync_coordinate_rate_target"),
        sync_coordinate_interval_min_s=settings.duration_s("sync_coordinate_interval_min"),
        coordinate_update_period_s=settings.duration_s("consul.coordinate.update_period"),
        coordinate_update_batch_size=settings.number("consul.coordinate.update_batch_size"),
        coordinate_update_max_batches=settings.number("consul.coordinate.update_max_batches"),
        server_health_interval_s=settings.duration_s("consul.server.health_interval"),
        watches=settings.maps("watches"),
        config_entries_bootstrap=settings.maps("config_entries.bootstrap"),
    )


def _node_name(settings: Settings) -> str:
    return (settings.text("node_name") or settings.host.name).strip()


def _primary_datacenter(settings: Settings) -> str:
    primary = settings.text("primary_datacenter").lower()
    if settings.at("acl_datacenter") is not None:
        settings.warnings.append(
            "The 'acl_datacenter' field is deprecated. Use the 'primary_datacenter' field instead."
        )
    return primary or settings.text("acl_datacenter").lower()


def _bootstrap(settings: Settings) -> tuple[bool, int]:
    """A cluster of one that is expected is a cluster of one."""
    expect = settings.number("bootstrap_expect")
    if expect != 1:
        return settings.flag("bootstrap"), expect
    settings.warnings.append("BootstrapExpect is set to 1; this is the same as Bootstrap mode.")
    return True, 0


def _ui_path(text: str) -> str:
    return f"/{text.strip('/')}/" if text else "/ui/"
