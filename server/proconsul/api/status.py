"""`/v1/status/`: who leads, who is there (agent/status_endpoint.go)."""

from proconsul.api.http import Request
from proconsul.api.options import parse_datacenter, parse_options
from proconsul.api.reply import Reply
from proconsul.api.surface import Api
from proconsul.model.query import DCSpecificRequest


async def leader(api: Api, request: Request) -> Reply:
    """`GET /v1/status/leader`: `ip:port`, or "" when nobody leads."""
    return Reply(await api.call("Status.Leader", _wanted(api, request)))


async def peers(api: Api, request: Request) -> Reply:
    """`GET /v1/status/peers`: `ip:port` of all servers."""
    return Reply(await api.call("Status.Peers", _wanted(api, request)))


def _wanted(api: Api, request: Request) -> DCSpecificRequest:
    options = parse_options(request)
    datacenter = parse_datacenter(request, api.facts.datacenter)
    return DCSpecificRequest(datacenter=datacenter, **options)
