"""What a server may do: nothing but to its own."""

from operator_tests.specs.clusters import wanted
from proconsul_operator.specs.rbac import role, role_binding, service_account


def test_a_server_may_touch_its_own_pods_and_the_guard_and_nothing_else() -> None:
    rules = {rule["resources"][0]: rule for rule in role(wanted())["rules"]}
    assert set(rules) == {"pods", "configmaps"}
    assert rules["pods"]["resourceNames"] == [f"consul-{ordinal}" for ordinal in range(7)]
    assert rules["configmaps"]["resourceNames"] == ["consul-bootstrap"]
    assert rules["pods"]["verbs"] == ["patch"]
    assert rules["configmaps"]["verbs"] == ["get", "patch"]


def test_the_role_does_not_change_with_the_size() -> None:
    assert role(wanted(replicas=1)) == role(wanted(replicas=7))


def test_account_role_and_binding_belong_together() -> None:
    binding = role_binding(wanted())
    assert binding["roleRef"]["name"] == role(wanted())["metadata"]["name"]
    (subject,) = binding["subjects"]
    account = service_account(wanted())
    assert subject["name"] == account["metadata"]["name"]
    assert subject["namespace"] == account["metadata"]["namespace"]


def test_a_token_is_mounted_only_where_a_pod_asks_for_it() -> None:
    assert service_account(wanted())["automountServiceAccountToken"] is False
