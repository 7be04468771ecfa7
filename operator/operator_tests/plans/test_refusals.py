"""What is refused keeps the old state and says the way out; what is allowed is not mentioned."""

from typing import Any

import pytest

from operator_tests.plans.operator import Operator
from operator_tests.plans.stories import is_whole, reason, reasons, well
from operator_tests.plans.world import NAME, SPACE, World
from proconsul_operator.api.conditions import ClusterCondition, condition_of
from proconsul_operator.plans.observe import Ref
from proconsul_operator.plans.refusals import parsed
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.config_check import CONFIG_BYTES_MAX

DEGRADED = ClusterCondition.DEGRADED
SET = Ref("StatefulSet", NAME)


def message(world: World) -> str:
    """Of the condition Degraded."""
    found = condition_of(world.cluster.status.conditions, DEGRADED)
    assert found is not None
    return found.message


def made_otherwise(world: World, **spec: Any) -> None:
    """The StatefulSet is as somebody else, or an older operator, has made it."""
    held = world.objects.things[SET]
    held.manifest = {**held.manifest, "spec": {**held.manifest["spec"], **spec}}
    held.version += 1


def refused(reason_: str, *, world: World, operator: Operator) -> None:
    """Some cycles later it is told, and nothing has moved."""
    template = world.revision()
    operator.run(cycles=5)
    assert reason(world, DEGRADED) == reason_
    assert reasons(operator).count(reason_) == 1
    assert world.revision() == template
    assert Step.ROLL_POD not in operator.steps


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2.3", (1, 2, 3)),
        ("v1.2.3", (1, 2, 3)),
        ("1.2.3-rc1", (1, 2, 3)),
        ("1.2.3+k8s", (1, 2, 3)),
        ("latest", None),
        ("1.2", None),
        ("", None),
    ],
)
def test_what_is_no_version_is_not_compared(
    text: str, version: tuple[int, int, int] | None
) -> None:
    assert parsed(text) == version


@pytest.mark.parametrize("tag", ["1.0.7", "1.1.0", "latest"])
def test_one_minor_version_up_and_what_is_no_version_may_be(tag: str) -> None:
    world, operator = well()
    world.edit(image={"tag": tag})
    operator.settle()
    assert {pod.tag for pod in world.objects.pods.values()} == {tag}
    assert DEGRADED not in reasons(operator)


def test_a_leave_to_jump_is_for_one_version() -> None:
    world, operator = well()
    world.annotate(allow_version="1.3.0")
    world.edit(image={"tag": "1.2.0"})
    refused("VersionSkewRefused", world=world, operator=operator)
    assert "proconsul.io/allow-version=1.2.0" in message(world)


def test_a_key_of_the_operators_own_is_named() -> None:
    world, operator = well()
    world.edit(config={"server": False, "ports": {"http": 80}})
    refused("ConfigInvalid", world=world, operator=operator)
    assert "ports, server" in message(world)


def test_a_configuration_that_is_too_big_to_check_is_told_its_size() -> None:
    world, operator = well()
    world.edit(config={"node_meta": {"much": "x" * CONFIG_BYTES_MAX}})
    refused("ConfigInvalid", world=world, operator=operator)
    assert str(CONFIG_BYTES_MAX) in message(world)


CLAIM = {"accessModes": ["ReadWriteOnce"], "storageClassName": "slow"}


@pytest.mark.parametrize(
    ("made", "field"),
    [
        ({"serviceName": "another"}, "serviceName"),
        ({"podManagementPolicy": "OrderedReady"}, "podManagementPolicy"),
        ({"selector": {"matchLabels": {"app": "consul"}}}, "selector.matchLabels"),
        ({"volumeClaimTemplates": []}, "volumeClaimTemplates"),
    ],
)
def test_what_a_set_cannot_change_is_named_with_the_way_out(
    made: dict[str, Any], field: str
) -> None:
    world, operator = well()
    made_otherwise(world, **made)
    world.edit(image={"tag": "1.1.0"})
    refused("ImmutableField", world=world, operator=operator)
    text, *commands = message(world).splitlines()
    assert field in text
    assert len(commands) == 3
    assert commands[1] == f"kubectl -n {SPACE} delete statefulset {NAME} --cascade=orphan"


def claim_of(world: World, **spec: Any) -> list[Any]:
    """The set's claim template, with fields of its spec in place."""
    (held,) = world.objects.things[SET].manifest["spec"]["volumeClaimTemplates"]
    return [{**held, "spec": {**held["spec"], **spec}}]


@pytest.mark.parametrize(
    ("spec", "made", "says"),
    [
        (
            {"size": "10Gi", "storageClassName": "fast"},
            {"storageClassName": "slow"},
            "storageClass",
        ),
        ({"size": "1Gi"}, {"resources": {"requests": {"storage": "2Gi"}}}, "size (smaller)"),
    ],
)
def test_another_class_and_a_smaller_size_are_refused_for_a_set_that_was_found(
    spec: dict[str, Any], made: dict[str, Any], says: str
) -> None:
    world, operator = well(storage=spec)
    made_otherwise(world, volumeClaimTemplates=claim_of(world, **made))
    world.edit(storage=spec, image={"tag": "1.1.0"})
    refused("ImmutableField", world=world, operator=operator)
    assert says in message(world)


def test_the_way_out_makes_the_set_again_around_its_pods() -> None:
    world, operator = well()
    made_otherwise(world, serviceName="another")
    operator.run(cycles=2)
    uids = {pod.uid for pod in world.objects.pods.values()}
    del world.objects.things[SET]  # with --cascade=orphan
    operator.settle()
    assert world.objects.things[SET].manifest["spec"]["serviceName"] != "another"
    assert {pod.uid for pod in world.objects.pods.values()} == uids
    assert reason(world, DEGRADED) == "Healthy"


def test_a_size_is_changed_all_the_same_while_a_template_is_refused() -> None:
    world, operator = well()
    world.edit(image={"tag": "3.0.0"}, replicas=5)
    operator.settle()
    assert is_whole(world, 5)
    assert {pod.tag for pod in world.objects.pods.values()} == {"1.0.0"}


def test_bigger_volumes_do_not_bring_in_what_is_refused() -> None:
    world, operator = well()
    world.edit(image={"tag": "3.0.0"}, storage={"size": "20Gi"})
    operator.settle()
    assert Step.GROW_VOLUME in operator.steps
    assert Step.ORPHAN_SET not in operator.steps, "a new set would have the new image"
    world.annotate(allow_version="3.0.0")
    operator.settle()
    assert Step.ORPHAN_SET in operator.steps
    assert {pod.tag for pod in world.objects.pods.values()} == {"3.0.0"}
