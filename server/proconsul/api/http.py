"""What an HTTP handler takes and gives: values, with no socket behind them.

They mean what Go's net/http means by them, because Consul's clients see those meanings: the path
is unescaped, the query keeps its order and forgives bad escapes, header names ignore case. Bytes
that are not UTF-8 become surrogate escapes (PEP 383): they survive the way to a key and back.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Set
from typing import Any
from urllib.parse import unquote_to_bytes

HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def unescape(escaped: str) -> str:
    """Undo the %-escapes; ValueError at a `%` without two hex digits (url.PathUnescape)."""
    if "%" not in escaped:
        return escaped
    for tail in escaped.split("%")[1:]:
        if len(tail) < 2 or tail[0] not in HEX_DIGITS or tail[1] not in HEX_DIGITS:
            raise ValueError(f'invalid URL escape "%{tail[:2]}"')
    octets = unquote_to_bytes(escaped.encode("utf-8", "surrogateescape"))
    return octets.decode("utf-8", "surrogateescape")


class Query:
    """The part after the `?`, read on first use by the rules of url.ParseQuery in Go 1.15.

    `&` and `;` separate, `+` is a space, and a pair with a bad escape is dropped.
    """

    __slots__ = ("_malformed", "_raw", "_values")

    def __init__(self, raw: str) -> None:
        self._raw = raw
        self._values: dict[str, list[str]] | None = None if raw else {}
        self._malformed = False

    def first(self, name: str) -> str:
        """The first value of `name`, or "" if it has none."""
        values = self._parsed().get(name)
        return values[0] if values else ""

    def has(self, name: str) -> bool:
        """Whether `name` is there, with a value or without one."""
        return name in self._parsed()

    def all(self, name: str) -> list[str]:
        """Every value of `name`, in order."""
        return list(self._parsed().get(name, ()))

    def names(self) -> list[str]:
        """The different names, in the order in which they first appear."""
        return list(self._parsed())

    @property
    def malformed(self) -> bool:
        """Whether a pair was dropped; Consul then answers 500 without a text (agent/http.go)."""
        self._parsed()
        return self._malformed

    def _parsed(self) -> dict[str, list[str]]:
        if self._values is None:
            self._values = self._parse()
        return self._values

    def _parse(self) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for pair in self._raw.replace("+", " ").replace(";", "&").split("&"):
            if not pair:
                continue
            name, _, value = pair.partition("=")
            try:
                name, value = unescape(name), unescape(value)
            except ValueError:
                self._malformed = True
                continue
            values.setdefault(name, []).append(value)
        return values


class Headers:
    """The header fields of a request: names ignore case, a name may have several values."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, list[str]]) -> None:
        """`values` by name in lower case; none is an empty list."""
        self._values = values

    def first(self, name: str) -> str:
        """The first value of `name` (in lower case), or ""."""
        values = self._values.get(name)
        return values[0] if values else ""

    def all(self, name: str) -> list[str]:
        """Every value of `name` (in lower case), in order."""
        return list(self._values.get(name, ()))

    def has(self, name: str) -> bool:
        """Whether the field `name` (in lower case) is there."""
        return name in self._values

    def has_none(self, names: Set[str]) -> bool:
        """Whether none of these fields (in lower case) is there."""
        return self._values.keys().isdisjoint(names)

    def items(self) -> list[tuple[str, str]]:
        """Every field, with its name in lower case; the values of one name are together."""
        return [(name, value) for name, values in self._values.items() for value in values]


NO_QUERY = Query("")
NO_HEADERS = Headers({})


class Request:
    """One request. `body` is complete, unless `stream` or `body_too_large` says otherwise."""

    __slots__ = (
        "body",
        "body_too_large",
        "content_length",
        "headers",
        "is_tls",
        "local_address",
        "method",
        "path",
        "query",
        "raw_path",
        "raw_query",
        "remote_address",
        "stream",
        "target",
    )

    def __init__(self, method: str, target: str, headers: Headers = NO_HEADERS) -> None:
        """`target` is what stood in the request line; ValueError at a bad escape in its path."""
        self.method = method
        self.target = target
        path, _, query = target.partition("?")
        if path[:1] != "/":
            path = path_of_absolute_form(path)
        self.raw_path = path
        self.raw_query = query
        self.path = unescape(path) if "%" in path else path
        self.query = Query(query) if query else NO_QUERY
        self.headers = headers
        self.body = b""
        # Set when the body has no limit, and comes in pieces; `body` is then empty.
        self.stream: AsyncIterator[bytes] | None = None
        self.body_too_large = False  # more than the limit: not read, `body` is empty
        self.content_length = 0  # in bytes; -1 when the client did not say (chunked)
        self.remote_address = ""  # "host:port"; "@" on a Unix socket, as in Go
        self.local_address = ""
        self.is_tls = False


def path_of_absolute_form(target: str) -> str:
    """The path of `http://host/path`, as proxies are asked (RFC 9112, section 3.2.2)."""
    scheme, separator, rest = target.partition("://")
    if not separator or not scheme.isalnum():
        return target
    _, slash, path = rest.partition("/")
    return slash + path or "/"


HeaderList = list[tuple[str, str]]


class Response:
    """One answer. Header names are spelled as Go does (`X-Consul-Index`): some clients match that.

    A body of bytes gets a Content-Length; an iterator is sent piece by piece, each at once, in
    chunked encoding, and is closed (`aclose`) if the client leaves before its end.
    """

    __slots__ = ("body", "headers", "is_endpoint", "status")

    def __init__(
        self, status: int, body: bytes | AsyncIterator[bytes], headers: HeaderList
    ) -> None:
        """A body of bytes without a Content-Type goes out as `text/plain; charset=utf-8`."""
        self.status = status
        self.body = body
        self.headers = headers
        # An endpoint's answers vary by Accept-Encoding and carry `http_config.response_headers`;
        # those of Go's mux around them (unknown path, redirect) do not: then it is False.
        self.is_endpoint = True

    @classmethod
    def text(cls, status: int, body: str) -> "Response":
        """Plain words, or none."""
        return cls(status, body.encode("utf-8", "surrogateescape"), [])

    @classmethod
    def plain(cls, status: int) -> "Response":
        """No words, and none of an endpoint's header fields."""
        response = cls(status, b"", [])
        response.is_endpoint = False
        return response

    @classmethod
    def json(cls, status: int, body: bytes) -> "Response":
        """JSON that is already encoded (proconsul.wire.json)."""
        return cls(status, body, [("Content-Type", "application/json")])


Handler = Callable[[Request], Response | Coroutine[Any, Any, Response]]
