"""What an agent, server or client, shows and lets do of its own process (api.process.Process)."""

import asyncio
import platform
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from proconsul.api.process import Figure, MetricsSettings
from proconsul.config.schema import LoadedConfig
from proconsul.config.schema import Telemetry as TelemetryConfig
from proconsul.runtime import host_info, logs
from proconsul.runtime.agent_tokens import KINDS, AgentTokens
from proconsul.runtime.process_metrics import ProcessMetrics
from proconsul.telemetry import Telemetry

TELEMETRY_TICK_S = 1.0


class OwnProcess:
    """Logs, metrics, tokens, reload and the end: the half of a Process that knows no cluster."""

    def __init__(
        self,
        *,
        loaded: LoadedConfig,
        telemetry: Telemetry,
        tokens: AgentTokens,
        reload: Callable[[], Awaitable[None]],
        leave: Callable[[], None],
    ) -> None:
        """`reload` reads the configuration again; `leave` begins to leave, then ends."""
        self.loaded = loaded  # replaced at a reload
        self._telemetry = telemetry
        self._tokens = tokens
        self._reload = reload
        self._leave = leave
        self._metrics = ProcessMetrics(telemetry)
        self.started_unix_s = time.time()

    async def keep_telemetry(self) -> None:
        """Roll the intervals and set the gauges, until cancelled."""
        self._metrics.start()
        try:
            while True:
                self._telemetry.roll(time.time())
                self.measure()
                await asyncio.sleep(TELEMETRY_TICK_S)
        finally:
            self._metrics.stop()

    def measure(self) -> None:
        """Set the gauges; called each second."""
        self._metrics.measure()

    def host(self) -> dict[str, Any]:
        """Memory, CPUs, disks and the operating system."""
        return host_info.host_info()

    def metrics(self) -> MetricsSettings:
        """What `telemetry` in the configuration says.

        Gauges carry the host only where there is another sink than the agent's memory.
        """
        telemetry = self.loaded.config.telemetry
        prometheus = telemetry.prometheus_retention_time_s > 0
        others = (telemetry.statsd_address, telemetry.statsite_address, telemetry.dogstatsd_addr)
        with_host = (prometheus or any(others)) and not telemetry.disable_hostname
        return MetricsSettings(
            prefix=telemetry.metrics_prefix,
            host=platform.node() if with_host else "",
            prometheus=prometheus,
            is_shown=_filter(telemetry),
        )

    def figures(self) -> list[Figure]:
        """Measurements of the process, taken now."""
        return self._metrics.figures(self.started_unix_s)

    async def reload(self) -> None:
        """Read the configuration again; raises ConfigError."""
        await self._reload()

    async def leave(self) -> None:
        """Leave the cluster, and end."""
        self._leave()

    def monitor(self, level: str, as_json: bool) -> AsyncIterator[bytes]:
        """Log lines from now on."""
        return logs.MonitorSink(level, as_json=as_json).lines()

    async def set_token(self, kind: str, token: str) -> bool:
        """Use another token of the agent; False for an unknown kind."""
        if kind not in KINDS:
            return False
        await asyncio.to_thread(self._tokens.set, kind, token)
        return True


def _filter(telemetry: TelemetryConfig) -> Callable[[str], bool]:
    """The longest rule that a name begins with decides, as in go-metrics."""
    rules = dict.fromkeys(telemetry.blocked_prefixes, False)
    rules |= dict.fromkeys(telemetry.allowed_prefixes, True)
    prefixes = sorted(rules, key=len, reverse=True)

    def is_shown(name: str) -> bool:
        for prefix in prefixes:
            if name.startswith(prefix):
                return rules[prefix]
        return telemetry.filter_default

    return is_shown
