"""Raft nodes in memory that talk over real sockets: what a driver does, without its disk."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
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
from proconsul.rpc.first_byte import FirstByte
from proconsul.runtime.raft_snapshot_sending import SnapshotBody
from proconsul.runtime.raft_transport import LIMITS, RaftTransport, raft_dial
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
        self._listener: asyncio.Server | None = None
        self._tick_timer: asyncio.TimerHandle | None = None
        self._turn_scheduled = False
        self.transport = self._new_transport()

    def _new_transport(self) -> RaftTransport:
        return RaftTransport(
            me=peer(self.name),
            lookup=self._town,
            dial=raft_dial(lambda: None),
            deliver=self.deliver,
            source=self,
            sink=self,
            limits=LIMITS,
        )

    async def start(self) -> None:
        """Listen, and let time pass."""
        self._listener = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        self._tick()

    async def stop(self) -> None:
        """Stand still, deaf and dumb."""
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        if self._listener is not None:
            self._listener.close()
        await self.transport.stop()
        serving = set(self._serving)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)

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

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._connections.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                assert await reader.readexactly(1) == bytes([FirstByte.RAFT])
                await self.transport.handoff(reader, writer)
        finally:
            self._serving.discard(task)
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


class Town:
    """All of them, and where they live. Their configuration has addresses that lead nowhere."""

    def __init__(self, *names: str) -> None:
        self.watch = Watch()
        self.on_cut: Callable[[], None] = lambda: None
        self.members = {name: Member(name, self, seed) for seed, name in enumerate(names)}

    @property
    def nodes(self) -> list[Node]:
        """What the checkers look at."""
        return [member.machine.node for member in self.members.values()]

    async def addresses(self, server_id: ServerId, stored_address: ServerAddress) -> list[str]:
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
async def town(*names: str) -> AsyncIterator[Town]:
    """A cluster that was just bootstrapped."""
    made = Town(*names)
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
