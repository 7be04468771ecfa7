"""Which server joins raft next, by what the pool knows (consul: leader.go, joinConsulServer).

One change at a time: the caller makes it, and asks again. Who has left, or was forced to, is taken
out; nobody is removed for being away, that is autopilot's business. Where Consul removes a server
that came back at another address and adds it again, as a non-voter, we only change its address: it
is the same server with the same log, and after a power cut, when all have new addresses, the
cluster would lose one vote after the other.

Pure: the pool and the configuration in, a change out.
"""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from proconsul.leader.bootstrap import rpc_address
from proconsul.leader.pool import PoolMember, ServerMember, Status
from proconsul.raft.membership import AddNonvoter, Change, RemoveServer
from proconsul.raft.messages import Configuration, Peer, Server, ServerAddress, ServerId

RAFT_VERSION_MIN = 3  # the first that knows servers by ID


class Refused(Struct, frozen=True):
    """A member that is left as it is, and why; for the log."""

    node: str
    why: str


class Step(Struct, frozen=True):
    """The next change of the members, why, and who is left out; no change: all is well."""

    change: Change | None
    why: str
    refused: tuple[Refused, ...]


def address_of(server: ServerMember) -> ServerAddress:
    """`host:port` of its RPC port, as raft's configuration has it."""
    return ServerAddress(rpc_address(server))


def next_step(
    me: Peer, datacenter: str, members: Iterable[PoolMember], configuration: Configuration
) -> Step:
    """What to do about the members of this datacenter that are alive; `me` leads.

    The change is one that `raft.membership.changed` accepts, and never adds or removes `me`: all
    that changes of this server is its address.
    """
    known = [one for one in members if one.server.datacenter == datacenter]
    alive = [one.server for one in known if one.status is Status.ALIVE]
    others = [server for server in alive if server.node_id != me.id]
    situation = _Situation(me, others, known, configuration)
    refused: list[Refused] = []
    for server in others:
        objection = situation.objection(server)
        if objection:
            refused.append(Refused(server.node, objection))
            continue
        change, why = situation.place(ServerId(server.node_id), address_of(server), server.node)
        if change is not None:
            return Step(change, why, tuple(refused))
        if why:
            refused.append(Refused(server.node, why))
    if any(server.id == me.id for server in configuration.servers):
        change, why = situation.place(me.id, me.address, "this server")
        if change is not None:
            return Step(change, why, tuple(refused))
    change, why = situation.departure(one.server for one in known if one.status is Status.LEFT)
    return Step(change, why, tuple(refused))


def strangers(
    me: Peer, members: Iterable[PoolMember], configuration: Configuration
) -> list[ServerMember]:
    """The servers that are alive and not in raft: who they belong to is to be asked first."""
    known = {server.id for server in configuration.servers} | {me.id}
    return [
        one.server
        for one in members
        if one.status is Status.ALIVE and ServerId(one.server.node_id) not in known
    ]


class _Situation:
    """The pool beside the configuration."""

    def __init__(
        self,
        me: Peer,
        others: list[ServerMember],
        known: list[PoolMember],
        configuration: Configuration,
    ) -> None:
        self._me = me
        self._known = known
        self._by_id = {server.id: server for server in configuration.servers}
        self._by_address = {server.address: server for server in configuration.servers}
        # Where servers are now, of whom that is certain; `me` is where it is.
        self._now_at = {ServerId(one.node_id): address_of(one) for one in others}
        self._now_at[me.id] = me.address
        self._claims: Counter[str] = Counter(one.node_id for one in others)
        self._claims.update(address_of(one) for one in others)
        self._claims.update((me.id, me.address))

    def objection(self, server: ServerMember) -> str:
        """Why raft must not take it as it is, or ""."""
        if server.raft_version < RAFT_VERSION_MIN or not server.node_id:
            return f"it speaks raft protocol {server.raft_version}, {RAFT_VERSION_MIN} is needed"
        # Else each of them would undo what was done for the other, time after time.
        if self._claims[server.node_id] > 1:
            return f"another server has the same ID {server.node_id}: give it a data directory anew"
        if self._claims[address_of(server)] > 1:
            return f"another server has the same address {address_of(server)}"
        if self._is_of_another_cluster(server):
            return (
                "its data belong to another cluster, whose members are "
                f"{', '.join(server.raft_peers)}: to have it join this one, give it an empty data "
                "directory"
            )
        if server.bootstrap and ServerId(server.node_id) not in self._by_id:
            return self._other_founder(server)
        return ""

    def _is_of_another_cluster(self, server: ServerMember) -> bool:
        """Two logs that were begun apart may agree in index and term, and hold different things."""
        peers = server.raft_peers
        if not peers or ServerId(server.node_id) in self._by_id:
            return False
        moved = (place for id_, place in self._now_at.items() if id_ in self._by_id)
        ours = {*self._by_address, *moved}
        return ours.isdisjoint(map(ServerAddress, peers))

    def _other_founder(self, server: ServerMember) -> str:
        """Two that founded a cluster each have logs that nothing can join."""
        for other in self._known:
            one = other.server
            if one.bootstrap and one.node != server.node and other.status is not Status.LEFT:
                return (
                    "Two nodes are in bootstrap mode. Only one node should be in bootstrap mode, "
                    f"not adding Raft peer.: node_to_add={server.node} other={one.node}"
                )
        return ""

    def departure(self, left: Iterable[ServerMember]) -> tuple[Change | None, str]:
        """The removal of one that has left, and lives under no other name."""
        for server in left:
            id_ = ServerId(server.node_id)
            if id_ in self._by_id and id_ not in self._now_at:
                return RemoveServer(id_), f"removing server by ID: {server.node} ({id_}) has left"
        return None, ""

    def place(self, id_: ServerId, address: ServerAddress, name: str) -> tuple[Change | None, str]:
        """The change that brings this server nearer to its address, and why.

        Whoever has the address in the configuration gives way first: it is moved to where it is
        now, or removed if it is nowhere. No change with a reason: nothing can be done.
        """
        passed: set[ServerId] = set()
        while (holder := self._by_address.get(address)) is not None and holder.id != id_:
            passed.add(id_)
            if self._claims[holder.id] > 1:
                return (
                    None,
                    f"server {holder.id} has the address {address}, and there are two of it",
                )
            if holder.id not in self._now_at:
                return RemoveServer(holder.id), (
                    f"removed server with duplicate address {address}: it is {name}'s now"
                )
            if holder.id in passed:
                # Peers are dialled where the pool says, so this harms nobody while all live.
                return None, f"servers exchanged the address {address} in a circle"
            id_, address, name = holder.id, self._now_at[holder.id], f"server {holder.id}"
        return self._put(self._by_id.get(id_), id_, address, name)

    def _put(
        self, stored: Server | None, id_: ServerId, address: ServerAddress, name: str
    ) -> tuple[Change | None, str]:
        if stored is None:
            return AddNonvoter(id_, address), f"adding {name} ({id_}) at {address}"
        if stored.address == address:
            return None, ""
        # A voter that is added as a non-voter remains one: only its address changes.
        return AddNonvoter(id_, address), f"{name} ({id_}) moved from {stored.address} to {address}"
