"""While this server leads: the members of the pool into raft and into the catalog.

Whoever the pool says came, went or moved is looked at at once, and all of them once a minute, as in
Consul: meanwhile an operator's own changes are let be. Decisions are in leader/reconcile.py and
leader/catalog_node.py.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from proconsul.endpoints.context import Context
from proconsul.errors import ProconsulError
from proconsul.fsm.commands import MessageType
from proconsul.leader.bootstrap import rpc_address
from proconsul.leader.catalog_node import as_member, due, forgotten, registration
from proconsul.leader.pool import LanMember, Pool, PoolMember, ServerMember
from proconsul.leader.reconcile import Refused, Step, next_step, strangers
from proconsul.model.catalog import DeregisterRequest, RegisterRequest
from proconsul.runtime.logs import logger
from proconsul.runtime.member_changes import is_settled, try_change
from proconsul.runtime.raft_driver import RaftDriver

RETRY_S = 1.0  # after a change of raft's members that could not be made
ALL_EVERY_S = 60.0
LOOKED_AT_MAX = 256  # members at a time, a millisecond or two; the loop has other things to do

log = logger("leader")

RaftPeers = Callable[[ServerMember], Awaitable[list[str]]]
"""The addresses in the raft configuration of a server. Raises RpcError if it does not tell."""


class Reconciling:
    """Brings raft and the catalog in line with the pool."""

    def __init__(
        self,
        context: Context,
        driver: RaftDriver,
        me: ServerMember,
        pool: Pool,
        raft_peers: RaftPeers,
        joined: Callable[[], None],
    ) -> None:
        """`joined` is told when a server came into raft's configuration, or moved."""
        self._context = context
        self._driver = driver
        self._me = me
        self._pool = pool
        self._raft_peers = raft_peers
        self._joined = joined
        self._servers_changed = asyncio.Event()
        self._changed = asyncio.Event()
        self._names: set[str] = set()  # of members that changed
        self._told: set[Refused] = set()
        self._silent: dict[str, str] = {}  # servers that do not say of which cluster they are: why

    def pool_changed(self, name: str) -> None:
        """That member came, went, or moved."""
        self._names.add(name)
        self._changed.set()
        self._servers_changed.set()

    async def register_own_node(self) -> None:
        """Put this server into the catalog, if it is not there; failing is only told.

        A refusal must not keep it from leading, and is tried again with all the others.
        """
        member = as_member(self._me)
        for command in registration(self._context.state.read(), self._me.datacenter, member):
            await self._try_to_write(command)

    async def run(self) -> None:
        """From the beginning of the leadership until cancelled at its end."""
        self._told.clear()
        self._silent.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_catalog())
            tasks.create_task(self._keep_servers())

    # ---------------------------------------------------------------- raft

    async def _keep_servers(self) -> None:
        while True:
            self._servers_changed.clear()
            while await self._step():
                self._joined()
            await _changed_within(self._servers_changed, self._patience_s())

    def _patience_s(self) -> float:
        """Nothing need be looked at for a minute, unless something is still to be done."""
        step = self._next_step(self._pool.members())
        is_settled_now = is_settled(self._driver.node)
        return RETRY_S if step.change is not None or not is_settled_now else ALL_EVERY_S

    async def _step(self) -> bool:
        """Make the next change; whether there was one, and it is done."""
        members = await self._with_raft_peers(self._pool.members())
        if not is_settled(self._driver.node):
            return False
        step = self._next_step(members)
        for refused in step.refused:
            self._tell(refused)
        return step.change is not None and await try_change(self._driver, step.change, step.why)

    def _next_step(self, members: Iterable[PoolMember]) -> Step:
        return next_step(
            self._driver.me, self._me.datacenter, members, self._driver.node.configuration
        )

    async def _with_raft_peers(self, members: list[PoolMember]) -> list[PoolMember]:
        """The servers that might be added say which cluster they are of; who is silent waits."""
        asked = strangers(self._driver.me, members, self._driver.node.configuration)
        if not asked:
            return members
        answers = await asyncio.gather(*map(self._ask, asked))
        peers = {one.node: answer for one, answer in zip(asked, answers, strict=True)}
        silent = {name for name, answer in peers.items() if answer is None}
        return [
            replace(one, server=replace(one.server, raft_peers=tuple(peers.get(name) or ())))
            for one in members
            if (name := one.server.node) not in silent
        ]

    async def _ask(self, server: ServerMember) -> list[str] | None:
        try:
            peers = await self._raft_peers(server)
        except ProconsulError as failure:
            if self._silent.get(server.node) != (why := str(failure)):
                self._silent[server.node] = why
                log.info(
                    "a server is not added until it says of which cluster it is: node=%s "
                    'address=%s error="%s"',
                    server.node,
                    rpc_address(server),
                    why,
                )
            return None
        self._silent.pop(server.node, None)
        return peers

    def _tell(self, refused: Refused) -> None:
        if refused not in self._told:
            self._told.add(refused)
            log.error("a server is not added: node=%s: %s", refused.node, refused.why)

    # ---------------------------------------------------------------- the catalog

    async def _keep_catalog(self) -> None:
        """What the pool changed, at once; all of it now and then."""
        await self._write_due(self._pool.agents())
        all_next_s = self._now_s() + ALL_EVERY_S
        while True:
            if self._now_s() >= all_next_s:
                all_next_s = self._now_s() + ALL_EVERY_S
                await self._write_all()
            elif self._names:
                names, self._names = self._names, set()
                await self._write_due(one for one in self._pool.agents() if one.node in names)
                await self._write_forgotten(names)
            self._changed.clear()
            if not self._names:
                await _changed_within(self._changed, all_next_s - self._now_s())

    async def _write_all(self) -> None:
        try:
            await self._driver.barrier()
        except ProconsulError as failure:
            log.error("failed to wait for barrier: %s", failure)
            return
        agents = self._pool.agents()
        await self._write_due(agents)
        await self._write_forgotten(None)

    async def _write_due(self, agents: Iterable[LanMember]) -> None:
        """Of these. What cannot be written now waits until all are looked at."""
        rest = iter(agents)
        while some := list(itertools.islice(rest, LOOKED_AT_MAX)):
            for command in due(self._context.state.read(), self._me, some):
                await self._try_to_write(command)
            await asyncio.sleep(0)

    async def _write_forgotten(self, among: set[str] | None) -> None:
        """Take out who is no member any more; of these names, or of all."""
        members = {one.node for one in self._pool.agents()} | {self._me.node}
        if among is not None and among <= members:
            return
        state = self._context.state.read()
        for command in forgotten(state, self._me.datacenter, members):
            if among is None or command.node in among:
                await self._try_to_write(command, why="reaped")

    async def _try_to_write(
        self, command: RegisterRequest | DeregisterRequest, why: str = "left"
    ) -> None:
        try:
            await self._write(command, why)
        except ProconsulError as failure:
            log.error("failed to reconcile member: member=%s error=%s", command.node, failure)

    async def _write(self, command: RegisterRequest | DeregisterRequest, why: str) -> None:
        if isinstance(command, DeregisterRequest):
            log.info("deregistering member: member=%s reason=%s", command.node, why)
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


async def _changed_within(changed: asyncio.Event, patience_s: float) -> None:
    try:
        async with asyncio.timeout(max(patience_s, 0.0)):
            await changed.wait()
    except TimeoutError:
        pass
