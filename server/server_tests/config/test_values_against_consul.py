"""What a running Consul makes of settings_sample.hcl, we make of it, too, value by value.

Consul tells its settings in `DebugConfig`. Runs where CONSUL_REAL names a Consul 1.8.7.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proconsul.config.durations import parse_ns, parse_s
from proconsul.config.flags import parse_agent_flags
from proconsul.config.schema import CheckDefinition, Config, LoadedConfig
from proconsul.runtime.config_files import load

CONSUL = os.environ.get("CONSUL_REAL", "")
SAMPLE = Path(__file__).parent / "settings_sample.hcl"
LISTENING = "Started HTTP server"

pytestmark = pytest.mark.skipif(not CONSUL, reason="CONSUL_REAL names no Consul 1.8.7")

Debug = dict[str, Any]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.102.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Debug, LoadedConfig]:
    """Consul's settings and ours, from the same command line."""
    http, server, serf = _free_ports(3)
    flags = [
        f"-config-file={SAMPLE}",
        f"-data-dir={tmp_path_factory.mktemp('consul')}",
        *(f"-http-port={http}", f"-server-port={server}", f"-serf-lan-port={serf}"),
    ]
    with subprocess.Popen([CONSUL, "agent", *flags], stdout=subprocess.PIPE, text=True) as consul:
        assert consul.stdout is not None
        try:
            heard = next((line for line in consul.stdout if LISTENING in line), None)
            assert heard is not None, "Consul ended before it listened"
            url = f"http://127.102.0.1:{http}/v1/agent/self"
            with urllib.request.urlopen(url, timeout=10) as answer:
                debug = json.load(answer)["DebugConfig"]
        finally:
            consul.kill()
    return debug, load(parse_agent_flags(flags))


