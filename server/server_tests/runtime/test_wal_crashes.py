"""Whatever happens to the machine, the log has what it said it has, and nothing else."""

import random

import pytest

from proconsul.wal.recovery import WalDamagedError
from server_tests.runtime.wal_model import Player, ViolationError
from server_tests.sim.disk import Lands, SimDisk

FATES: tuple[Lands | None, ...] = (*Lands, Lands.SOME, None)  # None: only the process dies


def play(seed: int, disk: SimDisk, die: random.Random) -> None:
    """Six lives, each of which may end in the middle of any call to the disk."""
    player = Player(die.randrange, disk)
    for _ in range(6):
        player.live(steps=die.randrange(40), crash_within_calls=die.choice((None, 10, 100)))
        player.die(die.choice(FATES))
    player.live(steps=0, crash_within_calls=None)


@pytest.mark.parametrize("tens", range(20))
def test_a_crash_at_any_point_loses_nothing_that_was_promised_and_invents_nothing(
    tens: int,
) -> None:
    for seed in range(tens * 10, tens * 10 + 10):
        die = random.Random(seed)
        play(seed, SimDisk(die.randrange), die)


def test_the_same_game_finds_out_a_build_that_does_not_sync() -> None:
    found = 0
    for seed in range(20):
        die = random.Random(seed)
        disk = SimDisk(die.randrange)
        disk.ignores_syncs = True
        try:
            play(seed, disk, die)
        except (ViolationError, WalDamagedError):
            found += 1
    assert found > 15
