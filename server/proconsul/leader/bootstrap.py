"""Who founds the cluster, and when: `bootstrap_expect`, and `bootstrap` next to others.

Consul lets every server that sees enough others write the first entry of the log by itself
(wire/raft.md section 9). Servers that saw different ones then write different first entries, and
the cluster is two. Here one server founds, of those that expect others the one with the smallest
ID, and only with the promise of all that it writes into the entry; the others get it by raft
(docs/adr/0008). A server that has
any raft state promises nothing and founds nothing.

Pure: rounds of questions go in as a `View`, out comes what to do.
"""

from collections.abc import Collection

from msgspec import Struct

from proconsul.leader.pool import ServerMember
from proconsul.model.founding import FoundReply, FoundRequest
from proconsul.raft.messages import Configuration, Server, ServerAddress, ServerId
from proconsul.wire.golang import join_host_port


class View(Struct, frozen=True, kw_only=True):
    """What a server that has no raft state sees after a round of joins."""

    me: ServerMember
    alive: Collection[ServerMember]  # this server among them
    silent: Collection[str]  # the join addresses that did not answer in this round


class Found(Struct, frozen=True):
    """Ask these for their peers and their promises, then found the cluster with them."""

    voters: tuple[ServerMember, ...]  # in the order of their IDs


class Wait(Struct, frozen=True):
    """Not now; `reason` is for the log, "" when there is nothing to wait for."""

    reason: str


class Conflict(Struct, frozen=True):
    """Not as long as the servers are set up like this."""

    reason: str


Decision = Found | Wait | Conflict


def decide(view: View) -> Decision:
    """Whether this server is to found the cluster now."""
    me = view.me
    if me.non_voter or not (me.bootstrap or me.expect):
        return Wait("")  # it only joins; a copy for reading has no say in it
    for other in sorted(view.alive, key=lambda each: each.node):
        if other.node_id != me.node_id and (conflict := _conflict(me, other)):
            return Conflict(conflict)
    return _decide_alone(view) if me.bootstrap else _decide_together(view)


def _decide_alone(view: View) -> Decision:
    if view.silent:
        return Wait(_waits_for("every join address to answer", view.silent))
    return Found((view.me,))


def _decide_together(view: View) -> Decision:
    me = view.me
    # Whoever is silent may be a majority of a cluster that is there already.
    if len(view.silent) >= majority(me.expect):
        return Wait(_waits_for("join addresses that do not answer", view.silent))
    voters = sorted(
        (each for each in view.alive if not each.non_voter), key=lambda each: each.node_id
    )
    if len(voters) < me.expect:
        names = ", ".join(each.node for each in voters)
        silent = f"; silent: {', '.join(sorted(view.silent))}" if view.silent else ""
        return Wait(f"{len(voters)} of {me.expect} servers are here ({names}){silent}")
    founder = next(each for each in voters if each.expect)  # the others only join
    if founder.node_id != me.node_id:
        return Wait(f"{founder.node} has the smallest ID and is to found the cluster")
    return Found(tuple(voters))


def majority(expect: int) -> int:
    """Of a cluster of that many."""
    return expect // 2 + 1


def _conflict(me: ServerMember, other: ServerMember) -> str:
    """Why these two cannot be in one cluster to be founded, in Consul's words."""
    who = f"member={other.node} address={other.address}"
    if other.bootstrap:
        return f"Member has bootstrap mode. Expect disabled.: {who}"
    if not me.bootstrap and other.expect and other.expect != me.expect:
        return (
            "Member has a conflicting expect value. All nodes should expect the same number.: "
            f"{who} expect={other.expect}"
        )
    return ""


def _waits_for(what: str, whom: Collection[str]) -> str:
    return f"waiting for {what}: {', '.join(sorted(whom))}"


def configuration_of(voters: Collection[ServerMember]) -> Configuration:
    """The first entry of the log."""
    return Configuration(
        tuple(Server(ServerId(each.node_id), ServerAddress(rpc_address(each))) for each in voters)
    )


def rpc_address(server: ServerMember) -> str:
    """`host:port` where it takes calls, and raft."""
    return join_host_port(server.address, server.rpc_port)


class Promises:
    """What this server has promised, to one founder at a time.

    A promise holds until the founder, asked after it was given, says that it founded nothing and
    is not about to: only then can it make no use of it any more. No clock could tell, for a
    founder may have stood still between the last promise and the founding.
    """

    def __init__(self, me: ServerMember) -> None:
        self._me = me
        self._founder = ""
        self._given_s = 0.0

    @property
    def founder(self) -> str:
        """The ID of who has the promise; "" for nobody."""
        return self._founder

    def give(
        self,
        request: FoundRequest,
        alive: Collection[ServerMember],
        now_s: float,
        *,
        has_peers: bool,
    ) -> FoundReply:
        """Promise, or say why not; `has_peers` is about this server's own raft."""
        if has_peers:
            return FoundReply(has_peers=True, reason="it has raft state already")
        reason = self._objection(request, alive)
        if reason:
            return FoundReply(reason=reason)
        self._founder, self._given_s = request.founder, now_s
        return FoundReply(promised=True)

    def _objection(self, request: FoundRequest, alive: Collection[ServerMember]) -> str:
        me = self._me
        if request.datacenter != me.datacenter:
            return f"it is in datacenter '{me.datacenter}'"
        if not {me.node_id, request.founder} <= set(request.servers or ()):
            return "the founder and this server are to be among the servers"
        if self._founder not in ("", request.founder):
            return f"it has promised server {self._founder}, which has not answered since"
        return "" if request.founder == me.node_id else self._objection_to(request, alive)

    def _objection_to(self, request: FoundRequest, alive: Collection[ServerMember]) -> str:
        me = self._me
        if me.bootstrap or (me.expect and me.expect != request.expect):
            return f"it has bootstrap={me.bootstrap} and expect={me.expect}"
        for each in alive:
            if each.node_id < request.founder and each.expect and not each.non_voter:
                return f"it sees {each.node}, whose ID is smaller"
        return ""

    def answered(self, server_id: str, asked_s: float, *, may_found: bool) -> None:
        """A server answered a question of `asked_s`; `may_found`: it did or is about to found."""
        if server_id == self._founder and asked_s > self._given_s and not may_found:
            self._founder = ""

    def withdraw(self) -> None:
        """This server founds nothing after all."""
        if self._founder == self._me.node_id:
            self._founder = ""
