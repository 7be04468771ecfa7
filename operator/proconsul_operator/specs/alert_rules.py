"""When somebody is to be woken: the alert rules, for one cluster and for the operator.

A rule is shown to fire on series that were recorded from running servers (operator_tests/charts/
record.py); a page of docs/alerts.md says what each means and what to do. Names of metrics are
Consul's where it has one. Rules are about one cluster by the labels that a ServiceMonitor gives, so
that two clusters in one Prometheus do not hide each other. The charts hold the same rules, with
marks in place of names: `make manifests` writes them from here.
"""

from dataclasses import dataclass
from typing import Final

from proconsul_operator.specs.wanted import Manifest

RUNBOOK: Final = "docs/alerts.md"
HOUR_S: Final = 3600
CERTIFICATE_LEFT_S: Final = 7 * 24 * HOUR_S  # cert-manager renews a month before the end
FREE_SHARE: Final = 0.1  # of the disk
TERMS_MAX: Final = 3  # in ten minutes
BACKUP_HOURS: Final = 26  # a day, and time to take it


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """A cluster as Prometheus knows it. `job` is the headless Service's name."""

    namespace: str
    job: str
    cluster: str

    def of(self, metric: str) -> str:
        """That metric of this cluster."""
        return f'{metric}{{namespace="{self.namespace}",job="{self.job}"}}'


MARKS: Final = Scraped(namespace="@namespace@", job="@job@", cluster="@cluster@")
"""What stands in the chart's files; the templates put the names in their place."""


def server_rules(scraped: Scraped) -> Manifest:
    """The group of one cluster."""
    of = scraped.of
    leads, tolerance = of("consul_server_isLeader"), of("consul_autopilot_failure_tolerance")
    voters, term = of("consul_proconsul_raft_voters"), of("consul_proconsul_raft_term")
    free, size = of("consul_proconsul_disk_free_bytes"), of("consul_proconsul_disk_size_bytes")
    rules = [
        _rule(
            "ProconsulNoLeader",
            f"(sum({leads}) or vector(0)) < 1",
            wait="1m",
            severity="critical",
            summary="No server of {cluster} leads: nothing can be written.",
        ),
        _rule(
            "ProconsulQuorumAtRisk",
            f"max({tolerance}) < 1 and max({voters}) > 1",
            wait="5m",
            severity="warning",
            summary="{cluster} works, and one more server that fails ends that.",
        ),
        _rule(
            "ProconsulServerUnhealthy",
            f"max({of('consul_autopilot_healthy')}) < 1",
            wait="5m",
            severity="warning",
            summary="A server of {cluster} is down, or does not keep up with the leader.",
        ),
        _rule(
            "ProconsulLeadershipUnstable",
            f"max({term}) - max({term} offset 10m) > {TERMS_MAX}",
            wait="0s",
            severity="warning",
            summary="{cluster} has had more than 3 elections in ten minutes.",
        ),
        _rule(
            "ProconsulDiskNearlyFull",
            f"{free} / {size} < {FREE_SHARE}",
            wait="5m",
            severity="warning",
            summary="The disk of {{ $labels.instance }} of {cluster} has "
            "{{ $value | humanizePercentage }} left.",
        ),
        _rule(
            "ProconsulCertificateEnds",
            f"{of('consul_agent_tls_cert_expiry')} < {CERTIFICATE_LEFT_S}",
            wait="5m",
            severity="critical",
            summary="The certificate that {{ $labels.instance }} of {cluster} uses ends in "
            "{{ $value | humanizeDuration }}.",
        ),
    ]
    return _group("proconsul", rules, scraped)


def backup_rules(scraped: Scraped, *, age: str, age_s: int | str) -> Manifest:
    """The group of a cluster whose snapshots are fetched by the chart's CronJob.

    `age` is how old the newest may be as PromQL says it, `age_s` the same in seconds; in the
    chart's file both are marks. A cluster that was not there so long ago has time yet.
    """
    saved = scraped.of("consul_proconsul_snapshot_saved_timestamp_seconds")
    was_there = scraped.of("consul_server_isLeader")
    rule = _rule(
        "ProconsulBackupTooOld",
        f"time() - (max(max_over_time({saved}[{age}])) or vector(0)) > {age_s} "
        f"and count(max_over_time({was_there}[10m] offset {age})) > 0",
        wait="5m",
        severity="critical",
        summary=f"No snapshot of {{cluster}} was fetched within {age}.",
    )
    return _group("proconsul-backup", [rule], scraped)


def operator_rules(*, backup_age_s: int = BACKUP_HOURS * HOUR_S) -> Manifest:
    """The group of the operator, about all clusters that it takes care of.

    Its series name a cluster by `namespace` and `name`: a scrape has to leave the former alone
    (`honorLabels`), or clusters of one name hide each other. A cluster that a schedule names and
    that has no good snapshot yet is as old as the schedule.
    """
    of = "proconsul_operator_cluster_"
    taken, scheduled = (
        f"{of}{what}_timestamp_seconds" for what in ("last_snapshot", "scheduled_since")
    )
    by = "(namespace, name)"
    covered = f"{taken} and on {by} {scheduled} or on {by} {scheduled}"
    rules = [
        _rule(
            "ProconsulOperatorDown",
            "(sum(proconsul_operator_leader) or vector(0)) < 1",
            wait="10m",
            severity="warning",
            summary="No operator works: clusters run on, changes and checks wait.",
        ),
        _rule(
            "ProconsulBackupTooOld",
            f"time() - max by {by} ({covered}) > {backup_age_s}",
            wait="5m",
            severity="critical",
            summary="{{ $labels.namespace }}/{{ $labels.name }} has a schedule, and for "
            "{{ $value | humanizeDuration }} no good snapshot.",
        ),
        _rule(
            "ProconsulClusterNotQuorate",
            f"max by {by} ({of}quorate) < 1",
            wait="5m",
            severity="critical",
            summary="The operator finds no leader of {{ $labels.namespace }}/{{ $labels.name }}.",
        ),
    ]
    return {"name": "proconsul-operator", "rules": rules}


def _rule(name: str, expr: str, *, wait: str, severity: str, summary: str) -> Manifest:
    return {
        "alert": name,
        "expr": expr,
        "for": wait,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "runbook": f"{RUNBOOK}#{name.lower()}"},
    }


def _group(name: str, rules: list[Manifest], scraped: Scraped) -> Manifest:
    """The sums have no labels of their own, so each rule says whom it is about."""
    for rule in rules:
        rule["labels"] |= {"namespace": scraped.namespace, "cluster": scraped.cluster}
        notes = rule["annotations"]
        notes["summary"] = notes["summary"].replace("{cluster}", scraped.cluster)
    return {"name": name, "rules": rules}


BACKUP_MARKS: Final = backup_rules(MARKS, age="@age@", age_s="@age_s@")
