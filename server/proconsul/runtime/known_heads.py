"""Heads of requests that come again: all but the request line is the same, byte for byte.

A client sends the same header fields with each request: they need be parsed only once. Who finds
them here has the fields that the parser made of these very bytes. Whatever the parser would refuse,
or might understand in another way, is left to it.
"""

import re
from typing import Final

from proconsul.api.http import Headers

HEADS_MAX: Final = 256
HEAD_BYTES_MAX: Final = 2048

# A target of characters that need no thought (RFC 3986: pchar, `/` and `?`), and one version.
_REQUEST_LINE: Final = re.compile(
    rb"(GET|PUT|POST|DELETE) (/[A-Za-z0-9/?:@!$&'()*+,;=._~%-]*) HTTP/1\.1\r\n"
)
_METHODS: Final = {name.encode(): name for name in ("GET", "PUT", "POST", "DELETE")}
_HEAD_END: Final = b"\r\n\r\n"
# They change how a message ends, or what comes after it.
_NOT_PLAIN: Final = frozenset({"expect", "transfer-encoding", "upgrade"})


# A whole request, as it stands in what was received: method, target, fields, body.
Found = tuple[str, str, Headers, bytes]


class KnownHeads:
    """Those of one server, the newest ones."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Headers, int]] = {}  # the fields, the body's bytes

    def find(self, data: bytes) -> Found | None:
        """The request that these bytes are: one, and all of it; None: the parser knows."""
        line = _REQUEST_LINE.match(data)
        if line is None:
            return None
        line_end = line.end()
        head_end = _head_end(data, line_end)
        if head_end < line_end:
            return None
        known = self._known.get(data[line_end:head_end])
        if known is None:
            return None
        headers, body_bytes = known
        if len(data) - head_end != body_bytes:
            return None
        method, target = line.groups()
        return _METHODS[method], target.decode("ascii"), headers, data[head_end:]

    def learn(self, data: bytes, headers: Headers) -> None:
        """The parser found these fields in the first request of these bytes."""
        line = _REQUEST_LINE.match(data)
        if line is None or not headers.has_none(_NOT_PLAIN):
            return
        if headers.all("connection") not in ([], ["keep-alive"]):
            return
        head_end = _head_end(data, line.end())
        if head_end < line.end():
            return
        head = data[line.end() : head_end]
        breaks = head.count(b"\r\n")
        body_bytes = int(headers.first("content-length") or 0)
        if (
            len(head) > HEAD_BYTES_MAX
            or len(data) - head_end != body_bytes
            # Bare ones end a line for the parser, too: then the head might end elsewhere.
            or head.count(b"\n") != breaks
            or head.count(b"\r") != breaks
        ):
            return
        if len(self._known) >= HEADS_MAX:
            del self._known[next(iter(self._known))]
        self._known[head] = headers, body_bytes


def _head_end(data: bytes, line_end: int) -> int:
    """Where the body begins; -1: the head is not whole."""
    # From the line break on: a head without fields has its end there.
    at = data.find(_HEAD_END, line_end - 2)
    return at + len(_HEAD_END) if at >= 0 else -1
