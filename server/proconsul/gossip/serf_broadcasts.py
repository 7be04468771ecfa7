"""What Serf still has to tell: three queues, emptied in a fixed order.

Intents go first, since status depends on them, then queries, which have a deadline, then events.
Nothing takes the place of anything: each is told as often as the size of the pool asks for
(wire/gossip/serf.md section 1).
"""

from collections.abc import Callable

from proconsul.gossip.broadcast import BroadcastQueue, transmit_limit
from proconsul.gossip.settings import GossipSettings, SerfSettings


class SerfBroadcasts:
    """The queues. Each holds twice as many messages as there are members, or `queue_depth_min`."""

    def __init__(
        self,
        *,
        gossip: GossipSettings,
        settings: SerfSettings,
        body_bytes_max: int,
        member_count: Callable[[], int],
    ) -> None:
        """`body_bytes_max`: what fits in a packet; more could never be told."""
        self._retransmit_mult = gossip.retransmit_mult
        self._depth_min = settings.queue_depth_min
        self._body_bytes_max = body_bytes_max
        self._member_count = member_count
        depth_max = max(self._depth_min, 2 * gossip.nodes_max)
        self.intents = BroadcastQueue(depth_max=depth_max)
        self.queries = BroadcastQueue(depth_max=depth_max)
        self.events = BroadcastQueue(depth_max=depth_max)

    def fits(self, body: bytes) -> bool:
        """Whether it can be told at all."""
        return len(body) <= self._body_bytes_max

    def tell(self, queue: BroadcastQueue, body: bytes) -> int:
        """Tell this; what does not fit is not told. A ticket for `is_told`."""
        if not self.fits(body):
            return 0
        # In a queue that is full, what was told most often has to go.
        queue.prune(max(self._depth_min, 2 * self._member_count()) - 1)
        return queue.put(body)

    def take(self, overhead: int, limit: int) -> list[bytes]:
        """Messages for one packet: each costs its length and `overhead`, all at most `limit`."""
        sends_max = transmit_limit(self._retransmit_mult, self._member_count())
        taken: list[bytes] = []
        for queue in (self.intents, self.queries, self.events):
            bodies = queue.take(overhead=overhead, limit=limit, sends_max=sends_max)
            limit -= sum(len(body) + overhead for body in bodies)
            taken += bodies
        return taken
