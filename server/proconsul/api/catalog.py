"""`/v1/catalog/`: nodes and services (agent/catalog_endpoint.go)."""

from typing import Any

from msgspec.structs import replace

from proconsul.api.addresses import translated_instance, translated_node, translates
from proconsul.api.cached_reads import read_aging, read_renewed
from proconsul.api.catalog_json import holds_floats, service_json
from proconsul.api.failure import BadRequestError, HttpError
from proconsul.api.http import Request
from proconsul.api.options import (
    parse_consistency,
    parse_datacenter,
    parse_node_meta,
    parse_options,
    parse_source,
    parse_token,
    refuse_namespaces,
)
from proconsul.api.parsing import decoded_for_catalog, required
from proconsul.api.reading import read, with_level
from proconsul.api.reply import NULL, TRUE, Reply
from proconsul.api.surface import Api
from proconsul.model.catalog import (
    DeregisterRequest,
    IndexedGatewayServices,
    IndexedNodes,
    IndexedNodeServiceList,
    IndexedNodeServices,
    IndexedServiceNodes,
    IndexedServices,
    Node,
    NodeSpecificRequest,
    RegisterRequest,
    ServiceSpecificRequest,
)
from proconsul.model.query import DatacentersRequest, DCSpecificRequest, QuerySource
from proconsul.wire import json
from proconsul.wire.gostruct import to_json

NOWHERE = QuerySource()


async def register(api: Api, request: Request) -> Reply:
    """`PUT /v1/catalog/register`."""
    refuse_namespaces(request)
    registration = decoded_for_catalog(api, RegisterRequest, request)
    await api.call(
        "Catalog.Register",
        replace(
            registration,
            datacenter=registration.datacenter or api.facts.datacenter,
            token=parse_token(request) or registration.token,
        ),
    )
    return TRUE


async def deregister(api: Api, request: Request) -> Reply:
    """`PUT /v1/catalog/deregister`."""
    refuse_namespaces(request)
    wanted = decoded_for_catalog(api, DeregisterRequest, request)
    await api.call(
        "Catalog.Deregister",
        replace(
            wanted,
            datacenter=wanted.datacenter or api.facts.datacenter,
            token=parse_token(request) or wanted.token,
        ),
    )
    return TRUE


async def datacenters(api: Api, request: Request) -> Reply:
    """`GET /v1/catalog/datacenters`."""
    try:
        options = parse_consistency(request)
    except BadRequestError as failure:
        # Consul reports the flaw and goes on: its answer stands behind the complaint.
        names = await api.call("Catalog.ListDatacenters", DatacentersRequest())
        raise HttpError(400, failure.text + json.encode(names).decode()) from failure
    names, headers = await read_aging(api, "Catalog.ListDatacenters", DatacentersRequest(**options))
    return Reply(names, headers=headers)


async def nodes(api: Api, request: Request) -> Reply:
    """`GET /v1/catalog/nodes`."""
    wanted = _of_datacenter(api, request)
    found: IndexedNodes = await read(api, "Catalog.ListNodes", wanted)
    rows = found.nodes or []
    if translates(api, wanted.datacenter):
        rows = [translated_node(node) for node in rows]
    return Reply([to_json(node) for node in rows], with_level(found, wanted))


def _of_datacenter(api: Api, request: Request) -> DCSpecificRequest:
    options = parse_options(request)
    datacenter = parse_datacenter(request, api.facts.datacenter)
    return DCSpecificRequest(
        datacenter=datacenter,
        node_meta_filters=parse_node_meta(request),
        source=parse_source(request, datacenter, api.facts.node_name),
        **options,
    )


async def services(api: Api, request: Request) -> Reply:
    """`GET /v1/catalog/services`."""
    refuse_namespaces(request)
    wanted = replace(_of_datacenter(api, request), source=NOWHERE)
    found, headers = await read_renewed(api, "Catalog.ListServices", wanted)
    assert isinstance(found, IndexedServices), "that is what the method answers"
    by_name = {name: list(tags or ()) for name, tags in sorted((found.services or {}).items())}
    return Reply(by_name, with_level(found, wanted), headers=headers)


async def service(api: Api, request: Request) -> Reply:
    """`GET /v1/catalog/service/:service`."""
    return await _instances(api, request, "/v1/catalog/service/", connect=False)


