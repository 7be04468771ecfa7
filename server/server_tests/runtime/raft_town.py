"""Raft nodes in memory that talk over real sockets: what a driver does, without its disk."""

import asyncio
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

import msgpack

from proconsul.errors import ProconsulError
from proconsul.raft.invariants import Watch
from proconsul.raft.messages import (
    AppendEntries,
    EntryKind,
    Input,
    InstallReply,
    InstallSnapshot,
    Reply,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Token,
)
from proconsul.raft.node import Node
from proconsul.rpc.first_byte import Service
from proconsul.runtime.raft_snapshot_sending import SnapshotBody
from proconsul.runtime.raft_transport import LIMITS, RaftTransport, raft_dial
from proconsul.runtime.rpc_opening import opened_on
from proconsul.runtime.server_lookup import StoredAddresses
from proconsul.runtime.tls import NO_TLS, ClientTls, RpcTls
from server_tests.loopback import address
from server_tests.raft.harness import SETTINGS, Machine, State, members, peer

HOST = address(118)
TICK_S = 0.1
PIECE_BYTES = 1000


class Member:
    """A server: its node, its transport, its port."""

    def __init__(self, name: str, town: "Town", seed: int) -> None:
        self.name = name
        self.machine = Machine(name, random.Random(seed).randrange, town.watch, SETTINGS)
        self.port = 0
        self.reply_delay: Callable[[Reply], float] = lambda reply: 0.0
        self.entries_until_cut = 0  # messages with entries; at 0 the connections stay
        self.bodies: dict[Token, State] = {}
        self.snapshots_taken = 0
        self._town = town
        self._loop = asyncio.get_running_loop()
        self._connections: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._listening: socket.socket | None = None
        self._tick_timer: asyncio.TimerHandle | None = None
        self._turn_scheduled = False
        self.transport = self._new_transport()

    def _new_transport(self) -> RaftTransport:
        return RaftTransport(
            me=peer(self.name),
            lookup=self._town,
            dial=raft_dial(lambda: self._town.outgoing),
            deliver=self.deliver,
            source=self,
            sink=self,
            limits=LIMITS,
        )

    async def start(self) -> None:
        """Listen, and let time pass."""
        self._listening = socket.create_server((HOST, self.port))
        self._listening.setblocking(False)
        self.port = self._listening.getsockname()[1]
        self._spawn(self._accept(self._listening))
        self._tick()

    async def stop(self) -> None:
        """Stand still, deaf and dumb."""
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        await self.transport.stop()
        serving = set(self._serving)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)
        if self._listening is not None:
            self._listening.close()

    async def restart(self) -> None:
        """Begin anew with what was synced, after `stop`, at another port."""
        self.machine.crash()
        self.transport = self._new_transport()
        self.port = 0
        await self.start()

    def cut(self) -> None:
        """Break all connections that others have to this server."""
        for writer in self._connections:
            writer.transport.abort()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            connected, _ = await self._loop.sock_accept(listening)
            self._spawn(self._serve(connected))

    async def _serve(self, connected: socket.socket) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            opened = await opened_on(connected, self._town.incoming)
            if opened is None:
                return
            assert opened.service is Service.RAFT
            writer = opened.stream.writer
            self._connections.add(writer)
            try:
                await self.transport.handoff(opened.stream.reader, writer)
            finally:
                self._connections.discard(writer)
                writer.close()

    # ------------------------------------------------------------ the driver's part

    def deliver(self, message: Input) -> None:
        """From the transport."""
        if isinstance(message, AppendEntries) and message.entries and self.entries_until_cut:
            self.entries_until_cut -= 1
            if not self.entries_until_cut:
                self._town.on_cut()
                self.cut()
                return
        self.machine.node.step(message)
        self.schedule()

    def schedule(self) -> None:
        """Do what the node wants, soon."""
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._turn)

    def _tick(self) -> None:
        self._tick_timer = self._loop.call_later(TICK_S, self._tick)
        self.machine.node.tick()
        self.schedule()

    def _turn(self) -> None:
        self._turn_scheduled = False
        while effects := self.machine.node.take():
            if effects.persist is not None:
                self.machine.disk.waiting.append(effects.persist)
                self._loop.call_soon(self._sync)
            for send in effects.send:
                self.transport.send(send)
            if effects.install is not None:
                self.machine.install(effects, self.bodies[effects.install.token])
                self.snapshots_taken += 1
            for reply in effects.replies:
                if isinstance(reply, InstallReply):
                    del self.bodies[reply.token]
                self._loop.call_later(self.reply_delay(reply), self.transport.reply, reply)
            self.machine.apply(effects)
            self._town.watch.look(self._town.nodes)

    def _sync(self) -> None:
        if self.machine.sync():
            self.schedule()

    # ------------------------------------------------------------ snapshots

    async def open(self, snapshot: SnapshotMeta) -> SnapshotBody:
        """The body of the one that there is."""
        if snapshot != self.machine.disk.snapshot:
            raise ProconsulError("another snapshot has taken its place")
        data: bytes = msgpack.packb(self.machine.disk.body)
        return SnapshotBody(len(data), _cut(data))

    async def receive(
        self, request: InstallSnapshot, size_bytes: int, pieces: AsyncGenerator[bytes, None]
    ) -> None:
        """Keep a body."""
        data = b"".join([piece async for piece in pieces])
        assert len(data) == size_bytes
        self.bodies[request.token] = tuple(msgpack.unpackb(data))


