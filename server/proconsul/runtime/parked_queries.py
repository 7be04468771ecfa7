"""Blocking queries that wait without a task: connections, parked at the answer they would have.

All who ask the same wait at the same answer (runtime/shared_answers.py). When a commit touches what
they wait for, the writer is answered first; then the query is run once more for all of them: whose
index the new answer is beyond is told, the others are parked there. They are told in slices, one
in a turn of the loop, and each slice sees the state of its turn.

What is promised for an answer is looked at for each slice, as for plain reads; where it does not
hold, and where there is a doubt, a query goes on in the ordinary way (runtime/resumed_queries.py).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from proconsul.api.blocking_requests import asked_of, patience_of, question_of
from proconsul.api.http import Handler, Headers, Response
from proconsul.api.plain_reads import Level, freshness
from proconsul.endpoints.blocking import patience_s
from proconsul.runtime.eager_task import EagerTask
from proconsul.runtime.kept_answers import Tallies, Tally
from proconsul.runtime.parked import Connection, Parked, Pieces
from proconsul.runtime.query_deadlines import QueryDeadlines
from proconsul.runtime.read_recording import RecordedWay
from proconsul.runtime.resumed_queries import Resumed, resumed
from proconsul.runtime.shared_answers import Shared, SharedAnswers
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.watch import Watchers

SLICE_LENGTH = 64  # told in one turn of the loop
UNFIT_MAX = 256
UNFIT_S = 10.0
RUN_LENGTH = 8  # as long as a run takes, so many are told

LookedAfter = Callable[[Handler], Handler]


class ParkedQueries:
    """All of them, at one server."""

    def __init__(
        self,
        way: RecordedWay,
        tallies: Tallies,
        read_from: Watchers,
        room: WaitingRoom,
        bytes_max: int,
        fresh_now: Callable[[Level], bytes | None],
        may_park: Callable[[], bool],
        looked_after: LookedAfter,
    ) -> None:
        """`read_from` fires for what was read, `room.watchers` for what is waited for; answers
        at which queries wait have `bytes_max` together. `looked_after`: see LongPolls.
        """
        self._way = way
        self._tallies = tallies
        self._fresh_now = fresh_now
        self._may_park = may_park
        self._looked_after = looked_after
        self._loop = asyncio.get_running_loop()
        self._now_s = way.context.world.now_s
        self._all: set[Parked] = set()
        self._deadlines: QueryDeadlines[Parked] = QueryDeadlines(
            way.context.world.now_s, self.__len__, self._time_over
        )
        self._due: deque[Shared] = deque()  # who waits there is to be told
        self._is_telling = False
        self._is_open = True
        self._unfit: dict[bytes, float] = {}  # questions that are none for us, until then
        self.answers = SharedAnswers(way, tallies, read_from, room, bytes_max, self._fired)

    def __len__(self) -> int:
        return len(self._all)

    # ------------------------------------------------------------ those who come

    def take(self, connection: Connection, data: bytes, headers: Headers | None) -> bool:
        """Answer the blocking query that these bytes are, or park it; False: it is none of ours.

        `headers` are the request's, where they are known: without them only a question that
        was asked before is one of ours.
        """
        asked = asked_of(data) if self._is_open and self._may_park() else None
        if asked is None:
            return False
        began_s = self._now_s()
        shared = self.answers.find(asked.plain)
        if shared is None:
            shared = None if headers is None else self._first(connection, asked.plain, headers)
        if shared is None:
            return False
        fresh = self._fresh_now(shared.question.level)
        if fresh is None:
            return False
        self._tallies.add(shared.begun, 0.0)
        if shared.index > asked.index:
            self.answers.left(shared)  # it was asked for, and gives way later
            self._tallies.add(shared.ended, self._now_s() - began_s)
            connection.say(shared.pieces(fresh, connection.date_line))
            return True
        wait = patience_of(asked.wait)
        assert wait is not None, "it was taken apart"
        until_s = began_s + patience_s(self._way.context, wait)
        parked = Parked(connection, asked, began_s, until_s, self._leave)
        self._all.add(parked)
        self._way.telemetry.blocking_queries += 1
        self.answers.wait_at(shared, parked, fresh)
        self._deadlines.add(parked)
        connection.park(parked)
        return True

    def _first(self, connection: Connection, plain: bytes, headers: Headers) -> Shared | None:
        now_s = self._now_s()
        if self._unfit.get(plain, now_s) > now_s:
            return None
        question = question_of(plain, headers, self._way.facts.datacenter, self.answers.age)
        if question is None or self._fresh_now(question.level) is None:
            return None
        shared = self.answers.run(question, connection.added_fields, is_let_in=False)
        if shared is None:
            # It was run for nothing, and is run again in the ordinary way: not each time.
            if len(self._unfit) >= UNFIT_MAX:
                self._unfit.clear()
            self._unfit[plain] = now_s + UNFIT_S
        return shared

    # ------------------------------------------------------------ those who are told

    def _fired(self, shared: Shared) -> None:
        """What is waited for there has changed, in this turn."""
        self._due.append(shared)
        if not self._is_telling:
            self._is_telling = True
            # In the next turn the writer is answered; those who wait come after that.
            self._loop.call_soon(self._loop.call_soon, self._tell_slice)

    def _tell_slice(self) -> None:
        left = SLICE_LENGTH
        try:
            while self._due and left > 0:
                due = self._due[0]
                if not due.waiting:
                    self.answers.told(self._due.popleft())
                elif self.answers.was_replaced(due):
                    left -= 1
                    self._end_of_wait(due.waiting.pop(), due)
                else:
                    left = self._tell_some(due, left)
        finally:
            if self._due:
                self._loop.call_soon(self._tell_slice)
            else:
                self._is_telling = False

    def _tell_some(self, due: Shared, left: int) -> int:
        """Tell those who wait there of the state as it is, as many as the slice has left."""
        fresh = self._fresh_of_run(due.question.level)
        answer = None if fresh is None else self.answers.find(due.question.plain)
        if answer is None and fresh is not None:
            added = _connection(next(iter(due.waiting))).added_fields
            answer = self.answers.run(due.question, added, is_let_in=True)
            left -= RUN_LENGTH
        if answer is None or fresh is None:
            while due.waiting and left > 0:
                left -= RUN_LENGTH
                self._resume(due.waiting.pop(), due, waits=True)
            return left
        now_s = self._now_s()
        pieces: Pieces = ()
        # An answer that is told lets its connection go on, and that may change anything.
        while due.waiting and left > 0 and answer.is_current:
            left -= 1
            parked = due.waiting.pop()
            if answer.index <= parked.index and parked.until_s > now_s:
                self.answers.wait_at(answer, parked, fresh)
                continue
            pieces = pieces or answer.pieces(fresh, _connection(parked).date_line)
            self._tell(parked, pieces, answer.ended)
        if answer.is_current:
            self.answers.left(answer)
        return left

    def _fresh_of_run(self, level: Level) -> bytes | None:
        """How fresh an answer is that is read now; None: it may not be given without a word."""
        if level is Level.DEFAULT:
            return self._fresh_now(level)
        log = self._way.context.log
        leading = log.is_leader()
        return freshness(
            known_leader=leading or log.leader_known(),
            last_contact_ns=0 if leading else log.last_contact_ns(),
        )

    def _time_over(self, parked: Parked) -> None:
        shared = parked.at
        assert shared is not None, "it waits somewhere"
        if shared.has_fired:
            return  # it is told of the change in a moment
        shared.waiting.discard(parked)
        self._end_of_wait(parked, shared)
        self.answers.left(shared)

    def _end_of_wait(self, parked: Parked, shared: Shared) -> None:
        """It waited in vain: what it hears is the answer at which it did."""
        is_default = shared.question.level is Level.DEFAULT
        if is_default and self._fresh_now(Level.DEFAULT) is None:
            confirming = self._way.context.log.confirm_leadership()
            confirmed = partial(self._confirmed, parked, shared)
            EagerTask(self._loop, confirming, confirmed).start()
        else:
            self._tell_in_vain(parked, shared)

    def _confirmed(
        self, parked: Parked, shared: Shared, _: None, failure: BaseException | None
    ) -> None:
        """Whether a majority says that this server leads."""
        if parked.is_gone:
            return
        if failure is None:
            self._tell_in_vain(parked, shared)
        else:
            self._resume(parked, shared)

    def _tell_in_vain(self, parked: Parked, shared: Shared) -> None:
        if not shared.is_of_now:
            self._resume(parked, shared)
            return
        pieces = shared.pieces(parked.fresh, _connection(parked).date_line)
        self._tell(parked, pieces, shared.ended)

    def _tell(self, parked: Parked, pieces: Pieces, tally: Tally) -> None:
        self._forget(parked, tally).tell(pieces)

    def _forget(self, parked: Parked, tally: Tally | None) -> Connection:
        """It waits no more; who it was."""
        connection = _connection(parked)
        if tally is not None:
            self._tallies.add(tally, self._now_s() - parked.began_s)
        self._all.discard(parked)
        self._way.telemetry.blocking_queries -= 1
        parked.connection = parked.at = None
        return connection

    # ------------------------------------------------------------ those who go another way

    def _resume(self, parked: Parked, shared: Shared, *, waits: bool = False) -> None:
        """Have it go on in the ordinary way; it was taken out of those who wait there."""
        until_s = parked.until_s if waits else self._now_s()
        resuming = Resumed(parked.began_s, until_s, shared.begun.counted)
        handler = self._looked_after(resumed(self._way, resuming))
        request = shared.question.request(parked.index, parked.wait)
        self._forget(parked, None).resume(request, handler)

    def _leave(self, parked: Parked) -> None:
        """Its client has gone."""
        if not parked.is_gone:
            self._loop.call_soon(self._taken_out(parked).abort)

    def _taken_out(self, parked: Parked) -> Connection:
        shared = parked.at
        assert shared is not None, "it waits somewhere"
        shared.waiting.discard(parked)
        connection = self._forget(parked, shared.left)
        self.answers.left(shared)
        return connection

    def end(self, response: Callable[[], Response]) -> None:
        """The process ends: all are answered this, soon, and no others are taken."""
        self._is_open = False
        self._loop.call_soon(self._end_all, response)

    def _end_all(self, response: Callable[[], Response]) -> None:
        for parked in list(self._all):
            shared = parked.at
            if shared is not None:  # else it left meanwhile
                request = shared.question.request(parked.index, parked.wait)
                self._taken_out(parked).resume(request, lambda _: response())

    def clear(self) -> None:
        """Settings changed, of which answers may tell: they are made anew when they are given."""
        self.answers.renew()
        for parked in self._all:
            if parked.at is not None:
                parked.at.is_of_now = False


def _connection(parked: Parked) -> Connection:
    assert parked.connection is not None, "it waits"
    return parked.connection
