"""The composition root of a client agent: no raft and no state, but a pool and servers to call.

It serves the same HTTP API as a server, through RPC, and keeps its own services and checks in the
catalog. Decides nothing.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from proconsul import CONSUL_VERSION
from proconsul.api.event_desk import EventDesk
from proconsul.api.surface import Api
from proconsul.config.schema import Config, LoadedConfig
from proconsul.endpoints.table import METHODS
from proconsul.endpoints.user_events import UserEvents
from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.effects import MemberChanged, PoolMember, UserEventHeard
from proconsul.leader.bootstrap import rpc_address
from proconsul.leader.lan_tags import client_tags
from proconsul.leader.pool import PoolMember as ServerInPool
from proconsul.leader.pool import Status
from proconsul.local.server_list import Server, ServerList
from proconsul.runtime import agent_settings
from proconsul.runtime.agent_life import AgentLife
from proconsul.runtime.agent_tokens import AgentTokens
from proconsul.runtime.answer_cache import AnswerCache
from proconsul.runtime.auto_reload import Take
from proconsul.runtime.client_process import ClientProcess
from proconsul.runtime.coordinate_reports import CoordinateReports
from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.default_token import bearing, with_default_token
from proconsul.runtime.http_front import HttpFront, certificate
from proconsul.runtime.listening import require_bind_address
from proconsul.runtime.logs import logger, set_level
from proconsul.runtime.own_local_agent import own_local_agent
from proconsul.runtime.pool_events import connected
from proconsul.runtime.reloading import reloaded
from proconsul.runtime.request_log import log_failure
from proconsul.runtime.retry_join import JoinError
from proconsul.runtime.rpc_client import RpcClient
from proconsul.runtime.server_calls import LIMITS, ServerCalls
from proconsul.runtime.server_world import ServerWorld
from proconsul.runtime.tls import ClientTls, rpc_outgoing
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.watch import Watchers
from proconsul.telemetry import Telemetry

COUNTERS = ("client.rpc", "client.rpc.exceeded", "client.rpc.failed")
SERVING = frozenset({Status.ALIVE, Status.LEAVING})  # a server that leaves says so before it goes

log = logger("")
client_log = logger("client")


class Joins(Protocol):
    """The join addresses (runtime/join_rounds.py)."""

    async def join_at_start(self) -> None:
        """`-join`. Raises JoinError."""

    async def retry_forever(self) -> None:
        """`-retry-join`, until it has worked. Raises JoinError."""


class Pool(Protocol):
    """The gossip pool (runtime/lan_pool.py)."""

    @property
    def joins(self) -> Joins:
        """The join addresses."""

    async def listen(self) -> None:
        """Take the port. Raises ListenError."""

    def start(self) -> None:
        """Take part."""

    async def leave(self) -> None:
        """Tell the others that this agent goes for good."""

    async def stop(self) -> None:
        """Take no part any more."""

    def all(self) -> Sequence[PoolMember]:
        """All members, this one included."""

    def servers(self) -> list[ServerInPool]:
        """All servers of this datacenter."""

    def coordinate(self) -> Coordinate:
        """Where this node is."""

    def stats(self) -> dict[str, str]:
        """What `consul info` shows of the pool."""

    async def join(self, address: str) -> int:
        """How many members were reached. Raises RpcError."""

    async def force_leave(self, node: str, *, prune: bool) -> None:
        """Take a failed member for left. Raises RpcError if there is none of that name."""


class MakePool(Protocol):
    """Makes the pool of an agent: LanPool, in life."""

    def __call__(
        self,
        config: Config,
        node_id: str,
        tags: Mapping[str, str],
        /,
        *,
        telemetry: Telemetry,
        member_changed: Callable[[MemberChanged], None],
        event_heard: Callable[[UserEventHeard], None],
        fail: Callable[[BaseException], None],
    ) -> Pool:
        """`fail` ends the process. Raises ProconsulError, OSError."""


class ClientAgent(AgentLife):
    """One client with all its parts."""

    rpc_address = ""  # nobody calls a client

    def __init__(
        self, loaded: LoadedConfig, reload: Callable[[], LoadedConfig], make_pool: MakePool
    ) -> None:
        """`reload` reads the configuration again, with the same flags."""
        super().__init__(loaded, reload)
        self._make_pool = make_pool
        self.telemetry = Telemetry()
        self.data = DataDir(self.config.data_dir)

    # ---------------------------------------------------------------- start

    async def _start(self) -> None:
        require_bind_address(self.config.cluster.bind_addr)
        self.data.prepare()
        self.node_id = self.data.load_node_id(self.config.node_id)
        self._build_calls()
        self._build_local()
        self._build_pool()
        self._build_http()
        try:
            await self.http.listen()
            await self.pool.listen()
            self.pool.start()
            await self.pool.joins.join_at_start()
            await self.local.start(self._loaded.services, self._loaded.checks)
        except BaseException:
            await self.stop()
            raise
        self._run(self._keep_joining())
        self._run(self.process.keep_telemetry())
        self._run(self.calls.rebalance_for_ever(lambda: len(self.pool.all())))
        self._run(self._reports.run())

    def _build_calls(self) -> None:
        for name in COUNTERS:
            self.telemetry.declare(name)
        self.watchers = Watchers()
        self.world = ServerWorld(WaitingRoom(self.watchers))
        self.servers = ServerList()
        self.client = RpcClient(LIMITS, _outgoing(self.config))
        self.calls = ServerCalls(
            servers=self.servers,
            client=self.client,
            methods=METHODS,
            world=self.world,
            hold_s=self.config.rpc_hold_timeout_s,
            telemetry=self.telemetry,
            limit=self._own_limit(),
        )
        self.cache = AnswerCache(self.calls.call, self.world.die)

    def _build_local(self) -> None:
        self.tokens = AgentTokens(self.config.acl, self.config.data_dir)
        self.local = own_local_agent(
            self.config, self.node_id, self.tokens, self.calls.call, lambda: len(self.pool.all())
        )

    def _build_pool(self) -> None:
        config = self.config
        self.events = UserEvents()
        self.pool_events = connected(self.events, config.node_name, self.local, self.watchers.fire)
        self.pool = self._make_pool(
            config,
            self.node_id,
            client_tags(
                datacenter=config.datacenter,
                node_id=self.node_id,
                version=CONSUL_VERSION,
                acls=config.acl.enabled,
            ),
            telemetry=self.telemetry,
            member_changed=self._member_changed,
            event_heard=self.pool_events.hear,
            fail=self.fail,
        )
        self._reports = CoordinateReports(
            self.config, self.pool, self.calls.call, self._agent_token
        )

    def _build_http(self) -> None:
        self.process = ClientProcess(
            loaded=self._loaded,
            node_id=self.node_id,
            local=self.local,
            pool=self.pool,
            servers=self.servers,
            snapshots=self.calls,
            telemetry=self.telemetry,
            tokens=self.tokens,
            reload=self.reload,
            leave=lambda: self.request_stop(leave=True),
        )
        self.api = Api(
            facts=agent_settings.facts_of(self.config, self.node_id),
            call=with_default_token(self.cache.call, self._default_token),
            process=self.process,
            telemetry=self.telemetry,
            now_s=self.world.now_s,
            settings=agent_settings.http_settings(self.config),
            log_failure=log_failure,
            event_desk=EventDesk(
                events=self.events, wait=self.world.wait, new_uuid=self.world.new_uuid
            ),
            out_of_touch_s=self._out_of_touch_s,
        )
        self.http = HttpFront(self.api, self.config, None, None)

    def _out_of_touch_s(self, method: str, request: Any) -> float:
        return self.cache.out_of_touch_s(method, bearing(request, self._default_token()))

    # ---------------------------------------------------------------- running

    def _member_changed(self, _: MemberChanged) -> None:
        changes = self.servers.keep(
            Server(one.server.node, rpc_address(one.server))
            for one in self.pool.servers()
            if one.status in SERVING
        )
        for server in changes.removed:
            client_log.info("removing server: server=%s address=%s", server.name, server.address)
        for server in changes.added:
            client_log.info("adding server: server=%s address=%s", server.name, server.address)
        if changes.added:
            self.local.request_full_sync()

    async def _keep_joining(self) -> None:
        try:
            await self.pool.joins.retry_forever()
        except JoinError as failure:
            self.fail(failure)

    @property
    def leader(self) -> str:
        """Who takes writes: "other", or "" while no server is known."""
        return "other" if self.servers.first() else ""

    async def _reload(self, read: LoadedConfig) -> None:
        loaded, kept = reloaded(self._loaded, read)
        https, outgoing = certificate(loaded.config), _outgoing(loaded.config)
        self._tell_reload(read, kept)
        self.client.tls = outgoing
        await self._apply(loaded, https)

    def _prepared_tls(self) -> Take:
        config = self.config
        https, outgoing = certificate(config), _outgoing(config)

        async def take() -> None:
            self.client.tls = outgoing
            await self.http.reload(config, https)

        return take

    async def _apply(self, loaded: LoadedConfig, https: ssl.SSLContext | None) -> None:
        self._loaded = loaded
        config = self.config = loaded.config
        set_level(config.logging.level)
        self.api.facts = agent_settings.facts_of(config, self.node_id)
        self.process.loaded = loaded
        self.tokens.reconfigure(config.acl)
        self.calls.limit = self._own_limit()
        await self.http.reload(config, https)
        await self._reload_local()

    # ---------------------------------------------------------------- stop

    async def stop(self) -> None:
        """The other way round; with HTTP on, the pool is told first if this agent leaves."""
        if self._leaves and self._failure is None:
            client_log.info("client starting leave")
            self._reports.end()
            self.local.end_sync()
            await self._step("leave", self.pool.leave())
        await self._step("HTTP", self.http.stop())
        await self._step("local agent", self.local.stop())
        await self._step("tasks", self._end_tasks())
        await self._step("cache", self.cache.stop())
        await self._step("pool", self.pool.stop())
        await self._step("RPC client", self.client.close())


def _outgoing(config: Config) -> ClientTls | None:
    """How servers are dialled. Raises TlsError."""
    return rpc_outgoing(config.tls, datacenter=config.datacenter, domain=config.dns.domain)
