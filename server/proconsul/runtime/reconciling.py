"""While this server leads: the members of the pool into raft and into the catalog.

Looked at every second, which costs a walk over a handful of servers, and when the pool says that
it changed. Decisions are in leader/reconcile.py and leader/catalog_node.py.
"""

import asyncio
from collections.abc import Callable

from proconsul.endpoints.context import Context
from proconsul.errors import ProconsulError
from proconsul.fsm.commands import MessageType
from proconsul.leader.catalog_node import due, registration
from proconsul.leader.pool import Pool, PoolMember, ServerMember, Status
from proconsul.leader.reconcile import Refused, next_step
from proconsul.model.catalog import DeregisterRequest, RegisterRequest
from proconsul.runtime.logs import logger
from proconsul.runtime.member_changes import is_settled, try_change
from proconsul.runtime.raft_driver import RaftDriver

LOOK_EVERY_S = 1.0
CATALOG_EVERY_S = 60.0  # Consul's interval: meanwhile an operator's own changes are let be

log = logger("leader")


class Reconciling:
    """Brings raft and the catalog in line with the pool."""

    def __init__(
        self,
        context: Context,
        driver: RaftDriver,
        me: ServerMember,
        pool: Pool,
        joined: Callable[[], None],
    ) -> None:
        """`joined` is told when a server came into raft's configuration, or moved."""
        self._context = context
        self._driver = driver
        self._me = me
        self._pool = pool
        self._joined = joined
        self._pool_changed = asyncio.Event()
        self._told: set[Refused] = set()

    def pool_changed(self) -> None:
        """Somebody came, went, or moved."""
        self._pool_changed.set()

    async def register_own_node(self) -> None:
        """Put this server into the catalog, if it is not there; failing is only told.

        A refusal must not keep it from leading, and is tried again with all the others.
        """
        for command in registration(self._context.state.read(), self._me):
            await self._try_to_write(command)

    async def run(self) -> None:
        """From the beginning of the leadership until cancelled at its end."""
        self._told.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_catalog())
            tasks.create_task(self._keep_servers())

    # ---------------------------------------------------------------- raft

    async def _keep_servers(self) -> None:
        while True:
            while await self._step():
                self._joined()
            await self._look_again()

    async def _look_again(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._pool_changed.wait()
        except TimeoutError:
            pass
        self._pool_changed.clear()

    async def _step(self) -> bool:
        """Make the next change; whether there was one, and it is done."""
        node = self._driver.node
        if not is_settled(node):
            return False
        step = next_step(
            self._driver.me, self._me.datacenter, self._pool.members(), node.configuration
        )
        for refused in step.refused:
            self._tell(refused)
        return step.change is not None and await try_change(self._driver, step.change, step.why)

    def _tell(self, refused: Refused) -> None:
        if refused not in self._told:
            self._told.add(refused)
            log.error("a server is not added: node=%s: %s", refused.node, refused.why)

    # ---------------------------------------------------------------- the catalog

    async def _keep_catalog(self) -> None:
        """What the pool changed within a second; all of it now and then."""
        seen: set[tuple[ServerMember, Status]] = set()
        all_next_s = self._now_s() + CATALOG_EVERY_S
        while True:
            members = self._pool.members()
            if self._now_s() >= all_next_s:
                all_next_s = self._now_s() + CATALOG_EVERY_S
                await self._write_all(members)
            else:
                others = [one for one in members if (one.server, one.status) not in seen]
                await self._write_due(members, {one.server.node for one in others})
            seen = {(one.server, one.status) for one in members}
            await asyncio.sleep(LOOK_EVERY_S)

    async def _write_all(self, members: list[PoolMember]) -> None:
        try:
            await self._driver.barrier()
        except ProconsulError as failure:
            log.error("failed to wait for barrier: %s", failure)
            return
        names = {self._me.node} | {one.server.node for one in members}
        await self._write_due(members, names)

    async def _write_due(self, members: list[PoolMember], names: set[str]) -> None:
        """Of these nodes. One that cannot be written now waits until all are looked at."""
        if not names:
            return
        for command in due(self._context.state.read(), self._me, members):
            if command.node in names:
                await self._try_to_write(command)

    async def _try_to_write(self, command: RegisterRequest | DeregisterRequest) -> None:
        try:
            await self._write(command)
        except ProconsulError as failure:
            log.error("failed to reconcile member %s: %s", command.node, failure)

    async def _write(self, command: RegisterRequest | DeregisterRequest) -> None:
        if isinstance(command, DeregisterRequest):
            log.info("deregistering member: member=%s reason=left", command.node)
            await self._context.log.propose(MessageType.DEREGISTER, command)
            return
        assert command.check is not None, "what is due says how the node is"
        log.info(
            "member joined, marking health alive: member=%s"
            if command.check.status == "passing"
            else "member failed, marking health critical: member=%s",
            command.node,
        )
        await self._context.log.propose(MessageType.REGISTER, command)

    def _now_s(self) -> float:
        return self._context.world.now_s()
