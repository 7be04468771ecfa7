"""Answers as bytes, laid out as Go's net/http and Consul's gzip handler lay them out.

Header fields are sorted by name; then come Date, Content-Length or Transfer-Encoding, and
Connection. Every body of an endpoint is compressed for a client that accepts gzip, however small
(gziphandler with MinSize 0); one that fits into a packet is only wrapped, not squeezed.
"""

import time
import zlib
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus

from proconsul.api.http import HeaderList, Headers, Response

JOIN_BYTES_MAX = 1 << 16  # a larger body is not copied to stand behind its head
PACKET_BYTES = 1400  # what one Ethernet frame carries: squeezing less than this saves nothing
SQUEEZE_LEVEL = 1  # a fifth of the time of zlib's usual level, for a tenth more bytes
GZIP_WINDOW_BITS = 31  # 15, and 16 for a gzip frame around it
STORED_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01"  # one last, stored block

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
NO_BODY = b"Content-Length: 0\r\n"
BODYLESS = frozenset({204, 304})  # these have no length either
LAST_CHUNK = b"0\r\n\r\n"
VARY = ("Vary", "Accept-Encoding")
GZIPPED = ("Content-Encoding", "gzip")
PLAIN_TEXT = ("Content-Type", "text/plain; charset=utf-8")

_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Request Entity Too Large",  # Go's words, where Python's are others
    418: "I'm a teapot",
}
_status_lines: dict[tuple[int, bool], str] = {}


def date_line(now_s: float) -> bytes:
    """The Date field at this Unix time (RFC 9110, 5.6.7)."""
    text = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now_s))
    return f"Date: {text}\r\n".encode("ascii")


def status_line(status: int, *, is_http_10: bool) -> str:
    """The first line; the protocol is the client's, as with Go."""
    line = _status_lines.get((status, is_http_10))
    if line is None:
        phrase = _PHRASES.get(status, f"status code {status}")
        line = f"HTTP/1.{0 if is_http_10 else 1} {status:03d} {phrase}\r\n"
        _status_lines[status, is_http_10] = line
    return line


def head(
    response: Response, added: tuple[tuple[str, str], ...], *, is_http_10: bool, gzipped: bool
) -> bytes:
    """Status line and fields, without Date and what frames the body.

    `added` are fields that the answer gets unless it has them itself.
    """
    fields = response.headers
    if len(added) > 1:
        names = {name for name, _ in fields}
        fields = [*fields, *(field for field in added if field[0] not in names)]
    elif added:
        fields = [*fields, *added]
    if gzipped:
        fields = [*fields, GZIPPED]
        if all(name != "Content-Type" for name, _ in fields):
            fields.append(PLAIN_TEXT)
    if len(response.headers) == 1:  # as writes are answered: nearly always the same
        return _usual_head(response.status, tuple(fields), is_http_10)
    return _head(response.status, fields, is_http_10)


def rendered(
    headers: Headers,
    response: Response,
    added: tuple[tuple[str, str], ...],
    *,
    is_http_10: bool = False,
) -> tuple[bytes, bytes, bytes]:
    """An answer to a request with these header fields: its head up to the Date, what frames its
    body, and that body, compressed where the client wants it.
    """
    body = response.body
    assert isinstance(body, bytes), "one in pieces is sent as they come"
    gzipped = bool(body) and wants_gzip(headers, response)
    if gzipped:
        body = gzip(body)
    framing = length(len(body)) if gzipped else body_fields(response, body)
    added = added if response.is_endpoint else ()
    return head(response, added, is_http_10=is_http_10, gzipped=gzipped), framing, body


def wants_gzip(headers: Headers, response: Response) -> bool:
    """Whether the answer to a request with these header fields is compressed."""
    accepted = headers.first("accept-encoding")
    return (
        bool(accepted)
        and response.is_endpoint
        and accepts_gzip(accepted)
        and all(name != "Content-Encoding" for name, _ in response.headers)
    )


def _head(status: int, fields: Iterable[tuple[str, str]], is_http_10: bool) -> bytes:
    fields = sorted(fields)
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    text = status_line(status, is_http_10=is_http_10) + "".join(lines)
    breaks = len(lines) + 1
    if text.count("\n") != breaks or text.count("\r") != breaks:
        text = text[: text.index("\n") + 1] + _head_of_one_line_values(fields)
    return text.encode("utf-8", "surrogateescape")


_usual_head = lru_cache(maxsize=64)(_head)


def length(size_bytes: int) -> bytes:
    """The field that frames a body of this size."""
    return b"Content-Length: %d\r\n" % size_bytes


def body_fields(response: Response, body: bytes) -> bytes:
    """What frames a body that is sent as it is, and names its type if the answer does not."""
    if not body:
        return b"" if response.status in BODYLESS else NO_BODY
    for name, _ in response.headers:
        if name == "Content-Type":
            return b"Content-Length: %d\r\n" % len(body)
    return b"Content-Length: %d\r\nContent-Type: text/plain; charset=utf-8\r\n" % len(body)


def _head_of_one_line_values(fields: HeaderList) -> str:
    """A line break in a value would end the field: Go turns it into a space, and so do we."""
    flat = str.maketrans("\r\n", "  ")
    return "".join([f"{name}: {value.translate(flat)}\r\n" for name, value in fields])


def refusal(status: int, reason: str) -> bytes:
    """The whole answer to what is no request; after it the connection is closed."""
    phrase = f"{status} {_PHRASES[status]}" + (f": {reason}" if reason else "")
    return (
        f"HTTP/1.1 {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Connection: close\r\n\r\n{phrase}"
    ).encode("ascii")


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip stands in Accept-Encoding with a weight over 0; `*` does not count, as in Go."""
    if accept_encoding == "gzip":  # Go's own client
        return True
    weight = 0.0
    for coding in accept_encoding.lower().split(","):
        name, *parameters = (part.strip() for part in coding.split(";"))
        if name == "gzip":
            weight = _weight(parameters)
    return weight > 0.0


def _weight(parameters: list[str]) -> float:
    weight = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                weight = float(parameter[2:])
            except ValueError:
                weight = 0.0
    return weight


def gzip(body: bytes) -> bytes:
    """The gzip form of a whole body."""
    size = len(body)
    if size <= PACKET_BYTES:
        frame = size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")
        check = zlib.crc32(body).to_bytes(4, "little") + size.to_bytes(4, "little")
        return STORED_GZIP_HEAD + frame + body + check
    squeezer = zlib.compressobj(SQUEEZE_LEVEL, zlib.DEFLATED, GZIP_WINDOW_BITS)
    return squeezer.compress(body) + squeezer.flush()


class GzipPieces:
    """The gzip form of a body that comes in pieces, each readable as soon as it is there."""

    def __init__(self) -> None:
        self._squeezer = zlib.compressobj(SQUEEZE_LEVEL, zlib.DEFLATED, GZIP_WINDOW_BITS)

    def piece(self, data: bytes) -> bytes:
        """What to send for `data` now."""
        return self._squeezer.compress(data) + self._squeezer.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """What ends the body."""
        return self._squeezer.flush()


def chunk(data: bytes) -> bytes:
    """One chunk of a body in chunked encoding; `data` is not empty: that would end the body."""
    assert data, "an empty chunk is the last one"
    return b"%x\r\n%b\r\n" % (len(data), data)