async def connect(api: Api, request: Request) -> Reply:
    """`GET /v1/catalog/connect/:service`: what speaks Connect for it."""
    return await _instances(api, request, "/v1/catalog/connect/", connect=True)


async def _instances(api: Api, request: Request, prefix: str, *, connect: bool) -> Reply:
    wanted = of_service(api, request, prefix, connect=connect)
    found, headers = await read_renewed(api, "Catalog.ServiceNodes", wanted)
    assert isinstance(found, IndexedServiceNodes), "that is what the method answers"
    rows = found.service_nodes or []
    if translates(api, wanted.datacenter):
        rows = [translated_instance(row) for row in rows]
    return Reply(
        [_instance_json(row) for row in rows],
        with_level(found, wanted),
        headers=headers,
        floats=any(holds_floats(row.service_proxy) for row in rows),
    )


def _instance_json(row: Any) -> dict[str, Any]:
    made = to_json(row)
    if row.service_tags is None:
        made["ServiceTags"] = []
    return made


def of_service(
    api: Api,
    request: Request,
    prefix: str,
    *,
    connect: bool = False,
    ingress: bool = False,
    tags: bool = True,
) -> ServiceSpecificRequest:
    """The request for a service that the path names; raises BadRequestError without a name."""
    refuse_namespaces(request)
    options = parse_options(request)
    datacenter = parse_datacenter(request, api.facts.datacenter)
    query = request.query
    return ServiceSpecificRequest(
        datacenter=datacenter,
        node_meta_filters=parse_node_meta(request),
        service_name=required(request, prefix, "Missing service name"),
        service_tags=query.all("tag") if tags and query.has("tag") else None,
        tag_filter=tags and query.has("tag"),
        source=parse_source(request, datacenter, api.facts.node_name),
        connect=connect,
        ingress=ingress,
        **options,
    )


async def node(api: Api, request: Request) -> Reply:
    """`GET /v1/catalog/node/:node`: null for an unknown one."""
    wanted = of_node(api, request, "/v1/catalog/node/")
    answer: IndexedNodeServices = await read(api, "Catalog.NodeServices", wanted)
    meta = with_level(answer, wanted)
    found = answer.node_services
    if found is None:
        return Reply(NULL, meta)
    by_id = found.services
    return Reply(
        {
            "Node": _node_json(api, wanted, found.node),
            "Services": None
            if by_id is None
            else {name: service_json(by_id[name]) for name in sorted(by_id)},
        },
        meta,
        floats=any(holds_floats(row.proxy) for row in (by_id or {}).values()),
    )


async def node_services(api: Api, request: Request) -> Reply:
    """`GET /v1/catalog/node-services/:node`: the same with a list."""
    wanted = of_node(api, request, "/v1/catalog/node-services/")
    answer: IndexedNodeServiceList = await read(api, "Catalog.NodeServiceList", wanted)
    found = answer.node_services
    rows = found.services
    return Reply(
        {
            "Node": _node_json(api, wanted, found.node),
            "Services": None if rows is None else [service_json(row) for row in rows],
        },
        with_level(answer, wanted),
        floats=any(holds_floats(row.proxy) for row in rows or ()),
    )


def _node_json(api: Api, wanted: NodeSpecificRequest, node: Node | None) -> dict[str, Any] | None:
    if node is None:
        return None
    return to_json(translated_node(node) if translates(api, wanted.datacenter) else node)


def of_node(api: Api, request: Request, prefix: str) -> NodeSpecificRequest:
    """The request for a node that the path names; raises BadRequestError without a name."""
    refuse_namespaces(request)
    options = parse_options(request)
    return NodeSpecificRequest(
        datacenter=parse_datacenter(request, api.facts.datacenter),
        node=required(request, prefix, "Missing node name"),
        **options,
    )


async def gateway_services(api: Api, request: Request) -> Reply:
    """`GET /v1/catalog/gateway-services/:gateway`: what stands behind it."""
    refuse_namespaces(request)
    options = parse_options(request)
    wanted = ServiceSpecificRequest(
        datacenter=parse_datacenter(request, api.facts.datacenter),
        service_name=required(request, "/v1/catalog/gateway-services/", "Missing gateway name"),
        **options,
    )
    found: IndexedGatewayServices = await read(api, "Catalog.GatewayServices", wanted)
    rows = found.services
    value = NULL if rows is None else [to_json(row) for row in rows]
    return Reply(value, with_level(found, wanted))
