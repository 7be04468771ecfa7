"""An API of Kubernetes: objects in memory, and the same behind a real HTTPS port."""

import http.server
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from proconsul.runtime.kube_api import KubeError
from server_tests.runtime.certificates import Authority

TOKEN = "token-1"


@dataclass
class Objects:
    """ConfigMaps and pods by kind and name, each with a version that grows."""

    kept: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    failures: list[KubeError] = field(default_factory=list)  # of the next calls, in turn
    calls: list[tuple[str, str, str]] = field(default_factory=list)

    def put(self, kind: str, name: str, **fields: Any) -> None:
        """Make one, or another one in its place."""
        old = self.kept.get((kind, name), {"metadata": {"resourceVersion": "0"}})
        version = str(int(old["metadata"]["resourceVersion"]) + 1)
        self.kept[kind, name] = {**fields, "metadata": {"resourceVersion": version, "labels": {}}}

    async def read(self, kind: str, name: str) -> dict[str, Any]:
        return self.answer("GET", kind, name, None)

    async def patch(self, kind: str, name: str, change: Mapping[str, Any]) -> dict[str, Any]:
        return self.answer("PATCH", kind, name, change)

    def answer(
        self, verb: str, kind: str, name: str, change: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """As the API does. Raises KubeError."""
        self.calls.append((verb, kind, name))
        if self.failures:
            raise self.failures.pop(0)
        found = self.kept.get((kind, name))
        if found is None:
            raise KubeError(verb, 404, "404 not found")
        if change is not None:
            wanted = change.get("metadata", {}).get("resourceVersion")
            if wanted not in (None, found["metadata"]["resourceVersion"]):
                raise KubeError(verb, 409, "409 the object has been modified")
            _merge(found, change)
            version = str(int(found["metadata"]["resourceVersion"]) + 1)
            found["metadata"]["resourceVersion"] = version
        return cast("dict[str, Any]", json.loads(json.dumps(found)))


def _merge(into: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


@dataclass
class Cluster:
    """The port, and the folder that a pod would have mounted."""

    url: str
    credentials: Path
    objects: Objects
    tokens: set[str]  # that are good
    seen: list[tuple[str, str, str]]  # verb, path, content type


@contextmanager
def kubernetes(folder: Path, host: str) -> Iterator[Cluster]:
    """An API at an address, and the files of a service account of the namespace `infra`."""
    authority = Authority(folder, "kubernetes", address=host)
    pair = authority.pair("apiserver")
    credentials = folder / "serviceaccount"
    credentials.mkdir()
    (credentials / "ca.crt").write_bytes(Path(authority.ca_file).read_bytes())
    (credentials / "token").write_text(TOKEN)
    (credentials / "namespace").write_text("infra")
    cluster = Cluster("", credentials, Objects(), {TOKEN}, [])

    class Handler(http.server.BaseHTTPRequestHandler):
        """Of one request."""

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._serve(None)

        def do_PATCH(self) -> None:
            self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _serve(self, change: Mapping[str, Any] | None) -> None:
            cluster.seen.append((self.command, self.path, self.headers.get("Content-Type", "")))
            if self.headers["Authorization"].removeprefix("Bearer ") not in cluster.tokens:
                return self._answer(401, {"message": "Unauthorized"})
            kind, name = self.path.removeprefix("/api/v1/namespaces/infra/").split("/")
            try:
                self._answer(200, cluster.objects.answer(self.command, kind, name, change))
            except KubeError as failure:
                self._answer(failure.status, {"kind": "Status", "message": str(failure)})

        def _answer(self, status: int, body: Mapping[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = http.server.ThreadingHTTPServer((host, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert_file, pair.key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    cluster.url = f"https://{host}:{server.server_address[1]}"
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
