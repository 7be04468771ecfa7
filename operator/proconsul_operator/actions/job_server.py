"""The servers' HTTP API as a Job uses it: one call after the other, and files in and out.

Only what streams is here; a Job has its deadline from Kubernetes, so a call only has one for
silence. The token comes from the environment, the CA from a file that is there with TLS.
"""

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from proconsul_operator.actions.authorities import lenient
from proconsul_operator.actions.job_orders import JobError

SILENCE_S: Final = 60
PIECE_BYTES: Final = 2**20
ARCHIVE_BYTES_MAX: Final = 2**36
DOCUMENT_BYTES_MAX: Final = 2**30  # the names of all keys
START_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobServer:
    """A server, or the Service before them."""

    url: str
    token: str = ""
    ca_file: Path | None = None

    def save(self, target: Path, *, stale: bool) -> None:
        """A snapshot into a file. Raises JobError."""
        query = "?stale" if stale else ""
        size = 0
        with (
            self._call("GET", f"/v1/snapshot{query}") as answer,
            target.open("wb") as file,
        ):
            try:
                while piece := answer.read(PIECE_BYTES):
                    size += len(piece)
                    if size > ARCHIVE_BYTES_MAX:
                        raise JobError("TooLarge", f"more than {ARCHIVE_BYTES_MAX} bytes")
                    file.write(piece)
            except (OSError, http.client.HTTPException) as error:
                raise JobError(
                    "ServerUnreachable", f"the snapshot broke off after {size} bytes: {error}"
                ) from error

    def restore(self, source: Path, restore_uid: str = "") -> bool:
        """A file into the state; False if that restore was there already. Raises JobError."""
        query = f"?restore-uid={restore_uid}" if restore_uid else ""
        with (
            source.open("rb") as file,
            self._call(
                "PUT", f"/v1/snapshot{query}", body=file, size_bytes=source.stat().st_size
            ) as answer,
        ):
            content = answer.read(PIECE_BYTES)
        if not restore_uid or not content:
            return True
        told: dict[str, Any] = msgspec.json.decode(content)
        return not told.get("AlreadyApplied", False)

    def version(self) -> str:
        """Of the server that answers."""
        with self._call("GET", "/v1/agent/self") as answer:
            told: dict[str, Any] = msgspec.json.decode(answer.read(PIECE_BYTES * 16))
        return str(told.get("Config", {}).get("Version", ""))

    def keys(self) -> int:
        """How many there are."""
        try:
            with self._call("GET", "/v1/kv/?keys&consistent") as answer:
                return len(msgspec.json.decode(answer.read(DOCUMENT_BYTES_MAX), type=list[str]))
        except JobError as error:
            if error.reason == "NotFound":
                return 0
            raise

    def await_leader(self, *, pause: Callable[[float], None]) -> None:
        """Until it leads, two minutes at most. Raises JobError."""
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                self.keys()
            except JobError as error:
                if time.monotonic() > deadline_s:
                    raise JobError("VerifierFailed", f"the throw-away server: {error}") from error
                pause(0.5)
            else:
                return

    def _call(
        self, method: str, path: str, *, body: Any = None, size_bytes: int = 0
    ) -> http.client.HTTPResponse:
        request = urllib.request.Request(self.url + path, data=body, method=method)
        if body is not None:
            request.add_header("Content-Length", str(size_bytes))
            request.add_header("Content-Type", "application/x-gzip")
        if self.token:
            request.add_header("X-Consul-Token", self.token)
        try:
            answer: http.client.HTTPResponse = urllib.request.urlopen(
                request, timeout=SILENCE_S, context=self._tls()
            )
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(2000).decode(errors="replace").strip()
            reason = "NotFound" if error.code == 404 else "ServerRefused"
            raise JobError(reason, f"{self.url}: {error.code} {said}") from error
        except (OSError, http.client.HTTPException) as error:
            raise JobError("ServerUnreachable", f"{self.url}: {error}") from error
        return answer

    def _tls(self) -> ssl.SSLContext | None:
        if self.ca_file is None or not self.url.startswith("https:"):
            return None
        return lenient(ssl.create_default_context(cafile=str(self.ca_file)))
