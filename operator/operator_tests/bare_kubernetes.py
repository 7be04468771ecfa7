"""A real API server without controllers and nodes, for as long as a command runs.

`python -m operator_tests.bare_kubernetes -- COMMAND ...` starts etcd and kube-apiserver, which are
with kubectl in the folder KUBE_PROGRAMS, on free ports of loopback with data in a temporary folder.
It defines our kinds there, whichever test comes first, and runs the command with KUBE_REAL and
KUBE_REAL_BARE, the path of a kubeconfig of one who may do everything.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from ssl import CERT_NONE, create_default_context

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from server_tests.process import die_with_the_tests

CRDS = Path(__file__).parents[2] / "manifests" / "crds"
HOST = "127.0.0.1"
ADVERTISED = "10.9.9.9"  # nobody is there: the API server takes no loopback address for it
START_S = 120.0


class NotStartedError(Exception):
    """One of the programs did not come up; the text is the end of what it said."""


@contextmanager
def running(programs: Path, folder: Path) -> Iterator[Path]:
    """The kubeconfig of an API server that answers. Raises NotStartedError."""
    etcd, peer, port = _free_ports(3)
    token = secrets.token_hex()
    (folder / "tokens").write_text(f'{token},admin,admin,"system:masters"\n')
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "accounts.key").write_bytes(pem)
    with ExitStack() as stack:
        _start(stack, folder, _etcd(programs, folder, etcd, peer))
        process = _start(stack, folder, _api_server(programs, folder, etcd, port))
        _await(port, token, process, folder)
        kubeconfig = _kubeconfig(folder, port, token)
        _define_kinds(programs, kubeconfig)
        yield kubeconfig


def _free_ports(count: int) -> list[int]:
    """Different ones: all are held until the last is found."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in held]


def _etcd(programs: Path, folder: Path, port: int, peer: int) -> list[str]:
    clients, peers = f"http://{HOST}:{port}", f"http://{HOST}:{peer}"
    return [
        str(programs / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
    ]


def _api_server(programs: Path, folder: Path, etcd: int, port: int) -> list[str]:
    key = folder / "accounts.key"
    return [
        str(programs / "kube-apiserver"),
        f"--etcd-servers=http://{HOST}:{etcd}",
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        f"--advertise-address={ADVERTISED}",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={folder / 'certificates'}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://tests",
        f"--token-auth-file={folder / 'tokens'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
    ]


def _start(stack: ExitStack, folder: Path, command: list[str]) -> subprocess.Popen[bytes]:
    log = stack.enter_context(_log(folder, command).open("wb"))
    process = subprocess.Popen(
        command,
        stdout=log,
        stderr=log,
        preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _log(folder: Path, command: list[str]) -> Path:
    return folder / f"{Path(command[0]).name}.log"


def _await(port: int, token: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    trusting = create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, CERT_NONE
    url = f"https://{HOST}:{port}/readyz"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            urllib.request.urlopen(request, context=trusting, timeout=5).close()
        except OSError:
            time.sleep(0.2)  # noqa: TID251 - another process is waited for
        else:
            return
    logs = [path.read_text(errors="replace")[-2000:] for path in sorted(folder.glob("*.log"))]
    raise NotStartedError("\n".join(logs))


def _kubeconfig(folder: Path, port: int, token: str) -> Path:
    server = {"server": f"https://{HOST}:{port}", "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bare", "cluster": server}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": "admin"}}],
        "current-context": "bare",
    }
    place = folder / "kubeconfig"
    place.write_text(json.dumps(config))
    return place


def _define_kinds(programs: Path, kubeconfig: Path) -> None:
    kubectl = (str(programs / "kubectl"), f"--kubeconfig={kubeconfig}")
    for words in (
        ("apply", "--server-side", f"--filename={CRDS}"),
        ("wait", "--for=condition=Established", "--timeout=60s", f"--filename={CRDS}"),
    ):
        done = subprocess.run((*kubectl, *words), capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotStartedError(done.stderr)


def main(command: Sequence[str]) -> int:
    """The command's exit code."""
    programs = Path(os.environ["KUBE_PROGRAMS"])
    with (
        tempfile.TemporaryDirectory(prefix="bare-kubernetes-") as name,
        running(programs, Path(name)) as kubeconfig,
    ):
        named = {"KUBE_REAL": str(kubeconfig), "KUBE_REAL_BARE": str(kubeconfig)}
        return subprocess.run(command, check=False, env={**os.environ, **named}).returncode


if __name__ == "__main__":
    rest = sys.argv[1:]
    sys.exit(main(rest[1:] if rest[:1] == ["--"] else rest))
