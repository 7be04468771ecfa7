"""User events: the newest ones, in the order in which this agent took them.

After agent/user_event.go: an event reaches every agent, and each keeps it if the event's filters
match its node, and one of its own services with a tag. 256 are kept; the index that clients block
on is made of the newest event's ID.
"""

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from proconsul.errors import RpcError
from proconsul.filters.pattern import Pattern, PatternError
from proconsul.wire import msgpack

EVENTS_MAX = 256
VERSION = 1
GOSSIP_PREFIX = "consul:event:"
NEW_LEADER = "consul:new-leader"  # its payload: the name of who leads

# What somebody who waits for events notes in a WatchSet.
WATCHED = ("user-events", b"newest")


class UserEvent(Struct, frozen=True, kw_only=True):
    """An event as clients see it; filters are regular expressions, "" matches all."""

    id: str
    name: str
    payload: bytes | None
    node_filter: str
    service_filter: str
    tag_filter: str
    version: int = VERSION
    lamport_time: int = 0


TagsByService = Mapping[str, Iterable[str]]


def check_filters(event: UserEvent) -> None:
    """Raises RpcError, as Consul words it, for filters that mean nothing."""
    if event.tag_filter and not event.service_filter:
        raise RpcError("Cannot provide tag filter without service filter")
    for kind, text in (
        ("node", event.node_filter),
        ("service", event.service_filter),
        ("tag", event.tag_filter),
    ):
        try:
            Pattern(text)
        except PatternError as failure:
            raise RpcError(f"Invalid {kind} filter: {failure}") from None


def to_gossip(event: UserEvent) -> bytes:
    """The payload that stands for the event between agents."""
    fields: dict[str, Any] = {"ID": event.id, "n": event.name}
    optional = {
        "nf": event.node_filter,
        "p": msgpack.bytes_text(event.payload or b""),
        "sf": event.service_filter,
        "tf": event.tag_filter,
    }
    fields.update((name, value) for name, value in optional.items() if value)
    fields["v"] = event.version
    return msgpack.pack(fields)


def from_gossip(payload: bytes, lamport_time: int) -> UserEvent:
    """The event of a payload; raises MsgpackError, ValueError or TypeError for other bytes."""
    fields = msgpack.unpack(payload)
    if not isinstance(fields, dict):
        raise TypeError("an event is a map")

    def text(name: str) -> str:
        return str(fields.get(name) or "")

    data = fields.get("p")
    return UserEvent(
        id=str(uuid.UUID(text("ID"))),
        name=text("n"),
        payload=msgpack.text_bytes(data) if data else None,
        node_filter=text("nf"),
        service_filter=text("sf"),
        tag_filter=text("tf"),
        version=int(fields.get("v") or 0),
        lamport_time=lamport_time,
    )


def concerns(event: UserEvent, node: str, services: TagsByService) -> bool:
    """Whether the filters match an agent with this name and these services (by ID)."""
    try:
        if event.node_filter and not Pattern(event.node_filter).search(node):
            return False
        if not event.service_filter:
            return True
        service_pattern, tag_pattern = Pattern(event.service_filter), Pattern(event.tag_filter)
    except PatternError:
        return False
    return any(
        service_pattern.search(service_id)
        and (not event.tag_filter or any(tag_pattern.search(tag) for tag in tags))
        for service_id, tags in services.items()
    )


def event_index(event_id: str) -> int:
    """The pseudo index of an event: its UUID's two halves, xor-ed."""
    number = uuid.UUID(event_id).int
    return (number >> 64) ^ (number & ((1 << 64) - 1))


def newest_index(events: list[UserEvent]) -> int:
    """The pseudo index of a list; 1 for none, so that nobody waits for 0."""
    return event_index(events[-1].id) if events else 1


class UserEvents:
    """A ring of the newest events.

    `services` says what this agent runs, `changed` wakes who waits for WATCHED; `agent.py` sets
    both when there is somebody to ask and to wake.
    """

    def __init__(self) -> None:
        self._events: deque[UserEvent] = deque(maxlen=EVENTS_MAX)
        self.services: Callable[[], TagsByService] = dict
        self.changed: Callable[[], None] = lambda: None

    def receive(self, event: UserEvent, node: str) -> None:
        """Take an event if it concerns this agent."""
        if concerns(event, node, self.services()):
            self.take(event)

    def take(self, event: UserEvent) -> None:
        """Keep an event that concerns this agent."""
        self._events.append(event)
        self.changed()

    def all(self) -> list[UserEvent]:
        """Oldest first."""
        return list(self._events)
