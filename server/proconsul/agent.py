"""The composition root: builds everything, starts downwards, stops upwards; decides nothing."""

import asyncio
import contextlib
import logging
import math
import random
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proconsul import CONSUL_VERSION
from proconsul.api.failure import HttpError
from proconsul.api.http import Request
from proconsul.api.routes import ROUTES
from proconsul.api.surface import Api, HttpSettings, Surface
from proconsul.config.schema import Config, ListenAddress, LoadedConfig, UnixAddress
from proconsul.endpoints.context import Context, Facts, Woken
from proconsul.endpoints.coordinate_batch import CoordinateBatch
from proconsul.endpoints.lock_delays import LockDelays
from proconsul.endpoints.session_timers import SessionTimers
from proconsul.endpoints.table import METHODS
from proconsul.endpoints.user_events import UserEvents
from proconsul.leader.own_node import ServerMember
from proconsul.local.antientropy import Tokens
from proconsul.local.checks import CheckRules
from proconsul.local.services import PortRange
from proconsul.local.state import NodeIdentity
from proconsul.model.operator import AutopilotConfig
from proconsul.raft.messages import Configuration, Peer, Server, ServerAddress, ServerId
from proconsul.raft.state import Settings
from proconsul.runtime.agent_process import AgentProcess
from proconsul.runtime.check_dial import default_tls
from proconsul.runtime.clock import RealWorld
from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.disk import RealDisk
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.http_server import HttpServer, UnixAccess
from proconsul.runtime.leader_duties import LeaderDuties
from proconsul.runtime.lmdb_engine import LmdbEngine
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.local_files import LocalFiles
from proconsul.runtime.local_registry import LocalSettings
from proconsul.runtime.logs import LEVELS, logger, set_level
from proconsul.runtime.raft_driver import TICK_S, Hooks, RaftDriver
from proconsul.runtime.raft_snapshots import RaftSnapshots, SnapshotPolicy, load_newest
from proconsul.runtime.replicated_log import ReplicatedLog
from proconsul.runtime.snapshot_files import SnapshotFiles
from proconsul.runtime.state_machine import ReplicatedState
from proconsul.runtime.tls import TlsSettings, server_context
from proconsul.runtime.waiting import WaitingRoom
from proconsul.runtime.wal_files import WalFiles
from proconsul.store.watch import WatchSet
from proconsul.telemetry import Telemetry
from proconsul.wire.golang import SECOND, Duration, Time, time_from_unix_ns

SEGMENT_BYTES = 64 << 20
SERF_PROTOCOL = (1, 5, 2)  # min, max, current: what Consul 1.8.7 speaks
RAFT_VERSION = 3
SETTLE_S = 0.05
STOP_GRACE_S = 2.0
TELEMETRY_TICK_S = 1.0

log = logger("")


class ServerWorld(RealWorld):
    """Clock, dice, and the queries that wait."""

    def __init__(self, waiting: WaitingRoom) -> None:
        super().__init__()
        self._waiting = waiting

    async def wait(self, watch: WatchSet, until_s: float) -> Woken:
        """Until something that was read changes, or the time is over."""
        return await self._waiting.wait(watch, until_s - self.now_s())


