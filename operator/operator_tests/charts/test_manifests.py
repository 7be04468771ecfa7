"""manifests/ is what the charts render, byte for byte."""

import os
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

from operator_tests.charts.helm import NEWEST, OLDEST, OPERATOR, StrictLoader, only, render
from operator_tests.charts.manifests import (
    CRDS,
    FOLDERS,
    MANIFESTS,
    copies,
    files,
    held,
)
from operator_tests.pod_security import pods_of, violations

WRITTEN_BY_HAND = {"crds", "samples"}
RENEW = "run `make manifests`"


def there() -> dict[str, str]:
    """The generated files that are in the tree."""
    return {
        str(path.relative_to(MANIFESTS)): path.read_text(encoding="utf-8")
        for path in MANIFESTS.rglob("*")
        if path.is_file() and path.relative_to(MANIFESTS).parts[0] not in WRITTEN_BY_HAND
    }


def test_the_files_are_what_the_charts_render(helm: str) -> None:
    wanted, found = files(helm), there()
    assert sorted(wanted) == sorted(found), RENEW
    for name, text in wanted.items():
        assert found[name] == text, f"{name}: {RENEW}"


def test_rendering_twice_gives_the_same_bytes(helm: str) -> None:
    assert files(helm) == files(helm)


def test_the_charts_hold_what_is_made_from_the_operators_code() -> None:
    assert held() == copies(), RENEW


def test_the_chart_installs_the_kinds_and_keeps_them(helm: str) -> None:
    objects = render(helm, OPERATOR)
    kept = render(helm, OPERATOR, {"crds": {"keep": False}})
    for text in (path.read_text(encoding="utf-8") for path in CRDS.glob("*.yaml")):
        kind = yaml.safe_load(text)
        name = kind["metadata"]["name"]
        installed = only(objects, "CustomResourceDefinition", name)
        assert installed["spec"] == kind["spec"]
        assert installed["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        let_go = only(kept, "CustomResourceDefinition", name)
        assert "helm.sh/resource-policy" not in let_go["metadata"].get("annotations", {})
    without = render(helm, OPERATOR, {"crds": {"create": False}})
    assert "CustomResourceDefinition" not in {each["kind"] for each in without}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_good_and_its_pods_are_restricted(version: str) -> None:
    for name, text in there().items():
        if name.endswith("kustomization.yaml") or not name.endswith(".yaml"):
            continue
        for manifest in yaml.load_all(text, StrictLoader):
            assert "Helm" not in str(manifest["metadata"]), name
            assert "helm.sh" not in str(manifest["metadata"]), name
            if manifest["kind"] != "CustomResourceDefinition":
                kubernetes_validate.validate(manifest, version.rpartition(".")[0], strict=True)
            assert [violations(pod) for pod in pods_of(manifest)] in ([], [[]]), name


def test_every_image_is_listed_with_its_version() -> None:
    images = (MANIFESTS / "images.txt").read_text(encoding="utf-8").splitlines()
    assert images == sorted(set(images))
    for name, text in there().items():
        if name.endswith(".yaml"):
            for line in text.splitlines():
                words = line.split()
                if len(words) >= 2 and words[-2] == "image:":
                    assert words[-1] in images, name
    assert not any(image.endswith(":latest") for image in images)


@pytest.mark.slow  # so that .ci/run has built a kubectl by then
@pytest.mark.parametrize("folder", FOLDERS)
def test_kubectl_builds_each_folder(folder: str) -> None:
    kubectl = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl on the PATH or in KUBECTL")
    done = subprocess.run(
        [kubectl, "kustomize", "--load-restrictor=LoadRestrictionsNone", str(MANIFESTS / folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    listed = yaml.safe_load((MANIFESTS / folder / "kustomization.yaml").read_text("utf-8"))
    assert len(built) == len(listed["resources"])
    assert CRDS.parent == MANIFESTS
