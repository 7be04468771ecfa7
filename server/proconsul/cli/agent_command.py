"""`proconsul agent`: runs a server until a signal or a failure ends it.

SIGINT and SIGTERM end it, a second one at once; SIGHUP reads the configuration again, and so does a
change of its files where `auto_reload_config` is set (`runtime/auto_reload.py`).
"""

import asyncio
import gc
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import msgspec
import uvloop

from proconsul.agent import Agent
from proconsul.cli.banner import banner
from proconsul.client_agent import ClientAgent
from proconsul.config.failure import ConfigError
from proconsul.config.flags import AgentFlags, help_text, parse_agent_flags
from proconsul.config.schema import LoadedConfig
from proconsul.errors import ProconsulError
from proconsul.runtime import logs
from proconsul.runtime.auto_reload import ConfigFiles
from proconsul.runtime.config_files import load
from proconsul.runtime.lan_pool import LanPool
from proconsul.runtime.sd_notify import READY, RELOADING, STOPPING, notify

SWITCH_INTERVAL_S = 0.0005
GC_YOUNG_MAX = 20_000  # objects, of which most die with their request
UNENFORCED = {
    True: "this server does not enforce ACLs yet: every request is allowed, whatever its token",
    False: "this client does not enforce ACLs yet: whoever reaches it may ask and change what is "
    "its own (/v1/agent), whatever the token; all else is for the servers to judge",
}
"""What to expect of a server, and of a client, where ACLs are switched on."""
FAILED = 1
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
            files = source.files()
            loaded = source.read()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_serve(loaded, source, files))
    except (ProconsulError, OSError) as failure:
        sys.stderr.write(f"==> {told(failure)}\n")
        return FAILED


def told(failure: Exception) -> str:
    """One line about it; the system's errors without their number."""
    if isinstance(failure, OSError) and failure.strerror:
        where = f"{failure.filename}: " if failure.filename else ""
        return f"{where}{failure.strerror}"
    return str(failure).rstrip()


class ConfigSource:
    """Reads the configuration, at the start and at each reload."""

    def __init__(self, flags: AgentFlags, stack: ExitStack) -> None:
        """What `-dev` keeps lasts as long as `stack`."""
        self._flags = flags
        self._stack = stack
        self._dev_dir = ""

    def files(self) -> ConfigFiles:
        """Those of the command line, and whether they change from here on."""
        return ConfigFiles(self._flags.config_paths)

    @property
    def is_temporary(self) -> bool:
        """Whether the data goes with the process."""
        return bool(self._dev_dir)

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


async def _serve(loaded: LoadedConfig, source: ConfigSource, files: ConfigFiles) -> int:
    config = loaded.config
    logging = config.logging
    with _named("log_file"):
        # A directory stands for a file in it, under Consul's name.
        file = f"{logging.file}consul.log" if logging.file.endswith("/") else logging.file
        logs.start(logging.level, as_json=logging.json, file=file)
    log = logs.logger("")
    for warning in loaded.warnings:
        log.warning("%s", warning)
    if config.acl.enabled:
        log.error("acl.enabled is set, but %s", UNENFORCED[config.server])
    agent: Agent | ClientAgent = (
        Agent(loaded, source.read) if config.server else ClientAgent(loaded, source.read, LanPool)
    )
    signals = Signals(agent)
    signals.listen()
    # Short turns of the interpreter's lock: threads of a server and of a client need it around each
    # system call, from the start on.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with PidFile(config.pid_file):
        await agent.start()
        _notify(READY)
        # The banner is for eyes: behind the lines of the start, not buried under them.
        await agent.settled()
        if not agent.is_ending:
            sys.stdout.write(
                banner(
                    config,
                    agent.node_id,
                    agent.rpc_address,
                    kept=not source.is_temporary,
                    leader=agent.leader,
                )
            )
            sys.stdout.flush()
        if config.auto_reload_config:
            agent.watch_files(files, signals.reload)
        # What lives from here on is no garbage: keep the collector from walking it.
        gc.freeze()
        # Requests make no cycles to speak of: look for some after thousands of them, not dozens.
        gc.set_threshold(GC_YOUNG_MAX, 20, 50)
        failure = await agent.wait_for_end()
        _notify(STOPPING)
        await agent.stop()
    if failure is not None:
        log.error("stopped because of a failure: %s", failure)
        return FAILED
    log.info("stopped")
    return 0


def _notify(state: str) -> None:
    failure = notify(state, os.environ)
    if failure is not None:
        logs.logger("").warning("cannot notify the service manager: %s", failure)


@contextmanager
def _named(key: str) -> Iterator[None]:
    """A failure of the system's in here is about the file that this key names."""
    try:
        yield
    except OSError as failure:
        raise ConfigError(f"cannot write {key} {told(failure)}") from None


class Signals:
    """What the process does when it is told to end or to reload."""

    def __init__(self, agent: Agent | ClientAgent) -> None:
        self._agent = agent
        self._ending = False
        self._reloading: asyncio.Task[bool] | None = None

    def listen(self) -> None:
        """Handle them on the running loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _end(self, number: signal.Signals) -> None:
        log = logs.logger("")
        if self._ending:
            log.error("caught second signal, exiting: signal=%s", number.name)
            os._exit(FORCED_END)
        self._ending = True
        log.info("caught: signal=%s", number.name)
        config = self._agent.config
        is_interrupt = number is signal.SIGINT
        leaves = not config.skip_leave_on_interrupt if is_interrupt else config.leave_on_terminate
        self._agent.request_stop(leave=leaves)

    def _hang_up(self) -> None:
        logs.logger("").info("caught: signal=SIGHUP")
        self._reloading = asyncio.get_running_loop().create_task(self.reload())

    async def reload(self) -> bool:
        """Whether the agent has taken what the files say now; the log says why not."""
        # The time tells systemd (Type=notify-reload) that this reload began after its signal.
        _notify(
            f"{RELOADING}\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
        )
        is_taken = False
        try:
            await self._agent.reload()
            is_taken = True
        except (ProconsulError, OSError) as failure:
            logs.logger("").error("reload failed, nothing changed: %s", told(failure))
        except Exception:
            logs.logger("").exception("reload failed")
        _notify(READY)
        return is_taken


class PidFile:
    """The file of `-pid-file` for as long as the block lasts; "" is none."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        if self._path:
            with _named("pid_file"), open(self._path, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

    def __exit__(self, *_: object) -> None:
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)
