"""Queries of ours that are open: who acknowledged, who answered what.

An answer belongs to a query by its Lamport time and id, and counts once a member, since it may
come by several ways. A query ends when all that were alive have answered, or its time is over
(wire/gossip/serf.md section 7).
"""

import math
from collections.abc import Callable

from msgspec import Struct, field

from proconsul.gossip.effects import QueryEnded
from proconsul.gossip.failure import SerfError
from proconsul.gossip.journal import Journal
from proconsul.gossip.serf_messages import Query, QueryFlag, QueryResponse

# A query is a user's or an operator's, and takes seconds.
OPEN_MAX = 256

Ended = Callable[[QueryEnded], None]


class _Open(Struct):
    token: int
    asked: int
    wants_ack: bool
    until_s: float
    ended: Ended | None  # None: it has, and only repeated answers are to come
    acks: set[str] = field(default_factory=set)
    responses: dict[str, bytes] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        acked = not self.wants_ack or len(self.acks) >= self.asked
        return acked and len(self.responses) >= self.asked


class Asking:
    """At most OPEN_MAX queries."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # By Lamport time and id: of one time there may be several where the clock began anew.
        self._open: dict[tuple[int, int], _Open] = {}
        self.next_s = math.inf  # not later than the first ends

    def check_room(self) -> None:
        """Raise SerfError if no further query can be open."""
        if len(self._open) >= OPEN_MAX:
            raise SerfError(f"{OPEN_MAX} queries are open, which is the limit; wait for answers")

    def open(self, query: Query, *, token: int, asked: int, until_s: float, ended: Ended) -> None:
        """This one was sent when so many were alive."""
        wants_ack = bool(query.flags & QueryFlag.ACK)
        self._open[query.ltime, query.id] = _Open(token, asked, wants_ack, until_s, ended)
        self.next_s = min(self.next_s, until_s)

    def is_ours(self, ltime: int, id_: int) -> bool:
        """Whether it is one of the open ones."""
        return (ltime, id_) in self._open

    def answered(self, response: QueryResponse) -> None:
        """An answer or an acknowledgement came."""
        asked = self._open.get((response.ltime, response.id))
        if asked is None:
            self._journal.warning(
                f"reply for non-running query (LTime: {response.ltime}, ID: {response.id}) "
                f"From: {response.sender}"
            )
            return
        if asked.ended is not None:
            self._note(asked, response)
            if asked.is_complete:
                self._end(asked)

    def _note(self, asked: _Open, response: QueryResponse) -> None:
        if response.flags & QueryFlag.ACK:
            if not asked.wants_ack:
                return
            known, kind = response.sender in asked.acks, "acks"
        else:
            known, kind = response.sender in asked.responses, "responses"
        if known:
            self._journal.count(f"serf.query_duplicate_{kind}")
            return
        # More than there are members to answer are not from members.
        if len(asked.acks if kind == "acks" else asked.responses) >= asked.asked:
            self._journal.warning("Failed to deliver query response, dropping")
            return
        self._journal.count(f"serf.query_{kind}")
        if kind == "acks":
            asked.acks.add(response.sender)
        else:
            asked.responses[response.sender] = response.payload

    def tick(self, now_s: float) -> None:
        """End those whose time is over."""
        if now_s < self.next_s:
            return
        over = [key for key, asked in self._open.items() if asked.until_s <= now_s]
        for key in over:
            self._end(self._open.pop(key))
        self.next_s = min((asked.until_s for asked in self._open.values()), default=math.inf)

    def _end(self, asked: _Open) -> None:
        ended, asked.ended = asked.ended, None
        if ended is not None:
            ended(
                QueryEnded(
                    token=asked.token,
                    asked=asked.asked,
                    acks=frozenset(asked.acks),
                    responses=dict(asked.responses),
                )
            )
