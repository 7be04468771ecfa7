"""The processor is given away for a moment, not for a busy neighbour's whole turn."""

from proconsul.runtime.giving_time import LONG_S, PAUSE_S, GivingTime


class Machine:
    """A clock, and for how long others keep the processor."""

    def __init__(self) -> None:
        self.now_s = 5.0
        self.others_s = 0.0
        self.given = 0
        self.giving = GivingTime(self._give, lambda: self.now_s)

    def _give(self) -> None:
        self.given += 1
        self.now_s += self.others_s


def test_it_is_given_each_time_while_it_comes_back_soon() -> None:
    machine = Machine()
    machine.others_s = LONG_S / 2
    for _ in range(3):
        machine.giving.give()
    assert machine.given == 3


def test_whoever_kept_it_is_not_given_it_for_a_while() -> None:
    machine = Machine()
    machine.others_s = 4 * LONG_S
    machine.giving.give()
    machine.giving.give()
    assert machine.given == 1
    machine.now_s += PAUSE_S
    machine.giving.give()
    assert machine.given == 2
