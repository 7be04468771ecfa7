"""One HTTP request of a health check, and what is kept of the answer.

Small on purpose: one connection a run, HTTP/1.1, redirects followed as Go's client does
(302 and the like become GET, 307 and 308 repeat), gzip undone. Only the end of a body is
kept, so an endless one costs time, which the timeout limits, and no memory.
"""

import asyncio
import base64
import re
import ssl
import zlib
from urllib.parse import SplitResult, unquote, urljoin, urlsplit
from urllib.parse import quote as escape

import httptools
from msgspec import Struct

from proconsul.local.checks import http_status
from proconsul.local.state import Status
from proconsul.model.health import CheckType
from proconsul.runtime.check_dial import DialError, TlsContexts, check_port, dial
from proconsul.runtime.check_output import Tail
from proconsul.wire.golang import SECOND, join_host_port, quote

TIMEOUT_S_DEFAULT = 10.0
REDIRECTS_MAX = 10
HEAD_SIZE_BYTES_MAX = 1 << 20  # Go's limit on the headers of an answer, too
READ_SIZE_BYTES = 1 << 16

_BECOME_GET = frozenset({301, 302, 303})
_REPEAT = frozenset({307, 308})
_NOT_YET = frozenset(range(100, 200)) - {101}  # the real answer follows
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SAFE = "/%:@!$&'()*+,;=~?[]"  # what stands in a request line as it was configured
_PORT = re.compile(r":[^:\]]*\Z")


class HttpError(Exception):
    """No answer; str() is what Go says.

    `url` is the address that Go names with it, where that is not the check's own.
    """

    def __init__(self, text: str, url: str | None = None) -> None:
        super().__init__(text)
        self.url = url


class BadRequestError(Exception):
    """The check asks for what cannot be sent; str() is what Go says."""


class Request(Struct, frozen=True):
    """One hop: where to, how, the body to send, and the address it was redirected from."""

    url: str
    method: str
    body: bytes
    referer: str


