"""What runs while this server leads: it starts with a barrier and ends with the leadership.

Decisions are in leader/ and endpoints/; here they get their clock and their proposals.
"""

import asyncio
from collections.abc import Callable

from proconsul.endpoints.context import Context
from proconsul.endpoints.coordinate_batch import PERIOD_S as COORDINATE_PERIOD_S
from proconsul.endpoints.user_events import NEW_LEADER
from proconsul.errors import ProconsulError
from proconsul.fsm.commands import CoordinateBatch, MessageType
from proconsul.leader.pool import Pool, ServerMember
from proconsul.leader.tombstones import TombstoneTimes
from proconsul.model.cluster_mark import ClusterMark
from proconsul.model.kv import TombstoneRequest
from proconsul.model.operator import AutopilotConfig, AutopilotSetConfigRequest
from proconsul.model.session import Session, SessionRequest
from proconsul.runtime.autopilot import Autopilot
from proconsul.runtime.logs import logger
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.reconciling import RaftPeers, Reconciling
from proconsul.store import autopilot, cluster_marks, sessions
from proconsul.store.events import SessionCreated, SessionDestroyed, TombstoneAdded

SESSION_TICK_S = 1.0  # at most; a deadline that is known is met
TOMBSTONE_TICK_S = 5.0
SESSION_TICK_MIN_S = 0.05  # those that end at nearly the same time share a write
SESSION_RETRY_S = 10.0
SESSIONS_AT_ONCE = 256
TAKE_OVER_RETRY_S = 1.0

log = logger("leader")


