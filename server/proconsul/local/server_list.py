"""Which servers a client agent knows, in the order in which it would call them.

The first one takes all calls until one fails; then it goes to the end. From time to time the order
is shuffled, so that clients spread over servers that came later, and settles on it if whoever comes
first answers. Who is a server, and where, gossip says: `keep` takes its word.
After Consul's router (agent/router/manager.go). Pure: dice come by argument.
"""

from collections.abc import Iterable

from msgspec import Struct

from proconsul.local.pacing import Die, scaled_interval_s, share

SERVERS_MAX = 256  # a cluster has a handful; gossip could name as many as it has members
REUSE_S_MIN = 120.0  # how long the same server is called, at the least
REUSE_SPREAD_S = 60.0  # and by how much longer, by chance
MOVES_PER_SERVER_S = 64.0  # how many clients may move to one server in a second


class Server(Struct, frozen=True):
    """A server by its member's name; `address` is `host:port` of its RPC port."""

    name: str
    address: str


class Changes(Struct, frozen=True):
    """What `keep` has changed."""

    added: tuple[Server, ...]
    removed: tuple[Server, ...]


class ServerList:
    """The servers, the one to call first."""

    def __init__(self) -> None:
        self._servers: tuple[Server, ...] = ()

    def __len__(self) -> int:
        return len(self._servers)

    def __contains__(self, server: Server) -> bool:
        return server in self._servers

    @property
    def order(self) -> tuple[Server, ...]:
        """All of them."""
        return self._servers

    def first(self) -> Server | None:
        """The one to call; None if none is known."""
        return self._servers[0] if self._servers else None

    def keep(self, alive: Iterable[Server]) -> Changes:
        """These are the servers: known ones keep their places, at a new address too.

        Others come to the end, as many as SERVERS_MAX allows.
        """
        found = {server.name: server for server in alive}
        stayed = tuple(found.pop(old.name) for old in self._servers if old.name in found)
        added = tuple(found.values())[: SERVERS_MAX - len(stayed)]
        names = {server.name for server in stayed}
        removed = tuple(old for old in self._servers if old.name not in names)
        self._servers = (*stayed, *added)
        return Changes(added, removed)

    def failed(self, server: Server) -> None:
        """A call of it failed: call another one next. Who is not first keeps its place."""
        if self.first() == server:
            self._servers = (*self._servers[1:], server)

    def shuffled(self, die: Die) -> tuple[Server, ...]:
        """Another order, by chance; the list itself stays as it is."""
        order = list(self._servers)
        for last in range(len(order) - 1, 0, -1):
            other = die(last + 1)
            order[last], order[other] = order[other], order[last]
        return tuple(order)

    def settle(self, order: Iterable[Server]) -> bool:
        """Take that order, of which the first one has answered; what changed meanwhile counts.

        False, and nothing done, if that first one is no server any more.
        """
        wanted = tuple(order)
        if not wanted or wanted[0] not in self._servers:
            return False
        stayed = tuple(server for server in wanted if server in self._servers)
        came = tuple(server for server in self._servers if server not in stayed)
        self._servers = (*stayed, *came)
        return True

    def reuse_s(self, members: int, die: Die) -> float:
        """How long to call the first one before the next shuffle, in a pool of `members`."""
        at_least_s = REUSE_S_MIN + REUSE_SPREAD_S * share(die)
        return scaled_interval_s(len(self) * MOVES_PER_SERVER_S, at_least_s, members)
