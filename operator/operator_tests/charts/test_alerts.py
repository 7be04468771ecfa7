"""Each alert fires on what running programs were recorded to say while it was true, and only then.

One recording (record.py) tells the story of two clusters' servers, another (record_operator.py)
that of an operator with two clusters. Below is all that fires at the end of each of their phases.
The age of the newest snapshot is judged by four minutes instead of a day.
"""

from pathlib import Path
from typing import Final

import pytest

from operator_tests.charts.helm import MONITORING, OPERATOR, SERVERS, only, render
from operator_tests.charts.promtool import Firing, find_promtool, judge
from operator_tests.charts.recording import (
    JOB,
    LONE_JOB,
    NAMESPACE,
    SPACES,
    Recording,
    load,
)
from operator_tests.charts.recording import (
    OPERATOR as OPERATORS,
)
from proconsul_operator.specs.alert_rules import (
    Scraped,
    backup_rules,
    operator_rules,
    server_rules,
)
from proconsul_operator.specs.wanted import Manifest

CLUSTERS: Final = {"consul": JOB, "lone": LONE_JOB}
DOCS: Final = Path(__file__).parents[3] / "docs" / "alerts.md"

TROUBLE_OF_LONE: Final = frozenset(
    (f"Proconsul{what}", "lone") for what in ("DiskNearlyFull", "CertificateEnds")
)
ONE_IS_MISSING: Final = frozenset(
    (f"Proconsul{what}", "consul") for what in ("QuorumAtRisk", "ServerUnhealthy")
)
NO_BACKUP: Final = frozenset(("ProconsulBackupTooOld", cluster) for cluster in CLUSTERS)
STORY: Final[dict[str, Firing]] = {
    "healthy": frozenset(),
    "one-down": TROUBLE_OF_LONE | ONE_IS_MISSING,
    "no-leader": TROUBLE_OF_LONE | NO_BACKUP | {("ProconsulNoLeader", "consul")},
    "back": TROUBLE_OF_LONE | NO_BACKUP,
    "unstable": TROUBLE_OF_LONE | NO_BACKUP | {("ProconsulLeadershipUnstable", "consul")},
}
TOO_OLD: Final = "ProconsulBackupTooOld"
A, B = SPACES
OPERATORS_STORY: Final[dict[str, Firing]] = {
    "healthy": frozenset(),
    "not-quorate": frozenset({(TOO_OLD, A), (TOO_OLD, B), ("ProconsulClusterNotQuorate", B)}),
    "back": frozenset({(TOO_OLD, B)}),  # a schedule, and never a snapshot
    "operator-down": frozenset({("ProconsulOperatorDown", "")}),
}
BACKUP_S: Final = 240
BY_NAMESPACE: Final = ("alertname", "namespace")

pytestmark = pytest.mark.slow  # so that .ci/run has built promtool by then


@pytest.fixture
def promtool() -> str:
    """Its path."""
    return find_promtool()


def groups() -> list[Manifest]:
    """The rules of both clusters."""
    made = []
    for cluster, job in CLUSTERS.items():
        scraped = Scraped(namespace=NAMESPACE, job=job, cluster=cluster)
        own = (server_rules(scraped), backup_rules(scraped, age="4m", age_s=BACKUP_S))
        made += [{**group, "name": f"{cluster}-{group['name']}"} for group in own]
    return made


def told(recording: Recording, story: dict[str, Firing] = STORY) -> dict[int, Firing]:
    return {recording.end_s(phase): firing for phase, firing in story.items()}


def test_at_the_end_of_each_phase_those_fire_that_must_and_no_others(
    promtool: str, tmp_path: Path
) -> None:
    recording = load()
    assert "SUCCESS" in judge(promtool, tmp_path, groups(), recording, told(recording))


def test_each_rule_is_among_those_that_fire() -> None:
    rules = {rule["alert"] for group in groups() for rule in group["rules"]}
    assert rules == {name for firing in STORY.values() for name, _ in firing}


def test_a_rule_that_is_missing_is_seen(promtool: str, tmp_path: Path) -> None:
    recording = load()
    fewer = [{**group, "rules": group["rules"][1:]} for group in groups() if group["rules"][1:]]
    with pytest.raises(AssertionError, match="FAILED"):
        judge(promtool, tmp_path, fewer, recording, told(recording))


def test_a_rule_that_wakes_for_nothing_is_seen(promtool: str, tmp_path: Path) -> None:
    recording = load()
    rule = {"alert": "Always", "expr": "vector(1)", "labels": {"cluster": "consul"}}
    noisy = [*groups(), {"name": "noise", "rules": [rule]}]
    with pytest.raises(AssertionError, match="FAILED"):
        judge(promtool, tmp_path, noisy, recording, told(recording))


def test_those_of_the_operator_do_too(promtool: str, tmp_path: Path) -> None:
    recording = load(OPERATORS)
    rules = [operator_rules(backup_age_s=BACKUP_S)]
    fires = told(recording, OPERATORS_STORY)
    assert "SUCCESS" in judge(promtool, tmp_path, rules, recording, fires, by=BY_NAMESPACE)


def test_a_scrape_that_takes_the_namespace_away_would_be_seen(
    promtool: str, tmp_path: Path
) -> None:
    """Without `honorLabels` all figures are of the operator's own namespace."""
    recording = load(OPERATORS)
    recording.series = {
        series.replace(f'namespace="{B}"', f'exported_namespace="{B}",namespace="{A}"'): values
        for series, values in recording.series.items()
    }
    rules = [operator_rules(backup_age_s=BACKUP_S)]
    fires = told(recording, OPERATORS_STORY)
    with pytest.raises(AssertionError, match="FAILED"):
        judge(promtool, tmp_path, rules, recording, fires, by=BY_NAMESPACE)


def test_figures_about_a_cluster_keep_its_namespace(helm: str) -> None:
    values = {"monitoring": {"serviceMonitor": {"enabled": True}}}
    monitor = only(render(helm, OPERATOR, values, flags=MONITORING), "ServiceMonitor")
    assert [each["honorLabels"] for each in monitor["spec"]["endpoints"]] == [True]


def test_each_rule_of_the_operator_is_among_those_that_fire() -> None:
    rules = {rule["alert"] for rule in operator_rules()["rules"]}
    assert rules == {name for firing in OPERATORS_STORY.values() for name, _ in firing}


def test_a_chart_puts_names_where_its_files_have_marks(helm: str) -> None:
    values = {
        "monitoring": {"prometheusRule": {"enabled": True, "backupAgeHours": 30}},
        "snapshot": {"enabled": True, "destination": {"pvc": {"claimName": "a"}}},
    }
    rule = only(render(helm, SERVERS, values, flags=MONITORING), "PrometheusRule")
    name = "consul-proconsul"
    scraped = Scraped(namespace="infra", job=f"{name}-headless", cluster=name)
    assert rule["spec"]["groups"] == [
        server_rules(scraped),
        backup_rules(scraped, age="30h", age_s=108000),
    ]


def test_the_operators_chart_has_the_operators_rules(helm: str) -> None:
    values = {"monitoring": {"prometheusRule": {"enabled": True}}}
    rule = only(render(helm, OPERATOR, values, flags=MONITORING), "PrometheusRule")
    assert rule["spec"]["groups"] == [operator_rules()]


def test_every_alert_has_a_page_to_read_at_night() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for group in (*groups(), operator_rules()):
        for rule in group["rules"]:
            assert f"## {rule['alert']}\n" in text, rule["alert"]
            assert rule["annotations"]["runbook"].endswith(f"#{rule['alert'].lower()}")
