"""One server's raft driver in a world that can be broken: simulated disk, state that outlives it.

The state's engine is in memory and is kept from life to life, as LMDB's pages are by the kernel
when only the process dies; `rebooted` says that the next start must not trust it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from proconsul.errors import DiskFullError, ProconsulError
from proconsul.fsm.commands import MessageType, encode_command
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.raft.effects import Install, Persist, Send
from proconsul.raft.messages import (
    Configuration,
    Peer,
    Reply,
    Server,
    ServerAddress,
    ServerId,
    Token,
)
from proconsul.raft.node import Settings
from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.raft_ports import Hooks, LogSink
from proconsul.runtime.raft_snapshots import RaftSnapshots, SnapshotPolicy
from proconsul.runtime.state_machine import ReplicatedState
from proconsul.runtime.storage import Storage, open_storage
from proconsul.store import kv
from proconsul.store.engine import StateFullError
from server_tests.sim.disk import Lands, SimDisk
from server_tests.store.memory_engine import MemoryBatch, MemoryEngine
from server_tests.virtual_time import VirtualTimeLoop

ME = Peer(ServerId("11111111-2222-3333-4444-555555555555"), ServerAddress("127.0.0.1:8300"))
DATA = DataDir("/data")
SEGMENT_BYTES = 16 * 1024


class Engine(MemoryEngine):
    """The memory engine with an end, and with room that can run out."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.has_room_for_another = True  # beside the one that is there

    def settle(self) -> None:
        """It is in memory already."""

    def close(self) -> None:
        """Nothing to let go of."""

    @contextlib.contextmanager
    def write(self) -> Iterator[MemoryBatch]:
        """Change it, where there is room."""
        with super().write() as batch:
            yield batch
            if self.is_full:
                raise StateFullError("/data/state", "simulated")

    @contextlib.contextmanager
    def replace(self) -> Iterator[MemoryBatch]:
        """Make it anew, where there is room."""
        with super().replace() as batch:
            yield batch
            if not self.has_room_for_another:
                raise StateFullError("/data/state", "simulated")


@dataclass
class World:
    """What lasts between the lives of the server."""

    disk: SimDisk
    engine: Engine = field(default_factory=Engine)
    rebooted: bool = False
    lines: list[str] = field(default_factory=list)  # of the driver's log, of all lives

    def open(self) -> Storage:
        """Open what is on the disk."""
        if self.rebooted:
            self.engine = Engine()
        trusted, self.rebooted = not self.rebooted, False
        return open_storage(DATA, self.disk, lambda _: (self.engine, trusted), SEGMENT_BYTES)


class WatchedWriter:
    """The log's writer, which the virtual clock waits for; not while the disk is full."""

    def __init__(self, writer: LogSink, driver: RaftDriver) -> None:
        self._writer = writer
        self._driver = driver
        self._over = False
        self.start, self.compact = writer.start, writer.compact
        self.appends_s = writer.appends_s

    @property
    def busy_s(self) -> float:
        """For how long the disk has not answered."""
        return self._writer.busy_s

    def write(self, persist: Persist) -> None:
        """Queue a write."""
        driver, loop = self._driver, asyncio.get_running_loop()

        def at_work() -> bool:
            is_done = driver.node._persisted >= persist.number
            return not (is_done or driver._log_full or driver._stopped or self._over)

        if isinstance(loop, VirtualTimeLoop):
            loop._jumping.outside.append(at_work)
        self._writer.write(persist)

    def stop(self) -> None:
        """Write what is queued, then end."""
        self._writer.stop()
        self._over = True


class Silence:
    """A network that loses all of raft's messages."""

    def send(self, send: Send) -> None:
        """Lost."""

    def reply(self, reply: Reply) -> None:
        """Lost."""

    def install(self, install: Install) -> None:
        """None ever comes."""

    def drop(self, token: Token) -> None:
        """None ever comes."""


class Life:
    """The server from its start to its end."""

    def __init__(self, world: World, policy: SnapshotPolicy | None = None) -> None:
        self.world = world
        self.failure: BaseException | None = None
        self.failed = asyncio.Event()
        self.led: list[bool] = []
        self._settled = asyncio.Event()  # it leads, or it is over
        self.hear: Callable[[list[object]], None] = lambda _: None  # the store's events
        self.restored: list[list[object]] = []
        self.storage = world.open()
        self.replicated: ReplicatedState = self.storage.replicated
        self.driver = RaftDriver(
            ME,
            Settings(election_ticks=2),
            self.storage.wal,
            DATA.log,
            self.replicated,
            self.storage.snapshot,
            Hooks(
                leadership=self._leadership,
                events=self._events,
                log=lambda level, line: world.lines.append(f"{level} {line}"),
                fatal=self._fatal,
            ),
        )
        self.driver.writer = WatchedWriter(self.driver.writer, self.driver)
        self.snapshots = RaftSnapshots(
            self.storage.snapshot_files,
            self.replicated,
            self.driver,
            policy or SnapshotPolicy(interval_s=1e6, threshold=1 << 30, trailing=10),
            self.restored.append,
        )

    def _events(self, events: list[object]) -> None:
        self.hear(events)

    def _fatal(self, failure: BaseException) -> None:
        self.failure = failure
        self.failed.set()
        self._settled.set()

    def _leadership(self, won: bool) -> None:
        self.led.append(won)
        if won:
            self._settled.set()

    def begin(self) -> None:
        """Start, and found the cluster if there is none."""
        self.driver.start()
        node = self.driver.node
        if not node.configuration.servers and not node.last_index:
            self.driver.bootstrap(Configuration((Server(ME.id, ME.address),)))

    async def until_it_leads(self) -> None:
        """Leads, and all that is in the log is applied."""
        await self._settled.wait()
        await self.driver.barrier()

    async def put(self, key: str, value: bytes) -> None:
        """Acknowledged when this returns."""
        await self.driver.propose(set_command(key, value))

    def get(self, key: str) -> bytes | None:
        """What the state says."""
        _, entry = kv.get(self.replicated.state.read(), None, key)
        return None if entry is None else entry.value

    async def stop(self) -> None:
        """An orderly end."""
        await asyncio.to_thread(self.driver.stop)
        self.storage.close()

    async def crash(self, lands: Lands) -> None:
        """The power goes, now; a life that is over on the disk may still fail its clients."""
        if self.world.disk.calls_left is None:
            self.world.disk.calls_left = 0
        with contextlib.suppress(ProconsulError):
            await asyncio.to_thread(self.driver.stop)
        await asyncio.sleep(0)
        self.world.disk.crash(lands)

    async def kill(self) -> None:
        """kill -9: what was written stays written."""
        if self.world.disk.calls_left is None:
            self.world.disk.calls_left = 0
        await asyncio.to_thread(self.driver.stop)
        await asyncio.sleep(0)
        self.world.disk.kill_process()


async def begin(world: World, policy: SnapshotPolicy | None = None) -> Life:
    """A life that leads."""
    life = Life(world, policy)
    life.begin()
    await life.until_it_leads()
    return life


def set_command(key: str, value: bytes) -> bytes:
    """The log's command for one key."""
    return encode_command(
        MessageType.KVS,
        KVSRequest(datacenter="dc1", op="set", dir_ent=DirEntry(key=key, value=value)),
    )


async def until_written(life: Life, key: str, value: bytes) -> None:
    """As a client does: try again (the writer does it in real time, the loop's clock jumps)."""
    async with asyncio.timeout(3600):
        while True:
            try:
                return await life.put(key, value)
            except DiskFullError:
                await asyncio.sleep(0.05)
