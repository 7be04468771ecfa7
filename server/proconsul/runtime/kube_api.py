"""The few calls of the Kubernetes API that a server makes for itself: plain HTTPS, and a token.

Token and CA are files that Kubernetes renews in place, so they are read anew for each call. Calls
run in a thread, have a deadline, and are never made on the way of a request. An answer is judged
as a stranger's would be: a proxy between may send anything.
"""

import asyncio
import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

from proconsul.config.schema import Kubernetes
from proconsul.errors import ProconsulError
from proconsul.runtime.tls import client_context

CALL_S = 3.0  # of each wait for the network: an end of the process waits for a call, too
DEADLINE_S = 10.0  # of a whole call: who sends a byte now and then would never be waited for
TOLD_CHARS_MAX = 300  # of what a refusal says, for the log
ANSWER_BYTES_MAX = 4 * 1024 * 1024  # an object of Kubernetes has 1.5 MiB at most
MERGE_PATCH = "application/merge-patch+json"


class KubeError(ProconsulError):
    """A call that failed; `status` is 0 if there was no answer."""

    def __init__(self, what: str, status: int, why: str) -> None:
        super().__init__(f"Kubernetes API: {what}: {why}")
        self.status = status


class KubeSettingsError(ProconsulError):
    """The pod does not say where it runs; the text says what to set."""


class KubeApi:
    """The objects of one namespace, as this pod's service account may see them."""

    def __init__(
        self, url: str, credentials: str, namespace: str, deadline_s: float = DEADLINE_S
    ) -> None:
        """`credentials` is the folder with `token` and `ca.crt`."""
        self._deadline_s = deadline_s
        self._url = urlsplit(url)
        self._credentials = credentials
        self._namespace = namespace

    async def read(self, kind: str, name: str) -> dict[str, Any]:
        """An object; `kind` is its plural. Raises KubeError."""
        return await asyncio.to_thread(self._call, "GET", kind, name, None)

    async def patch(self, kind: str, name: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Merge `change` into an object: what it is then. Raises KubeError.

        With a `resourceVersion` in its metadata it is done only to that version (409).
        """
        return await asyncio.to_thread(self._call, "PATCH", kind, name, change)

    def _call(
        self, verb: str, kind: str, name: str, change: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        what = f"{verb} {kind}/{name}"
        path = f"/api/v1/namespaces/{quote(self._namespace)}/{kind}/{quote(name)}"
        try:
            status, answer = self._exchange(verb, path, change)
        except (OSError, ValueError, http.client.HTTPException) as failure:
            raise KubeError(what, 0, str(failure) or "no answer") from failure
        if status != http.client.OK:
            raise KubeError(what, status, _told(status, answer))
        try:
            found = json.loads(answer)
        except (ValueError, RecursionError) as failure:
            raise KubeError(what, status, f"the answer is no JSON: {failure}") from failure
        if not isinstance(found, dict):
            raise KubeError(what, status, "the answer is no object")
        return found

    def _exchange(
        self, verb: str, path: str, change: Mapping[str, Any] | None
    ) -> tuple[int, bytes]:
        with open(os.path.join(self._credentials, "token"), encoding="ascii") as file:
            token = file.read().strip()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        body = None
        if change is not None:
            body = json.dumps(change).encode()
            headers["Content-Type"] = MERGE_PATCH
        connection, sock = self._connection()
        is_late = threading.Event()
        deadline = threading.Timer(self._deadline_s, _hang_up, (sock, is_late))
        deadline.daemon = True
        deadline.start()
        try:
            sock.do_handshake()
            connection.request(verb, path, body, headers)
            found = _answer(connection)
        except (OSError, http.client.HTTPException):
            if not is_late.is_set():
                raise
        else:
            if not is_late.is_set():  # a body that was cut off is no error of http.client's
                return found
        finally:
            deadline.cancel()
            connection.close()
        raise TimeoutError(f"no whole answer in {self._deadline_s:g} s")

    def _connection(self) -> tuple[http.client.HTTPSConnection, ssl.SSLSocket]:
        """One that has not shaken hands yet: that may be hung up on, too."""
        host, port = self._url.hostname or "", self._url.port or 443
        context = client_context(os.path.join(self._credentials, "ca.crt"))
        connection = http.client.HTTPSConnection(host, port, context=context)
        raw = socket.create_connection((host, port), CALL_S)
        connection.sock = sock = context.wrap_socket(
            raw, server_hostname=host, do_handshake_on_connect=False
        )
        return connection, sock


def _answer(connection: http.client.HTTPSConnection) -> tuple[int, bytes]:
    response = connection.getresponse()
    answer = response.read(ANSWER_BYTES_MAX + 1)
    if len(answer) > ANSWER_BYTES_MAX:
        raise http.client.HTTPException(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
    return response.status, answer


def _hang_up(sock: ssl.SSLSocket, is_late: threading.Event) -> None:
    is_late.set()
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not TLS's own: a thread is in it


def _told(status: int, answer: bytes) -> str:
    """What an answer that is no success says: a Status of Kubernetes, if it is one."""
    try:
        message = str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        message = ""
    if len(message) > TOLD_CHARS_MAX:
        message = f"{message[:TOLD_CHARS_MAX]}..."
    return f"{status} {message}".strip()


def own_namespace(settings: Kubernetes, environ: Mapping[str, str]) -> str:
    """Where this pod runs. Raises KubeSettingsError."""
    given = settings.namespace or environ.get("POD_NAMESPACE", "")
    if given:
        return given
    path = os.path.join(settings.credentials, "namespace")
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError as failure:
        raise KubeSettingsError(
            f"this pod's namespace is not known ({path}: {failure.strerror}): set "
            "kubernetes.namespace or POD_NAMESPACE, or mount the service account's token"
        ) from failure


def api_url(settings: Kubernetes, environ: Mapping[str, str]) -> str:
    """Where the API is. Raises KubeSettingsError."""
    if settings.api_url:
        return settings.api_url
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    port = environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise KubeSettingsError(
            "KUBERNETES_SERVICE_HOST is not set: this is no pod. Take label_own_pod and "
            "bootstrap_guard out of the block kubernetes, or set kubernetes.api_url"
        )
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def own_pod(settings: Kubernetes, environ: Mapping[str, str], fallback: str) -> str:
    """This pod's name; servers of a StatefulSet bear it as their node name (`fallback`)."""
    return settings.pod_name or environ.get("POD_NAME", "") or fallback
