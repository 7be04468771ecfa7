"""The servers that this one has met, and whether they live.

A server lives while it is heard: it introduced itself, or answered an introduction. What others
tell of it is no more than a hint where to ask. Names and IDs are unique among the living, as in
Serf and Consul (serf: node name conflicts; consul: agent/consul/merge.go). Pure: the caller tells
the time, in monotonic seconds.
"""

from dataclasses import dataclass

from proconsul.errors import RpcError
from proconsul.leader.pool import PoolMember, ServerMember, Status
from proconsul.model.introduction import ServerIdentity

FAILED_AFTER_S = 5.0
FORGOTTEN_AFTER_S = 72 * 3600.0  # Serf's reconnect_timeout, as Consul sets it
MEMBERS_MAX = 128  # a datacenter has three to seven servers; the rest failed long ago

RAFT_IDS_MAX = 64

TEXT_MAX = 512  # characters of a name, an ID, an address, a version

# A longer silence between two looks at the clock is our own: the process or the machine stood
# still, and nobody could be heard.
PAUSE_S = 2.5


@dataclass(slots=True)
class _Acquaintance:
    server: ServerMember
    status: Status
    since_s: float
    heard_s: float

    def shown(self) -> PoolMember:
        return PoolMember(self.server, self.status, self.since_s)


class Acquaintances:
    """This server and all that it has met, by name."""

    def __init__(self, me: ServerMember, now_s: float) -> None:
        self.me = me
        self._known = {me.node: _Acquaintance(me, Status.ALIVE, now_s, now_s)}
        self._looked_s = now_s

    def heard(self, server: ServerMember, now_s: float) -> PoolMember | None:
        """It lives. Gives the member if that is news: it is new, back, or another than it was.

        Raises RpcError for one that cannot be a member.
        """
        self._refuse_strangers(server)
        known = self._known.get(server.node)
        is_back = known is not None and known.server == server and known.status is Status.ALIVE
        if known is not None and is_back:
            known.heard_s = now_s
            known.server = server  # equal, but its raft may have other members
            return None
        namesake = self.with_id(server.node_id)
        if namesake is not None:
            del self._known[namesake.server.node]
        self._make_room()
        since_s = now_s
        if known is not None and known.status is Status.ALIVE:
            since_s = known.since_s  # it only moved
        entered = _Acquaintance(server, Status.ALIVE, since_s, now_s)
        self._known[server.node] = entered
        return entered.shown()

    def _refuse_strangers(self, server: ServerMember) -> None:
        texts = (server.node, server.node_id, server.address)
        if not all(texts) or not 0 < server.rpc_port < 65536:
            raise RpcError("an introduction names the server, its ID, its address and its port")
        if max(map(len, (*texts, server.datacenter, server.version))) > TEXT_MAX:
            raise RpcError(f"an introduction has texts of at most {TEXT_MAX} characters")
        if server.datacenter != self.me.datacenter:
            raise RpcError(f"Member '{server.node}' part of wrong datacenter '{server.datacenter}'")
        if server.node_id == self.me.node_id:
            raise RpcError(
                f"Member '{server.node}' has conflicting node ID '{server.node_id}' with this "
                "agent's ID"
            )
        namesake = self.with_id(server.node_id)
        if (
            namesake is not None
            and namesake.server.node != server.node
            and (namesake.status is Status.ALIVE)
        ):
            raise RpcError(
                f"Member '{server.node}' has conflicting node ID '{server.node_id}' with member "
                f"'{namesake.server.node}'"
            )
        known = self._known.get(server.node)
        if known is None or known.server.node_id == server.node_id:
            return
        if known.server == self.me or known.status is Status.ALIVE:
            raise RpcError(
                f"Node name conflicts with another node at {known.server.address}:"
                f"{known.server.rpc_port}. Names must be unique!"
            )

    def _make_room(self) -> None:
        if len(self._known) < MEMBERS_MAX:
            return
        gone = [each for each in self._known.values() if each.status is not Status.ALIVE]
        if not gone:
            raise RpcError(f"{MEMBERS_MAX} servers are alive: no more are taken")
        del self._known[min(gone, key=lambda each: each.since_s).server.node]

    def tick(self, now_s: float) -> list[PoolMember]:
        """Look at the clock, every second or so; gives those that failed by now."""
        silence_s = now_s - self._looked_s
        self._looked_s = now_s
        failed = []
        for name, each in list(self._known.items()):
            if silence_s > PAUSE_S:
                each.heard_s = min(each.heard_s + silence_s, now_s)
            if each.server == self.me:
                continue
            if each.status is Status.ALIVE:
                if now_s - each.heard_s >= FAILED_AFTER_S:
                    each.status, each.since_s = Status.FAILED, now_s
                    failed.append(each.shown())
            elif now_s - each.since_s >= FORGOTTEN_AFTER_S:
                del self._known[name]
        return failed

    def departed(self, node: str, now_s: float) -> PoolMember | None:
        """It said that it goes; gives the member if that is news."""
        known = self._known.get(node)
        if known is None or known.server == self.me or known.status is Status.LEFT:
            return None
        known.status, known.since_s = Status.LEFT, now_s
        return known.shown()

    def force_out(self, node: str, now_s: float, *, prune: bool) -> PoolMember | None:
        """Take one that failed for left, and forget it with `prune`; one that lives stays."""
        known = self._known.get(node)
        if known is None or known.status is Status.ALIVE:
            return None
        news = self.departed(node, now_s)
        if prune:
            del self._known[node]
        return news or known.shown()

    def named(self, node: str) -> PoolMember | None:
        """The member of that name."""
        known = self._known.get(node)
        return None if known is None else known.shown()

    def with_id(self, node_id: str) -> PoolMember | None:
        """The member with that ID."""
        found = (each for each in self._known.values() if each.server.node_id == node_id)
        return next((each.shown() for each in found), None)

    def members(self) -> list[PoolMember]:
        """All, this server among them, in the order of their names."""
        return [self._known[name].shown() for name in sorted(self._known)]

    def others_alive(self) -> list[ServerMember]:
        """All that live, but this server."""
        return [
            each.server
            for each in self.members()
            if each.status is Status.ALIVE and each.server != self.me
        ]

    def alive(self) -> list[ServerMember]:
        """All that live, this server among them."""
        return [each.server for each in self.members() if each.status is Status.ALIVE]


def identity_of(server: ServerMember) -> ServerIdentity:
    """The form in which a server travels."""
    low, high, current = server.serf_protocol
    return ServerIdentity(
        node=server.node,
        id=server.node_id,
        datacenter=server.datacenter,
        address=server.address,
        port=server.rpc_port,
        version=server.version,
        raft_version=server.raft_version,
        serf_min=low,
        serf_max=high,
        serf_current=current,
        non_voter=server.non_voter,
        bootstrap=server.bootstrap,
        expect=server.expect,
        raft_ids=list(server.raft_ids) or None,
    )


def member_of(identity: ServerIdentity) -> ServerMember:
    """The server that introduced itself so."""
    return ServerMember(
        node=identity.node,
        node_id=identity.id,
        datacenter=identity.datacenter,
        address=identity.address,
        rpc_port=identity.port,
        version=identity.version,
        raft_version=identity.raft_version,
        serf_protocol=(identity.serf_min, identity.serf_max, identity.serf_current),
        non_voter=identity.non_voter,
        bootstrap=identity.bootstrap,
        expect=identity.expect,
        raft_ids=tuple((identity.raft_ids or ())[:RAFT_IDS_MAX]),
    )
