"""Metrics as go-metrics prints them, and as Prometheus reads them."""

import json
from pathlib import Path

from proconsul.api.metrics import prometheus_text
from proconsul.api.process import Figure, MetricsSettings
from proconsul.telemetry import Telemetry
from server_tests.api.agent_desk import Desk, desk


def settings(host: str = "", hidden: str = "-") -> MetricsSettings:
    return MetricsSettings(
        prefix="consul",
        host=host,
        prometheus=True,
        is_shown=lambda name: not name.startswith(hidden),
    )


def counted() -> Telemetry:
    telemetry = Telemetry()
    telemetry.roll(1_000_000_000.0)
    telemetry.count("raft.apply")
    telemetry.count("raft.apply", 2)
    telemetry.sample("fsm.kvs", 1.0, (("op", "set"),))
    telemetry.sample("fsm.kvs", 3.0, (("op", "set"),))
    telemetry.gauge("server.isLeader", 1)
    return telemetry


async def metrics(at: Desk, telemetry: Telemetry) -> dict[str, object]:
    at.api.telemetry = telemetry
    status, body = await at.ask("GET", "/v1/agent/metrics")
    assert status == 200
    found: dict[str, object] = json.loads(body)
    return found


async def test_the_newest_whole_interval_is_shown(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        telemetry = counted()
        telemetry.roll(1_000_000_010.0)
        telemetry.count("raft.apply", 100)
        found = await metrics(at, telemetry)
        assert found["Timestamp"] == "2001-09-09 01:46:40 +0000 UTC"
        assert found["Points"] == []
        assert found["Gauges"] == [{"Name": "consul.server.isLeader", "Value": 1, "Labels": {}}]
        assert found["Counters"] == [
            {
                "Name": "consul.raft.apply",
                "Count": 2,
                "Rate": 0.3,
                "Sum": 3,
                "Min": 1,
                "Max": 2,
                "Mean": 1.5,
                "Stddev": 0.7071067811865476,
                "Labels": {},
            }
        ]
        assert found["Samples"] == [
            {
                "Name": "consul.fsm.kvs",
                "Count": 2,
                "Rate": 0.4,
                "Sum": 4,
                "Min": 1,
                "Max": 3,
                "Mean": 2,
                "Stddev": 1.4142135623730951,
                "Labels": {"op": "set"},
            }
        ]


async def test_while_the_first_interval_lasts_it_is_shown(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        found = await metrics(at, counted())
        assert found["Timestamp"] == "2001-09-09 01:46:40 +0000 UTC"


async def test_prometheus_is_refused_where_it_is_not_configured(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.ask("GET", "/v1/agent/metrics?format=prometheus") == (
            415,
            "Prometheus is not enabled since its retention time is not positive",
        )


async def test_prometheus_gets_its_own_content_type(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.process.settings = settings()
        response = await at.response("GET", "/v1/agent/metrics?format=prometheus")
        assert ("Content-Type", "text/plain; version=0.0.4; charset=utf-8") in response.headers


def test_prometheus_reads_sums_since_the_start_and_quantiles_of_the_last_ten_seconds() -> None:
    telemetry = counted()
    telemetry.roll(1_000_000_005.0)
    figure = Figure(name="process_open_fds", kind="gauge", explanation="Files.", value=7)
    assert prometheus_text(telemetry.totals(), settings(), [figure]) == (
        "# HELP consul_fsm_kvs consul_fsm_kvs\n"
        "# TYPE consul_fsm_kvs summary\n"
        'consul_fsm_kvs{op="set",quantile="0.5"} 3\n'
        'consul_fsm_kvs{op="set",quantile="0.9"} 3\n'
        'consul_fsm_kvs{op="set",quantile="0.99"} 3\n'
        'consul_fsm_kvs_sum{op="set"} 4\n'
        'consul_fsm_kvs_count{op="set"} 2\n'
        "# HELP consul_raft_apply consul_raft_apply\n"
        "# TYPE consul_raft_apply counter\n"
        "consul_raft_apply 3\n"
        "# HELP consul_server_isLeader consul_server_isLeader\n"
        "# TYPE consul_server_isLeader gauge\n"
        "consul_server_isLeader 1\n"
        "# HELP process_open_fds Files.\n"
        "# TYPE process_open_fds gauge\n"
        "process_open_fds 7\n"
    )


def test_a_summary_of_what_was_long_ago_has_no_quantiles_but_its_sum() -> None:
    telemetry = counted()
    telemetry.roll(1_000_000_060.0)
    text = prometheus_text(telemetry.totals(), settings(), [])
    assert 'consul_fsm_kvs{op="set",quantile="0.9"} NaN\n' in text
    assert 'consul_fsm_kvs_sum{op="set"} 4\n' in text


def test_only_gauges_carry_the_host_and_a_filter_hides_by_prefix() -> None:
    text = prometheus_text(counted().totals(), settings("box-1", "consul.fsm"), [])
    assert "consul_box_1_server_isLeader 1\n" in text
    assert "consul_raft_apply 3\n" in text
    assert "fsm" not in text


def test_labels_are_escaped() -> None:
    telemetry = Telemetry()
    telemetry.count("rpc.request", 1, (("met-hod", 'a"b\\c\nd'),))
    text = prometheus_text(telemetry.totals(), settings(), [])
    assert 'consul_rpc_request{met_hod="a\\"b\\\\c\\nd"} 1\n' in text
