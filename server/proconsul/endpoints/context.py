"""All that an RPC handler may reach.

Handlers are values in, values out; what touches the world (waiting, the clock, the log) is
behind these protocols, which `agent.py` fills in.
"""

from collections.abc import Awaitable
from enum import Enum, auto
from typing import Any, Protocol

from msgspec import Struct, field

from proconsul.endpoints.coordinate_batch import CoordinateBatch
from proconsul.endpoints.lock_delays import LockDelays
from proconsul.endpoints.session_timers import SessionTimers
from proconsul.endpoints.user_events import UserEvents
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType, Request
from proconsul.model.founding import FoundReply, FoundRequest, IdentifyReply
from proconsul.model.keyring import KeyringResponse
from proconsul.model.operator import OperatorHealthReply, RaftConfigurationResponse, ServerStats
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet
from proconsul.telemetry import Telemetry


class Woken(Enum):
    """Why a waiting query goes on."""

    CHANGED = auto()
    TIMEOUT = auto()
    ABANDONED = auto()  # the state was replaced by a restored snapshot


class Facts(Struct, frozen=True, kw_only=True):
    """What a handler must know of the configuration; replaced as a whole at a reload."""

    datacenter: str
    primary_datacenter: str
    node_name: str
    node_id: str
    default_query_time_s: float
    max_query_time_s: float
    session_ttl_min_ns: int
    kv_value_bytes_max: int
    txn_bytes_max: int
    acl_enabled: bool
    connect_enabled: bool
    coordinates_enabled: bool
    rpc_hold_timeout_s: float
    auto_encrypt_allow_tls: bool = False  # agents may ask for certificates


class World(Protocol):
    """Time, chance, waiting."""

    def now_s(self) -> float:
        """Monotonic seconds."""

    def unix_ns(self) -> int:
        """Wall clock, nanoseconds since 1970."""

    def die(self, sides: int) -> int:
        """A random number from 0 to `sides` - 1."""

    def new_uuid(self) -> str:
        """A random UUID in text."""

    async def wait(self, watch: WatchSet, until_s: float) -> Woken:
        """Wait for a change of what `watch` names, at most until `now_s()` is `until_s`."""


class State(Protocol):
    """The replicated state."""

    def read(self) -> ReadTransaction:
        """The newest committed state; to be used before anything is awaited."""


class Log(Protocol):
    """The replicated log, as its leader or a follower sees it."""

    def propose(self, kind: MessageType, request: Request) -> Awaitable[Any]:
        """Commit and apply a command; the FSM's value.

        Raises at once, or when it is awaited: RpcError with the FSM's text if it refused,
        NoLeaderError, DiskFullError.
        """

    async def confirm_leadership(self) -> None:
        """A majority says that this server leads now (for `?consistent`).

        Raises NoLeaderError or NotReadyError.
        """

    def may_read_by_lease(self) -> bool:
        """Whether nobody else can lead at this moment, and the state has all that was answered.

        To be looked at before each answer in the default mode, with nothing awaited in between.
        """

    def applied_index(self) -> int:
        """The last entry that the state holds."""

    async def wait_applied(self, index: int) -> None:
        """Until the state holds this entry; the caller has a deadline."""

    def read_index(self) -> int:
        """The last entry that the state holds; who follows hears at once that it is committed.

        Raises NotReadyError while the state is being replaced: then it may hold more.
        """

    def is_leader(self) -> bool:
        """Whether this server believes that it leads."""

    def leader_known(self) -> bool:
        """Whether anybody leads."""

    def last_contact_ns(self) -> int:
        """Time since the leader was heard of; 0 on the leader."""

    def leader_address(self) -> str:
        """`ip:port` of the leader's RPC port, "" when unknown."""

    def peer_addresses(self) -> list[str]:
        """`ip:port` of all servers in the configuration."""

    def configuration(self) -> RaftConfigurationResponse:
        """The servers of the raft configuration."""

    def server_stats(self) -> ServerStats:
        """What autopilot asks each server."""

    def server_health(self) -> OperatorHealthReply:
        """Autopilot's judgement of the servers; empty where it does not run."""

    async def transfer_leadership(self, server_id: str) -> None:
        """Have that voter lead, or whichever is furthest for "". Raises RpcError, NoLeaderError."""

    async def remove_peer(self, server_id: str, address: str) -> None:
        """Take a server out of the configuration, by ID or by address; committed when it returns.

        Raises RpcError if there is none such, or it cannot be spared, NoLeaderError.
        """


class Company(Protocol):
    """This server among others (runtime/server_pool.py)."""

    def identify(self) -> IdentifyReply:
        """Who this server is."""

    def promise(self, request: FoundRequest) -> FoundReply:
        """Whether that server may found the cluster, as far as this one is concerned."""


class NoCompany:
    """A server that meets nobody."""

    def identify(self) -> IdentifyReply:
        """Nobody."""
        return IdentifyReply()

    def promise(self, request: FoundRequest) -> FoundReply:
        """Refuse."""
        return FoundReply(reason="this server meets no others")


class Lan(Protocol):
    """The gossip pool of this datacenter (runtime/lan_pool.py)."""

    async def user_event(self, name: str, payload: bytes) -> None:
        """Tell all members, this one included. Raises RpcError if it is too large."""

    async def keyring(self, operation: str, key: str, relay_factor: int) -> KeyringResponse:
        """Do it on all members, and say what came of it."""


class NoLan:
    """A server without a pool."""

    async def user_event(self, name: str, payload: bytes) -> None:
        """Refuse."""
        raise RpcError("there is no gossip pool")

    async def keyring(self, operation: str, key: str, relay_factor: int) -> KeyringResponse:
        """Refuse."""
        raise RpcError("there is no gossip pool")


class Context(Struct, kw_only=True):
    """What the method table gives to each handler."""

    facts: Facts
    world: World
    state: State
    log: Log
    telemetry: Telemetry
    lock_delays: LockDelays
    session_timers: SessionTimers
    coordinates: CoordinateBatch
    user_events: UserEvents
    company: Company = field(default_factory=NoCompany)
    lan: Lan = field(default_factory=NoLan)
