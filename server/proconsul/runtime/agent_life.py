"""The life of an agent, server or client: its tasks, what ends it, and how it is taken apart."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from proconsul.config.schema import LoadedConfig
from proconsul.runtime.logs import logger

log = logger("")


class AgentLife:
    """What a composition root is, besides what it is made of."""

    def __init__(self, loaded: LoadedConfig, read_config: Callable[[], LoadedConfig]) -> None:
        """`read_config` reads the configuration again, with the same flags; it blocks."""
        self.config = loaded.config
        self._loaded = loaded
        self._read_config = read_config
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._leaves = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _https(self) -> bool:
        return bool(self.config.listeners.https)

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

    async def _until_settled(self, settle: Coroutine[Any, Any, None], at_most_s: float) -> None:
        """Until `settle` is done, or the end is asked for, or the time is over."""
        waits = {asyncio.ensure_future(wait) for wait in (settle, self._stopping.wait())}
        _, late = await asyncio.wait(waits, timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in late:
            wait.cancel()

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
