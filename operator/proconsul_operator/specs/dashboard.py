"""The Grafana dashboard of the servers, as Grafana's JSON: a table of panels, laid out by itself.

Metrics are Consul's where it has them, so most of it shows a real Consul as well. A test holds each
name against what running servers were recorded to export.
"""

import json
from dataclasses import dataclass
from typing import Final

from proconsul_operator.specs.wanted import Manifest

FILE: Final = "proconsul-servers.json"
LABEL: Final = {"grafana_dashboard": "1"}
"""By which Grafana's sidecar finds the ConfigMap."""

_WIDTH, _HEIGHT, _ACROSS = 8, 7, 3
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_OF: Final = '{namespace="$namespace",job="$job"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A graph. In a query `$of` is the choice of the cluster, inside or instead of braces."""

    title: str
    help: str
    queries: tuple[tuple[str, str], ...]  # PromQL, legend
    unit: str = "short"


_POD = "{{pod}}"
_RATE = "$__rate_interval"

PANELS: Final = (
    Panel(
        title="Leader", help="1 is the server that leads; never more than one for long.",
        queries=(("consul_server_isLeader$of", _POD),),
    ),
    Panel(
        title="Term and changes of leadership",
        help="A term is an election. A step now and then is a restart; a staircase is trouble.",
        queries=(
            ("max(consul_proconsul_raft_term$of)", "term"),
            (f"sum(increase(consul_raft_state_leader$of[{_RATE}]))", "won"),
            (f"sum(increase(consul_raft_state_candidate$of[{_RATE}]))", "stood"),
        ),
    ),
    Panel(
        title="Failures that can be borne", help="0 is a cluster that the next failure stops.",
        queries=(
            ("max(consul_autopilot_failure_tolerance$of)", "tolerance"),
            ("max(consul_autopilot_healthy$of)", "all healthy"),
            ("max(consul_proconsul_raft_voters$of)", "voters"),
            ("max(consul_raft_peers$of)", "peers"),
            ("sum(consul_proconsul_ready$of)", "ready"),
        ),
    ),
    Panel(
        title="Time to commit", unit="ms", help="From a write's arrival at the leader to its end.",
        queries=(
            ('max(consul_raft_commitTime{$of,quantile="0.5"})', "median"),
            ('max(consul_raft_commitTime{$of,quantile="0.99"})', "99 %"),
        ),
    ),
    Panel(
        title="Time to write the log", unit="ms", help="The disk, sync included, 99 %.",
        queries=(
            ('consul_raft_leader_dispatchLog{$of,quantile="0.99"}', "leader {{pod}}"),
            ('consul_raft_rpc_appendEntries_storeLogs{$of,quantile="0.99"}', _POD),
        ),
    ),
    Panel(
        title="Leader's last contact", unit="ms",
        help="How long ago a majority answered the leader, 99 %.",
        queries=(('max(consul_raft_leader_lastContact{$of,quantile="0.99"})', "majority"),),
    ),
    Panel(
        title="Entries applied", unit="ops", help="By each server; they go together.",
        queries=((f"rate(consul_raft_applied_index$of[{_RATE}])", _POD),),
    ),
    Panel(
        title="Entries behind", help="Committed and not applied here; 1000 is not ready any more.",
        queries=(("consul_proconsul_raft_lag_entries$of", _POD),),
    ),
    Panel(
        title="Log since the last raft snapshot", help="What a restart reads again.",
        queries=(("consul_raft_last_index$of - consul_proconsul_raft_snapshot_index$of", _POD),),
    ),
    Panel(
        title="KV writes", unit="ops", help="At the leader.",
        queries=((f"sum(rate(consul_kvs_apply_count$of[{_RATE}]))", "writes"),),
    ),
    Panel(
        title="HTTP requests", unit="ops", help="All servers, by method.",
        queries=((f"sum by (method) (rate(consul_api_http_count$of[{_RATE}]))", "{{method}}"),),
    ),
    Panel(
        title="Time of HTTP requests", unit="ms",
        help="99 % of the slowest path; blocking queries wait as long as they are asked to.",
        queries=(
            ('max by (method) (consul_api_http{$of,quantile="0.99"} >= 0)', "{{method}}"),
        ),
    ),
    Panel(
        title="RPC", unit="ops", help="Calls that came over the RPC port.",
        queries=(
            (f"sum(rate(consul_rpc_request$of[{_RATE}]))", "requests"),
            (f"sum(rate(consul_rpc_query$of[{_RATE}]))", "queries"),
            (f"sum(rate(consul_rpc_request_error$of[{_RATE}]))", "errors"),
            (f"sum(rate(consul_client_rpc$of[{_RATE}]))", "made here"),
        ),
    ),
    Panel(
        title="Blocking queries", help="That wait at this moment.",
        queries=(("consul_rpc_queries_blocking$of", _POD),),
    ),
    Panel(
        title="Gossip members", help="Alive, as each server sees them.",
        queries=(
            ("max(consul_members_servers$of)", "servers"),
            ("max(consul_members_clients$of)", "clients"),
            (f"sum(increase(consul_serf_member_failed$of[{_RATE}]))", "seen to fail"),
        ),
    ),
    Panel(
        title="Gossip traffic", unit="Bps", help="UDP, all servers.",
        queries=(
            (f"sum(rate(consul_memberlist_udp_sent$of[{_RATE}]))", "sent"),
            (f"sum(rate(consul_memberlist_udp_received$of[{_RATE}]))", "received"),
        ),
    ),
    Panel(
        title="Catalog", help="As the newest state has it.",
        queries=(
            ("max(consul_state_nodes$of)", "nodes"),
            ("max(consul_state_services$of)", "services"),
            ("max(consul_state_service_instances$of)", "instances"),
        ),
    ),
    Panel(
        title="Room on the disk", unit="percentunit", help="Free; an alert comes below 10 %.",
        queries=(
            ("consul_proconsul_disk_free_bytes$of / consul_proconsul_disk_size_bytes$of", _POD),
        ),
    ),
    Panel(
        title="Since the last fetched snapshot", unit="s", help="By a backup, to its end.",
        queries=(
            ("time() - max(consul_proconsul_snapshot_saved_timestamp_seconds$of)", "age"),
        ),
    ),
    Panel(
        title="Certificate", unit="s", help="Until the one in use ends; nothing without TLS.",
        queries=(("consul_agent_tls_cert_expiry$of", _POD),),
    ),
    Panel(
        title="Processor", unit="percentunit", help="1 is a whole core.",
        queries=((f"rate(process_cpu_seconds_total$of[{_RATE}])", _POD),),
    ),
    Panel(
        title="Memory", unit="bytes", help="Resident.",
        queries=(("process_resident_memory_bytes$of", _POD),),
    ),
    Panel(
        title="Open files", help="Sockets among them.",
        queries=(("process_open_fds$of", _POD),),
    ),
)  # fmt: skip