class Answer:
    """What httptools calls back with while it parses."""

    def __init__(self, size_bytes_max: int) -> None:
        self._size_bytes_max = size_bytes_max
        self.on_message_begin()

    def on_message_begin(self) -> None:
        """Forget what came before: that was an answer of the 1xx sort."""
        self.reason = b""
        self.location = ""
        self.body = Tail(self._size_bytes_max)
        self.head_complete = False
        self.complete = False
        self._gunzip: zlib._Decompress | None = None

    def on_status(self, reason: bytes) -> None:
        """Part of the reason phrase."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if name.lower() == b"location":
            self.location = value.decode("latin-1")
        if name.lower() == b"content-encoding" and value.lower() == b"gzip":
            self._gunzip = zlib.decompressobj(wbits=31)

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self.head_complete = True

    def on_body(self, data: bytes) -> None:
        """Part of the body; what is no gzip is dropped, as Go does after its error."""
        if self._gunzip is None:
            self.body.add(data)
            return
        try:
            while data and not self._gunzip.eof:  # a bomb is taken in pieces
                self.body.add(self._gunzip.decompress(data, READ_SIZE_BYTES))
                data = self._gunzip.unconsumed_tail
        except zlib.error:
            return

    def on_message_complete(self) -> None:
        """The body has ended."""
        self.complete = True


async def probe_http(
    check: CheckType, output_size_bytes_max: int, tls: TlsContexts
) -> tuple[str, str]:
    """The status and output of one run of an HTTP check."""
    method = check.method or "GET"
    operation = method[:1].upper() + method[1:].lower()
    timeout_s = check.timeout / SECOND if check.timeout > 0 else TIMEOUT_S_DEFAULT
    try:
        _require_sendable(method, check.http)
        async with asyncio.timeout(timeout_s):
            code, reason, body = await _follow(check, method, output_size_bytes_max, tls)
    except TimeoutError:
        return Status.CRITICAL, (
            f"{operation} {quote(check.http)}: context deadline exceeded "
            "(Client.Timeout exceeded while awaiting headers)"
        )
    except BadRequestError as failure:
        return Status.CRITICAL, str(failure)
    except HttpError as failure:
        return Status.CRITICAL, f"{operation} {quote(failure.url or check.http)}: {failure}"
    return http_status(code), f"HTTP {method} {check.http}: {code} {reason} Output: {body}"


def _require_sendable(method: str, url: str) -> None:
    if not _TOKEN.match(method):
        raise BadRequestError(f"net/http: invalid method {quote(method)}")
    scheme, separator, rest = url.partition("://")
    first_segment = url.partition("/")[0]
    complaint = None
    if _CONTROL.search(url):
        complaint = "net/url: invalid control character in URL"
    elif url.startswith(":"):
        complaint = "missing protocol scheme"
    elif not separator and ":" in first_segment and not first_segment[0].isalpha():
        complaint = "first path segment in URL cannot contain colon"
    elif separator and rest.startswith("[") and "]" not in rest:
        complaint = "missing ']' in host"
    elif separator and scheme and " " in rest.partition("/")[0]:
        complaint = 'invalid character " " in host name'
    elif separator and (port := _bad_port(rest.partition("/")[0])):
        complaint = f'invalid port "{port}" after host'
    if complaint is not None:
        raise BadRequestError(f"parse {quote(url)}: {complaint}")


def _bad_port(authority: str) -> str:
    """The port of an authority, with its colon, if it is no number."""
    port = _PORT.search(authority.rpartition("@")[2])
    return port[0] if port and not port[0][1:].isdigit() and port[0] != ":" else ""


async def _follow(
    check: CheckType, method: str, size_bytes_max: int, tls: TlsContexts
) -> tuple[int, str, str]:
    body = check.body.encode("utf-8", "surrogateescape")
    request = Request(check.http, method, body, referer="")
    location = ""
    for _ in range(REDIRECTS_MAX):
        try:
            code, answer = await _exchange(request, check, size_bytes_max, tls)
        except (HttpError, DialError) as failure:
            raise HttpError(str(failure), request.referer or None) from failure
        if code in _BECOME_GET and not answer.location:
            raise HttpError(f"{code} response missing Location header", request.url)
        if code not in _BECOME_GET | _REPEAT or not answer.location:
            text = b"" if request.method == "HEAD" else answer.body.data
            return code, answer.reason.decode("latin-1"), text.decode("utf-8", "replace")
        location = answer.location
        try:
            url = urljoin(request.url, location)
        except ValueError as failure:
            complaint = f"failed to parse Location header {quote(location)}: {failure}"
            raise HttpError(complaint, request.url) from failure
        if code in _REPEAT:
            request = Request(url, request.method, request.body, referer=request.url)
        else:
            get = "HEAD" if request.method == "HEAD" else "GET"
            request = Request(url, get, b"", referer=request.url)
    raise HttpError(f"stopped after {REDIRECTS_MAX} redirects", location)


async def _exchange(
    request: Request, check: CheckType, size_bytes_max: int, tls: TlsContexts
) -> tuple[int, Answer]:
    try:
        url = urlsplit(request.url)
    except ValueError as failure:
        raise HttpError(f"{failure}") from failure
    if url.scheme not in ("http", "https"):
        raise HttpError(f"unsupported protocol scheme {quote(url.scheme)}")
    if not url.hostname:
        raise HttpError("http: no Host in request URL")
    context = tls(check.tls_skip_verify, False) if url.scheme == "https" else None
    port = _port(url)
    reader, writer = await dial(url.hostname, port, context)
    try:
        writer.write(_head(request, url, check) + request.body)
        await writer.drain()
        return await _read(reader, size_bytes_max, head_only=request.method == "HEAD")
    except ConnectionError as failure:
        raise HttpError(f"read: {failure.strerror or failure}".lower()) from failure
    except ssl.SSLError as failure:
        raise HttpError(f"tls: {failure.reason}") from failure
    finally:
        writer.transport.abort()  # nothing more is sent; a polite TLS close could hang


def _port(url: SplitResult) -> int:
    found = _PORT.search(url.netloc)
    if found is None or found[0] == ":":
        return 443 if url.scheme == "https" else 80
    check_port(found[0][1:])
    return int(found[0][1:])


def _head(request: Request, url: SplitResult, check: CheckType) -> bytes:
    given = {name: values or [] for name, values in (check.header or {}).items()}
    host = next((values[0] for values in (given.pop("Host", []),) if values), "")
    target = escape(url.path or "/", _SAFE) + (f"?{escape(url.query, _SAFE)}" if url.query else "")
    lines = [
        f"{request.method} {target} HTTP/1.1",
        f"Host: {host or _host(url)}",
        f"User-Agent: {(given.pop('User-Agent', None) or ['Consul Health Check'])[0]}",
        "Connection: close",
    ]
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    given.setdefault("Accept", ["text/plain, text/*, */*"])
    if "Accept-Encoding" not in given and request.method != "HEAD":
        given["Accept-Encoding"] = ["gzip"]
    if request.referer and not (request.referer.startswith("https:") and url.scheme == "http"):
        given["Referer"] = [request.referer]
    if url.username is not None and "Authorization" not in given:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
        given["Authorization"] = [f"Basic {base64.b64encode(pair).decode()}"]
    for name in sorted(given):
        lines += [f"{name}: {value}" for value in given[name]]
    # A line break in a configured value must not become a header of its own.
    text = "\r\n".join(line.replace("\r", " ").replace("\n", " ") for line in lines)
    return text.encode("utf-8", "surrogateescape") + b"\r\n\r\n"


def _host(url: SplitResult) -> str:
    assert url.hostname is not None, "_exchange has looked"
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return host if url.port is None else join_host_port(url.hostname, url.port)


async def _read(
    reader: asyncio.StreamReader, size_bytes_max: int, *, head_only: bool
) -> tuple[int, Answer]:
    answer = Answer(size_bytes_max)
    parser = httptools.HttpResponseParser(answer)
    head_size_bytes = 0
    while not (answer.complete or (head_only and answer.head_complete)):
        data = await reader.read(READ_SIZE_BYTES)
        if not data:
            break
        if not answer.head_complete:
            head_size_bytes += len(data)
            if head_size_bytes > HEAD_SIZE_BYTES_MAX + READ_SIZE_BYTES:
                raise HttpError(
                    "net/http: server response headers exceeded "
                    f"{HEAD_SIZE_BYTES_MAX} bytes; aborted"
                )
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as failure:
            if not answer.head_complete:
                raise HttpError(
                    "net/http: HTTP/1.x transport connection broken: " + _malformed(data)
                ) from failure
            break  # a body that breaks off is judged by its status, as Consul does
        if answer.complete and parser.get_status_code() in _NOT_YET:
            answer.on_message_begin()
    if not answer.head_complete:
        raise HttpError("EOF")
    return parser.get_status_code(), answer


def _malformed(data: bytes) -> str:
    line = data.split(b"\r\n", 1)[0][:64].decode("latin-1")
    protocol, space, rest = line.partition(" ")
    code = rest.lstrip(" ").partition(" ")[0]
    if not space:
        return f"malformed HTTP response {quote(line)}"
    if len(code) != 3 or not code.isdigit():
        return f"malformed HTTP status code {quote(code)}"
    return f"malformed HTTP version {quote(protocol)}"
