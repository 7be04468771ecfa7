"""Renders manifests/ from the charts: `make manifests`, which a test compares with what is there.

The charts are the only source, manifests/ is for those who use no helm: one object a file, without
hooks, tests and helm's own labels, a kustomization for each folder, and install.yaml with the
operator in one piece. The other way go the kinds, the alert rules and the dashboard: they are made
from the operator's code, and the charts hold copies, as a chart can read no file outside of itself.

The objects are written by this program and not by helm, so no version of helm changes a byte.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from operator_tests.charts.helm import (
    NEWEST,
    OPERATOR,
    ROOT,
    SERVERS,
    Manifest,
    find_helm,
    hook_of,
    render,
)
from operator_tests.charts.readme import path_of, readme
from operator_tests.pod_security import containers_of, pods_of
from proconsul_operator.specs import dashboard
from proconsul_operator.specs.alert_rules import BACKUP_MARKS, MARKS, operator_rules, server_rules

MANIFESTS = ROOT / "manifests"
CRDS = MANIFESTS / "crds"
CHART_CRDS = OPERATOR / "files" / "crds"

HELM_LABELS = ("helm.sh/chart", "app.kubernetes.io/managed-by")
HELM_ANNOTATIONS = "helm.sh/"

FOLDERS: dict[str, tuple[Path, str, str, dict[str, Any]]] = {
    "operator": (OPERATOR, "proconsul-operator", "proconsul-system", {"crds": {"create": False}}),
    "standalone": (SERVERS, "consul", "consul", {
        "fullnameOverride": "consul", "gossip": {"secretName": "consul-gossip"},
        "hooks": {"enabled": False},
    }),
    "standalone-tls": (SERVERS, "consul", "consul", {
        "fullnameOverride": "consul", "gossip": {"secretName": "consul-gossip"},
        "tls": {"enabled": True, "httpsOnly": True, "secretName": "consul-tls"},
        "hooks": {"enabled": False},
    }),
    "standalone-minimal": (SERVERS, "consul", "consul", {
        "fullnameOverride": "consul", "replicas": 1, "gossip": {"enabled": False},
        "kubernetes": {"labelOwnPod": False, "bootstrapGuard": False},
        "service": {"leaderService": False},
    }),
}  # fmt: skip
"""By folder: chart, release, namespace, values."""


def files(helm: str) -> dict[str, str]:
    """Every generated file below manifests/, by its path."""
    made: dict[str, str] = {}
    images: set[str] = set()
    crds = {path.name: path.read_text(encoding="utf-8") for path in sorted(CRDS.glob("*.yaml"))}
    for folder, (chart, release, namespace, values) in FOLDERS.items():
        objects = [
            _plain(each, namespace)
            for each in render(helm, chart, values, version=NEWEST, release=release)
            if not hook_of(each)
        ]
        objects.sort(key=lambda each: (_rank(each), each["metadata"]["name"]))
        names = []
        for each in objects:
            name = f"{each['kind'].lower()}-{each['metadata']['name']}.yaml"
            assert name not in names, name
            names.append(name)
            made[f"{folder}/{name}"] = _text(each)
            images |= set(_images(each))
        made[f"{folder}/kustomization.yaml"] = _kustomization(folder, names, namespace)
        if folder == "operator":
            space = _text(_namespace(namespace))
            parts = [*crds.values(), space, *(made[f"{folder}/{name}"] for name in names)]
            made["install.yaml"] = "---\n".join(parts)
    made["images.txt"] = "".join(f"{image}\n" for image in sorted(images))
    return made


def _plain(manifest: Manifest, namespace: str) -> Manifest:
    """Without what helm alone needs, and in the folder's namespace."""
    metadata = manifest["metadata"]
    for label in HELM_LABELS:
        metadata.get("labels", {}).pop(label, None)
    annotations = {
        key: value
        for key, value in metadata.get("annotations", {}).items()
        if not key.startswith(HELM_ANNOTATIONS)
    }
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    placed: Manifest = _placed(manifest, namespace)
    return placed


def _placed(value: Any, namespace: str) -> Any:
    """The tests' namespace is `infra`, which stands in names of hosts, too."""
    if isinstance(value, str):
        return namespace if value == "infra" else value.replace(".infra.svc", f".{namespace}.svc")
    if isinstance(value, list):
        return [_placed(each, namespace) for each in value]
    if isinstance(value, dict):
        return {key: _placed(each, namespace) for key, each in value.items()}
    return value


ORDER = ("ServiceAccount", "ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "ConfigMap",
         "Service", "NetworkPolicy", "PodDisruptionBudget")  # fmt: skip


def _rank(manifest: Manifest) -> int:
    """What others need comes before them."""
    return ORDER.index(manifest["kind"]) if manifest["kind"] in ORDER else len(ORDER)


def _images(manifest: Manifest) -> Iterator[str]:
    for pod in pods_of(manifest):
        for container in containers_of(pod):
            yield container["image"]
            for variable in container.get("env", ()):
                if variable["name"].endswith("_IMAGE"):
                    yield variable["value"]


def _namespace(name: str) -> Manifest:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _kustomization(folder: str, names: Sequence[str], namespace: str) -> str:
    crds = [f"../crds/{path.name}" for path in sorted(CRDS.glob("*.yaml"))]
    return _text(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": namespace,
            "resources": [*(crds if folder == "operator" else []), *names],
        }
    )


class _Dumper(yaml.SafeDumper):
    """Long texts stay readable: a block where there are lines, never a reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def _text(manifest: Manifest) -> str:
    text = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
    assert isinstance(text, str)
    return text


def copies() -> dict[Path, str]:
    """What the charts hold that is made: kinds, alert rules, the dashboard, their READMEs."""
    kinds = {
        CHART_CRDS / path.name: path.read_text("utf-8") for path in sorted(CRDS.glob("*.yaml"))
    }
    return {
        **kinds,
        SERVERS / "files" / "rules" / "servers.yaml": _rules(server_rules(MARKS)),
        SERVERS / "files" / "rules" / "backup.yaml": _rules(BACKUP_MARKS),
        OPERATOR / "files" / "rules" / "operator.yaml": _rules(operator_rules()),
        SERVERS / "files" / "dashboards" / dashboard.FILE: dashboard.text(),
        **{path_of(chart): readme(chart) for chart in (SERVERS, OPERATOR)},
    }


MADE = "# Made by `make manifests` from the operator's alert_rules.py.\n"


def _rules(group: Manifest) -> str:
    return MADE + _text({"groups": [group]})


def held() -> dict[Path, str]:
    """The copies that are in the charts."""
    return {
        path: path.read_text(encoding="utf-8")
        for chart in (SERVERS, OPERATOR)
        for folder in ("crds", "rules", "dashboards")
        for path in (*(chart / "files" / folder).glob("*"), path_of(chart))
        if path.exists()
    }


def write(helm: str) -> int:
    """Write all, remove what is no longer rendered; answers how many files there are."""
    for stale in held():
        stale.unlink()
    for path, text in copies().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    made = files(helm)
    for folder in FOLDERS:
        shutil.rmtree(MANIFESTS / folder, ignore_errors=True)
    for name, text in made.items():
        path = MANIFESTS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return len(made)


def main() -> None:
    """`make manifests`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    count = write(find_helm())
    sys.stdout.write(f"{count} files in {MANIFESTS.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
