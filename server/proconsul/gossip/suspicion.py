"""How long a suspected member may still refute.

The more members agree, the less time it has: from `longest_s` with no confirmation down to
`shortest_s` with enough of them (Lifeguard; wire/gossip/gossip.md section 7). Times are those of
attention.py.
"""

import math

from proconsul.gossip.settings import GossipSettings

ACCUSER_CHARS_MAX = 512  # by which accusers are told apart: an endless name is not kept as a whole


class Suspicion:
    """Of one member, in one incarnation."""

    def __init__(
        self, accuser: str, *, settings: GossipSettings, listed: int, heard_s: float
    ) -> None:
        """`listed`: how many members are listed, whatever their state, this one included."""
        scale = max(1.0, math.log10(max(1, listed)))
        self._shortest_s = settings.suspicion_mult * scale * settings.probe_interval_s
        self._longest_s = settings.suspicion_max_timeout_mult * self._shortest_s
        wanted = settings.suspicion_mult - 2
        # Without us and the accused there may be too few for so many to agree.
        self.confirmations_wanted = wanted if 0 < wanted <= listed - 2 else 0
        self.confirmations = 0
        self._accusers = {accuser[:ACCUSER_CHARS_MAX]}
        self._since_s = heard_s

    @property
    def ends_s(self) -> float:
        """When the accused is dead, if it does not refute before."""
        if not self.confirmations_wanted:
            return self._since_s + self._shortest_s
        share = math.log(self.confirmations + 1) / math.log(self.confirmations_wanted + 1)
        return self._since_s + self._longest_s - share * (self._longest_s - self._shortest_s)

    def confirm(self, accuser: str) -> bool:
        """Somebody accuses it too. Whether that is news: not the same one again, and not enough.

        So no more accusers are remembered than can count.
        """
        accuser = accuser[:ACCUSER_CHARS_MAX]
        if self.confirmations >= self.confirmations_wanted or accuser in self._accusers:
            return False
        self._accusers.add(accuser)
        self.confirmations += 1
        return True
