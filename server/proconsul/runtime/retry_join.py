"""`retry_join`: when it has worked, when it counts as failed, and when it is given up.

In Consul's words (agent/retry_join.go). A server that has to found a cluster joins every second; an
attempt is what `retry_interval` and `retry_max` count. Our own address counts, as there.
"""

from collections.abc import Collection, Sequence

from proconsul.config.schema import Joining
from proconsul.errors import ProconsulError
from proconsul.runtime.logs import logger
from proconsul.wire.golang import list_of_errors

log = logger("")


class JoinError(ProconsulError):
    """Nobody was to be joined, and the configuration says that the server is to end then."""


class RetryJoin:
    """The attempts of one start."""

    def __init__(self, joining: Joining) -> None:
        self._joining = joining
        self._attempts = 0
        self._next_s = 0.0
        self.is_over = not joining.retry_join

    def begin(self, now_s: float) -> None:
        """The first attempt is about to be made."""
        if not self.is_over:
            self._next_s = now_s
            log.info("Joining cluster...: cluster=LAN")
            log.info("(LAN) joining: lan_addresses=[%s]", ", ".join(self._joining.retry_join))

    def counts(self, text: str) -> bool:
        """Whether that join address is one of `retry_join`."""
        return text in self._joining.retry_join

    def tried(self, reached: Collection[str], complaints: Sequence[str], now_s: float) -> None:
        """All were asked: these answered. Raises JoinError after the last attempt."""
        if self.is_over:
            return
        if reached:
            self.is_over = True
            log.info("(LAN) joined: number_of_nodes=%d", len(reached))
            log.info(
                "Join cluster completed. Synced with initial agents: cluster=LAN num_agents=%d",
                len(reached),
            )
            return
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._joining.retry_interval_s
        self._attempts += 1
        problem = list_of_errors(complaints or ["No servers to join"])
        log.warning("(LAN) couldn't join: number_of_nodes=0 error=%r", problem)
        if 0 < self._joining.retry_max_attempts <= self._attempts:
            self.is_over = True
            exhausted = "agent: max join LAN retry exhausted, exiting"
            log.error('Retry join failed: error="%s"', exhausted)
            raise JoinError(exhausted)
        log.warning(
            "Join cluster failed, will retry: cluster=LAN retry_interval=%gs",
            self._joining.retry_interval_s,
        )
