"""What the event handlers need of this agent; agent.py fills it in."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from proconsul.endpoints.context import Woken
from proconsul.endpoints.user_events import UserEvents
from proconsul.store.watch import WatchSet


class EventDesk(Struct, frozen=True, kw_only=True):
    """The agent's events, a way to wait for the next one, and names for new ones."""

    events: UserEvents
    wait: Callable[[WatchSet, float], Awaitable[Woken]]  # as endpoints.context.World.wait
    new_uuid: Callable[[], str]
