"""An object store in the case's namespace: an S3 gateway on a folder that goes with its pod.

S3_IMAGE names the gateway's image; E2E_EXTRA_IMAGES (paths, as PATH separates them) brings its
archive to nodes that cannot pull. Beside it a container of the servers' image has hands on the
folder: the gateway's own has no shell. A folder at the top is a bucket.
"""

import base64
import os
from dataclasses import dataclass
from typing import Any, Final

from e2e.kubectl import Kubectl, Manifest
from e2e.load.pod import POD_SECURE, SECURE
from e2e.waits import limit, until
from e2e.watcher import is_ready

NAME: Final = "s3"
IMAGE: Final = os.environ.get("S3_IMAGE", "ghcr.io/versity/versitygw:v1.8.0")
PORT: Final = 7070
BUCKET: Final = "backups"
KEYS: Final = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret-of-tests"}
ROOT: Final = "/data"
LIST: Final = f"""
import os
for folder, _, names in os.walk({f"{ROOT}/{BUCKET}"!r}):
    for name in names:
        print(os.path.relpath(os.path.join(folder, name), {f"{ROOT}/{BUCKET}"!r}))
"""
READ: Final = """
import base64, sys
with open(sys.argv[1], "rb") as file:
    print(base64.b64encode(file.read()).decode())
"""
BREAK: Final = """
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(64)
    held = file.read(16)
    file.seek(64)
    file.write(bytes(byte ^ 0xFF for byte in held))
"""
LOSE: Final = """
import os, sys
os.remove(sys.argv[1])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The gateway, its Service and the Secret with its keys."""

    kubectl: Kubectl
    image: str  # of the hands

    def install(self) -> None:
        """Until it answers Kubernetes' probe."""
        self.kubectl.apply(self._secret(), self._service(), self._pod())
        until(self._not_ready, "the object store is ready", limit("store_ready"))

    def _not_ready(self) -> str:
        pod = self.kubectl.get("pods", NAME)
        return "" if is_ready(pod) else f"{pod['status'].get('containerStatuses')}"

    def s3(self) -> dict[str, Any]:
        """As a destination or a location names it (without prefix or key)."""
        return {
            "endpoint": f"http://{NAME}:{PORT}",
            "bucket": BUCKET,
            "region": "us-east-1",
            "credentialsSecretRef": {"name": NAME},
        }

    def destination(self, prefix: str = "") -> dict[str, Any]:
        """To write under that prefix."""
        return {"s3": {**self.s3(), **({"prefix": prefix} if prefix else {})}}

    def location(self, url: str) -> dict[str, Any]:
        """An object by the URL that a record tells."""
        return {"s3": {**self.s3(), "key": url.removeprefix(f"s3://{BUCKET}/")}}

    def names(self) -> list[str]:
        """Of all objects."""
        return sorted(self._hands(LIST).split())

    def read(self, url: str) -> bytes:
        """The object whose URL a record tells."""
        path = f"{ROOT}/{BUCKET}/{url.removeprefix(f's3://{BUCKET}/')}"
        return base64.b64decode(self._hands(READ, path))

    def spoil(self, name: str) -> None:
        """Some bytes of an object are others from here on."""
        self._hands(BREAK, f"{ROOT}/{BUCKET}/{name}")

    def lose(self, name: str) -> None:
        """An object is gone from here on."""
        self._hands(LOSE, f"{ROOT}/{BUCKET}/{name}")

    def _hands(self, code: str, *words: str) -> str:
        return self.kubectl("exec", NAME, "-c", "hands", "--", "python", "-c", code, *words)

    def is_away(self, away: bool) -> None:
        """Its Service leads nowhere, or again to it; what it holds stays."""
        chosen = "nobody" if away else NAME
        change = f'{{"spec": {{"selector": {{"app.kubernetes.io/name": "{chosen}"}}}}}}'
        self.kubectl("patch", "service", NAME, "--type=merge", "-p", change)

    def _secret(self) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": NAME},
            "stringData": KEYS,
        }

    def _service(self) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME},
            "spec": {
                "selector": {"app.kubernetes.io/name": NAME},
                "ports": [{"port": PORT, "targetPort": PORT}],
            },
        }

    def _pod(self) -> Manifest:
        hands: Manifest = {
            "name": "hands",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-c", "import signal; signal.sigwait({signal.SIGTERM})"],
            "securityContext": SECURE,
            "volumeMounts": [{"name": "data", "mountPath": ROOT}],
        }
        bucket: Manifest = {
            **hands,
            "name": "bucket",
            "command": ["python", "-c", f"import os; os.makedirs({f'{ROOT}/{BUCKET}'!r})"],
        }
        gateway: Manifest = {
            "name": "gateway",
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "args": ["--port", f":{PORT}", "posix", ROOT],
            "env": [
                {"name": "ROOT_ACCESS_KEY", "value": KEYS["AWS_ACCESS_KEY_ID"]},
                {"name": "ROOT_SECRET_KEY", "value": KEYS["AWS_SECRET_ACCESS_KEY"]},
            ],
            "ports": [{"containerPort": PORT}],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 2},
            "securityContext": SECURE,
            "volumeMounts": [{"name": "data", "mountPath": ROOT}],
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": NAME, "labels": {"app.kubernetes.io/name": NAME}},
            "spec": {
                "restartPolicy": "Always",
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 1,
                "securityContext": POD_SECURE,
                "initContainers": [bucket],
                "containers": [gateway, hands],
                "volumes": [{"name": "data", "emptyDir": {}}],
            },
        }
