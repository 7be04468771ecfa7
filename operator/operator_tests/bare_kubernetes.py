"""A Kubernetes API server alone, with its etcd: no controller, no node, nobody else.

KUBE_REAL_BARE names the kubeconfig of one that runs, KUBE_AUDIT where it writes down calls; else
KUBE_PROGRAMS names the folder of `etcd` and `kube-apiserver`, and one is started for all tests of
this process. Such a one checks rights (RBAC), and writes down every call: what a program did is
read from there (rights.py).

`python -m operator_tests.bare_kubernetes -- COMMAND ...` runs a command with one, which all
processes of the command share; KUBE_REAL names it, too.
"""

import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from server_tests.loopback import address
from server_tests.process import die_with_the_tests

GIVEN = os.environ.get("KUBE_REAL_BARE", "")
AUDIT = os.environ.get("KUBE_AUDIT", "")
PROGRAMS = os.environ.get("KUBE_PROGRAMS", "")
REASON = "neither KUBE_REAL_BARE nor KUBE_PROGRAMS names a bare API server"
MANIFESTS = Path(__file__).parents[2] / "manifests"
START_S = 300.0
CALL_S = 20.0
HOST = 230
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TOKEN = "token-of-the-tests"
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class BareKubernetes:
    """One that runs. `audit` is None where nobody says where its calls are written."""

    kubeconfig: Path
    audit: Path | None

    @property
    def url(self) -> str:
        """Of the API server."""
        held = yaml.safe_load(self.kubeconfig.read_text())
        return str(held["clusters"][0]["cluster"]["server"])

    def as_user(self, token: str, path: Path) -> Path:
        """A kubeconfig of another one, written to `path`."""
        path.write_text(json.dumps(_kubeconfig(self.url, token)))
        return path

    def call(self, method: str, path: str, body: Any = None, kind: str = "json") -> Any:
        """As an administrator: the answer, or None if it is 404, 409, or "not yet" (429)."""
        held = yaml.safe_load(self.kubeconfig.read_text())
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {held['users'][0]['user']['token']}",
                "Content-Type": f"application/{kind}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=CALL_S, context=_unchecked()) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code in (404, 409, 429):
                return None
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error

    def define(self, group: str, kind: str, plural: str) -> None:
        """A kind of somebody else's, in which anything may stand; served when it returns."""
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True}
        body = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
            },
        }
        self.call("POST", DEFINITIONS, body)
        self.await_served(f"/apis/{group}/v1/{plural}")

    def await_served(self, path: str) -> None:
        """Until a list of the kind is answered."""
        deadline_s = time.monotonic() + START_S
        while self.call("GET", path) is None:
            assert time.monotonic() < deadline_s, f"{path} is not served"
            time.sleep(0.2)  # noqa: TID251 - another process is waited for


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it signs for itself, and is on loopback
    return context


def _kubeconfig(url: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


@contextmanager
def bare_kubernetes(folder: Path) -> Iterator[BareKubernetes]:
    """The given one, or one of our own in `folder`; the definitions are applied either way."""
    with ExitStack() as stack:
        audit = Path(AUDIT) if AUDIT else None
        made = BareKubernetes(Path(GIVEN), audit) if GIVEN else stack.enter_context(_own(folder))
        _define(made)
        yield made


@contextmanager
def _own(folder: Path) -> Iterator[BareKubernetes]:
    host = address(HOST)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    (folder / "sa.key").write_bytes(pem)
    (folder / "tokens").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    (folder / "policy.yaml").write_text(json.dumps(_POLICY))
    made = BareKubernetes(folder / "kubeconfig", folder / "audit.log")
    config = _kubeconfig(f"https://{host}:6443", TOKEN)
    made.kubeconfig.write_text(json.dumps(config))
    with ExitStack() as stack:
        for words in (_etcd(host, folder), _api_server(host, folder, made.audit)):
            stack.callback(_end, _start(words, folder))
        _await(made, folder)
        yield made


def _etcd(host: str, folder: Path) -> list[str]:
    clients, peers = f"http://{host}:2379", f"http://{host}:2380"
    return [
        "etcd", f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}", f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
    ]  # fmt: skip


def _api_server(host: str, folder: Path, audit: Path | None) -> list[str]:
    return [
        "kube-apiserver", f"--etcd-servers=http://{host}:2379", "--endpoint-reconciler-type=none",
        "--advertise-address=10.9.9.9", f"--bind-address={host}", "--secure-port=6443",
        f"--cert-dir={folder / 'certificates'}",
        f"--service-account-key-file={folder / 'sa.key'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.test",
        f"--token-auth-file={folder / 'tokens'}", "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        # Owner references that block a deletion are checked as strict clusters do.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        f"--audit-policy-file={folder / 'policy.yaml'}", f"--audit-log-path={audit}",
        "--audit-log-mode=blocking",
    ]  # fmt: skip


def _start(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    program, *flags = words
    with (folder / f"{program}.log").open("wb") as log:
        return subprocess.Popen(
            [str(Path(PROGRAMS) / program), *flags],
            stdout=log,
            stderr=log,
            preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _await(made: BareKubernetes, folder: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        try:
            if made.call("GET", "/api/v1/namespaces/default") is not None:
                return
        except (OSError, AssertionError):
            pass
        time.sleep(0.2)  # noqa: TID251 - another process is waited for
    raise AssertionError((folder / "kube-apiserver.log").read_text()[-3000:])


def _define(made: BareKubernetes) -> None:
    """The definitions of our kinds, as they are in the tree."""
    names = []
    for path in sorted((MANIFESTS / "crds").glob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text()):
            names.append(body["metadata"]["name"])
            where = f"{DEFINITIONS}/{names[-1]}?fieldManager=tests&force=true"
            made.call("PATCH", where, body, "apply-patch+yaml")
    for name in names:
        plural, _, group = name.partition(".")
        made.await_served(f"/apis/{group}/v1alpha1/{plural}")


def main(command: Sequence[str]) -> int:
    """The command's exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="bare-kubernetes-") as name,
        bare_kubernetes(Path(name)) as made,
    ):
        named = {
            "KUBE_REAL": str(made.kubeconfig),
            "KUBE_REAL_BARE": str(made.kubeconfig),
            "KUBE_AUDIT": str(made.audit or ""),
        }
        return subprocess.run(command, check=False, env={**os.environ, **named}).returncode


if __name__ == "__main__":
    rest = sys.argv[1:]
    sys.exit(main(rest[1:] if rest[:1] == ["--"] else rest))
