"""Whatever the values, what comes out is good Kubernetes, restricted, and the same each time."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import kubernetes_validate
import pytest

from operator_tests.charts.cases import CASES, values_of
from operator_tests.charts.helm import (
    CHARTS,
    MONITORING,
    NEWEST,
    OLDEST,
    Manifest,
    find_helm,
    find_helm_4,
    hook_of,
    render,
    run,
    template,
)
from operator_tests.pod_security import containers_of, pods_of, violations

FOREIGN = ("monitoring.coreos.com", "cert-manager.io", "proconsul.io")
WITH_SELECTOR = ("StatefulSet", "Deployment", "DaemonSet")


def rendered(helm: str, chart: Path, case: str, version: str = OLDEST) -> list[Manifest]:
    return render(helm, chart, values_of(chart, case), flags=MONITORING, version=version)


@pytest.mark.slow
@pytest.mark.parametrize("find", [find_helm, find_helm_4])
@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_passes_the_strict_lint_with_each_of_its_cases(
    chart: Path, find: Callable[[], str]
) -> None:
    files = sorted((chart / "ci").glob("*.yaml"))
    for file in files:
        words = (str(chart), f"--values={file}", f"--kube-version={OLDEST}")
        run(find(), "lint", "--strict", *words)
    assert files


@pytest.mark.slow
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize(("chart", "case"), CASES)
def test_all_objects_pass_the_schemas_of_kubernetes(
    helm: str, chart: Path, case: str, version: str
) -> None:
    for manifest in rendered(helm, chart, case, version):
        if manifest["apiVersion"].startswith(FOREIGN):
            continue
        kubernetes_validate.validate(manifest, version.rpartition(".")[0], strict=True)


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_all_pods_are_restricted(helm: str, chart: Path, case: str) -> None:
    pods = [pod for each in rendered(helm, chart, case) for pod in pods_of(each)]
    assert [violations(pod) for pod in pods] == [[] for _ in pods]
    assert pods


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_rendering_twice_gives_the_same_bytes(helm: str, chart: Path, case: str) -> None:
    values = values_of(chart, case)
    first = template(helm, chart, values, flags=MONITORING)
    assert first == template(helm, chart, values, flags=MONITORING)


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_helm_4_renders_what_helm_3_does(helm: str, chart: Path, case: str) -> None:
    assert rendered(find_helm_4(), chart, case) == rendered(helm, chart, case)


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_a_registry_value_points_every_image_elsewhere(helm: str, chart: Path, case: str) -> None:
    values = values_of(chart, case) | {"global": {"imageRegistry": "mirror.example"}}
    objects = render(helm, chart, values)
    pods = [pod for each in objects for pod in pods_of(each)]
    images = [container["image"] for pod in pods for container in containers_of(pod)]
    images += [
        variable["value"]
        for pod in pods
        for container in containers_of(pod)
        for variable in container.get("env", ())
        if variable["name"].endswith("_IMAGE")
    ]
    images += [
        each["spec"]["image"]["repository"]
        for each in objects
        if each["kind"] == "ProconsulCluster"
    ]
    assert images
    assert all(image.startswith("mirror.example/") for image in images), images


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_every_object_has_the_recommended_labels_and_is_in_the_release(
    helm: str, chart: Path, case: str
) -> None:
    for manifest in rendered(helm, chart, case):
        if "app.kubernetes.io/name" not in json.dumps(manifest):
            assert manifest["metadata"]["name"].startswith("consul-"), "an extra object"
            continue
        labels = manifest["metadata"]["labels"]
        for label in ("name", "instance", "component", "part-of", "managed-by", "version"):
            assert labels[f"app.kubernetes.io/{label}"], manifest
        assert labels["helm.sh/chart"] == f"{chart.name}-0.1.0"


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_a_selector_is_three_labels_that_the_pods_have_and_that_never_change(
    helm: str, chart: Path, case: str
) -> None:
    for manifest in rendered(helm, chart, case):
        if manifest["kind"] not in WITH_SELECTOR:
            continue
        selector = manifest["spec"]["selector"]["matchLabels"]
        names = ("name", "instance", "component")
        assert sorted(selector) == sorted(f"app.kubernetes.io/{name}" for name in names)
        labels = manifest["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & labels.keys()


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_what_an_object_names_is_there(helm: str, chart: Path, case: str) -> None:
    objects = rendered(helm, chart, case)
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    for manifest in objects:
        for kind, name in _named(manifest):
            assert (kind, name) in names, f"{manifest['kind']} names {kind} {name}"


def _named(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for pod in pods_of(manifest):
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        claims = manifest["spec"].get("volumeClaimTemplates", ())
        volumes |= {claim["metadata"]["name"]: {} for claim in claims}
        for container in containers_of(pod):
            for mount in container.get("volumeMounts", ()):
                assert mount["name"] in volumes, mount
        for volume in volumes.values():
            source = volume.get("configMap")
            if source and not source.get("optional"):
                yield "ConfigMap", source["name"]
        account = pod.get("serviceAccountName", "default")
        if account not in ("default", "given"):
            yield "ServiceAccount", account
    if "roleRef" in manifest:
        yield manifest["roleRef"]["kind"], manifest["roleRef"]["name"]
    if manifest["kind"] == "StatefulSet":
        yield "Service", manifest["spec"]["serviceName"]


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_a_service_leads_to_named_ports_of_the_pods_that_it_selects(
    helm: str, chart: Path, case: str
) -> None:
    objects = rendered(helm, chart, case)
    workloads = [each for each in objects if each["kind"] in WITH_SELECTOR]
    for service in (each for each in objects if each["kind"] == "Service"):
        selector = dict(service["spec"]["selector"])
        selector.pop("proconsul.io/role", None)  # the servers' own mark
        selected = [
            each
            for each in workloads
            if selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert len(selected) == 1
        (pod,) = pods_of(selected[0])
        ports = {port["name"]: port for one in pod["containers"] for port in one["ports"]}
        for port in service["spec"]["ports"]:
            target = ports[port["targetPort"]]
            assert (target["containerPort"], target["protocol"]) == (port["port"], port["protocol"])


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_without_hooks_what_they_make_is_among_the_objects_or_given(
    helm: str, chart: Path, case: str
) -> None:
    hooks = [each for each in rendered(helm, chart, case) if hook_of(each)]
    components = {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in hooks}
    known = {"first-install", "test", "operator"}  # the last: its check before an uninstallation
    assert components <= known, "scale-in needs a running cluster"
    if chart.name != "proconsul":
        return
    values = values_of(chart, case)
    gossip = {"secretName": "given", **values.get("gossip", {})}
    if gossip.get("key"):
        del gossip["secretName"]
    objects = render(helm, chart, {**values, "hooks": {"enabled": False}, "gossip": gossip})
    assert [each["kind"] for each in objects if hook_of(each)] == ["Pod"], "the test's"
    for guard in _named_guards(objects):
        assert ("ConfigMap", guard) in {
            (each["kind"], each["metadata"]["name"]) for each in objects
        }


def _named_guards(objects: list[Manifest]) -> Iterator[str]:
    for each in objects:
        if text := each.get("data", {}).get("server.json", ""):
            name = json.loads(text).get("kubernetes", {}).get("bootstrap_guard")
            if name:
                yield name
