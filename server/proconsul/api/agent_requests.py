"""What the handlers of `/v1/agent/` share: switches, and failures of the local state."""

from collections.abc import Iterator
from contextlib import contextmanager

from proconsul.api.failure import BadRequestError
from proconsul.api.http import Request
from proconsul.local.failure import BadDefinitionError
from proconsul.wire.golang import quote

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


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
