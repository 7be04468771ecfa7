"""Who uninstalls the operator is told what is left, and nothing waits for it for ever."""

import json
import os
import ssl
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from operator_tests.charts.helm import OPERATOR, hook_of, render
from operator_tests.charts.test_scripts import LOOPBACK, account, serving

__all__ = ["account"]  # a fixture

GROUP = "/apis/proconsul.io/v1alpha1"
OURS = "proconsul.io/operator"


class Api(BaseHTTPRequestHandler):
    """A little of Kubernetes' API: objects by their path, kinds that are there."""

    held: dict[str, dict[str, Any]]
    kinds: set[str]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        root, _, kind = self.path.rpartition("/")
        if kind not in self.kinds:
            return self.answer(404, {})
        items = [
            each
            for path, each in self.held.items()
            if f"/{kind}/" in path and path.startswith(root)
        ]
        return self.answer(200, {"items": items})

    def do_PATCH(self) -> None:
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["metadata"]
        metadata = self.held[self.path]["metadata"]
        assert patch["resourceVersion"] == metadata["resourceVersion"]
        metadata["finalizers"] = patch["finalizers"] or []
        self.answer(200, self.held[self.path])

    def answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def held(*names: str, finalizers: tuple[str, ...] = (OURS,)) -> dict[str, dict[str, Any]]:
    """Objects, as `namespace/kind/name`."""
    made = {}
    for each in names:
        namespace, kind, name = each.split("/")
        metadata = {"name": name, "namespace": namespace, "resourceVersion": "7"}
        path = f"{GROUP}/namespaces/{namespace}/{kind}/{name}"
        made[path] = {"metadata": {**metadata, "finalizers": list(finalizers)}}
    return made


def uninstall(
    account: Path,
    objects: dict[str, dict[str, Any]],
    *,
    force: bool = False,
    namespaces: str = "",
    kinds: tuple[str, ...] = ("proconsulclusters", "proconsulsnapshots"),
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The hook, once, and what it asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(account / "ca.crt", account / "key.pem")
    asked: list[str] = []
    state = {"held": objects, "kinds": set(kinds), "asked": asked}
    text = (OPERATOR / "files" / "uninstall.py").read_text(encoding="utf-8")
    with serving(type("OurApi", (Api,), state), context) as port:
        done = subprocess.run(
            [sys.executable, "-c", text],
            env={
                "PATH": os.environ["PATH"],
                "ACCOUNT_DIR": str(account),
                "KUBERNETES_SERVICE_HOST": LOOPBACK,
                "KUBERNETES_SERVICE_PORT": str(port),
                "NAMESPACES": namespaces,
                "FORCE": str(force).lower(),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    return done, asked


def test_what_is_left_is_named_with_the_way_out(account: Path) -> None:
    objects = held("a/proconsulclusters/one", "b/proconsulsnapshots/two")
    before = json.dumps(objects)
    done, _ = uninstall(account, objects)
    assert done.returncode == 1
    assert "proconsulclusters/one in a, proconsulsnapshots/two in b" in done.stderr
    assert "uninstall.force=true" in done.stderr
    assert json.dumps(objects) == before


def test_with_nothing_left_it_goes(account: Path) -> None:
    assert uninstall(account, {})[0].returncode == 0


def test_without_the_kinds_there_is_nothing_left(account: Path) -> None:
    assert uninstall(account, {}, kinds=())[0].returncode == 0


def test_by_force_only_the_operators_finalizer_goes(account: Path) -> None:
    objects = held("a/proconsulclusters/one", finalizers=(OURS, "example.com/other"))
    done, _ = uninstall(account, objects, force=True)
    assert done.returncode == 0, done.stderr
    (one,) = objects.values()
    assert one["metadata"]["finalizers"] == ["example.com/other"]


def test_namespaces_that_are_not_watched_are_not_asked_about(account: Path) -> None:
    objects = held("other/proconsulclusters/one")
    done, asked = uninstall(account, objects, namespaces="a,b")
    assert done.returncode == 0, done.stderr
    assert all(path.startswith((f"{GROUP}/namespaces/a/", f"{GROUP}/namespaces/b/"))
               for path in asked)  # fmt: skip
    assert len(asked) == 8


def hooks(helm: str, values: dict[str, Any]) -> dict[str, Any]:
    objects = render(helm, OPERATOR, values)
    return {each["kind"]: each for each in objects if hook_of(each) == "pre-delete"}


@pytest.mark.parametrize("force", [False, True])
def test_the_hook_may_no_more_than_it_needs(helm: str, force: bool) -> None:
    made = hooks(helm, {"uninstall": {"force": force}})
    (rule,) = made["ClusterRole"]["rules"]
    assert rule["verbs"] == (["list", "patch"] if force else ["list"])
    narrow = hooks(helm, {"watchNamespaces": ["a"]})
    assert "ClusterRole" not in narrow
    assert narrow["Role"]["metadata"]["namespace"] == "a"


def test_without_the_check_there_is_no_hook(helm: str) -> None:
    assert hooks(helm, {"uninstall": {"check": False}}) == {}


def test_the_operators_service_does_not_lead_to_the_hooks_pod(helm: str) -> None:
    objects = render(helm, OPERATOR)
    labels = hooks(helm, {})["Job"]["spec"]["template"]["metadata"]["labels"]
    for each in objects:
        if each["kind"] == "Service":
            assert not each["spec"]["selector"].items() <= labels.items()
