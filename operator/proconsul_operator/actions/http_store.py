"""Objects at URLs: a server that takes PUT, answers GET, and knows DELETE if it likes.

There is no way to list, so there is no retention: the other side keeps what it keeps.
"""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proconsul_operator.actions.objectstore import (
    PIECE_BYTES,
    AbsentError,
    DeniedError,
    Entry,
    StoreError,
)

READ_S: Final = 60
_ABSENT: Final = (404, 410)
_DENIED: Final = (401, 403)


class HttpStore:
    """See ObjectStore."""

    def __init__(
        self, url: str, *, authorization: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        """`authorization` is the header's whole value."""
        self._url = url.rstrip("/")
        self._headers = {"Authorization": authorization} if authorization else {}
        self._tls = tls

    def put(self, name: str, source: Path, *, sha256: str) -> None:
        """See ObjectStore."""
        headers = {
            "Content-Length": str(source.stat().st_size),
            "Content-Type": "application/octet-stream",
            "X-Checksum-Sha256": sha256,
        }
        with source.open("rb") as body:
            request = urllib.request.Request(self.url(name), data=body, method="PUT")
            for key, value in headers.items():
                request.add_header(key, value)
            with self._answer(request):
                return

    def get(self, name: str) -> Iterator[bytes]:
        """See ObjectStore."""
        with self._answer(urllib.request.Request(self.url(name))) as answer:
            try:
                while piece := answer.read(PIECE_BYTES):
                    yield piece
            except (OSError, http.client.HTTPException) as error:
                raise StoreError(f"{self.url(name)}: {error}") from error
            if answer.length:  # urllib does not say so where it is asked for pieces
                raise StoreError(f"{self.url(name)}: it broke off {answer.length} bytes too early")

    def list(self, prefix: str) -> Iterator[Entry]:
        """See ObjectStore."""
        raise StoreError("plain HTTP cannot be listed")

    def delete(self, name: str) -> None:
        """See ObjectStore."""
        try:
            with self._answer(urllib.request.Request(self.url(name), method="DELETE")):
                return
        except AbsentError:
            return

    def url(self, name: str) -> str:
        """See ObjectStore."""
        return f"{self._url}/{name}" if name else self._url

    def _answer(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        for key, value in self._headers.items():
            request.add_header(key, value)
        url = request.full_url
        try:
            answer: http.client.HTTPResponse = urllib.request.urlopen(
                request, timeout=READ_S, context=self._tls
            )
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _ABSENT:
                raise AbsentError(f"{url}: {error}") from error
            raise (DeniedError if error.code in _DENIED else StoreError)(
                f"{url}: {error}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise StoreError(f"{url}: {error}") from error
        return answer
