"""How well this member keeps up itself (Lifeguard's local health).

Who loses packets or stands still finds fault with others. So each sign that the fault may be ours
raises a score: a failed probe without the nacks of helpers, an accusation to refute, a tick that
came much too late. A probe that succeeds lowers it. The score stretches our probes, nothing else.
"""


class Awareness:
    """A score from 0, which is healthy, to `steps` - 1."""

    def __init__(self, steps: int) -> None:
        assert steps >= 1
        self._steps = steps
        self.score = 0

    def add(self, change: int) -> None:
        """Something was better or worse for us; the score stays in its bounds."""
        self.score = min(max(self.score + change, 0), self._steps - 1)

    def stretched(self, interval_s: float) -> float:
        """The interval, the longer the less healthy."""
        return interval_s * (self.score + 1)
