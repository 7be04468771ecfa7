"""How many members a drain may take: one, so that a drain and a crash together leave a quorum."""

from proconsul_operator.specs.labels import metadata, selector
from proconsul_operator.specs.wanted import Manifest, Wanted


def pod_disruption_budget(wanted: Wanted) -> Manifest:
    """The budget of the members."""
    budget = wanted.spec.pod_disruption_budget
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(wanted, wanted.name),
        "spec": {
            "maxUnavailable": budget.max_unavailable,
            "unhealthyPodEvictionPolicy": budget.unhealthy_pod_eviction_policy,
            "selector": {"matchLabels": selector(wanted)},
        },
    }
