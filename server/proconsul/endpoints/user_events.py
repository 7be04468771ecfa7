"""User events: the newest ones, in the order in which this agent took them.

After agent/user_event.go: 256 are kept; the index that clients block on is made of the newest
event's ID.
"""

import uuid
from collections import deque
from dataclasses import dataclass

EVENTS_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvent:
    """An event as clients see it; filters are regular expressions, "" matches all."""

    id: str
    name: str
    payload: bytes | None
    node_filter: str
    service_filter: str
    tag_filter: str
    version: int
    lamport_time: int


def event_index(event_id: str) -> int:
    """The pseudo index of an event: its UUID's two halves, xor-ed."""
    number = uuid.UUID(event_id).int
    return (number >> 64) ^ (number & ((1 << 64) - 1))


class UserEvents:
    """A ring of the newest events."""

    def __init__(self) -> None:
        self._events: deque[UserEvent] = deque(maxlen=EVENTS_MAX)
        self.lamport_time = 1

    def next_lamport_time(self) -> int:
        """The time that a new event of ours bears."""
        now = self.lamport_time
        self.lamport_time += 1
        return now

    def take(self, event: UserEvent) -> None:
        """Keep an event that concerns this agent."""
        self._events.append(event)

    def all(self) -> list[UserEvent]:
        """Oldest first."""
        return list(self._events)
