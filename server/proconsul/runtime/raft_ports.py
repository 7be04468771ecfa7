"""Whom the raft driver tells and uses: the agent's hooks, the transport, who installs snapshots."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from proconsul.raft.effects import Install, Role, Send
from proconsul.raft.messages import Reply, Token


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom the driver tells, on the loop."""

    leadership: Callable[[bool], None]  # won or lost
    events: Callable[[list[object]], None]  # of the store, after each commit
    log: Callable[[str, str], None]  # level, line
    fatal: Callable[[BaseException], None]  # the process must end
    leader: Callable[[], None] = lambda: None  # another leads, here or elsewhere
    role: Callable[[Role], None] = lambda _: None  # entered, before `leadership`


class Carrier(Protocol):
    """Carries messages to the other servers; nothing in here blocks."""

    def send(self, send: Send) -> None:
        """A request, whose outcome comes to `RaftDriver.deliver`."""

    def reply(self, reply: Reply) -> None:
        """The reply to a request that came in."""


class Installer(Protocol):
    """Puts received snapshots in place."""

    def install(self, install: Install) -> None:
        """Begin; `RaftDriver.installed` or `install_failed` says how it went."""

    def drop(self, token: Token) -> None:
        """What was received with that request is of no more use."""
