"""Servers with real RPC ports, found by a gossip of few words; their raft is a note of what was
founded.

The gossip is the town's own: whoever joins one of a group knows all of it, and sees who ended or
is cut off as failed. How members really find and lose each other is told in the stories of gossip.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from proconsul.config.schema import Joining
from proconsul.endpoints.context import Log
from proconsul.endpoints.table import METHODS
from proconsul.leader.pool import LanMember, PoolMember, ServerMember, Status
from proconsul.raft.messages import Configuration, Server
from proconsul.runtime.join_rounds import JoinRounds
from proconsul.runtime.rpc_client import RpcClient, RpcTransportError
from proconsul.runtime.rpc_server import Calls, RpcServer
from proconsul.runtime.server_pool import LIMITS, ServerPool
from proconsul.runtime.tls import NO_TLS
from server_tests.endpoints.site import MemoryLog, open_site
from server_tests.leader.servers import server
from server_tests.loopback import address
from server_tests.runtime.rpc_site import LIMITS as RPC_LIMITS
from server_tests.runtime.rpc_site import MemorySnapshots

HOST = address(122)
NOWHERE = f"{HOST}:1"  # nothing listens there


def joining(
    *,
    retry: Sequence[str] = (),
    start: Sequence[str] = (),
    retry_max: int = 0,
    retry_interval_s: float = 30.0,
) -> Joining:
    """What the configuration says."""
    return Joining(
        start_join=tuple(start),
        start_join_wan=(),
        retry_join=tuple(retry),
        retry_join_wan=(),
        retry_interval_s=retry_interval_s,
        retry_interval_wan_s=30.0,
        retry_max_attempts=retry_max,
        retry_max_attempts_wan=0,
        rejoin_after_leave=False,
    )


@dataclass
class Ledger:
    """A raft that writes down what it is told."""

    members: tuple[Server, ...] = ()

    def is_empty(self) -> bool:
        return not self.members

    def servers(self) -> tuple[Server, ...]:
        return self.members

    def bootstrap(self, configuration: Configuration) -> None:
        assert self.is_empty()
        self.members = configuration.servers


class PeersLog(MemoryLog):
    """Answers `Status.Peers` from the ledger."""

    ledger: Ledger

    def peer_addresses(self) -> list[str]:
        return [each.address for each in self.ledger.members]


class Wire(RpcClient):
    """A client that cannot reach everybody."""

    def __init__(self, is_cut: Callable[[str], bool]) -> None:
        super().__init__(LIMITS, None)
        self._is_cut = is_cut

    async def call(self, address: str, method: str, request: Any, reply_type: Any) -> Any:
        if self._is_cut(address):
            raise RpcTransportError("the network is cut", sent=False)
        return await super().call(address, method, request, reply_type)


@dataclass
class Resident:
    """A server of the town."""

    me: ServerMember
    pool: ServerPool
    lan: "TownLan"
    port: RpcServer
    ledger: Ledger
    failures: list[BaseException]

    @property
    def address(self) -> str:
        """Of its RPC port."""
        return f"{self.me.address}:{self.me.rpc_port}"

    @property
    def founded(self) -> list[str]:
        """The names of the cluster's members, by its raft."""
        return [each.id.partition("-")[0] for each in self.ledger.members]

    def statuses(self) -> dict[str, Status]:
        """All members by name."""
        return {each.server.node: each.status for each in self.pool.members()}

    def sees(self, *names: str) -> bool:
        """Whether these, and no others, live, as far as it knows."""
        alive = {name for name, status in self.statuses().items() if status is Status.ALIVE}
        return alive == set(names)


@dataclass
class TownLan:
    """What one server knows of the others."""

    here: "Town"
    me: ServerMember
    known: dict[str, ServerMember] = field(default_factory=dict)

    def servers(self) -> list[PoolMember]:
        return [
            PoolMember(one, self._status(one), 0.0)
            for _, one in sorted({**self.known, self.me.node: self.me}.items())
        ]

    def agents(self) -> list[LanMember]:
        return []

    def force_out(self, node: str) -> None:
        del self.known[node]

    def _status(self, other: ServerMember) -> Status:
        cuts = self.here.cuts
        is_cut = {(self.me.node, other.node), (other.node, self.me.node)} <= cuts
        is_there = any(resident.me == other for resident in self.here.residents)
        is_there = is_there or other.node in self.here.alive
        return Status.ALIVE if is_there and not is_cut else Status.FAILED

    async def join_one(self, host: str, port: int) -> str:
        """Meet who has that RPC port, and all that it knows."""
        where = f"{host}:{port}"
        for resident in self.here.residents:
            cut = (self.me.node, resident.me.node) in self.here.cuts
            if resident.address == where and not cut:
                self.here.meet(self, resident.lan)
                return ""
        return f"Failed to join {host}: dial tcp {where}: connect: connection refused"


