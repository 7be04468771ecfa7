"""What applying a command tells those outside the replicated state.

Lock-delays and session timers live outside it (wire/fsm.md section 5), and so does the clock
that reaps tombstones. Events are consumed after the commit.
"""

from msgspec import Struct

from proconsul.wire.golang import Duration


class SessionCreated(Struct, frozen=True):
    """A session was made, by a command or by a restored snapshot."""

    session_id: str
    ttl: str  # Go duration text, "" for none


class SessionDestroyed(Struct, frozen=True):
    """A session is gone; the keys it held may not be locked again within the delay."""

    session_id: str
    keys: tuple[str, ...]
    lock_delay: Duration


class TombstoneAdded(Struct, frozen=True):
    """A deletion left a tombstone at this index, to be reaped some time later."""

    index: int
