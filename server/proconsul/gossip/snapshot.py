"""What outlives this process: who was alive, and what time it was (wire/gossip/serf.md section 10).

A text file, appended to, of Consul's format:

    alive: NAME IP:PORT        not-alive: NAME         leave
    clock: N                   event-clock: N          query-clock: N

The clocks are times of the last message, not of the next. After a crash we find the pool again
without being told where, and hear no event twice. A line that is damaged costs what it says and
no more; the last one counts only if it is whole.

Who left does not want to find the pool again: `leave` undoes what stands before it, unless the
setting `rejoin_after_leave` says otherwise.
"""

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field

from proconsul.gossip.address import Address, address_of
from proconsul.gossip.effects import Effect, Remember
from proconsul.gossip.lamport import LTIME_MAX

# The file is written anew when it is larger than both.
FILE_BYTES_MIN = 128 * 1024
NODE_BYTES = 2 * 128  # for each that is alive

ALIVE_MAX = 20_000  # taken from a file; more than a pool has (settings.py)
PORT_MAX = 0xFFFF


class Kept(Struct, frozen=True, kw_only=True):
    """What was in the file; nothing, if there was none."""

    alive: Mapping[str, Address] = field(default_factory=dict)
    clock: int = 0
    event_clock: int = 0
    query_clock: int = 0
    left: bool = False  # and nothing came after it
    damaged: int = 0  # lines that say nothing


def read(data: bytes, *, rejoin_after_leave: bool) -> Kept:
    """What the file says."""
    reader = _Reader(rejoin_after_leave=rejoin_after_leave)
    # The last piece has no end: empty, or a line that was not written whole.
    for line in data.split(b"\n")[:-1]:
        reader.take(line.decode("utf-8", "surrogateescape"))
    return Kept(
        alive=reader.alive,
        clock=reader.clocks["clock"],
        event_clock=reader.clocks["event-clock"],
        query_clock=reader.clocks["query-clock"],
        left=reader.left,
        damaged=reader.damaged,
    )


class _Reader:
    def __init__(self, *, rejoin_after_leave: bool) -> None:
        self._rejoin_after_leave = rejoin_after_leave
        self.alive: dict[str, Address] = {}
        self.clocks = {"clock": 0, "event-clock": 0, "query-clock": 0}
        self.left = False
        self.damaged = 0

    def take(self, line: str) -> None:
        if line == "leave":
            self._leave()
            return
        kind, found, rest = line.partition(": ")
        if line.startswith("#") or kind == "coordinate":
            return
        if not found or not self._is_taken(kind, rest):
            self.damaged += 1

    def _leave(self) -> None:
        self.left = True
        if not self._rejoin_after_leave:
            self.alive.clear()
            self.clocks = dict.fromkeys(self.clocks, 0)

    def _is_taken(self, kind: str, rest: str) -> bool:
        if kind == "alive":
            name, found, where = rest.rpartition(" ")
            address = _address(where)
            if not found or address is None or not _is_line(name):
                return False
            if name in self.alive or len(self.alive) < ALIVE_MAX:
                self.alive[name] = address
            self.left = False
        elif kind == "not-alive":
            self.alive.pop(rest, None)
        elif kind in self.clocks:
            # int() takes more than digits, and Unicode has more of them than ten.
            if not (rest.isascii() and rest.isdigit() and len(rest) <= len(str(LTIME_MAX))):
                return False
            self.clocks[kind] = min(int(rest), LTIME_MAX)
        else:
            return False
        return True


def _address(text: str) -> Address | None:
    host, found, port = text.rpartition(":")
    if not found or not (port.isascii() and port.isdigit() and len(port) <= 5):
        return None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        address = address_of(host, int(port))
    except ValueError:
        return None
    return address if address.port <= PORT_MAX else None


def _is_line(name: str) -> bool:
    """Whether a name, which its owner chose, cannot be taken for something else in the file."""
    return bool(name) and "\n" not in name


class Ledger:
    """Appends to the file what is to be kept, as `Remember`; others than this member only."""

    def __init__(
        self, kept: Kept, effects: list[Effect], clock: Callable[[], int], *, rejoins: bool
    ) -> None:
        """`clock()`: the members' clock. `rejoins`: whether a leave keeps the members."""
        self._effects = effects
        self._member_clock = clock
        self._rejoins = rejoins
        self._alive = dict(kept.alive)
        self._clock = kept.clock
        self._event_clock = kept.event_clock
        self._query_clock = kept.query_clock
        self._has_left = False

    def alive(self, name: str, address: Address) -> None:
        """This member is alive, there."""
        if self._has_left or not _is_line(name) or len(address.ip) not in (4, 16):
            return
        self._alive[name] = address
        self._append(_alive_line(name, address))
        self.note_clock()

    def not_alive(self, name: str) -> None:
        """This one is not."""
        if self._has_left or not _is_line(name):
            return
        self._alive.pop(name, None)
        self._append(f"not-alive: {name}")
        self.note_clock()

    @property
    def is_clock_new(self) -> bool:
        """Whether the members' clock is another than the file says."""
        return self._member_clock() - 1 > self._clock

    def note_clock(self) -> None:
        """Append the members' clock, if it is another."""
        if self.is_clock_new:
            self._clock = self._member_clock() - 1
            self._append(f"clock: {self._clock}")

    def event(self, ltime: int) -> None:
        """An event of this time was heard."""
        if ltime > self._event_clock and not self._has_left:
            self._event_clock = ltime
            self._append(f"event-clock: {ltime}")

    def query(self, ltime: int) -> None:
        """A query of this time was heard."""
        if ltime > self._query_clock and not self._has_left:
            self._query_clock = ltime
            self._append(f"query-clock: {ltime}")

    def leave(self) -> None:
        """We leave: what happens from here on is not to be known later, but for the clock."""
        self._has_left = True
        if not self._rejoins:
            self._alive.clear()
        self._append("leave")

    def whole(self) -> Iterator[str]:
        """The lines of a file that says the same as what was appended."""
        for name, address in self._alive.items():
            yield _alive_line(name, address)
        yield f"clock: {self._clock}"
        yield f"event-clock: {self._event_clock}"
        yield f"query-clock: {self._query_clock}"

    @property
    def bytes_max(self) -> int:
        """When the file is larger, `whole` should take its place."""
        return max(FILE_BYTES_MIN, NODE_BYTES * len(self._alive))

    def _append(self, line: str) -> None:
        self._effects.append(Remember(line))


def _alive_line(name: str, address: Address) -> str:
    return f"alive: {name} {address}"
