"""Intents about members that are not known yet.

Gossip has no order: that a member leaves, or joined, may be heard before it is heard of at all.
The newest such intent of a name is held for a while, and given out when the member turns up
(wire/gossip/serf.md section 5).
"""

from msgspec import Struct

NAME_CHARS_MAX = 512  # nothing is held about a name that is longer: what is held costs memory


class Held(Struct, frozen=True, kw_only=True):
    """That some member leaves, or else that it joined."""

    is_leave: bool
    ltime: int
    since_s: float


class Intents:
    """At most `held_max` of them; a further one takes the place of the oldest."""

    def __init__(self, *, held_max: int) -> None:
        self._held_max = held_max
        self._by_name: dict[str, Held] = {}  # the first is held for the longest time

    def __len__(self) -> int:
        return len(self._by_name)

    def hold(self, name: str, intent: Held) -> bool:
        """Hold it, unless a newer one is held. Whether it is held, so that it is news."""
        if len(name) > NAME_CHARS_MAX:
            return False
        held = self._by_name.get(name)
        if held is not None and intent.ltime <= held.ltime:
            return False
        self._by_name.pop(name, None)
        if len(self._by_name) >= self._held_max:
            del self._by_name[next(iter(self._by_name))]
        self._by_name[name] = intent
        return True

    def take(self, name: str) -> Held | None:
        """Give out what is held about this member."""
        return self._by_name.pop(name, None)

    def forget(self, until_s: float) -> None:
        """Drop those that are held since then or longer."""
        for name, held in list(self._by_name.items()):
            if held.since_s > until_s:
                return
            del self._by_name[name]
