"""Plain reads between the listener and the API: from what is kept, where that keeps the promise.

The promise of each level is looked at for each answer, at the moment when it is given:

- default: this server's lease holds, just as endpoints/blocking.py asks it to;
- stale: a leader was heard of, and the answer says how long ago;
- consistent: a majority has said that this server leads, after the request came. All that come in
  one turn of the loop share that round, and what they are answered with is looked up after it.

In every other case, and where there is a doubt, the request goes the ordinary way.
"""

import asyncio
import logging
from functools import partial
from typing import Protocol

from proconsul.api.http import Request, Response
from proconsul.api.plain_reads import Level, freshness, level_of
from proconsul.endpoints.context import Log
from proconsul.runtime.eager_task import EagerTask
from proconsul.runtime.kept_answers import KeptAnswer, KeptAnswers, Tallies
from proconsul.runtime.logs import logger
from proconsul.runtime.read_recording import RecordedWay, Recording
from proconsul.telemetry import Telemetry

OF_LEADER = freshness(known_leader=True, last_contact_ns=0)

_http = logger("http")


class Asking(Protocol):
    """The connection of a consistent read."""

    def confirmed(self, request: bytes, answer: KeptAnswer | None) -> None:
        """Go on: with this answer, or without one the ordinary way."""


class KeptReads:
    """What a connection asks before it parses."""

    def __init__(
        self, answers: KeptAnswers, way: RecordedWay, log: Log, telemetry: Telemetry
    ) -> None:
        """`way` is how a request is answered so that its answer can be kept."""
        self._answers = answers
        self._by_request = answers.by_request
        self._way = way
        self._log = log
        self._telemetry = telemetry
        self.tallies = Tallies(telemetry)
        self._loop = asyncio.get_running_loop()
        self._asking: list[tuple[Asking, bytes]] = []

    def find(self, request: bytes) -> KeptAnswer | None:
        """What may be answered to these bytes now, or, if it is consistent, after `confirm`."""
        answer = self._by_request.get(request)
        if answer is None or not self._may_answer(answer.level):
            return None
        if not self._is_quiet():
            return None
        answer.is_hot = True
        return answer

    def _is_quiet(self) -> bool:
        """Whether an answer need neither have a line in the log nor keep to a limit of calls."""
        return self._way.calls.limit.is_infinite and not _http.isEnabledFor(logging.DEBUG)

    def _may_answer(self, level: Level) -> bool:
        log = self._log
        if level is Level.DEFAULT:
            return log.may_read_by_lease()
        if level is Level.STALE:
            return log.is_leader() or log.leader_known() or log.last_contact_ns() > 0
        return log.is_leader()

    def freshness(self, answer: KeptAnswer) -> bytes:
        """What the head says about it at this moment."""
        log = self._log
        # A lease is a leader's.
        if answer.level is Level.DEFAULT or log.is_leader():
            return OF_LEADER
        return freshness(known_leader=log.leader_known(), last_contact_ns=log.last_contact_ns())

    def confirm(self, connection: Asking, request: bytes) -> None:
        """Have a majority say that this server leads; it hears of it by `confirmed`."""
        self._asking.append((connection, request))
        if len(self._asking) == 1:
            self._loop.call_soon(self._begin_round)

    def _begin_round(self) -> None:
        # All that are here asked before the round begins: that is what makes it theirs.
        asking, self._asking = self._asking, []
        if len(asking) > 1:
            self._telemetry.count("raft.verify_leader", times=len(asking) - 1)
        confirming: EagerTask[None] = EagerTask(
            self._loop, self._log.confirm_leadership(), partial(self._round_ended, asking)
        )
        confirming.start()

    def _round_ended(
        self, asking: list[tuple[Asking, bytes]], _: None, failure: BaseException | None
    ) -> None:
        for connection, request in asking:
            answer = None if failure is not None else self._by_request.get(request)
            connection.confirmed(request, answer)

    def begin(self, whole: bytes, request: Request) -> Recording | None:
        """To answer the request with, if its answer may be kept for these bytes."""
        way = self._way
        # ACL rules are for the ordinary way: who may read what can change without the state.
        if way.facts.acl_enabled or not self._is_quiet():
            return None
        level = level_of(request, way.facts.datacenter)
        return None if level is None else way.begin(whole, level)

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