def _ours(config: Config) -> Debug:
    """Our settings under Consul's names; floats are durations unless Consul has a number, too."""
    return {
        "ACLDefaultPolicy": config.acl.default_policy,
        "ACLDownPolicy": config.acl.down_policy,
        "ACLDisabledTTL": config.acl.disabled_ttl_s,
        "ACLPolicyTTL": config.acl.policy_ttl_s,
        "ACLRoleTTL": config.acl.role_ttl_s,
        "ACLTokenTTL": config.acl.token_ttl_s,
        "ACLsEnabled": config.acl.enabled,
        "AEInterval": config.ae_interval_s,
        "AdvertiseAddrLAN": config.cluster.advertise_addr,
        "AdvertiseAddrWAN": config.cluster.advertise_addr_wan,
        "AllowWriteHTTPFrom": list(config.http.allow_write_http_from),
        "AutopilotCleanupDeadServers": config.autopilot.cleanup_dead_servers,
        "AutopilotLastContactThreshold": config.autopilot.last_contact_threshold_s,
        "AutopilotMaxTrailingLogs": config.autopilot.max_trailing_logs,
        "AutopilotMinQuorum": config.autopilot.min_quorum,
        "AutopilotServerStabilizationTime": config.autopilot.server_stabilization_time_s,
        "BindAddr": config.cluster.bind_addr,
        "Bootstrap": config.bootstrap,
        "BootstrapExpect": config.bootstrap_expect,
        "CheckDeregisterIntervalMin": config.checks.deregister_interval_min_s,
        "CheckOutputMaxSize": config.checks.output_max_size_bytes,
        "CheckReapInterval": config.checks.reap_interval_s,
        "CheckUpdateInterval": config.checks.update_interval_s,
        "ClientAddrs": list(config.client_addrs),
        "ConnectCAConfig": config.connect.ca_config,
        "ConnectCAProvider": config.connect.ca_provider,
        "ConnectEnabled": config.connect.enabled,
        "ConnectSidecarMaxPort": config.ports.sidecar_max_port,
        "ConnectSidecarMinPort": config.ports.sidecar_min_port,
        "ConsulCoordinateUpdateBatchSize": config.coordinate_update_batch_size,
        "ConsulCoordinateUpdateMaxBatches": config.coordinate_update_max_batches,
        "ConsulCoordinateUpdatePeriod": config.coordinate_update_period_s,
        "ConsulRaftElectionTimeout": config.raft.election_timeout_s,
        "ConsulRaftHeartbeatTimeout": config.raft.heartbeat_timeout_s,
        "ConsulRaftLeaderLeaseTimeout": config.raft.leader_lease_timeout_s,
        "ConsulServerHealthInterval": config.server_health_interval_s,
        "DNSAllowStale": config.dns.allow_stale,
        "DNSDomain": config.dns.domain,
        "DNSEnableTruncate": config.dns.enable_truncate,
        "DNSMaxStale": config.dns.max_stale_s,
        "DNSNodeMetaTXT": config.dns.enable_additional_node_meta_txt,
        "DNSNodeTTL": config.dns.node_ttl_s,
        "DNSPort": config.ports.dns,
        "DNSRecursorTimeout": config.dns.recursor_timeout_s,
        "DNSRecursors": list(config.dns.recursors),
        "DNSServiceTTL": config.dns.service_ttl_s,
        "DNSUDPAnswerLimit": config.dns.udp_answer_limit,
        "Datacenter": config.datacenter,
        "DefaultQueryTime": config.default_query_time_s,
        "DisableHostNodeID": config.disable_host_node_id,
        "DisableRemoteExec": config.disable_remote_exec,
        "DiscardCheckOutput": config.checks.discard_output,
        "EnableDebug": config.enable_debug,
        "EncryptVerifyIncoming": config.encrypt_verify_incoming,
        "EncryptVerifyOutgoing": config.encrypt_verify_outgoing,
        "ExposeMaxPort": config.ports.expose_max_port,
        "GRPCPort": config.ports.grpc,
        "HTTPBlockEndpoints": list(config.http.block_endpoints),
        "HTTPMaxConnsPerClient": config.limits.http_max_conns_per_client,
        "HTTPPort": config.ports.http,
        "HTTPResponseHeaders": config.http.response_headers,
        "HTTPSHandshakeTimeout": config.limits.https_handshake_timeout_s,
        "HTTPSPort": config.ports.https,
        "HTTPUseCache": config.http.use_cache,
        "KVMaxValueSize": config.limits.kv_max_value_size_bytes,
        "LeaveDrainTime": config.leave_drain_time_s,
        "LeaveOnTerm": config.leave_on_terminate,
        "MaxQueryTime": config.max_query_time_s,
        "NodeMeta": config.node_meta,
        "NodeName": config.node_name,
        "PrimaryDatacenter": config.primary_datacenter,
        "RPCHandshakeTimeout": config.limits.rpc_handshake_timeout_s,
        "RPCHoldTimeout": config.rpc_hold_timeout_s,
        "RPCMaxBurst": config.limits.rpc_max_burst,
        "RPCMaxConnsPerClient": config.limits.rpc_max_conns_per_client,
        "RPCProtocol": config.rpc_protocol,
        "RPCRateLimit": config.limits.rpc_rate_per_s,
        "RaftProtocol": config.raft.protocol,
        "RaftSnapshotInterval": config.raft.snapshot_interval_s,
        "RaftSnapshotThreshold": config.raft.snapshot_threshold,
        "RaftTrailingLogs": config.raft.trailing_logs,
        "RetryJoinIntervalLAN": config.joining.retry_interval_s,
        "RetryJoinLAN": list(config.joining.retry_join),
        "SerfPortLAN": config.ports.serf_lan,
        "SerfPortWAN": config.ports.serf_wan,
        "ServerMode": config.server,
        "ServerPort": config.ports.server,
        "SessionTTLMin": config.session_ttl_min_s,
        "SkipLeaveOnInt": config.skip_leave_on_interrupt,
        "SyncCoordinateIntervalMin": config.sync_coordinate_interval_min_s,
        "SyncCoordinateRateTarget": config.sync_coordinate_rate_target_per_s,
        "TLSMinVersion": config.tls.min_version,
        "TaggedAddresses": config.cluster.tagged_addresses,
        "TxnMaxReqLen": config.limits.txn_max_req_len_bytes,
        "UIContentPath": config.ui_content_path,
        "UnixSocketMode": config.unix_sockets.mode,
        "VerifyOutgoing": config.tls.verify_outgoing,
    }


