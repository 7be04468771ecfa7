"""What all the servers of a world share: time, network, onlookers, and how long things take."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from proconsul.raft.messages import ServerId, Term
from proconsul.raft.node import Settings
from server_tests.sim.agenda import Agenda
from server_tests.sim.checkers import Watch
from server_tests.sim.network import Network


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, in microseconds."""

    tick_us: int
    turn_us: int
    sync_us: int
    apply_us: int  # 0: in the turn
    snapshot_us: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all servers of a world share."""

    agenda: Agenda
    network: Network
    watch: Watch
    die: random.Random
    settings: Settings
    pace: Pace
    trace: Callable[[str], None]
    count: Callable[[str], None]
    elected: Callable[[ServerId], None]
    lease_holders: Callable[[], list[tuple[Term, ServerId]]]  # who would read without asking now