async def _cut(data: bytes) -> AsyncGenerator[bytes, None]:
    for offset in range(0, len(data), PIECE_BYTES):
        yield data[offset : offset + PIECE_BYTES]


class Town(StoredAddresses):
    """All of them, and where they live. Their configuration has addresses that lead nowhere."""

    def __init__(self, *names: str) -> None:
        self.watch = Watch()
        self.incoming: RpcTls = NO_TLS  # of all ports, and replaced at will
        self.outgoing: ClientTls | None = None
        self.on_cut: Callable[[], None] = lambda: None
        self.members = {name: Member(name, self, seed) for seed, name in enumerate(names)}

    @property
    def nodes(self) -> list[Node]:
        """What the checkers look at."""
        return [member.machine.node for member in self.members.values()]

    def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
        """By ID; nobody listens at the first."""
        assert stored_address == f"{server_id}:8300"
        return [f"{HOST}:1", f"{HOST}:{self.members[server_id].port}"]

    async def until(self, holds: Callable[[], bool], patience_s: float = 60.0) -> None:
        """Let time pass until something is so."""
        async with asyncio.timeout(patience_s):
            while not holds():  # noqa: ASYNC110 - nodes tell nobody when something is so
                await asyncio.sleep(TICK_S)

    async def leader(self) -> Member:
        """Whoever leads, once somebody does and all others follow it."""
        await self.until(lambda: self._leader() is not None)
        leader = self._leader()
        assert leader is not None
        return leader

    def _leader(self) -> Member | None:
        leaders = [one for one in self.members.values() if one.machine.node.is_leader]
        terms = {member.machine.node.term for member in self.members.values()}
        return leaders[0] if len(leaders) == 1 and len(terms) == 1 else None

    def propose(self, leader: Member, *commands: bytes) -> None:
        """Have the leader take them."""
        for command in commands:
            leader.machine.node.propose(EntryKind.COMMAND, command)
        leader.schedule()

    async def agree_on(self, *commands: bytes) -> None:
        """Until everybody has applied just these."""
        await self.until(
            lambda: all(one.machine.state == commands for one in self.members.values())
        )


@asynccontextmanager
async def town(
    *names: str, incoming: RpcTls = NO_TLS, outgoing: ClientTls | None = None
) -> AsyncIterator[Town]:
    """A cluster that was just bootstrapped."""
    made = Town(*names)
    made.incoming, made.outgoing = incoming, outgoing
    for member in made.members.values():
        await member.start()
    for member in made.members.values():
        member.machine.node.bootstrap(members(*names))
        member.schedule()
    try:
        yield made
    finally:
        for member in made.members.values():
            await member.stop()
