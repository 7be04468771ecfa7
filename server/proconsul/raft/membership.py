"""Who belongs to the cluster, at which index, and what one change makes of it.

A configuration is in force from the moment when it is appended (paper, 6), so those that may
still be rolled back are remembered with their indexes. One server changes at a time: every
majority of the old and of the new members then have one in common, and no joint form is needed.
"""

from bisect import bisect_right

import msgspec

from proconsul.raft.effects import RefusedError
from proconsul.raft.messages import (
    Configuration,
    Index,
    Peer,
    Server,
    ServerAddress,
    ServerId,
    Suffrage,
)


class AddVoter(msgspec.Struct, frozen=True, gc=False):
    """Add a voter, promote a non-voter, or give a voter another address."""

    id: ServerId
    address: ServerAddress


class AddNonvoter(msgspec.Struct, frozen=True, gc=False):
    """Add a non-voter; a voter stays one and only changes its address."""

    id: ServerId
    address: ServerAddress


class RemoveServer(msgspec.Struct, frozen=True, gc=False):
    """Remove a server, whatever it is."""

    id: ServerId


Change = AddVoter | AddNonvoter | RemoveServer


def changed(configuration: Configuration, change: Change) -> Configuration:
    """The next configuration (raft: configuration.go, nextConfiguration).

    Raises RefusedError when it would have no voter, or two servers with one id or address.
    """
    servers = list(configuration.servers)
    place = next((i for i, server in enumerate(servers) if server.id == change.id), None)
    match change:
        case RemoveServer():
            if place is not None:
                del servers[place]
        case AddVoter() | AddNonvoter():
            old = servers[place].suffrage if place is not None else Suffrage.NONVOTER
            stays_voter = isinstance(change, AddVoter) or old is Suffrage.VOTER
            suffrage = Suffrage.VOTER if stays_voter else Suffrage.NONVOTER
            server = Server(change.id, change.address, suffrage)
            if place is None:
                servers.append(server)
            else:
                servers[place] = server
    following = Configuration(tuple(servers))
    check(following)
    return following


def check(configuration: Configuration) -> None:
    """Raise RefusedError for a configuration that no cluster may have."""
    servers = configuration.servers
    if not any(server.suffrage is Suffrage.VOTER for server in servers):
        raise RefusedError("a cluster needs a voter: add another one first")
    if any(not server.id or not server.address for server in servers):
        raise RefusedError("a server needs an id and an address")
    for what, values in (
        ("id", {server.id for server in servers}),
        ("address", {server.address for server in servers}),
    ):
        if len(values) != len(servers):
            raise RefusedError(f"two servers with one {what}: remove the old one first")


class Membership:
    """The configurations by index, oldest first; the last one is in force."""

    def __init__(self, index: Index, configuration: Configuration) -> None:
        self._history = [(index, configuration)]
        self._refresh()

    def _refresh(self) -> None:
        self.latest_index, self.latest = self._history[-1]
        self.voters = frozenset(
            server.id for server in self.latest.servers if server.suffrage is Suffrage.VOTER
        )
        self.by_id = {server.id: server for server in self.latest.servers}

    def append(self, index: Index, configuration: Configuration) -> None:
        """Another configuration comes into force."""
        assert index > self.latest_index, "configurations come in the order of the log"
        self._history.append((index, configuration))
        self._refresh()

    def truncate(self, from_index: Index) -> bool:
        """Go back to what was before this index; whether anything changed."""
        before = self.latest_index
        while len(self._history) > 1 and self._history[-1][0] >= from_index:
            self._history.pop()
        self._refresh()
        return self.latest_index != before

    def compact(self, index: Index) -> None:
        """Forget what was no longer in force at this index."""
        del self._history[: self._place(index)]

    def at(self, index: Index) -> tuple[Index, Configuration]:
        """What was in force at an index, and since which."""
        return self._history[self._place(index)]

    def _place(self, index: Index) -> int:
        return max(0, bisect_right(self._history, index, key=lambda one: one[0]) - 1)

    def is_voter(self, server: ServerId) -> bool:
        """Whether its copy counts and its vote, too."""
        return server in self.voters

    def may_be_voter(self, server: ServerId, commit_index: Index) -> bool:
        """Whether it is a voter in anything that a rollback of what is uncommitted can leave."""
        possible = self._history[self._place(commit_index) :]
        return any(
            one.id == server and one.suffrage is Suffrage.VOTER
            for _, configuration in possible
            for one in configuration.servers
        )

    def is_only_voter(self, server: ServerId) -> bool:
        """Whether it decides alone."""
        return len(self.voters) == 1 and server in self.voters

    def find(self, peer: Peer) -> Server | None:
        """The member that a peer is: by its id, or by address if it sent none."""
        if peer.id:
            return self.by_id.get(peer.id)
        return next((one for one in self.latest.servers if one.address == peer.address), None)