class LeaderDuties:
    """Starts and stops with the leadership; `ready` says that consistent reads may be served."""

    def __init__(
        self,
        context: Context,
        driver: RaftDriver,
        member: ServerMember,
        pool: Pool,
        raft_peers: RaftPeers,
        pilot: Autopilot,
        first_autopilot: AutopilotConfig,
        ready: asyncio.Event,
        fatal: Callable[[BaseException], None],
    ) -> None:
        """`first_autopilot` is what the first leader of a cluster writes."""
        self._context = context
        self._driver = driver
        self._pilot = pilot
        self._reconciling = Reconciling(
            context, driver, member, pool, raft_peers, pilot.servers_changed
        )
        self._first_autopilot = first_autopilot
        self._tombstones = TombstoneTimes()
        self._task: asyncio.Task[None] | None = None
        self._fatal = fatal
        self.ready = ready
        self.new_cluster_id = context.world.new_uuid  # for a cluster that has no ID yet

    def leadership(self, won: bool) -> None:
        """Called by the driver when leadership is won or lost."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.ready.clear()
        self._context.session_timers.clear_all()
        self._tombstones.clear()
        if won:
            self._task = asyncio.get_running_loop().create_task(self._lead())
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A leader without its duties is none: the process ends rather than go on so."""
        if not task.cancelled() and task.exception() is not None:
            failure = task.exception()
            assert failure is not None
            log.error("the duties of the leader failed", exc_info=failure)
            self._fatal(failure)

    async def stop(self) -> None:
        """End what runs."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])  # how it ended was told by `_ended`

    def store_events(self, events: list[object]) -> None:
        """What commits told: lock-delays run on every server, timers only on the leader."""
        context = self._context
        now_s = context.world.now_s()
        leading = self._task is not None
        for event in events:
            match event:
                case SessionDestroyed():
                    context.lock_delays.destroyed(event, now_s)
                    context.session_timers.clear(event.session_id)
                case SessionCreated() if leading:
                    context.session_timers.reset(event.session_id, event.ttl, now_s)
                case TombstoneAdded() if leading:
                    self._tombstones.hint(event.index, now_s)
                case _:
                    pass

    def pool_changed(self, name: str) -> None:
        """That member came, went, or moved."""
        self._reconciling.pool_changed(name)

    def restored(self) -> None:
        """The whole state was replaced: take over anew."""
        self._context.lock_delays.clear()
        if self._task is not None:
            self.leadership(True)

    async def _lead(self) -> None:
        while True:
            try:
                await self._take_over()
                break
            except ProconsulError as failure:
                log.error("failed to establish leadership: %s", failure)
                await asyncio.sleep(TAKE_OVER_RETRY_S)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reconciling.run())
            tasks.create_task(self._pilot.run())
            tasks.create_task(self._expire_sessions())
            tasks.create_task(self._reap_tombstones())
            tasks.create_task(self._flush_coordinates())

    async def _take_over(self) -> None:
        await self._driver.barrier()
        context = self._context
        state = context.state.read()
        now_s = context.world.now_s()
        _, living = sessions.list_all(state, None)
        for session in living:
            context.session_timers.reset(session.id, session.ttl, now_s)
        self._tombstones.hint(self._driver.node.last_index, now_s)
        _, stored = autopilot.autopilot_config(state, None)
        if stored is None:
            await context.log.propose(
                MessageType.AUTOPILOT,
                AutopilotSetConfigRequest(
                    datacenter=context.facts.datacenter, config=self._first_autopilot
                ),
            )
        if not cluster_marks.marks(context.state.read()).cluster_id:
            mark = ClusterMark(cluster_id=self.new_cluster_id())
            await context.log.propose(MessageType.CLUSTER_MARK, mark)
        await self._reconciling.register_own_node()
        self.ready.set()
        log.info("leadership established")
        await context.lan.user_event(NEW_LEADER, context.facts.node_name.encode())

    async def _expire_sessions(self) -> None:
        context = self._context
        while True:
            next_s = context.session_timers.next_deadline_s() - context.world.now_s()
            await asyncio.sleep(min(max(next_s, SESSION_TICK_MIN_S), SESSION_TICK_S))
            now_s = context.world.now_s()
            context.lock_delays.expire(now_s)
            due = context.session_timers.due(now_s)
            for first in range(0, len(due), SESSIONS_AT_ONCE):
                # Together: they share a write, and none is ended long after it was found due.
                ending = due[first : first + SESSIONS_AT_ONCE]
                await asyncio.gather(*map(self._destroy_session, ending))

    async def _destroy_session(self, session_id: str) -> None:
        if self._context.session_timers.has(session_id):
            return  # renewed meanwhile
        command = SessionRequest(
            datacenter=self._context.facts.datacenter,
            op="destroy",
            session=Session(id=session_id),
        )
        try:
            await self._context.log.propose(MessageType.SESSION, command)
            log.debug("session TTL expired: session=%s", session_id)
        except ProconsulError as failure:
            log.error("invalidation of session %s failed, will retry: %s", session_id, failure)
            until_s = self._context.world.now_s() + SESSION_RETRY_S
            self._context.session_timers.postpone(session_id, until_s)

    async def _reap_tombstones(self) -> None:
        context = self._context
        while True:
            await asyncio.sleep(TOMBSTONE_TICK_S)
            index = self._tombstones.due(context.world.now_s())
            if not index:
                continue
            command = TombstoneRequest(
                datacenter=context.facts.datacenter, op="reap", reap_index=index
            )
            try:
                await context.log.propose(MessageType.TOMBSTONE, command)
            except ProconsulError as failure:
                log.error("failed to reap tombstones up to index %d: %s", index, failure)
                self._tombstones.hint(index, context.world.now_s())

    async def _flush_coordinates(self) -> None:
        while True:
            await asyncio.sleep(COORDINATE_PERIOD_S)
            if discarded := self._context.coordinates.take_discarded():
                log.warning("discarding coordinate updates: number_discarded=%d", discarded)
            for batch in self._context.coordinates.take():
                try:
                    await self._context.log.propose(
                        MessageType.COORDINATE_BATCH_UPDATE, CoordinateBatch(batch)
                    )
                except ProconsulError as failure:
                    log.warning("batch update of coordinates failed: %s", failure)
