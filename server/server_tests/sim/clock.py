"""A server's own clock: it runs a little fast or slow, and on while the process is paused."""

from server_tests.sim.agenda import Agenda

# How many real seconds one of a server's clock lasts. A lease is right while no two clocks differ
# by more than raft/lease.py allows, and these go to the edge of that; elections and all else are
# right whatever clocks do.
TRUE_RATES = (0.95, 0.98, 1.0, 1.02, 1.05)
WILD_RATES = (0.5, 0.7, 0.9, 1.0, 1.1, 1.5, 2.0)


class Clock:
    """Monotonic, in microseconds."""

    def __init__(self, agenda: Agenda) -> None:
        self.rate = 1.0
        self._agenda = agenda
        self._since_us = 0  # the world's time when the rate changed last
        self._showed_us = 0.0  # and what it showed then

    def set_rate(self, rate: float) -> None:
        """Have a second of it last that many real ones from now on."""
        self._showed_us = self.now_us()
        self._since_us = self._agenda.now_us
        self.rate = rate

    def now_us(self) -> float:
        """What it shows."""
        return self._showed_us + (self._agenda.now_us - self._since_us) / self.rate
