"""Joins: addresses that are tried one after the other, each by a full exchange of states.

- A join that was asked for tries all of its addresses, so that pools that are apart become one.
  It does not want to hear of old events. If anybody answered, we tell everybody that we joined.
- A rejoin tries who was alive before this process began, in random order, until one answers.
- A reconnect tries one member that failed, now and then (wire/gossip/serf.md sections 5, 9, 10).
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from proconsul.gossip.address import Address
from proconsul.gossip.effects import Effect, JoinEnded
from proconsul.gossip.journal import Journal

Dial = Callable[[Address, str, float], int]  # address, name, now: the token of an exchange


class JoinTarget(Struct, frozen=True):
    """Somebody to join; `name` is "" if not known, `text` is what the user wrote."""

    address: Address
    name: str
    text: str


class _Join(Struct):
    """One under way; `token` is None for a rejoin."""

    token: int | None
    rest: list[JoinTarget]
    reached: int = 0
    failures: list[str] = field(default_factory=list)


class Joins:
    """Those under way. `joined(now_s)`: one that was asked for has reached somebody."""

    def __init__(
        self,
        *,
        dial: Dial,
        joined: Callable[[float], None],
        effects: list[Effect],
        journal: Journal,
        dice: Callable[[int], int],
    ) -> None:
        self._dial = dial
        self._joined = joined
        self._effects = effects
        self._journal = journal
        self._dice = dice
        self._asked = 0  # under way, and asked for
        self._by_exchange: dict[int, tuple[_Join, JoinTarget]] = {}

    @property
    def ignores_events(self) -> bool:
        """Whether the events of a join that is merged at this moment are old ones."""
        return self._asked > 0

    def join(self, token: int, targets: Sequence[JoinTarget], now_s: float) -> None:
        """Try all of them; it ends in a JoinEnded."""
        self._asked += 1
        self._next(_Join(token, list(targets)), now_s)

    def rejoin(self, alive: Mapping[str, Address], now_s: float) -> None:
        """Try these, which were alive once, until one answers."""
        targets = [JoinTarget(address, name, str(address)) for name, address in alive.items()]
        for last in range(len(targets) - 1, 0, -1):
            place = self._dice(last + 1)
            targets[last], targets[place] = targets[place], targets[last]
        if targets:
            self._next(_Join(None, targets), now_s)

    def reconnect(self, name: str, address: Address, now_s: float) -> None:
        """Try this one; how it ends shows by itself."""
        self._journal.info(f"attempting reconnect to {name} {address}")
        self._dial(address, name, now_s)

    def ended(self, exchange: int, failure: str | None, now_s: float) -> None:
        """An exchange is over."""
        found = self._by_exchange.pop(exchange, None)
        if found is None:
            return
        join, target = found
        if failure is None:
            join.reached += 1
            if join.token is None:
                self._journal.info(f"Re-joined to previously known node: {target.name}")
                return
        else:
            join.failures.append(f"Failed to join {target.address.host}: {failure}")
        self._next(join, now_s)

    def _next(self, join: _Join, now_s: float) -> None:
        if join.rest:
            target = join.rest.pop(0)
            if join.token is None:
                self._journal.info(
                    f"Attempting re-join to previously known node: {target.name}: {target.text}"
                )
            exchange = self._dial(target.address, target.name, now_s)
            self._by_exchange[exchange] = (join, target)
        elif join.token is None:
            self._journal.warning("Failed to re-join any previously known node")
        else:
            self._end(join, join.token, now_s)

    def _end(self, join: _Join, token: int, now_s: float) -> None:
        self._asked -= 1
        if join.reached:
            self._joined(now_s)
        self._effects.append(JoinEnded(token, join.reached, tuple(join.failures)))