@dataclass
class Town:
    """All servers, and what keeps them apart."""

    names: dict[str, list[str]] = field(default_factory=dict)  # host names to addresses
    cuts: set[tuple[str, str]] = field(default_factory=set)  # who does not reach whom
    residents: list[Resident] = field(default_factory=list)
    objection: str = ""  # against founding a cluster, of all
    alive: set[str] = field(default_factory=set)  # names that gossip takes for alive, come what may

    async def resolve(self, host: str) -> list[str]:
        """What a name server knows."""
        if host not in self.names:
            raise OSError("no such host")
        return self.names[host]

    async def settle(
        self, name: str, *, ledger: Ledger | None = None, joins: Joining | None = None, **is_: Any
    ) -> Resident:
        """Open its port; the pool is there, and not started."""
        site = open_site()
        raft = ledger or Ledger()
        log = site.log
        log.__class__ = PeersLog
        cast("PeersLog", log).ledger = raft
        site.context.log = cast("Log", log)
        port = RpcServer(
            calls=Calls(METHODS, site.call),
            insecure_calls=Calls(METHODS, site.call),
            snapshots=MemorySnapshots(),
            raft_handoff=_no_raft,
            limits=RPC_LIMITS,
            tls=NO_TLS,
            telemetry=site.context.telemetry,
        )
        host = is_.pop("address", HOST)
        _, number = await port.listen(host, is_.pop("port", 0))
        me = server(name, address=host, rpc_port=number, **is_)
        failures: list[BaseException] = []
        lan = TownLan(self, me)
        pool = ServerPool(
            me=me,
            lan=lan,
            joins=JoinRounds(
                joins or joining(), number, frozenset({(host, number)}), self.resolve, lan.join_one
            ),
            client=Wire(lambda where: self._is_cut(name, where)),
            raft=raft,
            objection=lambda: self.objection,
            fail=failures.append,
        )
        site.context.company = pool
        resident = Resident(me, pool, lan, port, raft, failures)
        self.residents.append(resident)
        return resident

    async def start(self, name: str, *seeds: str, **settings: Any) -> Resident:
        """Settle, and go to meet the seeds."""
        resident = await self.settle(name, joins=joining(retry=seeds), **settings)
        resident.pool.start()
        return resident

    def meet(self, one: TownLan, other: TownLan) -> None:
        """All that either knows is known to all of them."""
        group = {**one.known, **other.known, one.me.node: one.me, other.me.node: other.me}
        for resident in [*self.residents]:
            if resident.me.node in group and resident.lan.known != {**resident.lan.known, **group}:
                resident.lan.known.update(group)
                resident.pool.changed()

    def _is_cut(self, name: str, where: str) -> bool:
        return any(
            resident.address == where and (name, resident.me.node) in self.cuts
            for resident in self.residents
        )

    def cut(self, *pairs: tuple[str, str]) -> None:
        """These, and no others, do not reach each other from now on."""
        self.cuts = {*pairs, *((other, one) for one, other in pairs)}

    async def end(self, resident: Resident) -> None:
        """Its process ends."""
        self.residents.remove(resident)
        await resident.pool.stop()
        await resident.port.stop(0.0)

    def clusters(self) -> list[list[str]]:
        """All that were founded."""
        return [resident.founded for resident in self.residents if resident.founded]


async def _no_raft(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Nobody comes here."""


@asynccontextmanager
async def town() -> AsyncIterator[Town]:
    """An empty one; all that settled in it end with it."""
    here = Town()
    try:
        yield here
    finally:
        for resident in list(here.residents):
            await here.end(resident)


async def until(is_so: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait for it; the clock is the loop's."""
    async with asyncio.timeout(within_s):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.05)
