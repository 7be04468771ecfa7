"""A clock that stands while nobody listens.

Verdicts about others rest on silence: no answer to a probe, no refutation of a suspicion. Silence
means nothing while the process is frozen or its loop is held, because what others sent waits
unread in the socket. So the deadlines of verdicts are times of this clock. A call that comes much
later than the tick that was planned shows that nobody listened; the clock leaves that time out,
and then stands for a little longer, until what has come meanwhile can be read.

A process that is late each time must still find out who is dead. So this standing still is never
more than half of the time that was listened to since the last one: the clock runs on.
"""

from proconsul.gossip.settings import GossipSettings

ROUNDING_S = 1e-6  # what sums of times may be off by; a deadline's time is never too early


class Attention:
    """See the module. `heard_s` and deadlines: this clock; `now_s`: the monotonic one."""

    def __init__(self, settings: GossipSettings, now_s: float) -> None:
        self._tolerance_s = settings.probe_timeout_s / 4  # the jitter of a healthy loop is less
        self._grace_s = settings.probe_timeout_s
        self._missed_s = 0.0
        self._called_s = now_s
        self._stood_s = now_s  # on this clock: when it stood last
        self.heard_s = now_s

    def called(self, now_s: float, planned_s: float) -> float:
        """Somebody calls, and a tick was planned for then. By how much it is too late, or 0."""
        late_s = now_s - max(planned_s, self._called_s)
        is_late = late_s > self._tolerance_s
        if is_late:
            listened_s = now_s - late_s - self._missed_s
            self._missed_s += late_s + min(self._grace_s, max(listened_s - self._stood_s, 0) / 2)
            self._stood_s = listened_s
        self._called_s = now_s
        self.heard_s = max(self.heard_s, now_s - self._missed_s)
        return late_s if is_late else 0.0

    def real_s(self, deadline_s: float) -> float:
        """When a time of this clock comes, on the monotonic one; later if a call comes too late."""
        return deadline_s + self._missed_s + ROUNDING_S
