"""The parameters that many requests share: consistency, blocking, token, datacenter, filters.

After agent/http.go `parseInternal`: what is checked, in which order, with which texts.
"""

from typing import TypedDict

from proconsul.api.failure import BadRequestError
from proconsul.api.http import Request
from proconsul.model.query import QuerySource
from proconsul.wire.golang import SECOND, Duration, DurationError, parse_duration, quote

UINT64_MAX = (1 << 64) - 1
ENTERPRISE = "Namespaces are a Consul Enterprise feature"


class Options(TypedDict):
    """The fields of model.query.QueryOptions that a request can set."""

    token: str
    min_query_index: int
    max_query_time: Duration
    allow_stale: bool
    require_consistent: bool
    use_cache: bool
    max_stale_duration: Duration
    max_age: Duration
    must_revalidate: bool
    stale_if_error: Duration
    filter: str


def parse_options(request: Request) -> Options:
    """All of them, not to be changed; raises BadRequestError as Consul words it."""
    if not request.raw_query and request.headers.has_none(OPTION_FIELDS):
        return _NONE
    options = parse_consistency(request)
    if request.raw_query:
        _parse_wait(request, options)
    return options


def parse_write(request: Request) -> str:
    """The token of a request that writes; raises BadRequestError for bad options all the same."""
    if request.raw_query or request.headers.has("cache-control"):
        return parse_options(request)["token"]
    return parse_token(request)


def parse_waiting(request: Request) -> Options:
    """Only what is said about waiting."""
    options = _defaults(parse_token(request))
    if request.raw_query:
        _parse_wait(request, options)
    return options


def _defaults(token: str) -> Options:
    return Options(
        token=token,
        min_query_index=0,
        max_query_time=Duration(0),
        allow_stale=False,
        require_consistent=False,
        use_cache=False,
        max_stale_duration=Duration(0),
        max_age=Duration(0),
        must_revalidate=False,
        stale_if_error=Duration(0),
        filter="",
    )


_NONE = _defaults("")
OPTION_FIELDS = frozenset({"x-consul-token", "authorization", "cache-control"})
"""Header fields that say some of them."""


def parse_consistency(request: Request) -> Options:
    """All but what is said about waiting."""
    options = _defaults(parse_token(request))
    if request.raw_query:
        options["filter"] = request.query.first("filter")
        _parse_consistency(request, options)
    cache_control = request.headers.first("cache-control")
    if cache_control:
        _parse_cache_control(cache_control.lower(), options)
    return options


def parse_token(request: Request) -> str:
    """From `?token`, X-Consul-Token or an Authorization: Bearer header, in that order."""
    token = request.query.first("token") if request.raw_query else ""
    token = token or request.headers.first("x-consul-token")
    if token:
        return token
    scheme, _, rest = request.headers.first("authorization").partition(" ")
    words = rest.split()
    return words[0] if words and scheme.lower() == "bearer" else ""


def parse_datacenter(request: Request, own: str, given: str = "") -> str:
    """`?dc`, else what the body said, else our own."""
    if not request.raw_query:
        return given or own
    return request.query.first("dc") or given or own


def refuse_namespaces(request: Request) -> None:
    """Namespaces are not ours to serve; raises BadRequestError where one is named."""
    if request.headers.first("x-consul-namespace"):
        raise BadRequestError(f'Bad request: Invalid header: "X-Consul-Namespace" - {ENTERPRISE}')
    if request.raw_query and request.query.first("ns"):
        raise BadRequestError(f'Bad request: Invalid query parameter: "ns" - {ENTERPRISE}')


def parse_source(request: Request, datacenter: str, own_node: str) -> QuerySource:
    """`?near=`: the node whose distance sorts the answer."""
    near = request.query.first("near")
    return QuerySource(
        datacenter=datacenter,
        node=own_node if near == "_agent" else near,
        ip=_source_address(request),
    )


def parse_node_meta(request: Request) -> dict[str, str] | None:
    """`?node-meta=key:value`, each of them; None without."""
    if not request.query.has("node-meta"):
        return None
    pairs = (text.partition(":") for text in request.query.all("node-meta"))
    return {key: value for key, _, value in pairs}


def parse_uint64(text: str) -> int | None:
    """What strconv.ParseUint takes in base 10; None for all else."""
    if not text.isascii() or not text.isdigit():
        return None
    number = int(text)
    return number if number <= UINT64_MAX else None


def uint64_error(text: str) -> str:
    """What strconv.ParseUint says about a text that it refuses."""
    why = "value out of range" if text.isascii() and text.isdigit() else "invalid syntax"
    return f"strconv.ParseUint: parsing {quote(text)}: {why}"


def _source_address(request: Request) -> str:
    forwarded = request.headers.first("x-forwarded-for").split(",")[0].strip()
    if forwarded and all(char in "0123456789abcdefABCDEF:." for char in forwarded):
        return forwarded
    return request.remote_address.rpartition(":")[0].strip("[]")


def _parse_consistency(request: Request, options: Options) -> None:
    query = request.query
    options["allow_stale"] = query.has("stale")
    options["require_consistent"] = query.has("consistent")
    options["use_cache"] = query.has("cached")
    max_stale = query.first("max_stale")
    if max_stale:
        try:
            options["max_stale_duration"] = parse_duration(max_stale)
        except DurationError:
            raise BadRequestError(f"Invalid max_stale value {quote(max_stale)}") from None
        if options["max_stale_duration"] > 0:
            options["allow_stale"] = True
    for name in ("stale", "cached"):
        if options["require_consistent"] and (
            options["allow_stale"] if name == "stale" else options["use_cache"]
        ):
            raise BadRequestError(
                f"Cannot specify ?{name} with ?consistent, conflicting semantics."
            )


def _parse_cache_control(header: str, options: Options) -> None:
    for directive in (part.strip() for part in header.split(",")):
        if directive == "must-revalidate":
            options["must_revalidate"] = True
        elif directive.startswith("max-age="):
            options["max_age"] = _seconds(directive[8:])
            if not options["max_age"]:
                options["must_revalidate"] = True
        elif directive.startswith("stale-if-error="):
            options["stale_if_error"] = _seconds(directive[15:])


def _seconds(text: str) -> Duration:
    try:
        return Duration(int(text) * SECOND)
    except ValueError:
        raise BadRequestError("Invalid Cache-Control header.") from None


def _parse_wait(request: Request, options: Options) -> None:
    wait = request.query.first("wait")
    if wait:
        try:
            options["max_query_time"] = parse_duration(wait)
        except DurationError:
            raise BadRequestError("Invalid wait time") from None
    index = request.query.first("index")
    if index:
        number = parse_uint64(index)
        if number is None:
            raise BadRequestError("Invalid index")
        options["min_query_index"] = number
