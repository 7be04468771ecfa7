"""A server whose answers are kept beside the same server without that: they must say the same.

Its role is what a test says. Where it follows, the leader is another server in memory, of whose
state its own is a copy, as late as the test wants it.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from msgspec.structs import replace

from proconsul.api.http import Request
from proconsul.api.routes import ROUTER
from proconsul.api.surface import HttpSettings, Surface
from proconsul.endpoints.context import Context, Log
from proconsul.endpoints.table import METHODS
from proconsul.errors import NoLeaderError, NotReadyError, ProconsulError
from proconsul.fsm import snapshot
from proconsul.fsm.apply import apply
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.local.token_bucket import TokenBucket
from proconsul.runtime.http_connection import Connection
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.http_server import HttpServer
from proconsul.runtime.kept_answers import KeptAnswers
from proconsul.runtime.kept_reads import KeptReads
from proconsul.runtime.leaders_word import LeadersWord
from proconsul.runtime.long_polls import LongPolls
from proconsul.runtime.own_calls import OwnCalls
from proconsul.runtime.pending import PendingEntries
from proconsul.runtime.read_recording import RecordedWay
from proconsul.runtime.rpc_client import RemoteError, RpcClient
from proconsul.runtime.rpc_forwarding import Forwarder
from proconsul.runtime.rpc_snapshots import SnapshotHandler
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.state import State
from proconsul.wire.gostruct import GoStruct
from server_tests.endpoints.site import MemoryLog, Site, World, open_site

HOLD_S = 0.1  # while nobody leads
PATIENCE_S = 60.0  # by the tests' clock
LEADER_ADDRESS = "10.0.0.9:8300"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False
        self.spoken = asyncio.Event()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Addresses."""
        return {"peername": ("127.0.0.1", 4), "sockname": ("127.0.0.1", 8500)}.get(name, default)

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        self.spoken.set()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nor goes on."""


class EvenWorld(World):
    """Its die always shows the middle: with 0 a follower would look for a leader without pause."""

    def die(self, sides: int) -> int:
        return sides // 2


@dataclass
class Role:
    """How a server stands, as its raft would say it."""

    leads: bool = True
    lease: bool = True
    leader_known: bool = True
    contact_ns: int = 0
    quorum: bool = True  # whether a majority answers
    rounds: int = 0  # that were asked for
    gate: asyncio.Event | None = None  # rounds wait for it


class RoleLog(MemoryLog):
    """The log of a server that stands as a test says."""

    def __init__(self, site: Site) -> None:
        super().__init__(cast("State", site.context.state), site.context.lock_delays)
        self.role = Role()
        self.awaited = PendingEntries()

    async def confirm_leadership(self) -> None:
        self.role.rounds += 1
        if not self.role.leads:
            raise NoLeaderError
        if self.role.gate is not None:
            await self.role.gate.wait()
        else:
            await asyncio.sleep(0)
        if not self.role.quorum or not self.role.leads:
            raise NotReadyError

    def may_read_by_lease(self) -> bool:
        return self.role.leads and self.role.lease

    def is_leader(self) -> bool:
        return self.role.leads

    def leader_known(self) -> bool:
        return self.role.leads or self.role.leader_known

    def last_contact_ns(self) -> int:
        return 0 if self.role.leads else self.role.contact_ns

    def leader_address(self) -> str:
        return LEADER_ADDRESS if self.leader_known() else ""

    def applied_index(self) -> int:
        return self.index

    async def wait_applied(self, index: int) -> None:
        if self.index < index:
            await self.awaited.wait(index)


class AheadLog(MemoryLog):
    """The log of the leader: what is committed there, the other server hears of."""

    def __init__(self, site: Site, follow: Callable[[bytes, int], None]) -> None:
        super().__init__(cast("State", site.context.state), site.context.lock_delays)
        self._follow = follow
        self.quorum = True
        self.unapplied = 0  # entries that it has committed, and its followers may have applied

    async def propose(self, kind: MessageType, request: GoStruct | list[GoStruct]) -> Any:
        try:
            return await super().propose(kind, request)
        finally:
            assert not isinstance(request, list), "coordinates are not for these tests"
            self._follow(encode_command(kind, request), self.index)

    async def confirm_leadership(self) -> None:
        if not self.quorum:
            raise NotReadyError

    def read_index(self) -> int:
        return self.index - self.unapplied


class Leader:
    """The other end of RpcClient."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.calls: list[str] = []
        self.knows_read_index = True
        self.gate: asyncio.Event | None = None

    async def call(self, address: str, method: str, request: Any, reply_type: Any) -> Any:
        self.calls.append(method)
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        if method == "Proconsul.ReadIndex" and not self.knows_read_index:
            raise RemoteError("rpc: can't find service Proconsul.ReadIndex")
        try:
            return await METHODS.call(self.context, method, request)
        except ProconsulError as failure:
            raise RemoteError(str(failure)) from failure


