"""Answers that blocking queries share: each is of one run, and stands for all runs until a change.

As long as nothing changes that a run has read, another one would find the same: who comes with the
same question waits at the same answer. When something changes that the run waits for, those who
wait there are to be told; until then the answer is what they hear when their time is over.
"""

from collections import OrderedDict
from collections.abc import Callable

from proconsul.api.blocking_requests import Question
from proconsul.api.http import Response
from proconsul.api.plain_reads import FRESHNESS
from proconsul.runtime import http_response as render
from proconsul.runtime.kept_answers import (
    ANSWER_BYTES_MAX,
    NOTE_BYTES,
    OVERHEAD_BYTES,
    Tallies,
)
from proconsul.runtime.parked import Parked, Pieces
from proconsul.runtime.query_runs import Found, found
from proconsul.runtime.read_recording import RecordedWay
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.watch import Noted, Watchers

Fields = tuple[tuple[str, str], ...]


class Alarm:
    """Goes off at a change of what it names; `watch` is itself, as Watchers asks for it.

    There may be one for each who waits: two tuples take a third of what a WatchSet does.
    """

    __slots__ = ("_heard", "_of", "keys", "prefixes")

    def __init__(self, noted: Noted, of: "Shared", heard: Callable[["Shared"], None]) -> None:
        self.keys = tuple(noted.keys)
        self.prefixes = tuple(noted.prefixes)
        self._of = of
        self._heard = heard

    @property
    def watch(self) -> "Alarm":
        """What it names."""
        return self

    def fire(self) -> None:
        """It has changed."""
        self._heard(self._of)


class Shared:
    """One of them, and those who wait at it."""

    __slots__ = (
        "after",
        "before",
        "begun",
        "body",
        "ended",
        "has_fired",
        "index",
        "is_current",
        "is_of_now",
        "left",
        "notes",
        "question",
        "replaced",
        "size_bytes",
        "waiter",
        "waiting",
    )

    def __init__(
        self, question: Question, head: bytes, body: bytes, made: Found, tallies: Tallies
    ) -> None:
        """`head` ends in front of the Date; `body` is what comes behind it: framing and body.

        `notes` and `waiter` are yet to be set. ValueError for a head that does not say just once
        how fresh the answer is, or that has no index.
        """
        self.before, self.after = FRESHNESS.split(head)
        self.body = body
        self.question = question
        self.index = _index_of(made.response)
        self.waiting: set[Parked] = set()
        self.is_current = True  # whether all that was read is as it was
        self.is_of_now = True  # whether it is as the settings want it
        self.has_fired = False  # whether those who wait here are about to be told
        self.replaced = 0  # how often the state had been replaced
        # What is counted of who begins to wait here, of who is told this, and of who leaves.
        self.begun = tallies.of(*made.before)
        self.ended = tallies.of(*made.after)
        self.left = tallies.of((), made.after[1])
        noted = (made.notes.keys, made.notes.prefixes, made.watch.keys, made.watch.prefixes)
        self.notes: Alarm  # ends its being current
        self.waiter: Alarm  # has those be told who wait
        self.size_bytes = len(question.plain) + len(head) + len(body) + OVERHEAD_BYTES
        self.size_bytes += NOTE_BYTES * sum(map(len, noted))

    def pieces(self, fresh: bytes, date_line: bytes) -> Pieces:
        """The answer as it goes out."""
        head = (self.before, fresh, self.after, date_line)
        if len(self.body) <= render.JOIN_BYTES_MAX:
            return (b"".join((*head, self.body)),)
        return (b"".join(head), self.body)


