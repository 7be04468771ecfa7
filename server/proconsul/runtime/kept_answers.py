"""Answers to plain reads, as bytes, kept until something changes that they were read from.

An answer is found by all bytes of its request: so whoever asks again with the same bytes need not
even be parsed. It is taken out in the turn of the loop in which a commit changes what it was read
from, and so before that write is acknowledged. What an answer also says, how fresh it is and what
time it is, is said anew each time. What must hold before it may be given: runtime/kept_reads.py.
"""

from collections import OrderedDict
from collections.abc import Callable

from proconsul.api.plain_reads import FRESHNESS, Level
from proconsul.store.traced_reads import Key, Notes
from proconsul.store.watch import Watchers
from proconsul.telemetry import Labels, Telemetry

BYTES_MAX = 32 << 20
ANSWER_BYTES_MAX = BYTES_MAX // 2  # ten thousand instances of a service are 8 MB
OVERHEAD_BYTES = 900  # of an answer: the objects, and its place in the tables
NOTE_BYTES = 400  # of each thing that it was read from
LOOKS_MAX = 16  # at answers, for room: everybody waits meanwhile
KINDS_MAX = 1024  # of answers, by what they count: lookups count under names that clients choose

Counted = tuple[tuple[str, float, Labels], ...]
Sampled = tuple[tuple[str, Labels], ...]


class Tally:
    """How often answers of one kind were given, and how long that took, since it was told last."""

    __slots__ = ("counted", "sampled", "times", "took_s")

    def __init__(self, counted: Counted, sampled: Sampled) -> None:
        """What each of these answers counts, and which samples its time is added to."""
        self.counted = counted
        self.sampled = sampled
        self.times = 0
        self.took_s = 0.0


class Tallies:
    """Tells telemetry of answers by the thousand: one by one takes as long as the answer itself."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._all: dict[tuple[Counted, Sampled], Tally] = {}
        self._used: list[Tally] = []
        telemetry.sources.append(self.tell)

    def __len__(self) -> int:
        """How many kinds are at hand."""
        return len(self._all)

    def of(self, counted: Counted, sampled: Sampled) -> Tally:
        """The tally of answers that count this; there may be others of the same kind."""
        tally = self._all.get((counted, sampled))
        if tally is None:
            if len(self._all) >= KINDS_MAX:
                self._all.clear()  # who has one goes on with it
            tally = self._all[counted, sampled] = Tally(counted, sampled)
        return tally

    def add(self, tally: Tally, took_s: float) -> None:
        """One more was given."""
        if not tally.times:
            self._used.append(tally)
        tally.times += 1
        tally.took_s += took_s

    def tell(self) -> None:
        """Count what was given since the last time; each took what they took on average."""
        used, self._used = self._used, []
        for tally in used:
            times, took_ms = tally.times, tally.took_s / tally.times * 1000
            tally.times, tally.took_s = 0, 0.0
            for name, value, labels in tally.counted:
                self._telemetry.count(name, value, labels, times)
            for name, labels in tally.sampled:
                self._telemetry.sample(name, took_ms, labels, times)


class KeptAnswer:
    """One of them; `watch` is itself, in the form in which Watchers asks for it."""

    __slots__ = (
        "_drop",
        "after",
        "before",
        "body",
        "is_hot",
        "keys",
        "level",
        "prefixes",
        "request",
        "size_bytes",
        "tally",
    )

    def __init__(
        self,
        request: bytes,
        level: Level,
        head: bytes,
        body: bytes,
        tally: Tally,
        notes: Notes,
        drop: Callable[["KeptAnswer"], None],
    ) -> None:
        """`head` ends in front of the Date; `body` is what comes behind it: framing and body.

        ValueError for a head that does not say just once how fresh the answer is.
        """
        self.before, self.after = FRESHNESS.split(head)
        self.request = request
        self.level = level
        self.body = body
        self.tally = tally
        self.keys: tuple[Key, ...] = tuple(notes.keys)
        self.prefixes: tuple[Key, ...] = tuple(notes.prefixes)
        self.is_hot = False
        self.size_bytes = (len(request) + len(head) + len(body) + OVERHEAD_BYTES) + NOTE_BYTES * (
            len(self.keys) + len(self.prefixes)
        )
        self._drop = drop

    @property
    def watch(self) -> "KeptAnswer":
        """What it was read from."""
        return self

    def fire(self) -> None:
        """Something of that has changed."""
        self._drop(self)


class KeptAnswers:
    """All of them, by their requests; the ones that nobody asks for give way first."""

    def __init__(self, watchers: Watchers, bytes_max: int = BYTES_MAX) -> None:
        """`watchers` fire with each commit of the state."""
        self.watchers = watchers
        self.bytes_max = bytes_max
        # The oldest first; for others to read. A dict finds its first one the slower, the more of
        # the first ones are gone.
        self.by_request: OrderedDict[bytes, KeptAnswer] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self.by_request)

    def keep(
        self, request: bytes, level: Level, head: bytes, body: bytes, tally: Tally, notes: Notes
    ) -> None:
        """Keep an answer that was read just now, from what `notes` name."""
        try:
            answer = KeptAnswer(request, level, head, body, tally, notes, self._changed)
        except ValueError:
            return
        if answer.size_bytes > min(ANSWER_BYTES_MAX, self.bytes_max):
            return
        earlier = self.by_request.get(request)
        if earlier is not None:
            self._forget(earlier)
        while self.size_bytes + answer.size_bytes > self.bytes_max:
            self._make_room()
        self.by_request[request] = answer
        self.size_bytes += answer.size_bytes
        self.watchers.add(answer)

    def clear(self) -> None:
        """Keep none of them."""
        for answer in list(self.by_request.values()):
            self._forget(answer)

    def _make_room(self) -> None:
        """Drop the oldest that nobody has asked for since it was looked at; they get older by it.

        Where the first ones are all asked for, so may be all the others: then it is the oldest.
        """
        for _ in range(LOOKS_MAX):
            oldest = next(iter(self.by_request.values()))
            if not oldest.is_hot:
                break
            oldest.is_hot = False
            self.by_request.move_to_end(oldest.request)
        self._forget(next(iter(self.by_request.values())))

    def _forget(self, answer: KeptAnswer) -> None:
        self.watchers.remove(answer)
        self._changed(answer)

    def _changed(self, answer: KeptAnswer) -> None:
        del self.by_request[answer.request]
        self.size_bytes -= answer.size_bytes