class Agent:
    """One server with all its parts."""

    def __init__(self, loaded: LoadedConfig, reload: Callable[[], LoadedConfig]) -> None:
        """`reload` reads the configuration again, with the same flags."""
        self.config: Config = loaded.config
        self._loaded = loaded
        self._read_config = reload
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.telemetry = Telemetry()
        self.data = DataDir(self.config.data_dir)

    # ---------------------------------------------------------------- start

    async def start(self) -> None:
        """Bring everything up; HTTP answers when this returns.

        Raises ProconsulError or OSError with a text that says what to do.
        """
        self.data.prepare()
        self.node_id = self.data.load_node_id(self.config.node_id)
        self._open_storage()
        self._build_raft()
        self._build_context()
        self._build_local()
        self._build_http()
        self.driver.start()
        self._bootstrap()
        await self._listen()
        await self.local.start(self._loaded.services, self._loaded.checks)
        self._run(self.snapshots.run())
        self._run(self._keep_telemetry())

    def _open_storage(self) -> None:
        disk = RealDisk()
        self.wal = WalFiles.open(self.data.log, disk, SEGMENT_BYTES)
        self._engine, trusted = LmdbEngine.open(Path(self.data.state))
        self.replicated = ReplicatedState(self._engine)
        self._snapshot_files = SnapshotFiles(self.data.snapshots, disk)
        self._snapshot = load_newest(self._snapshot_files, self.replicated, trusted=trusted)
        if self._snapshot.index > self.wal.last_index:
            self.wal.reset(self._snapshot.index, self._snapshot.term)

    def _build_raft(self) -> None:
        raft = self.config.raft
        advertised = self.config.cluster.rpc_advertise
        self.rpc_address = _host_port(advertised.host, advertised.port)
        me = Peer(ServerId(self.node_id), ServerAddress(self.rpc_address))
        settings = Settings(
            heartbeat_ticks=1,
            election_ticks=max(math.ceil(raft.election_timeout_s / TICK_S), 2),
            lease_ticks=max(math.ceil(raft.leader_lease_timeout_s / TICK_S), 1),
        )
        hooks = Hooks(
            leadership=self._leadership,
            events=self._store_events,
            log=_raft_line,
            fatal=self.fail,
        )
        self.driver = RaftDriver(
            me, settings, self.wal, self.data.log, self.replicated, self._snapshot, hooks
        )
        self.snapshots = RaftSnapshots(
            self._snapshot_files,
            self.replicated,
            self.driver,
            SnapshotPolicy(
                interval_s=raft.snapshot_interval_s or 30.0,
                threshold=raft.snapshot_threshold or 16_384,
                trailing=raft.trailing_logs or 10_240,
            ),
            self._restored,
        )

    def _build_context(self) -> None:
        ready = asyncio.Event()
        log_of_servers = ReplicatedLog(
            self.driver,
            ready,
            self.config.rpc_hold_timeout_s,
            names=lambda: {self.node_id: self.config.node_name},
            stable_since=self._stable_since,
            version=CONSUL_VERSION,
        )
        self.world = ServerWorld(self.replicated.waiting)
        self.context = Context(
            facts=_facts(self.config, self.node_id),
            world=self.world,
            state=self.replicated.state,
            log=log_of_servers,
            telemetry=self.telemetry,
            lock_delays=LockDelays(),
            session_timers=SessionTimers(),
            coordinates=CoordinateBatch(),
            user_events=UserEvents(),
        )
        self.member = ServerMember(
            node=self.config.node_name,
            node_id=self.node_id,
            datacenter=self.config.datacenter,
            address=self.config.cluster.advertise_addr,
            rpc_port=self.config.cluster.rpc_advertise.port,
            version=CONSUL_VERSION,
            raft_version=RAFT_VERSION,
            serf_protocol=SERF_PROTOCOL,
            non_voter=False,
        )
        self.duties = LeaderDuties(
            self.context, self.driver, self.member, _first_autopilot(self.config), ready
        )
        self._leader_since = time_from_unix_ns(0)

    async def call(self, method: str, request: Any) -> Any:
        """Serve an RPC of this process itself."""
        return await METHODS.call(self.context, method, request)

    def _build_local(self) -> None:
        config = self.config
        self.local = LocalAgent(
            LocalSettings(
                node=NodeIdentity(
                    id=self.node_id,
                    name=config.node_name,
                    datacenter=config.datacenter,
                    address=config.cluster.advertise_addr,
                    tagged_addresses=dict(config.cluster.tagged_addresses),
                ),
                node_meta=_node_meta(config),
                rules=check_rules(config),
                check_update_interval_s=config.checks.update_interval_s,
                discard_check_output=config.checks.discard_output,
                reap_interval_s=config.checks.reap_interval_s,
                sync_interval_s=config.ae_interval_s,
                sidecar_ports=PortRange(
                    first=config.ports.sidecar_min_port, last=config.ports.sidecar_max_port
                ),
            ),
            files=LocalFiles(Path(config.data_dir)),
            call=self.call,
            tokens=lambda: Tokens(agent=config.acl.agent_token, user=config.acl.default_token),
            cluster_size=lambda: 1,
            wall_s=time.time,
            dice=random.Random(),
            tls=default_tls,
        )

    def _build_http(self) -> None:
        self.process = AgentProcess(
            config=self.config,
            node_id=self.node_id,
            member=self.member,
            local=self.local,
            driver=self.driver,
            snapshots=self.snapshots,
            telemetry=self.telemetry,
            reload=self.reload,
            stop=self.request_stop,
        )
        self.api = Api(
            facts=self.context.facts,
            call=self.call,
            process=self.process,
            telemetry=self.telemetry,
            now_s=self.world.now_s,
            settings=_http_settings(self.config),
            log_failure=_log_failure,
        )
        surface = Surface(self.api, ROUTES)
        self.http = HttpServer(
            surface.handle,
            body_limit=self._body_limit,
            on_error=_log_crash,
            deadlines=Deadlines(),
            tls_handshake_timeout_s=self.config.limits.https_handshake_timeout_s,
        )
        self._apply_http_settings()

    def _apply_http_settings(self) -> None:
        self.http.connections_per_client_max = self.config.limits.http_max_conns_per_client
        self.http.set_response_headers(tuple(self.config.http.response_headers.items()))

    def _body_limit(self, method: str, path: str) -> int | None:
        """Bytes; None: streamed."""
        if path == "/v1/snapshot":
            return None
        limits = self.config.limits
        if path.startswith("/v1/kv/"):
            return limits.kv_max_value_size_bytes
        return max(limits.txn_max_req_len_bytes, limits.kv_max_value_size_bytes, 4 << 20)

    async def _listen(self) -> None:
        sockets = self.config.unix_sockets
        access = UnixAccess(mode=sockets.mode, user=sockets.user, group=sockets.group)
        listeners = self.config.listeners
        for address in listeners.http:
            await self._listen_at(address, access, None)
        if listeners.https:
            context = server_context(tls_settings(self.config))
            for address in listeners.https:
                await self._listen_at(address, access, context)

    async def _listen_at(
        self, address: ListenAddress, access: UnixAccess, tls: ssl.SSLContext | None
    ) -> None:
        if isinstance(address, UnixAddress):
            await self.http.listen_unix(address.path, access)
        else:
            await self.http.listen_tcp(address.host, address.port, tls)

    def _bootstrap(self) -> None:
        """A first start founds the cluster of one; later ones find it in the log."""
        node = self.driver.node
        wanted = self.config.bootstrap or self.config.bootstrap_expect == 1 or self.config.dev_mode
        if wanted and not node.configuration.servers and not node.last_index:
            server = Server(ServerId(self.node_id), ServerAddress(self.rpc_address))
            self.driver.bootstrap(Configuration((server,)))

    # ---------------------------------------------------------------- running

    def _leadership(self, won: bool) -> None:
        if won:
            seconds = self.world.unix_ns() // SECOND  # Consul tells whole seconds
            self._leader_since = time_from_unix_ns(seconds * SECOND)
        self.duties.leadership(won)
        if won:
            self._run(self._sync_when_ready())

    async def _sync_when_ready(self) -> None:
        await self.duties.ready.wait()
        self.local.request_full_sync()

    def _store_events(self, events: list[object]) -> None:
        self.duties.store_events(events)

    def _restored(self, events: list[object]) -> None:
        self.duties.restored()
        self.duties.store_events(events)

    def _stable_since(self) -> Time:
        return self._leader_since

    async def _keep_telemetry(self) -> None:
        while True:
            self.telemetry.roll(time.time())
            self.process.measure()
            await asyncio.sleep(TELEMETRY_TICK_S)

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the agent failed", exc_info=task.exception())

    def fail(self, failure: BaseException) -> None:
        """Something happened after which the process must not go on."""
        log.error("the server must stop: %s", failure)
        self._failure = failure
        self._stopping.set()

    def request_stop(self) -> None:
        """End `wait_for_end`."""
        self._stopping.set()

    async def wait_for_end(self) -> BaseException | None:
        """Until somebody asks for the end; what made it necessary, if anything did."""
        await self._stopping.wait()
        return self._failure

    async def reload(self) -> None:
        """Take what may change without a restart. Raises ConfigError with nothing changed."""
        loaded = await asyncio.to_thread(self._read_config)
        for warning in loaded.warnings:
            log.warning("%s", warning)
        config = loaded.config
        set_level(config.logging.level)
        self.api.facts = self.context.facts = _facts(config, self.node_id)
        self.api.settings = _http_settings(config)
        self.process.config = self.config = config
        self._apply_http_settings()
        if config.listeners.https:
            await self.http.reload_tls(server_context(tls_settings(config)))
        await self.local.reload_definitions(
            loaded.services,
            loaded.checks,
            rules=check_rules(config),
            node_meta=_node_meta(config),
            discard_check_output=config.checks.discard_output,
        )

    # ---------------------------------------------------------------- stop

    async def stop(self) -> None:
        """The other way round; what is acknowledged is on disk already."""
        await self.http.stop(STOP_GRACE_S)
        await self.local.stop()
        await self.duties.stop()
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await asyncio.to_thread(self.driver.stop)
        self.wal.close()
        self.replicated.close()


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _node_meta(config: Config) -> dict[str, str]:
    return {"consul-network-segment": "", **config.node_meta}


