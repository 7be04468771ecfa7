"""Bodies and names in paths, which many handlers need."""

import logging
from typing import TypeVar

from proconsul.api.failure import BadRequestError
from proconsul.api.http import Request
from proconsul.api.options import ENTERPRISE
from proconsul.api.surface import Api
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_decode import BodyError

S = TypeVar("S", bound=GoStruct)

log = logging.getLogger(__name__)


def decoded(api: Api, struct_type: type[S], request: Request) -> S:
    """The struct that the body is; raises BadRequestError.

    Fields of newer Consul versions are left aside, and named in the log.
    """
    try:
        made, aside = api.decoder.decode(struct_type, request.body)
    except BodyError as failure:
        raise BadRequestError(f"Request decode failed: {failure}") from failure
    warn_of(request, aside)
    return made


def decoded_for_catalog(api: Api, struct_type: type[S], request: Request) -> S:
    """As `decoded`; here Consul adds where its namespaces are to be had."""
    try:
        return decoded(api, struct_type, request)
    except BadRequestError as failure:
        if str(failure).endswith('unknown field "Namespace"'):
            raise BadRequestError(f"{failure} - {ENTERPRISE}") from failure
        raise


def warn_of(request: Request, aside: list[str]) -> None:
    """Name in the log what of a body was left aside."""
    if aside:
        log.warning(
            "%s: left aside what Consul 1.8 does not know: %s",
            request.path,
            ", ".join(dict.fromkeys(aside)),
        )


def required(request: Request, prefix: str, text: str) -> str:
    """What stands behind the prefix of the path; raises BadRequestError(text) for nothing."""
    name = request.path[len(prefix) :]
    if not name:
        raise BadRequestError(text)
    return name
