"""What the operator asks Kubernetes for."""

from operator_tests.specs.clusters import wanted
from proconsul_operator.actions.observing import named_refs
from proconsul_operator.plans.drift import ref_of
from proconsul_operator.specs.children import children


def test_what_a_spec_wants_no_more_is_looked_for_so_that_it_can_be_dropped() -> None:
    every = wanted(
        tls={"issuerRef": {"name": "ca"}},
        monitoring=dict.fromkeys(("serviceMonitor", "prometheusRule", "dashboards"), True),
    )
    least = wanted(
        networkPolicy={"enabled": False},
        podDisruptionBudget={"enabled": False},
        service={"staleService": False},
    )
    asked = {ref_of(manifest) for manifest in children(every)}
    dropped = asked - {ref_of(manifest) for manifest in children(least)}
    assert len(dropped) >= 7
    assert dropped <= set(named_refs(least))