def _as_ours(theirs: Any, ours: Any) -> Any:
    """Consul's durations are texts."""
    if isinstance(ours, float) and isinstance(theirs, str):
        return parse_s(theirs)
    if isinstance(ours, dict) and any(isinstance(each, float) for each in ours.values()):
        return {key: parse_s(text) for key, text in theirs.items()}
    return theirs


def test_every_setting_has_the_value_that_it_has_in_consul(
    both: tuple[Debug, LoadedConfig],
) -> None:
    consul, loaded = both
    ours = _ours(loaded.config)
    assert {key: _as_ours(consul[key], value) for key, value in ours.items()} == ours


def test_both_gossip_pools_have_the_timing_that_they_have_in_consul(
    both: tuple[Debug, LoadedConfig],
) -> None:
    consul, loaded = both
    for pool, gossip in (("LAN", loaded.config.gossip_lan), ("WAN", loaded.config.gossip_wan)):
        theirs = [
            parse_s(consul[f"Gossip{pool}GossipInterval"]),
            consul[f"Gossip{pool}GossipNodes"],
            parse_s(consul[f"Gossip{pool}ProbeInterval"]),
            parse_s(consul[f"Gossip{pool}ProbeTimeout"]),
            consul[f"Gossip{pool}SuspicionMult"],
            consul[f"Gossip{pool}RetransmitMult"],
            parse_s(consul[f"ReconnectTimeout{pool}"]),
        ]
        assert theirs == list(msgspec.structs.astuple(gossip))


def test_addresses_are_bound_and_told_as_in_consul(both: tuple[Debug, LoadedConfig]) -> None:
    consul, loaded = both
    cluster = loaded.config.cluster
    told = {
        "RPCBindAddr": cluster.rpc_bind,
        "RPCAdvertiseAddr": cluster.rpc_advertise,
        "SerfBindAddrLAN": cluster.serf_lan_bind,
        "SerfAdvertiseAddrLAN": cluster.serf_lan_advertise,
        "SerfBindAddrWAN": cluster.serf_wan_bind,
        "SerfAdvertiseAddrWAN": cluster.serf_wan_advertise,
    }
    for name, address in told.items():
        assert consul[name] == (f"tcp://{address.host}:{address.port}" if address else "")


def test_services_and_checks_say_what_they_say_in_consul(
    both: tuple[Debug, LoadedConfig],
) -> None:
    consul, loaded = both
    assert [(each["Name"], each["ID"], each["Port"]) for each in consul["Services"]] == [
        (each.name, each.id, each.port) for each in loaded.services
    ]
    for theirs, ours in zip(consul["Services"], loaded.services, strict=True):
        assert [_essence(each) for each in theirs["Checks"]] == [
            _mine(each) for each in ours.checks
        ]
    assert [_essence(each) for each in consul["Checks"]] == [_mine(each) for each in loaded.checks]
    web = next(each for each in loaded.services if each.id == "w")
    assert web.proxy is not None
    assert web.proxy.config == next(
        each["Proxy"]["Config"] for each in consul["Services"] if each["ID"] == "w"
    )


def _essence(check: Debug) -> tuple[Any, ...]:
    times = (parse_ns(check["Interval"]), parse_ns(check["TTL"]), parse_ns(check["Timeout"]))
    return check["Name"], check["HTTP"], check["OutputMaxSize"], *times


def _mine(check: CheckDefinition) -> tuple[Any, ...]:
    times = (check.interval_ns, check.ttl_ns, check.timeout_ns)
    return check.name, check.http, check.output_max_size_bytes, *times
