"""How to leave so that the others believe it.

First the intent, then that we are dead: who hears it the other way round takes us for failed.
Each is told as often as it takes, or for `broadcast_timeout_s`. Then we stay for a while, so that
who has not heard yet gets answers to its probes (wire/gossip/serf.md section 5).

The last wait is for others; if nobody is there to hear, it is left out.
"""

import math
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from proconsul.gossip.journal import Journal
from proconsul.gossip.settings import SerfSettings


class Stage(Enum):
    """How far it is."""

    STAYING = auto()
    INTENT = auto()  # is being told
    DEAD = auto()  # is being told
    LINGERING = auto()
    LEFT = auto()


class Ways(Protocol):
    """What leaving does and asks."""

    def say_intent(self, now_s: float) -> None:
        """Tell that we mean to leave."""

    @property
    def is_intent_told(self) -> bool:
        """Whether everybody was told, or nobody is there."""

    def say_dead(self, now_s: float) -> None:
        """Tell that we are gone."""

    @property
    def is_dead_told(self) -> bool:
        """Whether everybody was told, or nobody is there."""

    @property
    def is_alone(self) -> bool:
        """Whether nobody else is there."""


class Leaving:
    """Goes through the stages; call `step` now and then: as often as there is a gossip round."""

    def __init__(
        self, ways: Ways, settings: SerfSettings, ended: Callable[[], None], journal: Journal
    ) -> None:
        self._ways = ways
        self._settings = settings
        self._ended = ended
        self._journal = journal
        self.stage = Stage.STAYING
        self.next_s = math.inf  # the stage ends by then

    def begin(self, now_s: float) -> None:
        """Leave; once is enough."""
        if self.stage is Stage.STAYING:
            self._ways.say_intent(now_s)
            self._enter(Stage.INTENT, now_s, self._settings.broadcast_timeout_s)
            self.step(now_s)

    def step(self, now_s: float) -> None:
        """Go on as far as possible."""
        if self.stage is Stage.INTENT and self._is_over(self._ways.is_intent_told, now_s):
            self._ways.say_dead(now_s)
            self._enter(Stage.DEAD, now_s, self._settings.broadcast_timeout_s)
        if self.stage is Stage.DEAD and self._is_over(self._ways.is_dead_told, now_s):
            delay_s = 0.0 if self._ways.is_alone else self._settings.leave_propagate_delay_s
            self._enter(Stage.LINGERING, now_s, delay_s)
        if self.stage is Stage.LINGERING and now_s >= self.next_s:
            self.stage = Stage.LEFT
            self.next_s = math.inf
            self._ended()

    def _is_over(self, is_told: bool, now_s: float) -> bool:
        if is_told:
            return True
        if now_s >= self.next_s:
            self._journal.warning("timeout while waiting for graceful leave")
            return True
        return False

    def _enter(self, stage: Stage, now_s: float, patience_s: float) -> None:
        self.stage = stage
        self.next_s = now_s + patience_s
