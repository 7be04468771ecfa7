"""Go's net/rpc over msgpack: a header and a body each way, one behind the other.

After wire/rpc.md section 3. A stream carries one call at a time. A reply with an error has an
empty map for a body. Arguments stay bytes here: who knows the method decodes them, and who only
passes a call on does not have to.
"""

import typing
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from proconsul.rpc.value_reader import ValueReader
from proconsul.wire import gostruct, msgpack, native
from proconsul.wire.gostruct import GoStruct, WireError

EMPTY_BODY = b"\x80"
HEADER_BYTES_MAX = 4096


class RequestHeader(GoStruct, frozen=True, kw_only=True):
    """net/rpc's Request."""

    service_method: str = ""
    seq: int = 0


class ResponseHeader(GoStruct, frozen=True, kw_only=True):
    """net/rpc's Response; an `error` is the text of the failure."""

    service_method: str = ""
    seq: int = 0
    error: str = ""


class Call(Struct, frozen=True):
    """A request as it came in; `body` is one msgpack value."""

    seq: int
    method: str
    body: bytes


class Reply(Struct, frozen=True):
    """An answer as it came in."""

    seq: int
    method: str
    error: str
    body: bytes


class CallReader:
    """The calls of one stream, from its bytes."""

    def __init__(self, body_bytes_max: int) -> None:
        self._values = ValueReader()
        self._body_bytes_max = body_bytes_max
        self._header: RequestHeader | None = None

    @property
    def is_between_calls(self) -> bool:
        """Whether nothing of a further call has come in."""
        return self._header is None and not self._values.pending_bytes

    @property
    def pending_bytes(self) -> int:
        """How much is held of a value that is not whole yet."""
        return self._values.pending_bytes

    def feed(self, data: bytes) -> None:
        """Take what came in."""
        self._values.feed(data)

    def next_call(self) -> Call | None:
        """The next whole call. Raises MsgpackError or WireError: nothing more can be read."""
        if self._header is None:
            header = self._values.next_value(HEADER_BYTES_MAX)
            if header is None:
                return None
            self._header = gostruct.decode(RequestHeader, header)
        body = self._values.next_value(self._body_bytes_max)
        if body is None:
            return None
        header_of_call, self._header = self._header, None
        return Call(header_of_call.seq, header_of_call.service_method, body)


class ReplyReader:
    """The replies of one stream, from its bytes."""

    def __init__(self, body_bytes_max: int) -> None:
        self._values = ValueReader()
        self._body_bytes_max = body_bytes_max
        self._header: ResponseHeader | None = None

    def feed(self, data: bytes) -> None:
        """Take what came in."""
        self._values.feed(data)

    def next_reply(self) -> Reply | None:
        """The next whole reply. Raises MsgpackError or WireError: nothing more can be read."""
        if self._header is None:
            # An error's text may be long: it has the limit of a body.
            header = self._values.next_value(self._body_bytes_max)
            if header is None:
                return None
            self._header = gostruct.decode(ResponseHeader, header)
        body = self._values.next_value(self._body_bytes_max)
        if body is None:
            return None
        head, self._header = self._header, None
        return Reply(head.seq, head.service_method, head.error, body)


def encode_call(call: Call) -> bytes:
    """The bytes of a request."""
    header = RequestHeader(service_method=call.method, seq=call.seq)
    return gostruct.encode(header) + call.body


def encode_reply(call: Call, body: bytes) -> bytes:
    """The bytes of an answer to `call`."""
    header = ResponseHeader(service_method=call.method, seq=call.seq)
    return gostruct.encode(header) + body


def encode_error(call: Call, text: str) -> bytes:
    """The bytes that refuse `call`; an empty text would mean success."""
    assert text, "an error needs a text"
    header = ResponseHeader(service_method=call.method, seq=call.seq, error=text)
    return gostruct.encode(header) + EMPTY_BODY


def encode_value(value: Any) -> bytes:
    """The body for a request or a reply: a struct, a list of them, a scalar; None is `{}`."""
    return EMPTY_BODY if value is None else msgpack.pack(_to_wire(value))


def _to_wire(value: Any) -> Any:
    if isinstance(value, GoStruct):
        return gostruct.to_wire(value)
    if isinstance(value, list):
        return [_to_wire(item) for item in value]
    return value


def decode_request(form: type[GoStruct] | None, body: bytes) -> GoStruct | None:
    """The arguments of a method that wants `form`. Raises MsgpackError or WireError."""
    return None if form is None else native.decode(form, body)


def decode_reply(form: Any, body: bytes) -> Any:
    """The reply as `form`: a GoStruct class, `list[...]` of one, `str`, `bool`, `list[str]`, None.

    Raises MsgpackError or WireError.
    """
    if form is None or form is type(None):
        return None
    return _from_wire(form, msgpack.unpack(body))


def _from_wire(form: Any, value: Any) -> Any:
    if form is Any:
        return value
    if typing.get_origin(form) is list:
        (inner,) = typing.get_args(form)
        return [_from_wire(inner, item) for item in _expect(list, value, default=())]
    if isinstance(form, type) and issubclass(form, GoStruct):
        return gostruct.from_wire(form, value)
    return _expect(form, value, default=form())


def _expect(kind: type, value: Any, *, default: Any) -> Iterable[Any] | Any:
    if value is None:
        return default
    if not isinstance(value, kind):
        raise WireError(f"wanted {kind.__name__}, got {type(value).__name__}")
    return value
