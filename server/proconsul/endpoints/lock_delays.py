"""Which keys may not be locked again yet.

When a session that holds a lock is invalidated, the key is kept from being locked for the
session's lock-delay. That is wall time of each server and no part of the replicated state
(wire/fsm.md section 5): the leader asks here before it proposes a lock.
"""

from proconsul.store.events import SessionDestroyed
from proconsul.wire.golang import SECOND

DELAY_S_MAX = 60.0
SPARE_LENGTH = 1024


class LockDelays:
    """Keys and the monotonic second at which each is free again."""

    def __init__(self) -> None:
        self._free_at_s: dict[str, float] = {}
        self._expire_at_length = SPARE_LENGTH

    def __len__(self) -> int:
        return len(self._free_at_s)

    def destroyed(self, event: SessionDestroyed, now_s: float) -> None:
        """Remember the keys that the session held."""
        delay_s = min(event.lock_delay / SECOND, DELAY_S_MAX)
        if delay_s <= 0:
            return
        for key in event.keys:
            self._free_at_s[key] = now_s + delay_s
        if len(self._free_at_s) > self._expire_at_length:  # nobody asks a follower about them
            self.expire(now_s)
            self._expire_at_length = 2 * len(self._free_at_s) + SPARE_LENGTH

    def delayed(self, key: str, now_s: float) -> bool:
        """Whether the key may not be locked now."""
        free_at_s = self._free_at_s.get(key)
        if free_at_s is None:
            return False
        if now_s >= free_at_s:
            del self._free_at_s[key]
            return False
        return True

    def expire(self, now_s: float) -> None:
        """Forget the keys that are free."""
        self._free_at_s = {
            key: free_at_s for key, free_at_s in self._free_at_s.items() if free_at_s > now_s
        }

    def clear(self) -> None:
        """Forget everything: the state was replaced, or a new leader begins."""
        self._free_at_s.clear()
