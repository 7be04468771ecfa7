"""Whom the raft driver tells and uses: the agent's hooks, the log, the transport, the installer."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from proconsul.raft.effects import Install, Persist, Role, Send
from proconsul.raft.messages import Reply, Token
from proconsul.runtime.log_thread import Compaction


class Hooks(Struct, frozen=True):
    """Whom the driver tells, on the loop."""

    leadership: Callable[[bool], None]  # won or lost
    events: Callable[[list[object]], None]  # of the store, after each commit
    log: Callable[[str, str], None]  # level, line
    fatal: Callable[[BaseException], None]  # the process must end
    leader: Callable[[], None] = lambda: None  # another leads, here or elsewhere
    role: Callable[[Role], None] = lambda _: None  # entered, before `leadership`
    written: Callable[[list[float]], None] = lambda _: None  # how long commands took, in ms


class Carrier(Protocol):
    """Carries messages to the other servers; nothing in here blocks."""

    def send(self, send: Send) -> None:
        """A request, whose outcome comes to `RaftDriver.deliver`."""

    def reply(self, reply: Reply) -> None:
        """The reply to a request that came in."""


class LogSink(Protocol):
    """Makes the log durable (runtime/log_writer.py)."""

    @property
    def busy_s(self) -> float:
        """For how long the disk has not answered; 0 while nothing is asked of it."""

    def appends_s(self) -> list[float]:
        """How long each append of entries took, sync included, since this was asked last."""

    def start(self) -> None:
        """Begin to write."""

    def write(self, persist: Persist) -> None:
        """Queue a write."""

    def compact(self, compaction: Compaction) -> None:
        """Let go of entries once the log holds the snapshot's."""

    def stop(self) -> None:
        """Write what is queued, then end; blocks, so not on the loop."""


class Installer(Protocol):
    """Puts received snapshots in place."""

    def install(self, install: Install) -> None:
        """Begin; `RaftDriver.installed` or `install_failed` says how it went."""

    def drop(self, token: Token) -> None:
        """What was received with that request is of no more use."""