class SharedAnswers:
    """All of them."""

    def __init__(
        self,
        way: RecordedWay,
        tallies: Tallies,
        read_from: Watchers,
        room: WaitingRoom,
        bytes_max: int,
        fired: Callable[[Shared], None],
    ) -> None:
        """`read_from` fires for what was read, `room.watchers` for what is waited for; `fired`
        hears of answers at which somebody waits for what has changed in this turn.
        """
        self._way = way
        self._tallies = tallies
        self._read_from = read_from
        self._room = room
        self._bytes_max = bytes_max
        self._on_fire = fired
        self._current: dict[bytes, Shared] = {}  # by their questions: where one may come to wait
        # Of these, where nobody waits; the oldest first, which a dict would find slowly.
        self._idle: OrderedDict[Shared, None] = OrderedDict()
        self.age = 0  # grows with each change of the settings
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._current)

    def find(self, plain: bytes) -> Shared | None:
        """The answer to this question, if it is known."""
        return self._current.get(plain)

    def run(self, question: Question, added: Fields, *, is_let_in: bool) -> Shared | None:
        """The answer as it is now, with these fields; None: it is not for us."""
        made = found(self._way, question, is_let_in=is_let_in)
        if made is None:
            return None
        text, framing, body = render.rendered(question.headers, made.response, added)
        whole = b"".join((framing, b"\r\n", body))
        try:
            shared = Shared(question, text, whole, made, self._tallies)
        except ValueError:
            return None
        if not self._has_room(shared.size_bytes):
            return None
        shared.replaced = self._room.replaced
        shared.notes = Alarm(made.notes, shared, self._withdraw)
        shared.waiter = Alarm(made.watch, shared, self._fired)
        self._read_from.add(shared.notes)
        self._room.watchers.add(shared.waiter)
        self.size_bytes += shared.size_bytes
        if question.age == self.age:
            self._current[question.plain] = shared
            self._idle[shared] = None
        return shared

    def _has_room(self, size_bytes: int) -> bool:
        if size_bytes > ANSWER_BYTES_MAX:
            return False
        while self.size_bytes + size_bytes > self._bytes_max and self._idle:
            self._withdraw(next(iter(self._idle)))
        return self.size_bytes + size_bytes <= self._bytes_max

    def was_replaced(self, shared: Shared) -> bool:
        """Whether the state that it is of was replaced as a whole."""
        return shared.replaced != self._room.replaced

    def wait_at(self, shared: Shared, parked: Parked, fresh: bytes) -> None:
        """One begins to wait there."""
        if not shared.waiting:
            self._idle.pop(shared, None)
        shared.waiting.add(parked)
        parked.at = shared
        parked.fresh = fresh

    def left(self, shared: Shared) -> None:
        """One waits there no more, or never did; it may be dropped if that was the last one."""
        if shared.waiting or shared.has_fired:
            return
        if self._current.get(shared.question.plain) is shared:
            self._idle.pop(shared, None)
            self._idle[shared] = None
        elif shared.is_current:
            self._withdraw(shared)
        else:
            self._drop(shared)

    def told(self, shared: Shared) -> None:
        """Nobody waits any more at one that had fired."""
        assert not shared.waiting, "all of them have been told"
        self._drop(shared)

    def renew(self) -> None:
        """Settings changed: answers are made anew before they are given."""
        self.age += 1
        for shared in list(self._current.values()):
            self._withdraw(shared)

    def _fired(self, shared: Shared) -> None:
        """What is waited for has changed."""
        self._withdraw(shared)
        if shared.waiting:
            shared.has_fired = True
            self._on_fire(shared)

    def _withdraw(self, shared: Shared) -> None:
        """Something changed of what it was read from: nobody else may come to wait there."""
        if not shared.is_current:
            return
        shared.is_current = False
        if self._current.get(shared.question.plain) is shared:
            del self._current[shared.question.plain]
            self._idle.pop(shared, None)
        self._read_from.remove(shared.notes)
        if not shared.waiting:
            self._drop(shared)

    def _drop(self, shared: Shared) -> None:
        """Nobody waits there, and nobody will; it may be said twice."""
        if shared.size_bytes:
            self._room.watchers.remove(shared.waiter)
            self.size_bytes -= shared.size_bytes
            shared.size_bytes = 0
            del shared.notes, shared.waiter  # they hold it: the collector would have to find that


def _index_of(response: Response) -> int:
    for name, value in response.headers:
        if name == "X-Consul-Index":
            return int(value)
    raise ValueError("an answer without an index")
