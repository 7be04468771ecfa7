"""Network coordinates: how far members are from each other, without asking each pair.

Every member has a point in a space of eight dimensions, and a height above it for the way from
its door to the network. The distance of two points is the round-trip time in seconds. With each
ping that is answered a member moves a little, toward where the measured time and the other's
point say that it should be: a spring between the two (Dabek et al., "Vivaldi", SIGCOMM 2004).

Around this core are three corrections that Serf has, with Consul's parameters
(wire/gossip/serf.md section 8). A median of the last times per member takes out the odd one. An
adjustment, the mean of what the distances miss lately, covers what the space cannot (Lee et al.,
"On Suitability of Euclidean Embedding for Host-Based Network Coordinate Systems"). Gravity holds
the whole cloud at the origin, since springs alone let it drift (Ledlie et al., "Network
Coordinates in the Wild").
"""

import math
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

DIMENSIONS = 8
ERROR_MAX = 1.5  # of a point that knows nothing
ERROR_TUNING = 0.25  # c_e of the paper: how fast the error follows
FORCE_TUNING = 0.25  # c_c: how far along the spring a member moves
HEIGHT_MIN_S = 10e-6
ADJUSTMENT_WINDOW = 20
LATENCY_WINDOW = 3
GRAVITY_RHO_S = 150.0
RTT_MAX_S = 10.0  # a longer one was no round trip
ZERO = 1e-6  # smaller times and distances count as this, or as none

DICE_SIDES = 1 << 16


class Coordinate(Struct, frozen=True, kw_only=True):
    """A point; all but `error`, which is relative, in seconds."""

    vec: tuple[float, ...] = (0.0,) * DIMENSIONS
    error: float = ERROR_MAX
    adjustment: float = 0.0
    height: float = HEIGHT_MIN_S

    @property
    def is_finite(self) -> bool:
        """Whether all components are numbers."""
        return all(map(math.isfinite, (*self.vec, self.error, self.adjustment, self.height)))

    def distance_s(self, other: "Coordinate") -> float:
        """The round-trip time between the two, as well as is known."""
        raw_s = self.raw_distance_s(other)
        adjusted_s = raw_s + self.adjustment + other.adjustment
        return adjusted_s if adjusted_s > 0 else raw_s

    def raw_distance_s(self, other: "Coordinate") -> float:
        """The same without the adjustments."""
        return _length(_from_to(other.vec, self.vec)) + self.height + other.height


ORIGIN = Coordinate()


class NetworkPosition:
    """Where this member is. `dice(n)` gives 0 to n - 1."""

    def __init__(self, dice: Callable[[int], int]) -> None:
        self.coordinate = ORIGIN
        self.resets = 0  # how often what came out was not finite, and we began anew
        self._dice = dice
        self._misses_s = _no_misses()
        self._latencies_s: dict[str, deque[float]] = {}

    def measured(self, name: str, other: Coordinate, rtt_s: float) -> str | None:
        """A ping to a member took so long. Why that is not used, or None.

        `forget` each name some day: what was measured last is kept.
        """
        if len(other.vec) != DIMENSIONS:
            return "dimensions aren't compatible"
        if not other.is_finite or other.error < 0 or other.height < 0:
            return "coordinate is invalid"
        if not 0 <= rtt_s <= RTT_MAX_S:
            return f"round trip time not in valid range: {rtt_s} s"
        rtt_s = self._usual_s(name, rtt_s)
        try:
            self._pull(other, rtt_s)
            self._adjust(other, rtt_s)
            self._fall()
            is_sound = self.coordinate.is_finite
        except OverflowError:
            is_sound = False
        if not is_sound:
            self.resets += 1
            self.coordinate = ORIGIN
            self._misses_s = _no_misses()  # one of them may be what was not finite
        return None

    def forget(self, name: str) -> None:
        """This member will not be measured any more."""
        self._latencies_s.pop(name, None)

    def _usual_s(self, name: str, rtt_s: float) -> float:
        window = self._latencies_s.setdefault(name, deque(maxlen=LATENCY_WINDOW))
        window.append(rtt_s)
        return sorted(window)[len(window) // 2]

    def _pull(self, other: Coordinate, rtt_s: float) -> None:
        own = self.coordinate
        rtt_s = max(rtt_s, ZERO)
        distance_s = own.distance_s(other)
        wrongness = abs(distance_s - rtt_s) / rtt_s
        # Who is surer of its place moves less.
        weight = own.error / max(own.error + other.error, ZERO)
        learned = ERROR_TUNING * weight
        error = min(learned * wrongness + own.error * (1 - learned), ERROR_MAX)
        force_s = FORCE_TUNING * weight * (rtt_s - distance_s)
        self.coordinate = self._pushed(replace(own, error=error), force_s, other)

    def _adjust(self, other: Coordinate, rtt_s: float) -> None:
        self._misses_s.append(rtt_s - self.coordinate.raw_distance_s(other))
        adjustment = sum(self._misses_s) / (2 * ADJUSTMENT_WINDOW)
        self.coordinate = replace(self.coordinate, adjustment=adjustment)

    def _fall(self) -> None:
        distance_s = self.coordinate.distance_s(ORIGIN)
        force_s = -((distance_s / GRAVITY_RHO_S) ** 2)
        self.coordinate = self._pushed(self.coordinate, force_s, ORIGIN)

    def _pushed(self, own: Coordinate, force_s: float, other: Coordinate) -> Coordinate:
        """Moved away from the other by so much."""
        apart = _from_to(other.vec, own.vec)
        apart_s = _length(apart)
        height = own.height
        if apart_s > ZERO:
            way = [each / apart_s for each in apart]
            height = max(height + (height + other.height) * force_s / apart_s, HEIGHT_MIN_S)
        else:
            way = self._any_way()
        vec = tuple(at + along * force_s for at, along in zip(own.vec, way, strict=True))
        return replace(own, vec=vec, height=height)

    def _any_way(self) -> list[float]:
        """Two at one place must part somehow."""
        way = [self._dice(DICE_SIDES) / DICE_SIDES - 0.5 for _ in range(DIMENSIONS)]
        length = _length(way)
        if length <= ZERO:
            return [1.0] + [0.0] * (DIMENSIONS - 1)
        return [each / length for each in way]


def _no_misses() -> deque[float]:
    return deque([0.0] * ADJUSTMENT_WINDOW, maxlen=ADJUSTMENT_WINDOW)


def _from_to(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [to - start for start, to in zip(one, other, strict=True)]


def _length(vec: Sequence[float]) -> float:
    return math.sqrt(sum(each * each for each in vec))
