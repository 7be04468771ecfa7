"""Calls and rights are told apart: what is missing, what is spare, what only others need."""

import json
from pathlib import Path
from typing import Any

from e2e.audit import Right, calls_by, compare, events, main, rights_of

ACCOUNT = "system:serviceaccount:n:a"
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "patch"]}


def call(verb: str, resource: str, name: str = "", code: int = 200, **target: Any) -> str:
    """A line of the log."""
    held = {"resource": resource, "name": name, **target}
    status = {"code": code, "message": "no"}
    user = {"username": ACCOUNT}
    return json.dumps({"user": user, "verb": verb, "objectRef": held, "responseStatus": status})


def told(lines: list[str], *rules: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Missing and spare."""
    found = compare(calls_by(ACCOUNT, events(lines)), rights_of(rules))
    return found.missing, found.spare


def test_calls_that_are_the_rights_are_well() -> None:
    assert told([call("get", "pods", "p"), call("patch", "pods", "p")], PODS) == ((), ())


def test_a_right_that_nobody_used_is_spare_and_a_call_without_one_is_missing() -> None:
    lines = [call("get", "pods", "p"), call("list", "secrets"), '{"user": {"userna']
    assert told(lines, PODS) == (("list secrets",), ("patch pods",))


def test_another_name_than_the_granted_ones_is_missing() -> None:
    rule = {**PODS, "resourceNames": ["c-0"]}
    lines = [call("get", "pods", "c-0"), call("patch", "pods", "c-9")]
    assert told(lines, rule) == (("patch pods c-9",), ())


def test_a_refused_call_is_missing_although_a_rule_allows_the_verb() -> None:
    lines = [call("get", "pods", "p"), call("patch", "pods", "p", code=403)]
    assert told(lines, PODS) == (("refused: patch pods p: no",), ())


def test_an_apply_that_made_its_object_needs_to_create() -> None:
    lines = [call("patch", "jobs", "j", code=201, apiGroup="batch", subresource="")]
    assert told(lines) == (("create jobs.batch", "patch jobs.batch"), ())
    status = [call("patch", "jobs", "j", apiGroup="batch", subresource="status")]
    assert told(status) == (("patch jobs/status.batch",), ())


def test_what_is_asked_in_vain_where_rights_end_at_namespaces_is_not_missing() -> None:
    lines = [call("get", "pods", "p"), call("patch", "pods", "p"), call("get", "nodes", "n", 403)]
    assert told(lines, PODS) == ((), ())


def test_what_is_passed_on_is_not_spare() -> None:
    found = compare(
        calls_by(ACCOUNT, events([call("get", "pods", "p")])),
        rights_of([PODS]),
        passed_on={Right("", "pods", "patch")},
    )
    assert found.spare == ()


def test_the_program_fails_for_a_missing_right_and_for_a_spare_one_when_all_was_done(
    tmp_path: Path,
) -> None:
    def body(kind: str, **fields: Any) -> dict[str, Any]:
        labels = {"app.kubernetes.io/part-of": "proconsul"}
        meta = {"name": "r", "namespace": "n", "labels": labels}
        return {"kind": kind, "metadata": meta, **fields}

    subject = {"kind": "ServiceAccount", "name": "a", "namespace": "n"}
    binding = body("RoleBinding", roleRef={"kind": "Role", "name": "r"}, subjects=[subject])
    log, roles = tmp_path / "audit.log", tmp_path / "rbac.json"
    roles.write_text(json.dumps({"items": [body("Role", rules=[PODS]), binding]}))
    log.write_text(call("get", "pods", "p"))
    assert main([str(log), str(roles)]) == 0
    assert main([str(log), str(roles), "--whole"]) == 1
    log.write_text(call("delete", "pods", "p"))
    assert main([str(log), str(roles)]) == 1
