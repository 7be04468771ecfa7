"""User events from the pool: those of Consul's users are kept, those of its servers acted upon.

What `consul exec` tells is never obeyed, and no event that anybody lists: so are real agents by
default (`disable_remote_exec`), and that default cannot be changed here.
"""

from collections.abc import Callable

from proconsul.endpoints.user_events import (
    GOSSIP_PREFIX,
    NEW_LEADER,
    WATCHED,
    UserEvent,
    UserEvents,
    concerns,
    from_gossip,
)
from proconsul.gossip.effects import UserEventHeard
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.logs import logger

OWN_PREFIX = "consul:"
REMOTE_EXEC = "_rexec"

log = logger("")


class PoolEvents:
    """What this agent does about them."""

    def __init__(self, events: UserEvents, node: str, new_leader: Callable[[], None]) -> None:
        """`new_leader` is told that another server leads."""
        self._events = events
        self._node = node
        self._new_leader = new_leader

    def hear(self, event: UserEventHeard) -> None:
        """Take one; others' mistakes are only told."""
        if event.name == NEW_LEADER:
            log.info("New leader elected: payload=%s", event.payload.decode("utf-8", "replace"))
            self._new_leader()
        elif event.name.startswith(GOSSIP_PREFIX):
            try:
                found = from_gossip(event.payload, event.ltime)
            except (ValueError, TypeError) as failure:
                log.error("Failed to decode event: error=%s", failure)
                return
            self._hear_event(found)
        elif event.name.startswith(OWN_PREFIX):
            log.warning("Unhandled local event: event=%s", event.name)

    def _hear_event(self, event: UserEvent) -> None:
        if event.name != REMOTE_EXEC:
            log.debug("new event: event_name=%s event_id=%s", event.name, event.id)
            self._events.receive(event, self._node)
        elif concerns(event, self._node, self._events.services()):
            log.info("ignoring remote exec event, disabled: event_id=%s", event.id)


def connected(
    events: UserEvents,
    node: str,
    local: LocalAgent,
    fire: Callable[[set[tuple[str, bytes]]], None],
) -> PoolEvents:
    """Events that concern this agent's services are kept, and `fire` wakes who waits for them."""
    events.changed = lambda: fire({WATCHED})
    events.services = lambda: {
        service.id: service.tags or () for service in local.services().values()
    }
    return PoolEvents(events, node, local.request_full_sync)
