"""When sessions with a TTL end.

Only the leader keeps the timers: a session ends at twice its TTL after it was made or renewed
last (wire/fsm.md section 5), and all begin anew with a new leader. Pure: the caller tells the
time and asks which are due.
"""

import heapq
import math

from proconsul.wire.golang import SECOND, DurationError, parse_duration

TTL_FACTOR = 2
SPARE_LENGTH = 1024


class SessionTimers:
    """Deadlines of sessions, in monotonic seconds."""

    def __init__(self) -> None:
        self._deadline_s: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._deadline_s)

    def reset(self, session_id: str, ttl: str, now_s: float) -> None:
        """Begin the whole time again; a session without a TTL that makes sense has no timer.

        The API lets no other TTL in, but a restored snapshot may.
        """
        try:
            ttl_s = parse_duration(ttl) / SECOND if ttl else 0.0
        except DurationError:
            return
        if ttl_s > 0:
            self._set(session_id, now_s + TTL_FACTOR * ttl_s)

    def has(self, session_id: str) -> bool:
        """Whether the session has a timer."""
        return session_id in self._deadline_s

    def postpone(self, session_id: str, until_s: float) -> None:
        """Try again later: its end could not be written."""
        self._set(session_id, until_s)

    def _set(self, session_id: str, deadline_s: float) -> None:
        self._deadline_s[session_id] = deadline_s
        heapq.heappush(self._heap, (deadline_s, session_id))
        if len(self._heap) > 2 * len(self._deadline_s) + SPARE_LENGTH:
            # Renewals leave their old deadlines behind: often more than there are sessions.
            self._heap = [(due_s, one) for one, due_s in self._deadline_s.items()]
            heapq.heapify(self._heap)

    def clear(self, session_id: str) -> None:
        """The session is gone."""
        self._deadline_s.pop(session_id, None)

    def clear_all(self) -> None:
        """This server leads no more."""
        self._deadline_s.clear()
        self._heap.clear()

    def next_deadline_s(self) -> float:
        """No session ends before it; it may be that of a session that was renewed since."""
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now_s: float) -> list[str]:
        """Sessions whose time is over; each is named once and has no timer afterwards."""
        ended = []
        while self._heap and self._heap[0][0] <= now_s:
            deadline_s, session_id = heapq.heappop(self._heap)
            if self._deadline_s.get(session_id) == deadline_s:
                del self._deadline_s[session_id]
                ended.append(session_id)
        return ended
