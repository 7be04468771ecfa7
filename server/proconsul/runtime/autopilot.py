"""Autopilot: while this server leads, it looks after the health of the others.

Every `health_interval_s` all are asked at once how they are; every 10 s those that may vote now
are promoted, one after the other, and the dead are removed. Decisions are in leader/autopilot.py.
"""

import asyncio
from collections.abc import Callable

from proconsul.endpoints.context import World
from proconsul.errors import ProconsulError
from proconsul.leader.autopilot import (
    Judgement,
    LeaderLog,
    Now,
    Watch,
    by_id,
    judge,
    next_promotion,
    next_removal,
    reply,
)
from proconsul.leader.pool import Pool, Status
from proconsul.leader.reconcile import address_of
from proconsul.model.operator import AutopilotConfig, OperatorHealthReply, ServerStats
from proconsul.raft.membership import AddVoter, RemoveServer
from proconsul.raft.messages import Index, Server, ServerId, Term
from proconsul.runtime.logs import logger
from proconsul.runtime.member_changes import is_settled, try_change
from proconsul.runtime.raft_driver import TICK_S, RaftDriver
from proconsul.runtime.rpc_client import RpcClient

INTERVAL_S = 10.0  # Consul's, for promotions and removals
PAUSE_MIN_S = 0.1  # between two rounds, however short the interval is set
PATIENCE_SHARE = 0.5  # of the interval, for a server to answer

log = logger("autopilot")


class Autopilot:
    """Watches the servers of raft; what it knows is of the present term, and of no other."""

    def __init__(
        self,
        driver: RaftDriver,
        pool: Pool,
        client: RpcClient,
        world: World,
        config: Callable[[], AutopilotConfig | None],
        health_interval_s: float,
    ) -> None:
        """`config` reads the state; None as long as no leader wrote one."""
        self._driver = driver
        self._pool = pool
        self._client = client
        self._world = world
        self._config = config
        self._interval_s = health_interval_s
        self._judged: dict[ServerId, Judgement] = {}
        self._judged_term = Term(0)
        self._cleanup_due = asyncio.Event()
        self._last_denial = ""

    def health(self) -> OperatorHealthReply:
        """What is known now; empty on a server that does not lead."""
        node = self._driver.node
        if not node.is_leader:
            return OperatorHealthReply()
        if self._judged_term != node.term:
            self._judge(self._config() or AutopilotConfig(), self._own_log(), {})
        return reply(self._judged)

    def servers_changed(self) -> None:
        """A server joined: look at once whether it replaces a dead one."""
        self._cleanup_due.set()

    async def run(self) -> None:
        """From the beginning of the leadership until cancelled at its end."""
        self._last_denial = ""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._tend(self._world.now_s()))

    # ---------------------------------------------------------------- health

    async def _watch(self) -> None:
        while True:
            began_s = self._world.now_s()
            await self._ask_all()
            took_s = self._world.now_s() - began_s
            await asyncio.sleep(max(self._interval_s - took_s, PAUSE_MIN_S))

    async def _ask_all(self) -> None:
        node = self._driver.node
        term, leader = node.term, self._own_log()
        members = by_id(self._pool.members())
        asked = []
        for server in node.configuration.servers:
            member = members.get(server.id)
            is_alive = member is not None and member.status is Status.ALIVE
            address = address_of(member.server) if member and is_alive else server.address
            if server.id != self._driver.me.id:
                asked.append(self._ask(server, address))
        answers = await asyncio.gather(*asked)
        config = self._config()
        if config is not None and node.is_leader and node.term == term:
            self._judge(config, leader, {id_: stats for id_, stats in answers if stats})

    async def _ask(self, server: Server, address: str) -> tuple[ServerId, ServerStats | None]:
        try:
            async with asyncio.timeout(self._interval_s * PATIENCE_SHARE):
                stats = await self._client.call(address, "Status.RaftStats", None, ServerStats)
        except (ProconsulError, TimeoutError) as failure:
            reason = str(failure) or "i/o timeout"
            log.debug("server %s at %s does not tell how it is: %s", server.id, address, reason)
            return server.id, None
        return server.id, stats

    def _judge(
        self, config: AutopilotConfig, leader: LeaderLog, stats: dict[ServerId, ServerStats]
    ) -> None:
        node, world = self._driver.node, self._world
        previous = self._judged if self._judged_term == node.term else {}
        self._judged = judge(
            config,
            leader,
            node.configuration,
            by_id(self._pool.members()),
            stats,
            previous,
            Now(monotonic_s=world.now_s(), unix_ns=world.unix_ns()),
        )
        self._judged_term = node.term

    def _own_log(self) -> LeaderLog:
        node = self._driver.node
        return LeaderLog(
            id=self._driver.me.id,
            last_term=Term(node.last_term),
            last_index=Index(node.last_index),
        )

    # ---------------------------------------------------------------- promoting, cleaning up

    async def _tend(self, led_since_s: float) -> None:
        next_s = led_since_s
        while True:
            next_s = max(next_s + INTERVAL_S, self._world.now_s())
            await self._wait_until(next_s, led_since_s)
            await self._promote()
            await self._clean_up(led_since_s)

    async def _wait_until(self, next_s: float, led_since_s: float) -> None:
        """Until then; clean up meanwhile, whenever a server has joined."""
        while (left_s := next_s - self._world.now_s()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._cleanup_due.wait()
            except TimeoutError:
                return
            await self._clean_up(led_since_s)

    async def _promote(self) -> None:
        """All at once, as Consul: an even number of voters is best left behind soon."""
        node = self._driver.node
        while (config := self._config()) is not None and is_settled(node):
            if self._judged_term != node.term:
                return
            server = next_promotion(
                config,
                node.configuration,
                by_id(self._pool.members()),
                self._judged,
                self._world.now_s(),
            )
            if server is None:
                return
            why = f"promoting server to voter (ID: {server.id} Address: {server.address})"
            if not await try_change(self._driver, AddVoter(server.id, server.address), why):
                return

    async def _clean_up(self, led_since_s: float) -> None:
        self._cleanup_due.clear()
        node = self._driver.node
        while (config := self._config()) is not None and is_settled(node):
            cleanup = next_removal(
                config,
                self._driver.me.id,
                node.configuration,
                by_id(self._pool.members()),
                self._watched(led_since_s),
            )
            if cleanup is None:
                self._last_denial = ""
                return
            if cleanup.server is None:
                self._tell_denial(cleanup.why)
                return
            if not await try_change(self._driver, RemoveServer(cleanup.server.id), cleanup.why):
                return
            member = by_id(self._pool.members()).get(cleanup.server.id)
            if member is not None:
                self._pool.force_out(member.server.node)

    def _tell_denial(self, why: str) -> None:
        if why != self._last_denial:  # once, not every ten seconds
            self._last_denial = why
            log.warning("dead servers are not removed: %s", why)

    def _watched(self, led_since_s: float) -> Watch:
        node = self._driver.node
        leadership = node.leadership
        assert leadership is not None, "asked of a leader"
        return Watch(
            led_s=self._world.now_s() - led_since_s,
            silent_s={
                server: progress.silent_ticks * TICK_S
                for server, progress in leadership.followers.items()
            },
            election_timeout_s=node.settings.election_ticks * TICK_S,
        )
