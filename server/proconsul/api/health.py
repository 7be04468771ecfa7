"""`/v1/health/`: checks, and services that are fit to be used (agent/health_endpoint.go)."""

from proconsul.api.addresses import translated_health, translates
from proconsul.api.cached_reads import read_renewed
from proconsul.api.catalog import of_node, of_service
from proconsul.api.catalog_json import checks_json, health_json
from proconsul.api.failure import BadRequestError
from proconsul.api.http import Query, Request
from proconsul.api.options import (
    parse_datacenter,
    parse_node_meta,
    parse_options,
    parse_source,
    refuse_namespaces,
)
from proconsul.api.parsing import required
from proconsul.api.reading import read, with_level
from proconsul.api.reply import Encoded, Reply
from proconsul.api.surface import Api
from proconsul.model.catalog import CheckServiceNode, IndexedCheckServiceNodes
from proconsul.model.health import ChecksInStateRequest, IndexedHealthChecks
from proconsul.model.query import QueryOptions

PASSING = "passing"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


async def state(api: Api, request: Request) -> Reply:
    """`GET /v1/health/state/:state`."""
    refuse_namespaces(request)
    options = parse_options(request)
    datacenter = parse_datacenter(request, api.facts.datacenter)
    wanted = ChecksInStateRequest(
        datacenter=datacenter,
        node_meta_filters=parse_node_meta(request),
        state=required(request, "/v1/health/state/", "Missing check state"),
        source=parse_source(request, datacenter, api.facts.node_name),
        **options,
    )
    return await _checks(api, "Health.ChecksInState", wanted)


async def node(api: Api, request: Request) -> Reply:
    """`GET /v1/health/node/:node`."""
    return await _checks(api, "Health.NodeChecks", of_node(api, request, "/v1/health/node/"))


async def checks(api: Api, request: Request) -> Reply:
    """`GET /v1/health/checks/:service`; tags mean nothing here."""
    wanted = of_service(api, request, "/v1/health/checks/", tags=False)
    return await _checks(api, "Health.ServiceChecks", wanted)


async def _checks(api: Api, method: str, wanted: QueryOptions) -> Reply:
    found: IndexedHealthChecks = await read(api, method, wanted)
    return Reply(Encoded(checks_json(found.health_checks)), with_level(found, wanted))


async def service(api: Api, request: Request) -> Reply:
    """`GET /v1/health/service/:service`."""
    return await _instances(api, request, "/v1/health/service/")


async def connect(api: Api, request: Request) -> Reply:
    """`GET /v1/health/connect/:service`: what speaks Connect for it."""
    return await _instances(api, request, "/v1/health/connect/", connect=True)


async def ingress(api: Api, request: Request) -> Reply:
    """`GET /v1/health/ingress/:service`: the gateways that lead to it."""
    return await _instances(api, request, "/v1/health/ingress/", ingress=True)


async def _instances(
    api: Api, request: Request, prefix: str, *, connect: bool = False, ingress: bool = False
) -> Reply:
    wanted = of_service(api, request, prefix, connect=connect, ingress=ingress)
    found, headers = await read_renewed(api, "Health.ServiceNodes", wanted)
    assert isinstance(found, IndexedCheckServiceNodes), "that is what the method answers"
    rows = found.nodes or []
    if only_passing(request.query):
        rows = passing(rows)
    if translates(api, wanted.datacenter):
        rows = [translated_health(row) for row in rows]
    return Reply(Encoded(health_json(rows)), with_level(found, wanted), headers=headers)


def only_passing(query: Query) -> bool:
    """What `?passing` says; raises BadRequestError."""
    if not query.has(PASSING):
        return False
    value = query.first(PASSING)
    if not value or value in _TRUE:
        return True
    if value not in _FALSE:
        raise BadRequestError("Invalid value for ?passing")
    return False


def passing(rows: list[CheckServiceNode]) -> list[CheckServiceNode]:
    """The rows whose checks all pass.

    The last row takes the place of one that is left out: the order is Consul's, too.
    """
    kept = list(rows)
    at = 0
    while at < len(kept):
        if all(check.status == PASSING for check in kept[at].checks or ()):
            at += 1
            continue
        last = kept.pop()
        if at < len(kept):
            kept[at] = last
    return kept
