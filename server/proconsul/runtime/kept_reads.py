"""Plain reads between the listener and the API: from what is kept, where that keeps the promise.

The promise of each level is looked at for each answer, at the moment when it is given:

- default: this server's lease holds, just as endpoints/blocking.py asks it to;
- stale: a leader was heard of, and the answer says how long ago;
- consistent: a majority has said that this server leads, after the request came;
- default and consistent on a follower: the leader has vouched for this server's state, after the
  request came (runtime/leaders_word.py).

What is kept is looked up after the word that it waits for. In every other case, and where there is
a doubt, the request goes the ordinary way.
"""

from functools import partial
from typing import Protocol

from proconsul.api.http import Request, Response
from proconsul.api.plain_reads import Level, freshness, level_of
from proconsul.endpoints.context import Log
from proconsul.runtime.kept_answers import KeptAnswer, KeptAnswers, Tallies
from proconsul.runtime.parked_queries import LookedAfter, ParkedQueries
from proconsul.runtime.read_recording import RecordedWay, Recording
from proconsul.runtime.read_rounds import Rounds
from proconsul.runtime.request_log import has_lines
from proconsul.runtime.waiting import WaitingRoom

OF_LEADER = freshness(known_leader=True, last_contact_ns=0)


class Asking(Protocol):
    """The connection of a read that waits for a word."""

    def confirmed(self, request: bytes, answer: KeptAnswer | None) -> None:
        """Go on: with this answer of the leader, or without one the ordinary way."""


class KeptReads:
    """What a connection asks before it parses."""

    def __init__(
        self,
        answers: KeptAnswers,
        way: RecordedWay,
        log: Log,
        room: WaitingRoom,
        looked_after: LookedAfter,
    ) -> None:
        """`way` is how a request is answered so that its answer can be kept; the other two are
        for the blocking queries (runtime/parked_queries.py).
        """
        self._answers = answers
        self._by_request = answers.by_request
        self._way = way
        self._log = log
        self._word = word = way.word
        self._quorum = Rounds(log.confirm_leadership)
        self._word_default = Rounds(word.default)
        self._word_consistent = Rounds(word.consistent)
        self.tallies = Tallies(way.telemetry)
        self.parked = ParkedQueries(
            way,
            self.tallies,
            answers.watchers,
            room,
            answers.bytes_max,
            self.fresh_now,
            self._may_keep,
            looked_after,
        )

    def find(self, request: bytes) -> KeptAnswer | None:
        """What is kept for these bytes."""
        answer = self._by_request.get(request)
        if answer is None or not self._is_quiet():
            return None
        answer.is_hot = True
        return answer

    def _is_quiet(self) -> bool:
        """Whether an answer need neither have a line in the log nor keep to a limit of calls."""
        return self._way.calls.limit.is_infinite and not has_lines()

    def _may_keep(self) -> bool:
        """Whether a request that comes now need not go the ordinary way."""
        # ACL rules are for that: who may read what can change without the state.
        return not self._way.facts.acl_enabled and self._is_quiet()

    def fresh_now(self, level: Level) -> bytes | None:
        """How fresh an answer is that is given at this moment; None: not without a word."""
        log = self._log
        if level is Level.DEFAULT:
            return OF_LEADER if log.may_read_by_lease() else None  # a lease is a leader's
        if level is Level.CONSISTENT:
            return None
        if log.is_leader():
            return OF_LEADER
        is_known, contact_ns = log.leader_known(), log.last_contact_ns()
        if not is_known and contact_ns <= 0:
            return None
        return freshness(known_leader=is_known, last_contact_ns=contact_ns)

    def word_for(self, level: Level) -> Rounds | None:
        """Where to ask for the word that is needed; None: the ordinary way."""
        if self._log.is_leader():
            return self._quorum if level is Level.CONSISTENT else None
        if level is Level.STALE or not self._word.may_be_had:
            return None
        return self._word_consistent if level is Level.CONSISTENT else self._word_default

    def confirm(self, connection: Asking, request: bytes, rounds: Rounds) -> None:
        """Have the connection go on when the word is known."""
        rounds.join(partial(self._confirmed, connection, request))

    def _confirmed(self, connection: Asking, request: bytes, is_given: bool) -> None:
        connection.confirmed(request, self._by_request.get(request) if is_given else None)

    def begin(self, whole: bytes, request: Request) -> Recording | None:
        """To answer the request with, if its answer may be kept for these bytes."""
        way = self._way
        if not self._may_keep():
            return None
        level = level_of(request, way.facts.datacenter)
        if level is None:
            return None
        return way.begin(whole, level, None if self._log.is_leader() else self.word_for(level))

    def end(self, recording: Recording, response: Response, head: bytes, body: bytes) -> None:
        """It was answered: keep that, `head` up to the Date and what comes behind, if we may."""
        recorded = recording.end(response)
        if recorded is not None:
            tally = self.tallies.of(recorded.counted, recorded.sampled)
            self._answers.keep(recording.whole, recording.level, head, body, tally, recorded.notes)

    def clear(self) -> None:
        """Settings changed, of which answers may tell: keep none of them."""
        self._way.renew()
        self._answers.clear()
        self.parked.clear()
