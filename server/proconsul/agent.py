"""The composition root: builds everything, starts downwards, stops upwards; decides nothing."""

import asyncio
import os
import ssl
from collections.abc import Callable

from proconsul.api.event_desk import EventDesk
from proconsul.api.http import Handler
from proconsul.api.surface import Api, Surface
from proconsul.config.schema import Config, LoadedConfig
from proconsul.endpoints.context import Context
from proconsul.endpoints.coordinate_batch import CoordinateBatch
from proconsul.endpoints.lock_delays import LockDelays
from proconsul.endpoints.session_timers import SessionTimers
from proconsul.endpoints.table import METHODS
from proconsul.endpoints.user_events import UserEvents
from proconsul.gossip.effects import MemberChanged
from proconsul.raft.messages import Peer, ServerAddress, ServerId
from proconsul.runtime import agent_settings
from proconsul.runtime.agent_life import AgentLife
from proconsul.runtime.agent_process import AgentProcess
from proconsul.runtime.agent_tokens import AgentTokens
from proconsul.runtime.auto_reload import Take
from proconsul.runtime.autopilot import Autopilot
from proconsul.runtime.commit_heard import CommitHeard
from proconsul.runtime.coordinate_reports import CoordinateReports
from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.default_token import with_default_token
from proconsul.runtime.departure import hand_over, leave
from proconsul.runtime.federation_report import FederationReport
from proconsul.runtime.founding import DriverRaft
from proconsul.runtime.http_front import HttpFront, certificate
from proconsul.runtime.kept_answers import KeptAnswers
from proconsul.runtime.kept_reads import KeptReads
from proconsul.runtime.kube_duties import kube_duties
from proconsul.runtime.lan_pool import LanPool
from proconsul.runtime.leader_duties import LeaderDuties
from proconsul.runtime.leaders_word import LeadersWord
from proconsul.runtime.listening import require_bind_address
from proconsul.runtime.logs import logger, set_level
from proconsul.runtime.own_calls import OwnCalls
from proconsul.runtime.own_disk import OwnDisk
from proconsul.runtime.own_local_agent import own_local_agent
from proconsul.runtime.own_membership import OwnMembership
from proconsul.runtime.own_server import OwnServer
from proconsul.runtime.parked_queries import LookedAfter
from proconsul.runtime.plain_writes import PlainWrites
from proconsul.runtime.pool_events import connected
from proconsul.runtime.probe_port import ProbePort
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.raft_ports import Hooks
from proconsul.runtime.raft_snapshots import RaftSnapshots
from proconsul.runtime.raft_transport import LIMITS, RaftTransport, raft_dial
from proconsul.runtime.read_recording import RecordedWay
from proconsul.runtime.reloading import reloaded
from proconsul.runtime.replicated_log import ReplicatedLog
from proconsul.runtime.request_log import log_failure, raft_line
from proconsul.runtime.rpc_client import ClientLimits, RpcClient
from proconsul.runtime.rpc_forwarding import Forwarder
from proconsul.runtime.rpc_port import RpcPort
from proconsul.runtime.server_metrics import ServerMetrics
from proconsul.runtime.server_pool import LIMITS as POOL_LIMITS
from proconsul.runtime.server_pool import ServerPool
from proconsul.runtime.server_world import ServerWorld
from proconsul.runtime.snapshot_exchange import SnapshotExchange
from proconsul.runtime.tls import ClientTls, certificate_end_unix_s, rpc_outgoing
from proconsul.store.autopilot import autopilot_config
from proconsul.store.cluster_marks import marks
from proconsul.telemetry import Telemetry
from proconsul.wire.golang import join_host_port

STOP_GRACE_S = 2.0

log = logger("")


