"""kubectl as a program, and one `kubectl proxy` for what is asked often.

The proxy is the way to a pod that works on every cluster: the API server passes the request on, so
neither routes to pods nor port-forwards that die with them are needed. It also spares a process a
question, which on two cores would be part of what is measured.
"""

import http.client
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from e2e.waits import limit

Manifest = dict[str, Any]

PROGRAM = os.environ.get("KUBECTL", "kubectl")
TOLD_MAX = 4000  # characters of what a failed program said: its last ones say why
OPENED = re.compile(r"Starting to serve on 127\.0\.0\.1:(\d+)")


class CommandError(AssertionError):
    """A program failed; the text is what it said."""

    def __init__(self, command: Sequence[str], code: int, said: str) -> None:
        super().__init__(f"{' '.join(command)}: exit code {code}: {said.strip()[-TOLD_MAX:]}")
        self.said = said


class AnswerError(OSError):
    """An answer that is no success."""

    def __init__(self, what: str, status: int, body: bytes) -> None:
        super().__init__(f"{what}: {status} {body[:300].decode(errors='replace')}")
        self.status = status
        self.body = body


def run(
    *command: str, given: str | None = None, limit_s: float | None = None, check: bool = True
) -> str:
    """Standard output of a program. Raises CommandError; a hang is one, too."""
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s or limit("command"),
        )
    except subprocess.TimeoutExpired as failure:
        raise CommandError(command, -1, f"no end within {failure.timeout:.0f} s") from failure
    if check and done.returncode:
        raise CommandError(command, done.returncode, done.stderr + done.stdout)
    return done.stdout


class Kubectl:
    """The cluster that KUBECONFIG names, and one namespace of it."""

    def __init__(self, proxy: "Proxy", namespace: str) -> None:
        self.proxy = proxy
        self.namespace = namespace

    def __call__(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """What kubectl prints. Raises CommandError."""
        return run(PROGRAM, "-n", self.namespace, *arguments, given=given, check=check)

    def apply(self, *manifests: Manifest) -> None:
        """Make, or change."""
        body = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "-f", "-", given=json.dumps(body))

    def get(self, kind: str, name: str, group: str = "api/v1") -> Manifest:
        """One object; `kind` is its plural. Raises AnswerError (404)."""
        path = f"/{group}/namespaces/{self.namespace}/{kind}/{name}"
        found: Manifest = self.proxy.json(path)
        return found

    def list(self, kind: str, labels: str = "", group: str = "api/v1") -> list[Manifest]:
        """All objects of a kind with those labels."""
        path = f"/{group}/namespaces/{self.namespace}/{kind}?labelSelector={quote(labels)}"
        items: list[Manifest] = self.proxy.json(path)["items"]
        return items

    def ask(
        self, pod: str, port: int, path: str, method: str = "GET", body: bytes | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """What a pod answers over HTTP, with the answer's headers. Raises AnswerError, OSError."""
        place = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy{path}"
        return self.proxy.request(method, place, body)

    def execute(self, pod: str, *command: str) -> str:
        """What a command prints in a pod. Raises CommandError."""
        return self("exec", pod, "--", *command)


class Proxy:
    """`kubectl proxy` on a free port of loopback, from `with` to its end. Any thread may ask."""

    def __init__(self) -> None:
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Proxy":
        command = (PROGRAM, "proxy", "--port=0", "--reject-methods=^$", "--reject-paths=^$")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None, "it was asked for"
        said = self._process.stdout.readline()
        opened = OPENED.search(said)
        if opened is None:
            self._process.kill()
            raise CommandError(command, self._process.wait(), said)
        self._port = int(opened[1])
        return self

    def __exit__(self, *failure: object) -> None:
        assert self._process is not None, "it was entered"
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None, "it was asked for"
        self._process.stdout.close()

    def request(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of a success. Raises AnswerError, OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=limit("request"))
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            said = answer.read()
        except http.client.HTTPException as failure:
            raise OSError(f"{method} {path}: {failure!r}") from failure
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise AnswerError(f"{method} {path}", answer.status, said)
        return said, {name.lower(): value for name, value in answer.headers.items()}

    def json(self, path: str) -> Any:
        """An object. Raises AnswerError, OSError, ValueError."""
        return json.loads(self.request("GET", path)[0])
