"""Where we are in the network, and where others said that they are."""

from collections.abc import Callable

from proconsul.gossip.coordinates import Coordinate, NetworkPosition


class Cartography:
    """Our own coordinate, and the last one of each member that we pinged."""

    def __init__(self, own_name: str, dice: Callable[[int], int]) -> None:
        self._own_name = own_name
        self._position = NetworkPosition(dice)
        self._others: dict[str, Coordinate] = {}

    @property
    def own(self) -> Coordinate:
        """Where we are."""
        return self._position.coordinate

    @property
    def resets(self) -> int:
        """How often we had to begin anew."""
        return self._position.resets

    def get(self, name: str) -> Coordinate | None:
        """Where this member was when we pinged it, or where we are."""
        return self.own if name == self._own_name else self._others.get(name)

    def measured(self, name: str, coordinate: Coordinate, rtt_s: float) -> str | None:
        """A member, which says that it is there, is so far. Why that is not used, or None."""
        problem = self._position.measured(name, coordinate, rtt_s)
        if problem is None:
            self._others[name] = coordinate
        return problem

    def forget(self, name: str) -> None:
        """This one is no member any more."""
        self._position.forget(name)
        self._others.pop(name, None)