def text() -> str:
    """The file."""
    return json.dumps(_dashboard(), indent=1, ensure_ascii=True) + "\n"


def promql(query: str) -> str:
    """As Grafana sends it, but for its variables."""
    return query.replace("{$of,", _OF[:-1] + ",").replace("$of", _OF)


def _dashboard() -> Manifest:
    return {
        "title": "Proconsul servers",
        "uid": "proconsul-servers",
        "tags": ["proconsul", "consul"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _variables() -> list[Manifest]:
    metric = "consul_server_isLeader"
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource"}
    made: list[Manifest] = [{**source, "query": "prometheus"}]
    for name, query in (
        ("namespace", f"label_values({metric}, namespace)"),
        ("job", f'label_values({metric}{{namespace="$namespace"}}, job)'),
    ):
        variable = {"name": name, "type": "query", "datasource": _DATASOURCE, "query": query}
        made.append({**variable, "refresh": 2, "sort": 1})
    return made


def _panel(number: int, panel: Panel) -> Manifest:
    targets = [
        {"refId": chr(ord("A") + place), "expr": promql(query), "legendFormat": legend,
         "datasource": _DATASOURCE}
        for place, (query, legend) in enumerate(panel.queries)
    ]  # fmt: skip
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": _DATASOURCE,
        "gridPos": {
            "x": number % _ACROSS * _WIDTH,
            "y": number // _ACROSS * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
