"""Bodies and names in paths, which many handlers need."""

from typing import TypeVar

from proconsul.api.failure import BadRequestError
from proconsul.api.http import Request
from proconsul.api.surface import Api
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_decode import BodyError

S = TypeVar("S", bound=GoStruct)


def decoded(api: Api, struct_type: type[S], request: Request) -> S:
    """The struct that the body is; raises BadRequestError."""
    try:
        made, _ = api.decoder.decode(struct_type, request.body)
    except BodyError as failure:
        raise BadRequestError(f"Request decode failed: {failure}") from failure
    return made


def required(request: Request, prefix: str, text: str) -> str:
    """What stands behind the prefix of the path; raises BadRequestError(text) for nothing."""
    name = request.path[len(prefix) :]
    if not name:
        raise BadRequestError(text)
    return name
