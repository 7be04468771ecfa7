"""Running helm: the one that HELM names, or the one on the PATH.

Without one the tests are skipped, unless KUBE_LAB announces the tools of a cluster: then a missing
helm is a failure. The version of Kubernetes is always told, as helm's own guess is its build's.
"""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[3]
SERVERS = ROOT / "helm" / "proconsul"
OPERATOR = ROOT / "helm" / "proconsul-operator"
CHARTS = (SERVERS, OPERATOR)

OLDEST, NEWEST = "1.31.0", "1.37.0"
MONITORING = ("--api-versions", "monitoring.coreos.com/v1")


class RefusedError(Exception):
    """helm refused; the text is what it said."""


def find_helm() -> str:
    """Its path; skips the test, or fails it where helm was announced."""
    found = os.environ.get("HELM") or shutil.which("helm")
    if found:
        return found
    if os.environ.get("KUBE_LAB"):
        pytest.fail("KUBE_LAB is set, and there is no helm on the PATH or in HELM")
    pytest.skip("there is no helm on the PATH or in HELM")


def find_helm_4() -> str:
    """The path of a Helm 4, where HELM is a Helm 3; skips the test where there is none."""
    found = os.environ.get("HELM4") or shutil.which("helm4")
    if not found:
        pytest.skip("HELM4 names no helm 4, and there is no helm4 on the PATH")
    return found


def run(helm: str, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
    """Standard output of helm; `values` come last. Raises RefusedError."""
    given = [] if values is None else ["--values", "-"]
    done = subprocess.run(
        [helm, *arguments, *given],
        input=json.dumps(values or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise RefusedError(done.stderr + done.stdout)
    return done.stdout


def template(
    helm: str,
    chart: Path,
    values: Mapping[str, Any] | None = None,
    *,
    flags: Sequence[str] = (),
    version: str = OLDEST,
    release: str = "consul",
) -> str:
    """What helm renders, as text."""
    place = ("--namespace=infra", f"--kube-version={version}")
    return run(helm, "template", release, str(chart), *place, *flags, values=values or {})


def render(
    helm: str,
    chart: Path,
    values: Mapping[str, Any] | None = None,
    *,
    flags: Sequence[str] = (),
    version: str = OLDEST,
    release: str = "consul",
) -> list[Manifest]:
    """What helm renders, as objects; the same question is asked of helm once."""
    text = _rendered(helm, chart, json.dumps(values or {}), tuple(flags), version, release)
    return [each for each in yaml.load_all(text, StrictLoader) if each]


@functools.cache
def _rendered(
    helm: str, chart: Path, values: str, flags: tuple[str, ...], version: str, release: str
) -> str:
    return template(helm, chart, json.loads(values), flags=flags, version=version, release=release)


def hook_of(manifest: Manifest) -> str:
    """The moment for which a hook is; empty for what belongs to the release."""
    hook: str = manifest["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    return hook


def only(manifests: Sequence[Manifest], kind: str, name: str = "") -> Manifest:
    """The one of that kind, and of that name."""
    found = [
        each
        for each in manifests
        if each["kind"] == kind and name in ("", each["metadata"]["name"]) and not hook_of(each)
    ]
    assert len(found) == 1, f"{len(found)} of kind {kind} {name}"
    return found[0]


class StrictLoader(yaml.SafeLoader):
    """A loader that refuses a key that comes twice, of which Kubernetes would take the last."""


def _mapping(loader: StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"a key twice among {keys}: {node.start_mark}"
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)