def check_rules(config: Config) -> CheckRules:
    """What checks of this agent may do."""
    checks = config.checks
    return CheckRules(
        enable_local_scripts=checks.enable_local_script_checks or checks.enable_script_checks,
        enable_remote_scripts=checks.enable_script_checks,
        output_size_bytes_max=checks.output_max_size_bytes,
        deregister_after_min_s=checks.deregister_interval_min_s,
    )


def tls_settings(config: Config) -> TlsSettings:
    """Of the HTTPS listener."""
    tls = config.tls
    return TlsSettings(
        cert_file=tls.cert_file,
        key_file=tls.key_file,
        ca_file=tls.ca_file,
        ca_path=tls.ca_path,
        verify_incoming=tls.verify_incoming or tls.verify_incoming_https,
        tls_min_version=tls.min_version,
    )


def _facts(config: Config, node_id: str) -> Facts:
    return Facts(
        datacenter=config.datacenter,
        primary_datacenter=config.primary_datacenter,
        node_name=config.node_name,
        node_id=node_id,
        default_query_time_s=config.default_query_time_s,
        max_query_time_s=config.max_query_time_s,
        session_ttl_min_ns=int(config.session_ttl_min_s * SECOND),
        kv_value_bytes_max=config.limits.kv_max_value_size_bytes,
        txn_bytes_max=config.limits.txn_max_req_len_bytes,
        acl_enabled=config.acl.enabled,
        connect_enabled=config.connect.enabled,
        coordinates_enabled=not config.disable_coordinates,
        rpc_hold_timeout_s=config.rpc_hold_timeout_s,
    )


