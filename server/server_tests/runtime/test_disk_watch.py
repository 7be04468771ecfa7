"""For how long, and for which syncs, the loop is kept awake."""

from collections.abc import Callable

from proconsul.runtime.disk_watch import RECORDS_MAX, WATCH_S, DiskWatch

TURN_S = WATCH_S / 8


class Loop:
    """Its next turn, and its clock."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.now_s = 5.0
        self.decides_alone = True
        self.watch = DiskWatch(self.soon.append, lambda: self.decides_alone, lambda: self.now_s)

    def turn(self) -> None:
        due, self.soon[:] = list(self.soon), []
        for one in due:
            one()

    def sync(self, took_s: float, records: int = 1) -> int:
        """How many turns of the loop were asked for while a sync took so long."""
        self.watch.begun(records)
        turns = 0
        for _ in range(round(took_s / TURN_S)):
            turns += bool(self.soon)
            self.turn()
            self.now_s += TURN_S
        self.watch.ended()
        self.turn()
        return turns


def test_a_fast_sync_is_watched_to_its_end() -> None:
    loop = Loop()
    assert loop.sync(WATCH_S / 2) == 4
    assert not loop.soon


def test_a_slow_one_is_watched_for_a_moment_and_the_next_one_not_at_all() -> None:
    loop = Loop()
    assert 8 <= loop.sync(10 * WATCH_S) <= 10
    assert loop.sync(10 * WATCH_S) == 0
    assert loop.sync(WATCH_S / 2) == 0
    assert loop.sync(WATCH_S / 2) == 4, "it has become fast"


def test_what_many_clients_wait_for_is_not_watched() -> None:
    loop = Loop()
    assert loop.sync(WATCH_S / 2, RECORDS_MAX + 1) == 0


def test_what_other_servers_must_have_as_well_is_not_watched() -> None:
    loop = Loop()
    loop.decides_alone = False
    assert loop.sync(WATCH_S / 2) == 0
    loop.decides_alone = True
    assert loop.sync(WATCH_S / 2) == 4, "its disk is known to be fast"


def test_one_sync_behind_the_other_is_looked_at_once_a_turn() -> None:
    loop = Loop()
    loop.watch.begun(1)
    loop.watch.ended()
    loop.watch.begun(1)
    assert len(loop.soon) == 1
    loop.turn()
    assert len(loop.soon) == 1
