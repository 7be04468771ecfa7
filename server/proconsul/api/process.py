"""What the HTTP API asks of the running process itself: its agent, its logs, its end.

`agent.py` fills these protocols in; handlers know nothing else of the process.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of the gossip pool; `status` is Serf's number (1 alive)."""

    name: str
    address: str
    port: int
    tags: dict[str, str]
    status: int
    protocol: tuple[int, int, int]  # min, max, current
    delegate: tuple[int, int, int]


class Process(Protocol):
    """The running agent."""

    local: Any  # runtime/local_agent.LocalAgent; see api/agent_services.py for what is used

    def self_description(self) -> dict[str, Any]:
        """The builtins of /v1/agent/self: Config, DebugConfig, Coord, Member, Stats, Meta."""

    def members(self, wan: bool) -> list[Member]:
        """All known members."""

    def host(self) -> dict[str, Any]:
        """The builtins of /v1/agent/host."""

    async def reload(self) -> None:
        """Read the configuration again; raises ConfigError."""

    async def leave(self) -> None:
        """Leave gracefully, then end the process."""

    async def join(self, address: str, wan: bool) -> int:
        """Join the pool through an address: how many were reached. Raises RpcError."""

    async def force_leave(self, node: str, prune: bool) -> None:
        """Make a failed member leave. Raises RpcError when there is none."""

    def monitor(self, level: str, as_json: bool) -> AsyncIterator[bytes]:
        """Log lines from now on."""

    def set_token(self, kind: str, token: str) -> bool:
        """Set one of the agent's tokens; False for an unknown kind."""

    async def save_snapshot(self, stale: bool) -> tuple[int, AsyncIterator[bytes]]:
        """(index, archive bytes) of the whole state."""

    async def restore_snapshot(self, archive: AsyncIterator[bytes]) -> None:
        """Replace the state; raises RpcError with the reason, the state then is as before."""
