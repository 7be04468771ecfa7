"""In mode operator the chart asks for a cluster that Kubernetes takes, and the operator reads."""

import pytest

from operator_tests.api.kubernetes_rules import broken_rules, filled, type_errors
from operator_tests.charts.cases import names_of, values_of
from operator_tests.charts.helm import SERVERS, only, render
from operator_tests.test_manifests import unknown
from proconsul_operator.api.cluster import ProconsulCluster
from proconsul_operator.api.schema import KINDS, root_schema
from proconsul_operator.api.values import read

SCHEMA = next(root_schema(kind) for kind in KINDS if kind.name == "ProconsulCluster")


@pytest.mark.parametrize("case", names_of(SERVERS))
def test_every_case_is_a_cluster_that_kubernetes_takes(helm: str, case: str) -> None:
    values = {**values_of(SERVERS, case), "mode": "operator"}
    body = only(render(helm, SERVERS, values), "ProconsulCluster")
    assert unknown(SCHEMA, {**body, "metadata": {}}) == []
    stored = filled(SCHEMA, body)
    assert type_errors(SCHEMA, stored) == []
    assert list(broken_rules(SCHEMA, stored)) == []
    read(ProconsulCluster, body)


def test_nothing_is_made_that_is_the_operators(helm: str) -> None:
    objects = render(helm, SERVERS, {"mode": "operator"})
    assert sorted(each["kind"] for each in objects) == ["Pod", "ProconsulCluster"], "and the test"


def test_more_of_the_spec_is_laid_over_what_the_values_say(helm: str) -> None:
    more = {"paused": True, "gossip": {"rotation": {"every": "1h"}}, "replicas": 5}
    values = {"mode": "operator", "gossip": {"secretName": "keys"}, "cluster": more}
    spec = only(render(helm, SERVERS, values), "ProconsulCluster")["spec"]
    assert spec["paused"] is True
    assert spec["gossip"] == {"secretName": "keys", "rotation": {"every": "1h"}}
    assert spec["replicas"] == 5
