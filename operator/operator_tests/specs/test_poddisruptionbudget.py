"""The budget of a drain."""

from operator_tests.specs.clusters import wanted
from proconsul_operator.specs.labels import selector
from proconsul_operator.specs.poddisruptionbudget import pod_disruption_budget


def test_one_at_a_time_whatever_the_size() -> None:
    for replicas in (1, 3, 5, 7):
        cluster = wanted(replicas=replicas)
        assert pod_disruption_budget(cluster)["spec"] == {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "IfHealthyBudget",
            "selector": {"matchLabels": selector(cluster)},
        }


def test_a_person_may_ask_for_another() -> None:
    asked = {"maxUnavailable": 0, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    made = pod_disruption_budget(wanted(podDisruptionBudget=asked))["spec"]
    assert made["maxUnavailable"] == 0
    assert made["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
