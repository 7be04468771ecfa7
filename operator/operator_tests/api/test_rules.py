"""Every CEL rule, with objects that pass it and objects that break it."""

from typing import Any

import pytest

from operator_tests.api.cases import CASES, Case
from operator_tests.api.kubernetes_rules import broken_rules, filled, holds, rule_nodes, type_errors
from proconsul_operator.api.rules import RULES
from proconsul_operator.api.schema import KINDS, root_schema

SCHEMAS = {kind.name: root_schema(kind) for kind in KINDS}
OURS = [case for case in CASES if not case.kubernetes_only]


def refusals(case: Case) -> list[str]:
    """What an API server would say, types and bounds first, as it does."""
    schema = SCHEMAS[case.kind]
    value = filled(schema, case.body)
    old = None if case.old_body is None else filled(schema, case.old_body)
    return type_errors(schema, value) or list(broken_rules(schema, value, old))


@pytest.mark.parametrize("case", OURS, ids=lambda case: f"{case.kind}: {case.name}")
def test_an_object_is_taken_or_refused_for_the_one_reason(case: Case) -> None:
    found = refusals(case)
    if not case.refusal:
        assert found == []
        return
    assert len(found) == 1
    assert case.refusal in found[0]


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.old_body is not None], ids=lambda c: f"{c.kind}: {c.name}"
)
def test_what_a_change_begins_with_is_itself_taken(case: Case) -> None:
    schema = SCHEMAS[case.kind]
    assert list(broken_rules(schema, filled(schema, case.old_body))) == []


def test_every_rule_is_broken_by_a_case_and_seen_on_some_kind() -> None:
    said = {message for case in OURS for message in refusals(case)}
    said |= {"volumes only grow"}  # quantity(): shown by a real API server only
    placed = {cel for schema in SCHEMAS.values() for _, cel in rule_nodes(schema)}
    for rules in RULES.values():
        for rule in rules:
            assert rule.message in said
            assert rule.cel in placed


def test_rules_about_quantities_have_cases_for_a_real_server() -> None:
    only_there = [case for case in CASES if case.kubernetes_only]
    assert {bool(case.refusal) for case in only_there} == {True, False}


def test_a_rule_about_a_change_never_speaks_of_an_element_of_a_plain_list() -> None:
    """Kubernetes cannot tell which element was which ("uncorrelatable")."""

    def lists(schema: dict[str, Any]) -> list[dict[str, Any]]:
        inner = [each for held in schema.get("properties", {}).values() for each in lists(held)]
        return inner + ([schema["items"]] if schema.get("type") == "array" else [])

    for schema in SCHEMAS.values():
        assert [cel for items in lists(schema) for _, cel in rule_nodes(items)] == []


# The rules themselves, on what may be absent: a default of the schema hides these from the cases.
@pytest.mark.parametrize(
    ("message", "good", "bad"),
    [
        ("httpsOnly needs TLS", {"httpsOnly": True, "enabled": True}, {"httpsOnly": True}),
        ("allowEphemeral: true", {"replicas": 1}, {"replicas": 3}),
        (
            "must repeat",
            {"mode": "NewCluster", "clusterRef": {"name": "c"}},
            {"mode": "InPlace", "clusterRef": {"name": "c"}},
        ),
    ],
)
def test_a_rule_holds_without_defaults_as_well(
    message: str, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    (rule,) = (rule for rules in RULES.values() for rule in rules if message in rule.message)
    assert holds(rule.cel, good)
    assert not holds(rule.cel, bad)
