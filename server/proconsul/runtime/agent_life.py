"""The life of an agent, server or client: start and reload, its tasks, what ends it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from proconsul.config.schema import Config, LoadedConfig
from proconsul.local.token_bucket import TokenBucket
from proconsul.runtime import agent_settings
from proconsul.runtime.agent_tokens import AgentTokens
from proconsul.runtime.auto_reload import AutoReload, CertificateFiles, ConfigFiles, Take
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.logs import logger
from proconsul.runtime.server_world import ServerWorld
from proconsul.runtime.tls_files import TlsFiles, tls_files

log = logger("")


SETTLE_S = 3.0  # alone a server needs far less; a client must have met one
SETTLE_LOOK_S = 0.02


class AgentLife(ABC):
    """What a composition root is, besides what it is made of."""

    # Made by `_start`:
    local: LocalAgent
    tokens: AgentTokens
    world: ServerWorld

    def __init__(self, loaded: LoadedConfig, read_config: Callable[[], LoadedConfig]) -> None:
        """`read_config` reads the configuration again, with the same flags; it blocks."""
        self.config = loaded.config
        self._loaded = loaded
        self._read_config = read_config
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._leaves = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self.certificates = CertificateFiles(lambda: tls_files(self.config.tls), self._prepared_tls)

    # ---------------------------------------------------------------- start

    async def start(self) -> None:
        """Bring everything up; HTTP answers when this returns.

        Raises ProconsulError or OSError with a text that says what to do.
        """
        async with self._reloading:  # a reload waits for the end of the start
            # Before they are loaded: what changes meanwhile is then seen.
            self.certificates.loaded = await self._tls_files(self.config)
            await self._start()

    @abstractmethod
    async def _start(self) -> None:
        """Build and start the parts."""

    @property
    @abstractmethod
    def leader(self) -> str:
        """Who takes writes now: "self", "other", or "" for nobody that is known."""

    async def settled(self) -> None:
        """Until writes are taken and this agent is in the catalog, or ends; SETTLE_S at most."""
        waits = {asyncio.ensure_future(wait) for wait in (self._settle(), self._stopping.wait())}
        _, late = await asyncio.wait(waits, timeout=SETTLE_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in late:
            wait.cancel()

    async def _settle(self) -> None:
        while not self.leader:  # noqa: ASYNC110 - for a moment, once in a life
            await asyncio.sleep(SETTLE_LOOK_S)
        await self.local.sync_changes()

    # ---------------------------------------------------------------- reload

    @abstractmethod
    async def _reload(self, read: LoadedConfig) -> None:
        """Take what may change without a restart."""

    async def reload(self) -> None:
        """Read the configuration again, and take of it what may change; one reload at a time.

        Raises ConfigError, TlsError or OSError with nothing changed.
        """
        async with self._reloading:
            read = await asyncio.to_thread(self._read_config)
            files = await self._tls_files(read.config)
            await self._reload(read)
            self.certificates.loaded = files
            log.info("configuration reloaded")

    def watch_files(self, config: ConfigFiles, reload: Callable[[], Awaitable[bool]]) -> None:
        """Take files that change from now on; `reload` is ours for who tells its failures."""
        self._run(AutoReload(config, reload, self._take_certificates).run())

    async def _take_certificates(self) -> bool:
        async with self._reloading:  # contexts of an older configuration must not come after it
            return await self.certificates.look()

    @abstractmethod
    def _prepared_tls(self) -> Take:
        """Contexts of the certificates as they are now. Raises TlsError."""

    async def _tls_files(self, config: Config) -> TlsFiles:
        return await asyncio.to_thread(tls_files, config.tls)

    def _tell_reload(self, read: LoadedConfig, kept: Collection[str]) -> None:
        for warning in read.warnings:
            log.warning("%s", warning)
        if kept:
            log.warning("changed, but needs a restart: %s", ", ".join(sorted(kept)))

    async def _reload_local(self) -> None:
        """What the agent's own services and checks are to know of the configuration."""
        loaded = self._loaded
        await self.local.reload_definitions(
            loaded.services,
            loaded.checks,
            rules=agent_settings.check_rules(loaded.config),
            node_meta=agent_settings.node_meta(loaded.config),
            discard_check_output=loaded.config.checks.discard_output,
        )
        self.local.request_full_sync()  # for the node's meta data, which no registration carries

    # ---------------------------------------------------------------- tokens

    def _default_token(self) -> str:
        """Of who brings none to the HTTP API."""
        return self.tokens.get("default")

    def _agent_token(self) -> str:
        """Of what this agent does by itself; as Consul's AgentToken, the default one at need."""
        return self.tokens.get("agent") or self.tokens.get("default")

    # ---------------------------------------------------------------- limits

    def _own_limit(self) -> TokenBucket:
        """On the calls that this agent makes itself; a reload begins a new one, which is full."""
        limits = self.config.limits
        return TokenBucket(limits.rpc_rate_per_s, limits.rpc_max_burst, self.world.now_s())

    # ---------------------------------------------------------------- the end

    def fail(self, failure: BaseException) -> None:
        """Something happened after which the process must not go on."""
        if self._failure is None:
            log.error("the agent must stop: %s", failure)
            self._failure = failure
        self._stopping.set()

    def request_stop(self, *, leave: bool = False) -> None:
        """End `wait_for_end`; with `leave`, `stop` takes this agent out of the cluster."""
        self._leaves |= leave
        self._stopping.set()

    @property
    def is_ending(self) -> bool:
        """Whether `wait_for_end` is over."""
        return self._stopping.is_set()

    async def wait_for_end(self) -> BaseException | None:
        """Until somebody asks for the end; what made it necessary, if anything did."""
        await self._stopping.wait()
        return self._failure

    # ---------------------------------------------------------------- tasks

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the agent failed", exc_info=task.exception())

    async def _end_tasks(self) -> None:
        """Those, too, that begin meanwhile."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)

    async def _step(self, name: str, stopping: Awaitable[object]) -> None:
        """A step of the end: one that fails does not keep the following from being taken."""
        try:
            await stopping
        except Exception:
            log.exception("stopping failed: part=%s", name)
