"""Changes of raft's members, for those who decide on them: one at a time, tried again later."""

import asyncio

from proconsul.errors import NoLeaderError, ProconsulError, RpcError
from proconsul.raft.effects import RefusedError
from proconsul.raft.membership import Change
from proconsul.raft.node import Node
from proconsul.runtime.logs import logger
from proconsul.runtime.pending import LeadershipLostError
from proconsul.runtime.raft_driver import RaftDriver

SETTLES_EVERY_S = 0.05  # looked at, while somebody waits for it

log = logger("autopilot")


def is_settled(node: Node) -> bool:
    """Whether it leads and takes a change now: an entry of its term and the last change committed.

    What was decided by the configuration of such a moment may be done, if nothing is awaited in
    between.
    """
    leadership = node.leadership
    return (
        leadership is not None
        and leadership.transfer is None
        and not leadership.is_restoring
        and node.commit_index >= leadership.first_index
        and node.membership.latest_index <= node.commit_index
    )


async def try_change(driver: RaftDriver, change: Change, why: str) -> bool:
    """Make a change; False: it failed, which is told in the log. Done and applied if True."""
    log.info("%s", why)
    try:
        await driver.change(change)
    except (RefusedError, ProconsulError) as failure:
        log.warning("a change of the members failed, will retry: %s: %s", why, failure)
        return False
    return True


async def demand_change(driver: RaftDriver, change: Change, patience_s: float) -> None:
    """Make a change that an operator wants; committed when this returns.

    Another one that is under way is waited for. Raises NoLeaderError: it was not made; RpcError.
    """
    await _settle(driver.node, patience_s)
    node, term = driver.node, driver.node.term
    try:
        await driver.change(change)
    except RefusedError as refused:
        if not node.is_leader:
            raise NoLeaderError from refused
        raise RpcError(str(refused)) from refused
    except LeadershipLostError:
        # A leader that removes itself leads no more as soon as that is committed (paper, 6).
        removed_itself = driver.me.id == change.id and driver.me.id not in node.membership.by_id
        if not (removed_itself and node.term == term and _is_committed(node)):
            raise


async def _settle(node: Node, patience_s: float) -> None:
    """Until it is settled, leads no more, or time is up: then the change itself says why not."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + patience_s
    while node.is_leader and not is_settled(node):
        if loop.time() >= until_s:
            return
        await asyncio.sleep(SETTLES_EVERY_S)


def _is_committed(node: Node) -> bool:
    return node.membership.latest_index <= node.commit_index
