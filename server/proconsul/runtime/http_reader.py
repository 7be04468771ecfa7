"""The reading half of an HTTP connection: bytes in, requests out.

httptools parses; here its calls become requests, and a client's mistakes the refusals that Go has
for them. What a request can make us hold is bounded: its head, its body, what it uploads ahead of
its handler.
"""

import abc
from typing import TYPE_CHECKING

import httptools

from proconsul.api.http import Headers, Request
from proconsul.runtime.http_exchange import (
    UPLOAD_BUFFER_BYTES_MAX,
    Exchange,
    Upload,
    head_fault,
    head_size_bytes,
)

if TYPE_CHECKING:
    from proconsul.runtime.http_server import HttpServer

HEAD_BYTES_MAX = (1 << 20) + 4096  # Go's DefaultMaxHeaderBytes, and what it reads beyond

_METHODS: dict[bytes, str] = {}
_NAMES = {
    name.encode("ascii"): name.lower()
    for name in (
        "Host",
        "User-Agent",
        "Accept",
        "Accept-Encoding",
        "Connection",
        "Content-Length",
        "Content-Type",
        "X-Consul-Token",
    )
}


class RequestReader(abc.ABC):
    """Parses what arrives, and submits each request once its handler can start."""

    # There are thousands of them: a dictionary of attributes takes as much as all that is in it.
    __slots__ = (
        "_body",
        "_body_bytes",
        "_body_limit",
        "_deaf",
        "_fields",
        "_good_host",
        "_head_bytes",
        "_in_head",
        "_in_line",
        "_is_last",
        "_is_tls",
        "_local",
        "_parser",
        "_reading",
        "_remote",
        "_server",
        "_unknown",
        "_url",
    )

    def __init__(self, server: "HttpServer") -> None:
        self._server = server
        self._parser: httptools.HttpRequestParser | None = None  # made when it is needed
        self._remote = ""
        self._local = ""
        self._is_tls = False
        self._deaf = False  # nothing that arrives is parsed any more
        # The request that is being read.
        self._url = b""
        self._fields: dict[str, list[str]] = {}
        self._in_head = False
        self._in_line = False  # the request line has begun and not ended
        self._head_bytes = 0  # of it, from earlier reads
        self._reading: Exchange | None = None
        self._is_last = False  # the parser takes nothing behind a request that ends the connection
        self._unknown = b""  # what is being parsed from the beginning of a request on
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._body_limit: int | None = 0
        self._good_host: list[str] | None = []  # of the last request: seldom another

    @abc.abstractmethod
    def _submit(self, exchange: Exchange) -> None:
        """Have the request answered, after those before it."""

    @abc.abstractmethod
    def _propose(self, target: str, headers: Headers, body: bytes) -> bool:
        """Whether this PUT, with known fields, needs no request to be answered."""

    @abc.abstractmethod
    def _refuse(self, status: int, reason: str) -> None:
        """Say that this is no request, after the answers before it, and hang up."""

    @abc.abstractmethod
    def _let_send(self, exchange: Exchange) -> None:
        """Tell a client that waits for it to send its body, after the answers before it."""

    @abc.abstractmethod
    def _pause_reading(self) -> None:
        """Let the client wait."""

    @abc.abstractmethod
    def _resume_reading(self) -> None:
        """Let it go on."""

    def _parse(self, data: bytes) -> None:
        if not (self._reading or self._in_head or self._in_line or self._is_last or self._deaf):
            if self._is_known(data):
                return
            self._unknown = data
        self._parse_lines(data)
        self._unknown = b""

    def _is_known(self, data: bytes) -> bool:
        """Whether these bytes are a request like one before: it is taken, if so."""
        found = self._server.heads.find(data)
        if found is None:
            return False
        method, target, headers, body = found
        if method == "PUT" and self._propose(target, headers, body):
            return True
        try:
            request = Request(method, target, headers)
        except ValueError:
            return False  # refused by who parses
        if body:
            size = request.content_length = len(body)
            limit = self._server.body_limit(request)
            if limit is None or size > limit:
                return False
            request.body = body
        self._complete(request)
        self._submit(Exchange(request, True, False, body_is_complete=True))
        return True

    def _complete(self, request: Request) -> None:
        request.remote_address = self._remote
        request.local_address = self._local
        request.is_tls = self._is_tls

    def _parse_lines(self, data: bytes) -> None:
        while data and not self._deaf:
            if self._reading is not None:  # a body
                self._feed(data)
                return
            # Where a request line begins only the parser knows, and it is asked between two lines.
            is_ascii = data.isascii()
            end = data.rfind(b"\n") if is_ascii else data.find(b"\n")
            size = end + 1 or len(data)
            lines, data = data[:size], data[size:]
            at_request_line = self._in_line or not self._in_head
            self._in_line = at_request_line and end < 0
            self._feed(lines if is_ascii or not at_request_line else escape_request_line(lines))

    def _feed(self, data: bytes) -> None:
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        parser = self._parser
        while data:
            try:
                parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # We speak nothing else: what follows is HTTP, or it is refused as that.
                data = b"" if self._deaf else data[upgrade.args[0] :]
                continue
            except httptools.HttpParserError as error:
                self._refuse_garbage(error)
            break
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(431, "")

    def _refuse_garbage(self, error: httptools.HttpParserError) -> None:
        if isinstance(error, httptools.HttpParserCallbackError):
            raise error.__context__ or error  # our own mistake: the loop reports it and hangs up
        if self._deaf:
            return
        reading = self._reading
        if reading is not None and reading.upload is not None:
            self._deaf = True
            reading.upload.end(is_broken=True)  # its handler answers
            return
        self._refuse(400, "")

    # ------------------------------------------------------------ the parser's calls

    def on_url(self, url: bytes) -> None:
        """A piece of the target in the request line."""
        self._in_head = True
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field."""
        key = _NAMES.get(name) or name.decode("latin-1").lower()
        text = value.decode("utf-8", "surrogateescape")
        values = self._fields.get(key)
        if values is None:
            self._fields[key] = [text]
        else:
            values.append(text)

    def on_headers_complete(self) -> None:
        """The head is there: decide whether we want the body, and how."""
        url, fields, head_bytes = self._url, self._fields, self._head_bytes
        self._url, self._fields, self._in_head, self._head_bytes = b"", {}, False, 0
        if self._deaf:
            return
        if head_bytes and head_size_bytes(url, fields) > HEAD_BYTES_MAX:
            self._refuse(431, "")
            return
        parser = self._parser
        assert parser is not None, "it calls us"
        version = parser.get_http_version()
        if version != "1.1" or fields.get("host") != self._good_host:
            reason = head_fault(version, fields)
            if reason is not None:
                self._refuse(400, reason)
                return
            self._good_host = fields.get("host")
        verb = parser.get_method()
        method = _METHODS.get(verb) or _METHODS.setdefault(verb, verb.decode("ascii"))
        try:
            request = Request(method, url.decode("utf-8", "surrogateescape"), Headers(fields))
        except ValueError:
            self._refuse(400, "")
            return
        if request.path[:1] != "/" and (method, request.path) != ("OPTIONS", "*"):
            self._refuse(400, "")
            return
        self._complete(request)
        self._is_last = not parser.should_keep_alive()
        exchange = Exchange(request, not self._is_last, version == "1.0")
        if "expect" in fields and fields["expect"][0].lower() != "100-continue":
            self._refuse(417, "")
            return
        self._reading = exchange
        if "content-length" in fields or "transfer-encoding" in fields:
            self._expect_body(exchange)

    def _expect_body(self, exchange: Exchange) -> None:
        request = exchange.request
        headers = request.headers
        chunked = headers.has("transfer-encoding")
        request.content_length = -1 if chunked else int(headers.first("content-length"))
        if request.content_length == 0:
            return
        limit = self._body_limit = self._server.body_limit(request)
        if limit is not None and request.content_length > limit:
            self._refuse_body(exchange)
            return
        if headers.has("expect") and not exchange.is_http_10:
            exchange.waits_for_word = True
            self._let_send(exchange)
        if limit is None:
            exchange.upload = request.stream = Upload(self._resume_reading)
            self._submit(exchange)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        exchange = self._reading
        if exchange is None or exchange.request.body_too_large:
            return
        if exchange.upload is not None:
            exchange.upload.put(data)
            if exchange.upload.size_bytes >= UPLOAD_BUFFER_BYTES_MAX:
                self._pause_reading()
            return
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_limit is not None and self._body_bytes > self._body_limit:
            self._refuse_body(exchange)

    def _refuse_body(self, exchange: Exchange) -> None:
        exchange.request.body_too_large = True
        exchange.keep_alive = False
        self._body, self._body_bytes = [], 0
        self._submit(exchange)

    def on_message_complete(self) -> None:
        """The request is complete."""
        exchange = self._reading
        if exchange is None:
            return
        self._reading = None
        if self._unknown:
            self._server.heads.learn(self._unknown, exchange.request.headers)
            self._unknown = b""
        exchange.body_is_complete = True
        if exchange.upload is not None:
            exchange.upload.end()
            return
        if exchange.request.body_too_large:
            return
        if self._body:
            body = self._body
            exchange.request.body = body[0] if len(body) == 1 else b"".join(body)
            self._body, self._body_bytes = [], 0
        self._submit(exchange)


def escape_request_line(line: bytes) -> bytes:
    """%-escape what is not ASCII in a request line, or in a part of one.

    A client need not escape the bytes of a key over 0x7f: Go takes them as they are, but llhttp
    refuses them. One behind a body in the same piece is still refused: where a body ends only the
    parser knows.
    """
    if line.isascii():
        return line
    return b"".join([b"%%%02X" % one if one > 0x7F else b"%c" % one for one in line])
