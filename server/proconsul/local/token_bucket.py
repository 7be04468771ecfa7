"""A limit on how often something is done: `rate_per_s` on average, `burst` at once.

The bucket begins full. A rate of infinity limits nothing, whatever the burst; with a burst of 0 any
other rate forbids everything. These are the rules of golang.org/x/time/rate, by which Consul reads
`limits.rpc_rate` and `limits.rpc_max_burst`. Pure: the caller tells the time.
"""

import math


class TokenBucket:
    """`take` one for each thing that is done."""

    def __init__(self, rate_per_s: float, burst: int, now_s: float) -> None:
        """`now_s` is monotonic."""
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._filled_s = now_s
        self.is_infinite = math.isinf(rate_per_s)  # it never refuses

    def take(self, now_s: float) -> bool:
        """Whether it may be done now; it counts only if so."""
        if self.is_infinite:
            return True
        gained = (now_s - self._filled_s) * self._rate_per_s
        self._tokens = min(float(self._burst), self._tokens + gained)
        self._filled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
