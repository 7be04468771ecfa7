"""Founding a cluster: asks the others what `leader/bootstrap.py` wants to know, and does it.

Only while this server's raft holds nothing. Whoever reports peers ends it for good in this
process: there is a cluster, and its leader will take this server in.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol, assert_never

from proconsul.errors import ProconsulError
from proconsul.leader.bootstrap import (
    Conflict,
    Found,
    Promises,
    View,
    Wait,
    configuration_of,
    decide,
    rpc_address,
)
from proconsul.leader.pool import ServerMember
from proconsul.model.founding import FoundReply, FoundRequest, IdentifyReply
from proconsul.model.query import DCSpecificRequest
from proconsul.raft.messages import Configuration, Server
from proconsul.runtime.logs import logger
from proconsul.runtime.raft_driver import RaftDriver

TOLD_AGAIN_AFTER_S = 30.0  # why nothing goes on, in the log
_NOTHING_TO_DO = (
    "there is no cluster here and none to join: no leader, so writes are refused; "
    "-bootstrap-expect=1 makes this server a cluster of its own, -retry-join finds one"
)

log = logger("server")

Call = Callable[[str, str, Any, Any], Awaitable[Any]]
"""Of (address, method, request, type of the reply). Raises RpcError soon if no answer comes."""


class Raft(Protocol):
    """What of raft is asked and told here."""

    def is_empty(self) -> bool:
        """Whether it holds nothing at all: no entry, no term, no member."""

    def servers(self) -> tuple[Server, ...]:
        """The members of the latest configuration."""

    def bootstrap(self, configuration: Configuration) -> None:
        """Write the first entry. Raises RefusedError."""


class DriverRaft:
    """The raft of a running server."""

    def __init__(self, driver: RaftDriver) -> None:
        self._driver = driver

    def is_empty(self) -> bool:
        """As node.bootstrap wants it."""
        node = self._driver.node
        return not (node.configuration.servers or node.last_index or node.term)

    def servers(self) -> tuple[Server, ...]:
        """The members."""
        return self._driver.node.configuration.servers

    def bootstrap(self, configuration: Configuration) -> None:
        """Found a cluster. Raises RefusedError."""
        self._driver.bootstrap(configuration)


class Founding:
    """This server's part in founding the cluster."""

    def __init__(
        self, me: ServerMember, raft: Raft, call: Call, objection: Callable[[], str]
    ) -> None:
        """`objection` is why no cluster may be founded at this moment, "" if one may be."""
        self._me = me
        self._objection = objection
        self._raft = raft
        self._call = call
        self._promises = Promises(me)
        self._has_ended = False
        self._told = ("", 0.0)
        self.is_founding = False  # promises are being gathered

    @property
    def has_peers(self) -> bool:
        """Whether this server's raft holds anything."""
        return not self._raft.is_empty()

    def begin(self, *, joins: bool) -> None:
        """Found at once where there is nobody to be asked; say so where nothing is to be done."""
        if self.has_peers or joins:
            return
        match decide(View(me=self._me, alive=(self._me,), silent=())):
            case Found() if objection := self._objection():
                self._tell(objection)
            case Found(voters):
                self._raft.bootstrap(configuration_of(voters))
            case Wait(""):
                log.warning(_NOTHING_TO_DO)
            case _:
                return

    # ------------------------------------------------------------ what others say

    def promise(self, request: FoundRequest, alive: Collection[ServerMember]) -> FoundReply:
        """Answer a founder."""
        # Who has seen a cluster helps nobody to found another one.
        has_peers = self.has_peers or self._has_ended
        if not has_peers and (objection := self._objection()):
            return FoundReply(reason=objection)
        reply = self._promises.give(request, alive, _now_s(), has_peers=has_peers)
        log.debug(
            "asked to let a server found the cluster: id=%s promised=%s reason=%r",
            request.founder,
            reply.promised,
            reply.reason,
        )
        return reply

    def answered(self, reply: IdentifyReply, asked_s: float) -> None:
        """A server answered our question, which was asked at `asked_s`."""
        may_found = reply.has_peers or reply.founding
        self._promises.answered(reply.id, asked_s, may_found=may_found)
        if reply.has_peers:
            self.saw_peers(reply.node)

    def saw_peers(self, server: str) -> None:
        """There is a cluster."""
        if not self._has_ended and not self.has_peers:
            log.info(
                "Existing Raft peers reported by server, disabling bootstrap mode.: server=%s",
                server,
            )
        self._has_ended = True

    # ------------------------------------------------------------ after each round

    @property
    def is_over(self) -> bool:
        """Whether this server founds no cluster any more: it has one, or has seen one."""
        return self._has_ended or self.has_peers

    async def consider(self, alive: Collection[ServerMember], silent: Collection[str]) -> None:
        """Go on as far as the last round of joins lets us; `silent` are the join addresses that
        did not answer.
        """
        if self.is_over:
            return
        decision = decide(View(me=self._me, alive=alive, silent=silent))
        match decision:
            case Wait(reason):
                self._tell(reason)
            case Conflict(reason):
                self._tell(reason, is_error=True)
            case Found() if objection := self._objection():
                self._tell(objection)
            case Found(voters):
                self.is_founding = True
                try:
                    reason = await self._found(voters, alive)
                finally:
                    self.is_founding = False
                    self._promises.withdraw()
                self._tell(reason)
            case _:
                assert_never(decision)

    async def _found(
        self, voters: Collection[ServerMember], alive: Collection[ServerMember]
    ) -> str:
        """Ask, and found; the reason if it was not to be."""
        me = self._me
        request = FoundRequest(
            datacenter=me.datacenter,
            founder=me.node_id,
            expect=me.expect,
            servers=[each.node_id for each in voters],
        )
        own = self._promises.give(request, alive, _now_s(), has_peers=self.has_peers)
        if not own.promised:
            return f"this server cannot found: {own.reason}"
        reason = await self._look_for_peers(alive)
        if reason:
            return reason
        asked = [each for each in voters if each.node_id != me.node_id]
        replies = await asyncio.gather(*(self._ask_promise(each, request) for each in asked))
        for server, reply in zip(asked, replies, strict=True):
            if reply.has_peers:
                self.saw_peers(server.node)
            if not reply.promised:
                return f"{server.node} does not let this server found: {reply.reason}"
        # Decided in this turn of the loop: nothing else can have happened to our raft.
        if self.is_over:
            return ""
        configuration = configuration_of(voters)
        peers = ",".join(each.address for each in configuration.servers)
        log.info("Found expected number of peers, attempting bootstrap: peers=%s", peers)
        self._raft.bootstrap(configuration)
        return ""

    async def _look_for_peers(self, alive: Collection[ServerMember]) -> str:
        """Ask all for their raft peers; the reason if there are any, or somebody is silent."""
        asked = {rpc_address(each): each.node for each in alive if each != self._me}
        answers = await asyncio.gather(*(self._ask_peers(address) for address in asked))
        for name, answer in zip(asked.values(), answers, strict=True):
            if answer is not None and not isinstance(answer, str):
                self.saw_peers(name)
                return ""
        for name, answer in zip(asked.values(), answers, strict=True):
            if answer is not None:
                return (
                    "Failed to confirm peer status for server (will retry).: "
                    f"server={name} error={answer!r}"
                )
        return ""

    async def _ask_peers(self, address: str) -> str | list[str] | None:
        """Its raft peers; None for none; a complaint if it does not tell."""
        request = DCSpecificRequest(datacenter=self._me.datacenter)
        try:
            peers: list[str] = await self._call(address, "Status.Peers", request, list[str])
        except ProconsulError as failure:
            return str(failure)
        return peers or None

    async def _ask_promise(self, server: ServerMember, request: FoundRequest) -> FoundReply:
        try:
            reply: FoundReply = await self._call(
                rpc_address(server), "Proconsul.Found", request, FoundReply
            )
        except ProconsulError as failure:
            return FoundReply(reason=str(failure))
        return reply

    def _tell(self, reason: str, *, is_error: bool = False) -> None:
        """Say why nothing goes on: once, and again after a while."""
        told, at_s = self._told
        if not reason or (reason == told and _now_s() - at_s < TOLD_AGAIN_AFTER_S):
            return
        self._told = (reason, _now_s())
        if is_error:
            log.error("%s", reason)
        else:
            log.info("no cluster is founded yet: %s", reason)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
