"""`/v1/event/`: user events (agent/event_endpoint.go)."""

from typing import Any

from proconsul.api.event_desk import EventDesk
from proconsul.api.http import Request
from proconsul.api.options import parse_datacenter, parse_token, parse_waiting
from proconsul.api.parsing import required
from proconsul.api.reply import Reply
from proconsul.api.surface import Api
from proconsul.endpoints.context import Woken
from proconsul.endpoints.user_events import (
    WATCHED,
    UserEvent,
    check_filters,
    newest_index,
    to_gossip,
)
from proconsul.model.event import EventFireRequest
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import SECOND

WAIT_S_MAX = 600.0


async def fire(api: Api, request: Request) -> Reply:
    """`PUT /v1/event/fire/:name`: tell all agents; the body is the payload."""
    query = request.query
    event = UserEvent(
        id=_desk(api).new_uuid(),
        name=required(request, "/v1/event/fire/", "Missing name"),
        payload=request.body or None,
        node_filter=query.first("node"),
        service_filter=query.first("service"),
        tag_filter=query.first("tag"),
    )
    check_filters(event)
    await api.call(
        "Internal.EventFire",
        EventFireRequest(
            datacenter=parse_datacenter(request, api.facts.datacenter),
            name=event.name,
            payload=to_gossip(event),
            token=parse_token(request),
            allow_stale=True,
        ),
    )
    return Reply(_json(event))


async def list_events(api: Api, request: Request) -> Reply:
    """`GET /v1/event/list`: the newest events that concern this agent, the oldest first.

    The index is no counter: who gives one waits while it is that of the newest event.
    """
    options = parse_waiting(request)
    desk = _desk(api)
    name = request.query.first("name")
    asked_s = options["max_query_time"] / SECOND
    until_s = api.now_s() + min(asked_s or WAIT_S_MAX, WAIT_S_MAX)
    while True:
        events = [one for one in desk.events.all() if not name or one.name == name]
        index = newest_index(events)
        if index != options["min_query_index"]:
            break
        watch = WatchSet()
        watch.exact(*WATCHED)
        if await desk.wait(watch, until_s) is Woken.TIMEOUT:
            break
    return Reply([_json(event) for event in events], headers=(("X-Consul-Index", str(index)),))


def _desk(api: Api) -> EventDesk:
    assert api.event_desk is not None, "agent.py gives the desk with the events"
    return api.event_desk


def _json(event: UserEvent) -> dict[str, Any]:
    return {
        "ID": event.id,
        "Name": event.name,
        "Payload": event.payload,
        "NodeFilter": event.node_filter,
        "ServiceFilter": event.service_filter,
        "TagFilter": event.tag_filter,
        "Version": event.version,
        "LTime": event.lamport_time,
    }
