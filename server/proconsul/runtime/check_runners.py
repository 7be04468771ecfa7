"""Health checks that run: each check has a runner, which says when and reports what came out.

Between two runs a check costs one timer of the event loop and no task, so thousands are
cheap. The first run comes after a random part of the interval, so that checks which were
registered together do not run together for ever; the next one an interval after the last
one's end. At most `PROBES_IN_FLIGHT_MAX` run at once; the others wait their turn, and their
timeouts begin with it.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Protocol

from proconsul.local.checks import (
    CheckKind,
    CheckRules,
    Threshold,
    alias_outcome,
    kind_of,
    output_size_bytes_max,
    ttl_expired_output,
    ttl_output,
)
from proconsul.local.state import Status
from proconsul.model.health import CheckType, HealthCheck
from proconsul.runtime.check_dial import DialError, TlsContexts, dial, split_host_port
from proconsul.runtime.check_http import probe_http
from proconsul.runtime.check_script import probe_script
from proconsul.wire.golang import SECOND

PROBES_IN_FLIGHT_MAX = 256
TCP_TIMEOUT_S_DEFAULT = 10.0
ALIAS_REFRESH_S = 60.0
REMOTE_ALIAS_FREE_FAILURES = 3
REMOTE_ALIAS_BACKOFF_S_MAX = 60.0

logger = logging.getLogger(__name__)

Outcome = tuple[str, str]  # status, output
Probe = Callable[[], Awaitable[Outcome]]
Report = Callable[[str, str, str], None]  # check id, status, output
Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class AliasSource(Protocol):
    """Where alias checks look."""

    def local_checks(self) -> Iterable[HealthCheck]:
        """The checks of this agent."""

    def local_service_exists(self, service_id: str) -> bool:
        """Whether this agent has the service."""

    async def remote_checks(
        self, node: str, index: int, token: str
    ) -> tuple[int, list[HealthCheck]]:
        """The checks of another node once they are newer than `index`, and their index."""

    async def remote_service_exists(self, node: str, service_id: str, token: str) -> bool:
        """Whether the catalog has the service on that node."""


class Runner(Protocol):
    """Runs one check until it is stopped."""

    def start(self) -> None:
        """Begin; the first run comes later."""

    def stop(self) -> None:
        """End, and give up a run that is under way: it reports nothing any more."""


async def probe_tcp(check: CheckType) -> Outcome:
    """The status and output of one run of a TCP check."""
    timeout_s = check.timeout / SECOND if check.timeout > 0 else TCP_TIMEOUT_S_DEFAULT
    try:
        host, port = split_host_port(check.tcp)
        async with asyncio.timeout(timeout_s):
            _, writer = await dial(host, port, None)
    except TimeoutError:
        return Status.CRITICAL, f"dial tcp {check.tcp}: i/o timeout"
    except DialError as failure:
        return Status.CRITICAL, str(failure)
    writer.close()
    return Status.PASSING, f"TCP connect {check.tcp}: Success"


class PeriodicRunner:
    """Runs a probe every interval."""

    def __init__(
        self,
        probe: Probe,
        interval_s: float,
        first_delay_s: float,
        report: Callable[[str, str], None],
        spawn: Spawn,
        turn: asyncio.Semaphore,
    ) -> None:
        self._probe = probe
        self._interval_s = interval_s
        self._first_delay_s = first_delay_s
        self._report = report
        self._spawn = spawn
        self._turn = turn
        self._timer: asyncio.TimerHandle | None = None
        self._run: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Set the timer of the first run."""
        self._after(self._first_delay_s)

    def stop(self) -> None:
        """Cancel the timer or the run."""
        if self._timer is not None:
            self._timer.cancel()
        if self._run is not None:
            self._run.cancel()

    def _after(self, delay_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._run = self._spawn(self._once())

    async def _once(self) -> None:
        async with self._turn:
            try:
                outcome = await self._probe()
            except Exception as failure:  # a mistake of ours must not end the agent
                logger.exception("a health check broke down")
                outcome = (Status.CRITICAL, f"the agent could not run this check: {failure!r}")
        self._run = None
        self._report(*outcome)
        self._after(self._interval_s)


class TtlRunner:
    """Turns a check critical when nobody has updated it in time."""

    def __init__(
        self, ttl_s: float, size_bytes_max: int, report: Callable[[str, str], None]
    ) -> None:
        self.ttl_s = ttl_s
        self._size_bytes_max = size_bytes_max
        self._report = report
        self._last_output = ""
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Give the first update its time."""
        self._rearm()

    def stop(self) -> None:
        """Expire no more."""
        if self._timer is not None:
            self._timer.cancel()

    def update(self, status: str, output: str) -> str:
        """Take an update; returns the output as it is kept."""
        kept = ttl_output(output, self._size_bytes_max)
        self._report(status, kept)
        self._last_output = kept
        self._rearm()
        return kept

    def _rearm(self) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self.ttl_s, self._expire)

    def _expire(self) -> None:
        self._report(Status.CRITICAL, ttl_expired_output(self._last_output))


class LocalAliasRunner:
    """Follows a service of this agent: at every change, and now and then to be sure."""

    def __init__(
        self,
        check_id: str,
        check: CheckType,
        source: AliasSource,
        report: Callable[[str, str], None],
    ) -> None:
        self.service_id = check.alias_service
        self._check_id = check_id
        self._check = check
        self._source = source
        self._report = report
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None

    def start(self) -> None:
        """Look at once, so that the catalog is told the outcome and not how a check begins."""
        self._look()
        if not self._source.local_service_exists(self.service_id):
            self.wake()  # the service may be the next that is loaded

    def stop(self) -> None:
        """Look no more."""
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        self._soon = None

    def wake(self) -> None:
        """Look soon; many wakings until then are one."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self.stop()
        exists = self._source.local_service_exists(self.service_id)
        checks = self._source.local_checks()
        self._report(*alias_outcome(self._check, self._check_id, checks, exists))
        self._timer = asyncio.get_running_loop().call_later(ALIAS_REFRESH_S, self.wake)


class RemoteAliasRunner:
    """Follows a service of another node, or the node itself, through the catalog."""

    def __init__(
        self,
        check_id: str,
        check: CheckType,
        token: str,
        source: AliasSource,
        report: Callable[[str, str], None],
        spawn: Spawn,
    ) -> None:
        self._check_id = check_id
        self._check = check
        self._token = token
        self._source = source
        self._report = report
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._task = self._spawn(self._follow())

    def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def _follow(self) -> None:
        index, failures = 0, 0
        while True:
            if failures:
                pause_s = 2.0 ** max(0, failures - REMOTE_ALIAS_FREE_FAILURES)
                await asyncio.sleep(min(pause_s, REMOTE_ALIAS_BACKOFF_S_MAX))
            try:
                index, checks = await self._source.remote_checks(
                    self._check.alias_node, index, self._token
                )
            except Exception as failure:
                failures += 1
                if failures > 1:
                    self._report(
                        Status.CRITICAL, f"Failure checking aliased node or service: {failure}"
                    )
                continue
            failures, index = 0, max(index, 1)
            exists = await self._exists(checks)
            self._report(*alias_outcome(self._check, self._check_id, checks, exists))

    async def _exists(self, checks: list[HealthCheck]) -> bool:
        wanted = self._check.alias_service
        if any(check.service_id == wanted for check in checks):
            return True
        try:
            return await self._source.remote_service_exists(
                self._check.alias_node, wanted, self._token
            )
        except Exception:  # unknown is not missing
            return True


class CheckRunners:
    """All runners of an agent, by check id."""

    def __init__(
        self,
        report: Report,
        source: AliasSource,
        spawn: Spawn,
        dice: random.Random,
        tls: TlsContexts,
    ) -> None:
        self._report = report
        self._source = source
        self._spawn = spawn
        self._dice = dice
        self._tls = tls
        self._runners: dict[str, Runner] = {}
        self._aliases: dict[str, LocalAliasRunner] = {}
        self._turn = asyncio.Semaphore(PROBES_IN_FLIGHT_MAX)

    def start(self, check_id: str, check: CheckType, token: str, rules: CheckRules) -> None:
        """Run a check from now on, in place of one that had its id."""
        self.stop(check_id)
        runner = self._make(check_id, check, token, output_size_bytes_max(check, rules))
        self._runners[check_id] = runner
        if isinstance(runner, LocalAliasRunner):
            self._aliases[check_id] = runner
        runner.start()

    def stop(self, check_id: str) -> None:
        """Run a check no more; it may not exist."""
        self._aliases.pop(check_id, None)
        runner = self._runners.pop(check_id, None)
        if runner is not None:
            runner.stop()

    def stop_all(self) -> None:
        """Run nothing more."""
        for check_id in list(self._runners):
            self.stop(check_id)

    def ttl(self, check_id: str) -> TtlRunner | None:
        """The runner of a TTL check."""
        runner = self._runners.get(check_id)
        return runner if isinstance(runner, TtlRunner) else None

    def health_changed(self, service_id: str) -> None:
        """Wake the alias checks of a service; of all, when the node's own checks changed."""
        for runner in self._aliases.values():
            if service_id in ("", runner.service_id):
                runner.wake()

    def _make(self, check_id: str, check: CheckType, token: str, size_bytes_max: int) -> Runner:
        report = partial(self._report, check_id)
        kind = kind_of(check)
        if kind is CheckKind.TTL:
            return TtlRunner(check.ttl / SECOND, size_bytes_max, report)
        if kind is CheckKind.ALIAS and not check.alias_node:
            return LocalAliasRunner(check_id, check, self._source, report)
        if kind is CheckKind.ALIAS:
            return RemoteAliasRunner(check_id, check, token, self._source, report, self._spawn)
        interval_s = check.interval / SECOND
        return PeriodicRunner(
            self._probe(kind, check, size_bytes_max),
            interval_s,
            self._dice.random() * interval_s,
            self._above_threshold(check_id, check),
            self._spawn,
            self._turn,
        )

    def _probe(self, kind: CheckKind, check: CheckType, size_bytes_max: int) -> Probe:
        if kind is CheckKind.HTTP:
            return partial(probe_http, check, size_bytes_max, self._tls)
        if kind is CheckKind.GRPC:
            from proconsul.runtime.check_grpc import probe_grpc  # here: few agents need HTTP/2

            return partial(probe_grpc, check, self._tls)
        if kind is CheckKind.SCRIPT:
            return partial(probe_script, check, size_bytes_max)
        assert kind is CheckKind.TCP, f"{kind!r} was not admitted"
        return partial(probe_tcp, check)

    def _above_threshold(self, check_id: str, check: CheckType) -> Callable[[str, str], None]:
        threshold = Threshold(check.success_before_passing, check.failures_before_critical)

        def report(status: str, output: str) -> None:
            if threshold.lets_through(status):
                self._report(check_id, status, output)

        return report
