"""A server that leads alone, with its duties, on a virtual clock."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from proconsul.endpoints import kv as kv_endpoint
from proconsul.endpoints import session as session_endpoint
from proconsul.endpoints.context import Context, Facts, NoLan, Woken
from proconsul.endpoints.coordinate_batch import CoordinateBatch
from proconsul.endpoints.lock_delays import LockDelays
from proconsul.endpoints.session_timers import SessionTimers
from proconsul.endpoints.user_events import UserEvents
from proconsul.errors import RpcError
from proconsul.leader.pool import LanMember, PoolMember, ServerMember, Status
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.model.operator import AutopilotConfig
from proconsul.model.session import Session, SessionRequest, SessionSpecificRequest
from proconsul.runtime.autopilot import Autopilot
from proconsul.runtime.leader_duties import LeaderDuties
from proconsul.runtime.replicated_log import ReplicatedLog
from proconsul.runtime.rpc_client import ClientLimits, RpcClient
from proconsul.store import autopilot, checks, sessions, tombstones
from proconsul.store.watch import WatchSet
from proconsul.telemetry import Telemetry
from proconsul.wire.golang import SECOND, Duration
from server_tests.runtime.driver_world import ME, Life, World, begin
from server_tests.sim.disk import SimDisk

MEMBER = ServerMember(
    node="s1",
    node_id=ME.id,
    datacenter="dc1",
    address="127.0.0.1",
    rpc_port=8300,
    version="1.8.7",
    raft_version=3,
    serf_protocol=(1, 5, 2),
    non_voter=False,
)
OTHER = replace(
    MEMBER, node="s2", node_id="22222222-2222-3333-4444-555555555555", address="127.0.0.2"
)


class LoopWorld:
    """The test's loop for a clock."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._random = random.Random(1)

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def unix_ns(self) -> int:
        return round(self.now_s() * SECOND)

    def die(self, sides: int) -> int:
        return self._random.randrange(sides)

    def new_uuid(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    async def wait(self, watch: WatchSet, until_s: float) -> Woken:
        return await self._life.replicated.waiting.wait(watch, until_s - self.now_s())


@dataclass
class KnownServers:
    """A pool that is told by hand."""

    known: list[PoolMember]

    def members(self) -> list[PoolMember]:
        return self.known

    def agents(self) -> list[LanMember]:
        return [
            LanMember(
                node=one.server.node,
                node_id=one.server.node_id,
                address=one.server.address,
                status=one.status,
                server=one.server,
            )
            for one in self.known
        ]

    def force_out(self, node: str) -> None:
        self.known = [one for one in self.known if one.server.node != node]


@dataclass
class Events(NoLan):
    """What was to be told to all members."""

    told: list[tuple[str, bytes]] = field(default_factory=list)

    async def user_event(self, name: str, payload: bytes) -> None:
        self.told.append((name, payload))


@dataclass
class RaftPeers:
    """What other servers say of their raft: that it has no members, or nothing."""

    silent: bool = False

    async def __call__(self, server: ServerMember) -> list[str]:
        if self.silent:
            raise RpcError("no answer")
        return []


@dataclass
class Leader:
    """A server that leads, with its duties."""

    life: Life
    context: Context
    duties: LeaderDuties
    pool: KnownServers
    events: Events
    raft_peers: RaftPeers
    failures: list[BaseException] = field(default_factory=list)

    async def session(self, ttl: str, lock_delay_s: float = 0.0) -> str:
        session = Session(
            node="s1",
            ttl=ttl,
            checks=["serfHealth"],
            lock_delay=Duration(round(lock_delay_s * SECOND)),
        )
        request = SessionRequest(datacenter="dc1", op="create", session=session)
        return await session_endpoint.apply(self.context, request)

    async def renew(self, session_id: str) -> bool:
        request = SessionSpecificRequest(datacenter="dc1", session_id=session_id)
        return bool((await session_endpoint.renew(self.context, request)).sessions)

    async def kv(self, op: str, key: str, session: str = "") -> bool:
        entry = DirEntry(key=key, session=session)
        return await kv_endpoint.apply(
            self.context, KVSRequest(datacenter="dc1", op=op, dir_ent=entry)
        )

    def know(self, *servers: PoolMember) -> None:
        """The pool has other members from now on, and says so."""
        before = {one.server.node for one in self.pool.known}
        self.pool.known = list(servers)
        for name in before | {one.server.node for one in servers}:
            self.duties.pool_changed(name)

    def sessions(self) -> list[str]:
        return [one.id for one in sessions.list_all(self.life.replicated.state.read(), None)[1]]

    def serf_health(self, node: str) -> str | None:
        state = self.life.replicated.state.read()
        _, check = checks.node_check(state, None, node, "serfHealth")
        return None if check is None else check.status

    def grave(self, prefix: str) -> int:
        return tombstones.max_index_under(self.life.replicated.state.read(), prefix)


@asynccontextmanager
async def leader(world: World | None = None, new_cluster_id: str = "") -> AsyncIterator[Leader]:
    """A leader that has taken over; stopped in order afterwards."""
    events = Events()

    raft_peers = RaftPeers()
    life = await begin(world or World(SimDisk(random.Random(1).randrange)))
    ready = asyncio.Event()
    pool = KnownServers([PoolMember(MEMBER, Status.ALIVE, 0.0)])
    context = Context(
        facts=Facts(
            datacenter="dc1",
            primary_datacenter="dc1",
            node_name="s1",
            node_id=ME.id,
            default_query_time_s=300.0,
            max_query_time_s=600.0,
            session_ttl_min_ns=10 * SECOND,
            kv_value_bytes_max=512 * 1024,
            txn_bytes_max=512 * 1024,
            acl_enabled=False,
            connect_enabled=False,
            coordinates_enabled=True,
            rpc_hold_timeout_s=7.0,
        ),
        world=LoopWorld(life),
        state=life.replicated.state,
        log=ReplicatedLog(
            life.driver,
            ready,
            7.0,
            pool,
            lambda: pilot.health(),  # noqa: PLW0108  # made later
            life.replicated.awaited,
            Telemetry(),
        ),
        telemetry=Telemetry(),
        lock_delays=LockDelays(),
        session_timers=SessionTimers(),
        coordinates=CoordinateBatch(),
        user_events=UserEvents(),
        lan=events,
    )
    failures: list[BaseException] = []
    pilot = Autopilot(
        life.driver,
        pool,
        RpcClient(ClientLimits(), None),
        context.world,
        lambda: autopilot.autopilot_config(context.state.read(), None)[1],
        health_interval_s=2.0,
    )
    first_autopilot = AutopilotConfig(
        max_trailing_logs=250,
        last_contact_threshold=Duration(SECOND // 5),
        server_stabilization_time=Duration(10 * SECOND),
    )
    duties = LeaderDuties(
        context,
        life.driver,
        MEMBER,
        pool,
        raft_peers,
        pilot,
        first_autopilot,
        ready,
        failures.append,
    )
    if new_cluster_id:
        duties.new_cluster_id = lambda: new_cluster_id
    life.hear = duties.store_events
    duties.leadership(True)
    await ready.wait()
    yield Leader(life, context, duties, pool, events, raft_peers, failures)
    await duties.stop()
    await life.stop()
    assert not failures