class KeptSite:
    """Both servers, and what happens to them."""

    def __init__(self, bytes_max: int) -> None:
        self.own, self.ahead = open_site(), open_site()
        self.room = WaitingRoom(self.own_state.watchers)
        self.own.context.world = EvenWorld(self.room)
        self.own.context.facts = replace(self.own.context.facts, rpc_hold_timeout_s=HOLD_S)
        self.log = RoleLog(self.own)
        self.own.context.log = cast("Log", self.log)
        self.ahead_log = AheadLog(self.ahead, self._follow)
        self.ahead.context.log = cast("Log", self.ahead_log)
        self.leader = Leader(self.ahead.context)
        self.is_late = False
        self._late: list[tuple[bytes, int]] = []
        self.calls, self.answers, self.kept, surface = self._kept(bytes_max)
        self.with_kept = _server(surface, self.kept)
        self.without = _server(surface, None)

    def _kept(self, bytes_max: int) -> tuple[OwnCalls, KeptAnswers, KeptReads, Surface]:
        context, client = self.own.context, cast("RpcClient", self.leader)
        forwarder = Forwarder(METHODS, context, client, lambda: False)
        calls = OwnCalls(
            call=forwarder.call,
            snapshots=cast("SnapshotHandler", None),
            limit=TokenBucket(math.inf, 0, 0.0),
            now_s=context.world.now_s,
            telemetry=context.telemetry,
        )
        self.own.api.call = calls.call
        surface = Surface(self.own.api, ROUTER)
        word = LeadersWord(context.log, client, lambda: context.facts.datacenter)
        way = RecordedWay(surface, context, calls, forwarder, METHODS, word, lambda: "")
        answers = KeptAnswers(self.own_state.kept_answers, bytes_max)
        self.polls = LongPolls(surface.handle)
        kept = KeptReads(answers, way, context.log, self.room, self.polls.looked_after)
        return calls, answers, kept, surface

    @property
    def role(self) -> Role:
        """How the server stands, to be changed."""
        return self.log.role

    @property
    def own_state(self) -> State:
        """Its state."""
        return cast("State", self.own.context.state)

    # ------------------------------------------------------------ what happens

    async def write(self, method: str, target: str, body: object = None) -> int:
        """At the leader; the status. The server has it, too, unless it is late."""
        return (await self.ahead.ask(method, target, body)).status

    def _follow(self, command: bytes, index: int) -> None:
        self._late.append((command, index))
        if not self.is_late:
            self.catch_up()

    def catch_up(self) -> None:
        """Apply what is late."""
        for command, index in self._late:
            with self.own_state.write(index) as txn:
                apply(txn, command)
            self.log.index = index
        self._late.clear()
        self.log.awaited.applied(self.log.index)

    def snapshot(self) -> list[bytes]:
        """The leader's state."""
        return list(snapshot.write(self.ahead.context.state.read()))

    def restore(self, records: list[bytes]) -> None:
        """Have both states be that."""
        self.catch_up()
        self.ahead_log.index += 1
        self.log.index = self.ahead_log.index
        for state in (self.own_state, cast("State", self.ahead.context.state)):
            with state.replace(self.log.index) as txn:
                snapshot.restore(txn, records)

    def reload(self, settings: HttpSettings) -> None:
        """Other settings."""
        self.own.api.settings = settings
        for server in (self.with_kept, self.without):
            server.set_response_headers(settings.response_headers)
        self.kept.clear()

    async def same(self, request: bytes) -> bytes:
        """What both ways say to a request; twice, so that the second may come from what is kept."""
        plain = await Line(self.without).ask(request)
        assert await Line(self.with_kept).ask(request) == plain
        assert await Line(self.with_kept).ask(request) == plain
        return plain

    def close(self) -> None:
        """End the timers."""
        for server in (self.with_kept, self.without):
            server._ticker.cancel()


def _server(surface: Surface, kept: KeptReads | None) -> HttpServer:
    def crashed(request: Request, failure: Exception) -> None:
        raise AssertionError("a handler crashed") from failure

    return HttpServer(
        surface.handle,
        body_limit=lambda request: 1 << 20,
        on_error=crashed,
        deadlines=Deadlines(),
        kept=kept,
    )


@asynccontextmanager
async def kept_site(bytes_max: int = 1 << 20) -> AsyncIterator[KeptSite]:
    """A leader with nothing in its state."""
    site = KeptSite(bytes_max)
    try:
        yield site
    finally:
        site.close()


class Line:
    """One connection; what comes back, without the dates."""

    def __init__(self, server: HttpServer) -> None:
        self.transport = Transport()
        self.connection = Connection(server, asyncio.get_running_loop())
        self.connection.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        """It arrives in a turn of its own, as bytes do."""
        asyncio.get_running_loop().call_soon(self.connection.data_received, data)

    @property
    def said(self) -> bytes:
        """All that came back."""
        lines = b"".join(self.transport.written).split(b"\r\n")
        return b"\r\n".join(line for line in lines if not line.startswith(b"Date: "))

    async def ask(self, data: bytes) -> bytes:
        """The one answer to this, when it is there."""
        self.send(data)
        await asyncio.wait_for(self.transport.spoken.wait(), PATIENCE_S)
        self.connection.connection_lost(None)
        return self.said
