"""What the handlers of `/v1/agent/` share: bodies, switches, and failures of the local state."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from proconsul.api.failure import BadRequestError
from proconsul.api.http import Request
from proconsul.api.surface import Api
from proconsul.local.failure import BadDefinitionError
from proconsul.wire.golang import quote
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_decode import BodyError

S = TypeVar("S", bound=GoStruct)

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})

log = logging.getLogger(__name__)


def decoded_body(api: Api, struct_type: type[S], request: Request) -> S:
    """The struct that the body is; raises BadRequestError.

    Fields of newer Consul versions are left aside, and named in the log.
    """
    try:
        made, aside = api.decoder.decode(struct_type, request.body)
    except BodyError as failure:
        raise BadRequestError(f"Request decode failed: {failure}") from failure
    if aside:
        log.warning(
            "%s: left aside what Consul 1.8 does not know: %s",
            request.path,
            ", ".join(dict.fromkeys(aside)),
        )
    return made


@contextmanager
def refusals() -> Iterator[None]:
    """A definition that is wrong in itself is the client's mistake."""
    try:
        yield
    except BadDefinitionError as failure:
        raise BadRequestError(str(failure)) from failure


def parse_enable(request: Request) -> bool:
    """`?enable`, which must be there; raises BadRequestError."""
    if not request.query.has("enable"):
        raise BadRequestError("Missing value for enable")
    text = request.query.first("enable")
    if text not in _TRUE | _FALSE:
        raise BadRequestError(f"Invalid value for enable: {quote(text)}")
    return text in _TRUE