def _http_settings(config: Config) -> HttpSettings:
    return HttpSettings(
        always_pretty=config.dev_mode,
        translate_wan_addresses=config.translate_wan_addrs,
        refuse_unprintable=not config.http.disable_unprintable_char_filter,
        block_endpoints=config.http.block_endpoints,
        ui_enabled=config.ui,
        write_allowed_from=_allowed_networks(config.http.allow_write_http_from),
    )


def _allowed_networks(networks: tuple[str, ...]) -> Callable[[str], bool] | None:
    if not networks:
        return None
    import ipaddress

    parsed = [ipaddress.ip_network(network, strict=False) for network in networks]

    def allowed(remote: str) -> bool:
        try:
            address = ipaddress.ip_address(remote.rpartition(":")[0].strip("[]"))
        except ValueError:
            return False
        return any(address in network for network in parsed)

    return allowed


def _first_autopilot(config: Config) -> AutopilotConfig:
    autopilot = config.autopilot
    return AutopilotConfig(
        cleanup_dead_servers=autopilot.cleanup_dead_servers,
        last_contact_threshold=Duration(round(autopilot.last_contact_threshold_s * SECOND)),
        max_trailing_logs=autopilot.max_trailing_logs,
        min_quorum=autopilot.min_quorum,
        server_stabilization_time=Duration(round(autopilot.server_stabilization_time_s * SECOND)),
        redundancy_zone_tag=autopilot.redundancy_zone_tag,
        disable_upgrade_migration=autopilot.disable_upgrade_migration,
        upgrade_version_tag=autopilot.upgrade_version_tag,
    )


def _raft_line(level: str, line: str) -> None:
    logger("raft").log(LEVELS[level], "%s", line)


def _log_failure(request: Request, failure: HttpError) -> None:
    if failure.status in (404, 405):
        level = logging.DEBUG
    else:
        level = logging.ERROR
    logger("http").log(
        level,
        "request error: method=%s url=%s from=%s error=%s",
        request.method,
        _without_token(request),
        request.remote_address,
        failure.text,
    )


def _without_token(request: Request) -> str:
    """The target with tokens hidden."""
    target = request.target
    if request.raw_query and request.query.has("token"):
        for token in request.query.all("token"):
            target = target.replace(token, "<hidden>") if token else target
    return target


def _log_crash(request: Request, failure: Exception) -> None:
    logger("http").error("a handler failed: %s %s", request.method, request.path, exc_info=failure)
