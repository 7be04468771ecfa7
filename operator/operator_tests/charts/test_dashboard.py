"""The dashboard asks for what running servers export, and Grafana's sidecar finds it."""

import json
import re

from operator_tests.charts.helm import SERVERS, only, render
from operator_tests.charts.recording import load
from proconsul_operator.specs import dashboard

METRIC = re.compile(r"\b((?:consul|process)_\w+)")


def names_in(query: str) -> set[str]:
    return set(METRIC.findall(query))


def test_every_metric_of_a_panel_was_exported_by_a_running_server() -> None:
    exported = load().names
    for panel in dashboard.PANELS:
        for query, _ in panel.queries:
            assert names_in(query), f"{panel.title}: {query} asks for nothing"
            assert names_in(query) <= exported, panel.title


def test_a_metric_that_nobody_exports_would_be_seen() -> None:
    assert not names_in("rate(consul_raft_aply[5m])") <= load().names


def test_every_query_is_about_the_chosen_cluster() -> None:
    for panel in dashboard.PANELS:
        for query, _ in panel.queries:
            asked = dashboard.promql(query)
            chosen = asked.count('namespace="$namespace",job="$job"')
            assert chosen == len(METRIC.findall(asked)), asked
            assert "$of" not in asked


def test_panels_do_not_overlap_and_have_names_of_their_own() -> None:
    panels = json.loads(dashboard.text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len({panel["title"] for panel in panels}) == len(panels)


def test_the_chart_puts_it_where_the_sidecar_looks(helm: str) -> None:
    values = {"monitoring": {"dashboards": {"enabled": True}}}
    held = only(render(helm, SERVERS, values), "ConfigMap", "consul-proconsul-dashboards")
    assert held["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(held["data"][dashboard.FILE]) == json.loads(dashboard.text())
