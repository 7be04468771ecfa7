"""`proconsul agent`: runs a server until a signal or a failure ends it.

SIGINT and SIGTERM end it, a second one at once; SIGHUP reads the configuration again.
"""

import asyncio
import gc
import os
import signal
import sys
import tempfile
from contextlib import ExitStack, suppress

import msgspec
import uvloop

from proconsul import CONSUL_VERSION, __version__
from proconsul.agent import Agent
from proconsul.config.failure import ConfigError
from proconsul.config.flags import AgentFlags, help_text, parse_agent_flags
from proconsul.config.schema import Config, LoadedConfig, UnixAddress
from proconsul.errors import ProconsulError
from proconsul.runtime import logs
from proconsul.runtime.config_files import load
from proconsul.runtime.sd_notify import notify

SWITCH_INTERVAL_S = 0.0005
FORCED_END = 1  # the exit code after a second signal


def run(words: list[str]) -> int:
    """Parse the flags, then serve."""
    try:
        flags = parse_agent_flags(words)
        if flags.help:
            sys.stdout.write(help_text())
            return 0
        with ExitStack() as stack:
            source = ConfigSource(flags, stack)
            loaded = source.read()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_serve(loaded, source))
    except (ConfigError, ProconsulError, OSError) as failure:
        sys.stderr.write(f"==> {failure}\n")
        return 1


class ConfigSource:
    """Reads the configuration, at the start and at each reload."""

    def __init__(self, flags: AgentFlags, stack: ExitStack) -> None:
        """What `-dev` keeps lasts as long as `stack`."""
        self._flags = flags
        self._stack = stack
        self._dev_dir = ""

    def read(self) -> LoadedConfig:
        """Raises ConfigError."""
        loaded = load(self._flags)
        if loaded.config.data_dir:
            return loaded
        if not self._dev_dir:
            folder = tempfile.TemporaryDirectory(prefix="proconsul-dev-")
            self._dev_dir = self._stack.enter_context(folder)
        config = msgspec.structs.replace(loaded.config, data_dir=self._dev_dir)
        return msgspec.structs.replace(loaded, config=config)


async def _serve(loaded: LoadedConfig, source: ConfigSource) -> int:
    config = loaded.config
    logs.start(config.logging.level, as_json=config.logging.json, file=config.logging.file)
    log = logs.logger("")
    for warning in loaded.warnings:
        log.warning("%s", warning)
    if not config.server:
        raise ConfigError("a client agent is not there yet: start a server with -server")
    agent = Agent(loaded, source.read)
    signals = Signals(agent)
    signals.listen()
    with PidFile(config.pid_file):
        await agent.start()
        sys.stdout.write(banner(config, agent))
        sys.stdout.flush()
        notify("READY=1", os.environ)
        # Short turns of the interpreter's lock: the log's thread needs it around each system call.
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        # What lives from here on is no garbage: keep the collector from walking it.
        gc.freeze()
        failure = await agent.wait_for_end()
        notify("STOPPING=1", os.environ)
        await agent.stop()
    if failure is not None:
        log.error("stopped because of a failure: %s", failure)
        return 1
    log.info("stopped")
    return 0


class Signals:
    """What the process does when it is told to end or to reload."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._ending = False
        self._reloading: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """Handle them on the running loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _end(self, number: signal.Signals) -> None:
        log = logs.logger("")
        if self._ending:
            log.error("caught second signal, exiting: signal=%s", number.name)
            os._exit(FORCED_END)
        self._ending = True
        log.info("caught: signal=%s", number.name)
        self._agent.request_stop()

    def _reload(self) -> None:
        logs.logger("").info("caught: signal=SIGHUP")
        self._reloading = asyncio.get_running_loop().create_task(self._reload_now())

    async def _reload_now(self) -> None:
        notify("RELOADING=1", os.environ)
        try:
            await self._agent.reload()
        except (ProconsulError, ConfigError, OSError) as failure:
            logs.logger("").error("reload failed, nothing changed: %s", failure)
        notify("READY=1", os.environ)


class PidFile:
    """The file of `-pid-file` for as long as the block lasts; "" is none."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        if self._path:
            with open(self._path, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

    def __exit__(self, *_: object) -> None:
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)


def banner(config: Config, agent: Agent) -> str:
    """Where everything is, and a line to paste."""
    addresses = [
        f"unix://{address.path}"
        if isinstance(address, UnixAddress)
        else f"http://{_bracketed(address.host)}:{address.port}"
        for address in config.listeners.http
    ]
    first = addresses[0] if addresses else ""
    lines = [
        "==> Proconsul is running",
        f"           Version: {__version__} (behaves as Consul {CONSUL_VERSION})",
        f"           Node ID: {agent.node_id}",
        f"         Node name: {config.node_name}",
        f"        Datacenter: {config.datacenter}",
        f"          HTTP API: {', '.join(addresses) or 'off'}",
        f"     RPC (address): {agent.rpc_address} (not served yet)",
        f"              Data: {os.path.abspath(config.data_dir)}",
    ]
    if first.startswith("http"):
        lines.append("")
        lines.append(
            f"    curl -X PUT -d 'world' {first}/v1/kv/hello && curl {first}/v1/kv/hello?raw"
        )
    return "\n".join(lines) + "\n\n"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
