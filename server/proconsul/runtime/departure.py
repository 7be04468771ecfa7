"""How a server goes: its leadership first, so that the others need no election.

A stop leaves the membership as it is, for the server comes back. Who leaves for good (`consul
leave`) is taken out by the leader, as in Consul.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from proconsul.errors import ProconsulError
from proconsul.model.operator import RaftRemovePeerRequest
from proconsul.runtime.logs import logger
from proconsul.runtime.raft_driver import RaftDriver

HAND_OVER_S = 2.0  # who does not take it by then will hear that we are gone
NEXT_LEADER_S = 1.0  # the others may all be stopping, too
LEAVE_S = 15.0
LOOK_AGAIN_S = 0.01
NOT_FOUND = "was not found in the Raft configuration"

log = logger("raft")


async def hand_over(driver: RaftDriver) -> None:
    """Have another voter lead, if this server does and there is one; failing is only told."""
    node = driver.node
    if not node.is_leader or node.is_only_voter:
        return
    try:
        async with asyncio.timeout(HAND_OVER_S):
            await driver.transfer()
        async with asyncio.timeout(NEXT_LEADER_S):
            # As long as this server listens it can pass on what it was asked meanwhile.
            while node.leader is None:  # noqa: ASYNC110 - for a moment, once in a life
                await asyncio.sleep(LOOK_AGAIN_S)
        log.info("leadership was handed over: leader=%s", node.leader.id)
    except ProconsulError as failure:
        log.warning("leadership was not handed over: %s", failure)
    except TimeoutError:
        log.warning("leadership was not handed over: no other server took it in time")


class Leaving(Protocol):
    """The gossip pool."""

    async def leave(self) -> None:
        """Tell the others that this agent goes for good."""


async def leave(
    driver: RaftDriver, lan: Leaving, call: Callable[[str, Any], Awaitable[Any]], datacenter: str
) -> None:
    """Hand over, leave the pool, and be taken out of raft; failing is only told."""
    await hand_over(driver)
    # Before raft: who is taken for alive would be added again.
    await lan.leave()
    if len(driver.servers()) <= 1 or driver.me.id not in {one.id for one in driver.servers()}:
        return
    request = RaftRemovePeerRequest(datacenter=datacenter, id=driver.me.id)
    try:
        async with asyncio.timeout(LEAVE_S):
            await call("Operator.RaftRemovePeerByID", request)
        log.info("this server is no member of the cluster any more")
    except (ProconsulError, TimeoutError) as failure:
        if NOT_FOUND in str(failure):  # the leader has heard of it by gossip before
            log.info("the leader has taken this server out of the cluster already")
            return
        # By gossip the leader knows it, too, and most likely has done it or will.
        log.warning(
            "nobody has said that this server is out of the cluster: %s. See it on another one by "
            "`consul operator raft list-peers`; should it still be there: "
            "consul operator raft remove-peer -id=%s",
            failure or "no answer in time",
            driver.me.id,
        )