class Agent(AgentLife):
    """One server with all its parts."""

    def __init__(self, loaded: LoadedConfig, reload: Callable[[], LoadedConfig]) -> None:
        """`reload` reads the configuration again, with the same flags."""
        super().__init__(loaded, reload)
        self.telemetry = Telemetry()
        self.data = DataDir(self.config.data_dir)

    # ---------------------------------------------------------------- start

    async def _start(self) -> None:
        require_bind_address(self.config.cluster.bind_addr)
        self.disk = OwnDisk(self.data, self.config)
        self.node_id = self.disk.node_id
        self.storage = self.disk.open(self._me)
        try:
            self._build_raft()
            self._build_context()
            self._build_rpc()
            self._build_local()
            self._connect_user_events()
            self._build_http()
            self.own.idle = self.disk.idle or await self.kube.begin()
            # Before anything is written: who cannot listen must not have voted, either.
            await self._listen()
        except BaseException:
            self.storage.close()
            raise
        self.own.started = True
        self._run(self.kube.run())
        if self.own.idle is not None:
            log.error("this server takes no part: %s", self.own.idle.message)
            return
        self.driver.start()
        try:
            self.lan.start()
            await self.lan.joins.join_at_start()
            self.pool.start()
            await self.local.start(self._loaded.services, self._loaded.checks)
        except BaseException:
            await self.stop()
            raise
        self._run(self.membership.run())
        self._run(self.disk.old_backups.run(self.own.is_a_sound_voter))
        self._run(self.snapshots.run())
        self._run(self.process.keep_telemetry())
        self._run(self.metrics.watch_disk(self.config.data_dir))
        self._run(self._reports.run())

    @property
    def _me(self) -> Peer:
        advertised = self.config.cluster.rpc_advertise
        address = join_host_port(advertised.host, advertised.port)
        return Peer(ServerId(self.node_id), ServerAddress(address))

    def _build_raft(self) -> None:
        outgoing = self._outgoing(self.config)
        self.client = RpcClient(ClientLimits(), outgoing)
        self.pool_client = RpcClient(POOL_LIMITS, outgoing)
        kept = self.storage
        me = self._me
        self.rpc_address = me.address
        settings = agent_settings.raft_settings(self.config)
        hooks = Hooks(
            leadership=self._leadership,
            events=lambda events: self.duties.store_events(events),  # noqa: PLW0108  # made later
            log=raft_line,
            fatal=self.fail,
            leader=lambda: self.forwarder.leader_changed(),  # noqa: PLW0108  # made later
            role=lambda role: self.metrics.entered(role),  # noqa: PLW0108  # made later
            written=lambda took_ms: self.metrics.written(took_ms),  # noqa: PLW0108  # made later
        )
        self.driver = RaftDriver(
            me, settings, kept.wal, self.data.log, kept.replicated, kept.snapshot, hooks
        )
        self.snapshots = RaftSnapshots(
            kept.snapshot_files,
            kept.replicated,
            self.driver,
            agent_settings.snapshot_policy(self.config),
            self._restored,
        )
        self.exchange = SnapshotExchange(
            kept.snapshot_files,
            kept.replicated,
            self.driver,
            self.snapshots.one_at_a_time,
            self._restored,
        )
        state = kept.replicated.state
        self.kube = kube_duties(self.config, os.environ, lambda: marks(state.read()).cluster_id)
        self.member = agent_settings.own_member(self.config, self.node_id)
        self.lan = LanPool(
            self.config,
            self.node_id,
            agent_settings.server_tags(self.config, self.member),
            telemetry=self.telemetry,
            member_changed=self._member_changed,
            event_heard=lambda event: self.pool_events.hear(event),  # noqa: PLW0108  # made later
            fail=self.fail,
        )
        self.pool = ServerPool(
            me=self.member,
            lan=self.lan,
            joins=self.lan.joins,
            client=self.pool_client,
            raft=DriverRaft(self.driver),
            objection=lambda: self.disk.objection or self.kube.objection(),
            fail=self.fail,
        )
        heard = CommitHeard(self.driver.deliver)
        self.transport = RaftTransport(
            me=me,
            lookup=self.pool,
            dial=raft_dial(lambda: self.client.tls),
            deliver=heard.deliver,
            source=self.exchange,
            sink=self.exchange,
            limits=LIMITS,
        )
        self.driver.connect(self.transport, self.exchange)
        self.membership = OwnMembership(
            me.id,
            self.driver.servers,
            lambda: self.driver.node.leader is not None,
            lambda: self.is_ending,
            self.pool.members,
            lambda server: self.pool.raft_configuration(server, self._agent_token()),
        )
        self.own = OwnServer(
            self.config,
            self.node_id,
            self.driver,
            heard,
            state,
            is_ending=lambda: self.is_ending,
            end=lambda leave: self.request_stop(leave=leave),
            marker=self.disk.marker,
            recovery_epoch=self.disk.recovery_epoch,
            tls=lambda: self.certificates.loaded,
            removal=lambda: self.membership.removal,
        )

    def _build_context(self) -> None:
        ready = asyncio.Event()
        self.replicated_log = ReplicatedLog(
            self.driver,
            ready,
            self.config.rpc_hold_timeout_s,
            self.pool,
            health=lambda: self.pilot.health(),  # noqa: PLW0108  # made later
            awaited=self.storage.replicated.awaited,
            telemetry=self.telemetry,
        )
        self.world = ServerWorld(self.storage.replicated.waiting)
        self.context = Context(
            facts=agent_settings.facts_of(self.config, self.node_id),
            world=self.world,
            state=self.storage.replicated.state,
            log=self.replicated_log,
            telemetry=self.telemetry,
            lock_delays=LockDelays(),
            session_timers=SessionTimers(),
            coordinates=CoordinateBatch(),
            user_events=UserEvents(),
            company=self.pool,
            lan=self.lan,
        )
        self.pilot = Autopilot(
            self.driver,
            self.pool,
            self.client,
            self.world,
            lambda: autopilot_config(self.context.state.read(), None)[1],
            self.config.server_health_interval_s,
        )
        self.duties = LeaderDuties(
            self.context,
            self.driver,
            self.member,
            self.pool,
            self.pool.raft_peers,
            self.pilot,
            agent_settings.first_autopilot(self.config),
            ready,
            self.fail,
        )
        new_uuid = self.world.new_uuid
        self.duties.new_cluster_id = lambda: self.kube.chosen_cluster_id or new_uuid()
        self.federation = FederationReport(self.context, ready, self.lan.all)
        self.forwarder = Forwarder(METHODS, self.context, self.client, lambda: False)

    def _connect_user_events(self) -> None:
        fire = self.storage.replicated.state.watchers.fire
        self.pool_events = connected(
            self.context.user_events, self.config.node_name, self.local, fire
        )

    def _build_rpc(self) -> None:
        self.rpc = RpcPort(
            self.config,
            self.context,
            self.snapshots,
            METHODS,
            self.forwarder.call,
            self.client,
            self.transport.handoff,
            self.telemetry,
        )
        self.own_calls = OwnCalls(
            call=self.forwarder.call,
            snapshots=self.rpc.snapshots,
            limit=self._own_limit(),
            now_s=self.world.now_s,
            telemetry=self.telemetry,
        )

    def _build_local(self) -> None:
        self.tokens = AgentTokens(self.config.acl, self.config.data_dir)
        self.local = own_local_agent(
            self.config, self.node_id, self.tokens, self.own_calls.call, lambda: len(self.lan.all())
        )
        self._reports = CoordinateReports(
            self.config, self.lan, self.own_calls.call, self._agent_token
        )

    def _build_http(self) -> None:
        self.metrics = ServerMetrics(
            telemetry=self.telemetry,
            context=self.context,
            driver=self.driver,
            own=self.own,
            snapshots=self.snapshots,
            agents=self.lan.agents,
        )
        self.metrics.certificate_end_unix_s = certificate_end_unix_s(self.config.tls)
        self.process = AgentProcess(
            loaded=self._loaded,
            node_id=self.node_id,
            local=self.local,
            driver=self.driver,
            snapshots=self.own_calls,
            telemetry=self.telemetry,
            tokens=self.tokens,
            reload=self.reload,
            leave=lambda: self.request_stop(leave=True),
            lan=self.lan,
            metrics=self.metrics,
        )
        self.api = Api(
            facts=self.context.facts,
            call=with_default_token(self.own_calls.call, self._default_token),
            process=self.process,
            telemetry=self.telemetry,
            now_s=self.world.now_s,
            settings=agent_settings.http_settings(self.config),
            log_failure=log_failure,
            event_desk=EventDesk(
                events=self.context.user_events,
                wait=self.world.wait,
                new_uuid=self.world.new_uuid,
            ),
            own_server=self.own,
        )
        self.http = HttpFront(self.api, self.config, self._kept_reads, self._plain_writes)
        self.probes = ProbePort(self.own, self.config)

    def _kept_reads(self, surface: Surface, looked_after: LookedAfter) -> KeptReads:
        way = RecordedWay(
            surface,
            self.context,
            self.own_calls,
            self.forwarder,
            METHODS,
            LeadersWord(self.replicated_log, self.client, lambda: self.config.datacenter),
            self._default_token,
        )
        answers = KeptAnswers(self.storage.replicated.state.kept_answers)
        room = self.storage.replicated.waiting
        return KeptReads(answers, way, self.replicated_log, room, looked_after)

    def _plain_writes(self, surface: Surface, ordinary: Handler) -> PlainWrites:
        return PlainWrites(
            surface,
            self.own_calls,
            self.replicated_log,
            self._default_token,
            lambda key: self.context.lock_delays.delayed(key, self.world.now_s()),
            ordinary,
        )

    async def _listen(self) -> None:
        await self.http.listen()
        await self.probes.listen()
        if self.own.idle is not None:
            return
        await self.rpc.listen(self.config)
        await self.lan.listen()

    def _outgoing(self, config: Config) -> ClientTls | None:
        return rpc_outgoing(config.tls, datacenter=self.config.datacenter, domain=config.dns.domain)

    # ---------------------------------------------------------------- running

    def _member_changed(self, event: MemberChanged) -> None:
        self.duties.pool_changed(event.member.name)
        self.pool.changed()

    def _leadership(self, won: bool) -> None:
        self.duties.leadership(won)
        self.kube.leadership(won)
        self.federation.leadership(won)
        if won:
            self._run(self._sync_when_ready())

    async def _sync_when_ready(self) -> None:
        await self.duties.ready.wait()
        self.local.request_full_sync()

    def _restored(self, events: list[object]) -> None:
        self.duties.restored()
        self.duties.store_events(events)

    @property
    def leader(self) -> str:
        """Who takes writes now: "self", "other", or "" for nobody that is known."""
        if self.duties.ready.is_set():
            return "self"
        node = self.driver.node
        return "other" if node.leader is not None and not node.is_leader else ""

    async def _reload(self, read: LoadedConfig) -> None:
        https = certificate(read.config)
        outgoing = self._outgoing(read.config)
        self.rpc.reload(read.config)
        self.client.tls = self.pool_client.tls = outgoing
        self.metrics.certificate_end_unix_s = certificate_end_unix_s(read.config.tls)
        self._loaded, kept = reloaded(self._loaded, read)
        self._tell_reload(read, kept)
        await self._apply(https)

    def _prepared_tls(self) -> Take:
        config = self.config
        https, outgoing = certificate(config), self._outgoing(config)
        take_incoming = self.rpc.prepared_tls(config)
        end_unix_s = certificate_end_unix_s(config.tls)

        async def take() -> None:
            take_incoming()
            self.metrics.certificate_end_unix_s = end_unix_s
            self.client.tls = self.pool_client.tls = outgoing
            await self.http.reload(config, https)

        return take

    async def _apply(self, https: ssl.SSLContext | None) -> None:
        config = self.config = self._loaded.config
        set_level(config.logging.level)
        self.api.facts = self.context.facts = agent_settings.facts_of(config, self.node_id)
        self.process.loaded = self._loaded
        self.tokens.reconfigure(config.acl)
        self.own_calls.limit = self._own_limit()
        await self.http.reload(config, https)
        await self._reload_local()

    # ---------------------------------------------------------------- stop

    async def stop(self) -> None:
        """The other way round; what is acknowledged is on disk already.

        A step that fails is told and does not keep the following from being taken.
        """
        await self._step("leadership", self._depart())  # with HTTP on: it goes to the next leader
        for task in list(self._tasks):
            task.cancel()
        await self._step("HTTP", self.http.stop())
        await self._step("RPC", self.rpc.stop(STOP_GRACE_S))
        await self._step("pool", self.pool.stop())
        await self._step("gossip", self.lan.stop())
        await self._step("raft transport", self.transport.stop())
        await self._step("snapshots", self.exchange.stop())
        await self._step("RPC client", self.client.close())
        await self._step("local agent", self.local.stop())
        await self._step("federation state", self.federation.stop())
        await self._step("leader", self.duties.stop())
        await self._step("tasks", self._end_tasks())
        await self._step("probes", self.probes.stop())
        await self._step("raft", asyncio.to_thread(self.driver.stop))
        await self._step("log", asyncio.to_thread(self.storage.wal.close))
        await self._step("state", asyncio.to_thread(self.storage.replicated.close))

    async def _depart(self) -> None:
        if self._failure is not None or self.own.idle is not None:
            return
        if self._leaves:
            self._reports.end()
            await leave(self.driver, self.lan, self.forwarder.call, self.config.datacenter)
        else:
            await hand_over(self.driver)
            # Not ready any more, but at work: whoever sends requests here has time to see it.
            await asyncio.sleep(self.config.drain_time_s)
