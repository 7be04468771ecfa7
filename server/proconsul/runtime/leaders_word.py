"""Reads in the leader's stead: on its word, from this server's state once that has come as far.

To pass a read on costs both servers more than to answer it. So the leader is only asked for the
index of its state (endpoints/read_index.py), once for all reads that came meanwhile. If its word
takes long, or the leader is of another kind, or there is none, the reads go the ordinary way.

The state must be at that index exactly, not beyond it: a follower may have applied what its leader
has committed and not yet applied itself, and who read that here could read less there afterwards.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from proconsul.endpoints.context import Log
from proconsul.errors import NoLeaderError, RpcError
from proconsul.model.read_index import ReadIndexReply, ReadIndexRequest
from proconsul.runtime.rpc_client import RemoteError

METHOD = "Proconsul.ReadIndex"
PATIENCE_S = 0.5  # for the word, and for the state to come as far: a commit is told at once
PAUSE_S = 1.0  # without asking, after a word that did not come


class PassedError(RpcError):
    """The state is beyond what the leader vouches for."""

    def __init__(self) -> None:
        super().__init__("the state has moved on")


class Client(Protocol):
    """Calls servers (runtime/rpc_client.py)."""

    async def call(self, address: str, method: str, request: Any, reply_type: Any) -> Any:
        """The reply."""


class LeadersWord:
    """What the leader vouches for."""

    def __init__(self, log: Log, client: Client, datacenter: Callable[[], str]) -> None:
        self._log = log
        self._client = client
        self._datacenter = datacenter
        self._loop = asyncio.get_running_loop()
        self._unable = ""  # a leader that does not know the method
        self._paused_until_s = 0.0
        self._vouched_for = -1  # the index of the last word

    @property
    def is_of_now(self) -> bool:
        """Whether the last word is about the state as it is at this moment."""
        return self._log.applied_index() == self._vouched_for

    @property
    def may_be_had(self) -> bool:
        """Whether there is somebody to ask, who is likely to answer."""
        log = self._log
        if log.is_leader() or self._loop.time() < self._paused_until_s:
            return False
        return log.leader_address() not in ("", self._unable)

    async def default(self) -> None:
        """Until the state holds what a read in the default mode must see. Raises an error."""
        await self._reach(consistent=False)

    async def consistent(self) -> None:
        """The same for `?consistent`."""
        await self._reach(consistent=True)

    async def _reach(self, *, consistent: bool) -> None:
        if not self.may_be_had:
            raise NoLeaderError
        address = self._log.leader_address()
        request = ReadIndexRequest(datacenter=self._datacenter(), consistent=consistent)
        try:
            async with asyncio.timeout(PATIENCE_S):
                reply = await self._client.call(address, METHOD, request, ReadIndexReply)
                await self._log.wait_applied(reply.index)
        except (RpcError, TimeoutError) as failure:
            self._paused_until_s = self._loop.time() + PAUSE_S
            if isinstance(failure, RemoteError) and "rpc: can't find" in failure.text:
                self._unable = address
            raise
        self._vouched_for = reply.index
        if not self.is_of_now:
            raise PassedError


class LeadersStead:
    """The log of a server that reads in the leader's stead, for reads that it has vouched for."""

    async def confirm_leadership(self) -> None:
        """It was, by the leader."""

    def may_read_by_lease(self) -> bool:
        """By the leader's."""
        return True

    def is_leader(self) -> bool:
        """The answer is the leader's."""
        return True

    def leader_known(self) -> bool:
        """It has answered."""
        return True

    def last_contact_ns(self) -> int:
        """As the leader says it."""
        return 0
