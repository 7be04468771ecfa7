"""A pool's door for the rest of the server: calls go in, events come out, on the main loop.

Serf, its sockets and its clock live in a thread of their own (gossip_engine.py), on an event loop
of its own. The main loop serves a busy HTTP API, and a turn of it may take a second. Others give a
ping half a second and then suspect who did not answer; our own pings would seem unanswered, too.
Measured with turns of one second, pings answered after (milliseconds, 50 % / 99 % / at most):

    pool on the main loop                   504 /  994 / 1001
    pool in a thread                        1.3 /  9.7 /   13     as here
    the same, turns of JSON and sockets     3.2 /   25 /   35

A real agent's pings to a pool on the main loop failed in half of the cases, to one in a thread
never. The thread gets the interpreter's lock within a switch interval, 0.5 ms in the server,
whatever Python the main thread runs; only a single call in C that keeps the lock makes it wait, so
no such call may take half a second.

What is heard comes to the main loop through gossip_courier.py, calls go in by
`run_coroutine_threadsafe`. `members` and the like ask nobody: the thread publishes a view of the
pool that never changes.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import uvloop
from msgspec import Struct

from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.effects import (
    JoinEnded,
    KeyringEnded,
    Level,
    MemberChanged,
    PoolMember,
    QueryEnded,
    QueryHeard,
)
from proconsul.gossip.joining import JoinTarget
from proconsul.gossip.key_rotation import KeyOperation
from proconsul.gossip.serf import Serf
from proconsul.runtime.gossip_courier import Courier
from proconsul.runtime.gossip_engine import GossipEngine, Heard, PoolEndedError
from proconsul.runtime.gossip_files import GossipFiles
from proconsul.runtime.gossip_sockets import PoolSockets, open_sockets
from proconsul.runtime.logs import logger
from proconsul.telemetry import Telemetry

STREAM_S = 10.0  # memberlist's TCPTimeout on a LAN

T = TypeVar("T")


class _View(Struct, frozen=True):
    """The pool at one moment."""

    members: Mapping[str, PoolMember]  # in the order of their names
    stats: Mapping[str, str]


def _view(members: Sequence[PoolMember], stats: Mapping[str, str]) -> _View:
    return _View({member.name: member for member in members}, stats)


class GossipDriver:
    """One pool of this server. Its methods are for the main loop, and raise PoolEndedError."""

    def __init__(
        self,
        serf: Serf,
        *,
        hear: Callable[[Heard], None],
        files: GossipFiles | None,
        telemetry: Telemetry,
        fail: Callable[[BaseException], None],
        pool: str = "lan",
        stream_patience_s: float = STREAM_S,
    ) -> None:
        """`serf` is the thread's from `start` on, with the Admission that it was given.

        `hear` and `fail` are called on the main loop; after `fail` the pool has ended. `pool`
        is for the log. `stream_patience_s` is GossipSettings.tcp_timeout_s.
        """
        self._serf = serf
        self._hear = hear
        self._files = files
        self._telemetry = telemetry
        self._fail = fail
        self._stream_patience_s = stream_patience_s
        self._logs = {voice: logger(f"{voice}.{pool}") for voice in ("serf", "memberlist")}
        self._main = asyncio.get_running_loop()
        self._courier = Courier(self._main, self._delivery_failed)
        self._sockets: PoolSockets | None = None
        self._runner: asyncio.Runner | None = None
        self._thread: threading.Thread | None = None
        self._engine: GossipEngine | None = None
        self._ended: asyncio.Future[None] = self._main.create_future()
        self._view = _view(serf.members(), serf.stats())

    # ---------------------------------------------------------------- life

    async def listen(self, host: str, port: int) -> None:
        """Bind UDP and TCP; nothing is answered before `start`.

        Raises OSError in Go's words, with what to do if another process has the port.
        """
        assert self._sockets is None, "a pool has one address"
        self._sockets = open_sockets(host, port)

    def start(self) -> None:
        """Begin to be a member."""
        assert self._sockets is not None, "listen first"
        assert self._thread is None, "started twice"
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._runner.get_loop()
        self._thread = threading.Thread(target=self._run, name="gossip", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End at once, without leaving; what is to be kept has been written then."""
        if self._thread is None:
            if self._sockets is not None:
                self._sockets.close()
            return
        with suppress(RuntimeError):  # it has ended already
            self._pool_loop.call_soon_threadsafe(self._stop_engine)
        await asyncio.shield(self._ended)
        self._thread.join()

    @property
    def _pool_loop(self) -> asyncio.AbstractEventLoop:
        assert self._runner is not None
        return self._runner.get_loop()

    def _run(self) -> None:
        """The thread."""
        assert self._runner is not None
        failure: BaseException | None = None
        try:
            with self._runner as runner:
                runner.run(self._live())
        except BaseException as raised:
            failure = raised
        self._courier.post(partial(self._is_over, failure), is_change=True)

    async def _live(self) -> None:
        assert self._sockets is not None
        self._engine = GossipEngine(
            self._serf,
            self._sockets,
            files=self._files,
            outside=self,
            now=time.monotonic,
            stream_patience_s=self._stream_patience_s,
        )
        await self._engine.run()

    def _stop_engine(self) -> None:
        if self._engine is not None:
            self._engine.stop()

    def _is_over(self, failure: BaseException | None) -> None:
        self._ended.set_result(None)
        if failure is not None:
            self._fail(failure)

    # ---------------------------------------------------------------- what is known

    def members(self) -> list[PoolMember]:
        """Everybody, this server too, by name."""
        return list(self._view.members.values())

    def member(self, name: str) -> PoolMember | None:
        """One of them."""
        return self._view.members.get(name)

    def stats(self) -> dict[str, str]:
        """The section of `consul info` about the pool, as it was at most a second ago."""
        return dict(self._view.stats)

    # These two ask Serf from here: they get a value that never changes, from where the thread
    # only ever puts another.

    def coordinate(self) -> Coordinate:
        """Where this server is in the network. Raises SerfError if there are no coordinates."""
        return self._serf.coordinate()

    def cached_coordinate(self, name: str) -> Coordinate | None:
        """Where a member was when it was pinged last."""
        return self._serf.cached_coordinate(name)

    # ---------------------------------------------------------------- calls

    async def join(self, targets: Sequence[JoinTarget]) -> JoinEnded:
        """Try all of them; somebody answered if `reached` is not 0."""
        return await self._ask(
            lambda engine: engine.ask(JoinEnded, lambda serf, now_s: serf.join(targets, now_s))
        )

    def rejoin_kept(self) -> None:
        """Begin to look for the members of the last life; it goes on by itself."""
        self._begin(lambda serf, now_s: serf.rejoin_kept(now_s))

    async def leave(self) -> None:
        """Tell the others that we go, until they know it, as far as that can be had."""
        await self._ask(lambda engine: engine.leave())

    def force_leave(self, name: str, *, prune: bool) -> bool:
        """Tell soon that a failed member has left; False: there is no such member."""
        if name not in self._view.members:
            return False
        self._begin(lambda serf, now_s: serf.force_leave(name, prune=prune, now_s=now_s))
        return True

    async def user_event(self, name: str, payload: bytes, *, coalesce: bool = False) -> int:
        """Tell everybody; the event's Lamport time. Raises SerfError."""
        return await self._call(
            lambda serf, now_s: serf.user_event(name, payload, coalesce=coalesce, now_s=now_s)
        )

    async def query(
        self,
        name: str,
        payload: bytes,
        *,
        nodes: Sequence[str] = (),
        tags: Sequence[tuple[str, str]] = (),
        want_ack: bool = False,
        relay_factor: int = 0,
        timeout_s: float | None = None,
    ) -> QueryEnded:
        """Ask everybody, or these, until all have answered or time is over. Raises SerfError."""

        def begin(serf: Serf, now_s: float) -> int:
            return serf.query(
                name,
                payload,
                nodes=nodes,
                tags=tags,
                want_ack=want_ack,
                relay_factor=relay_factor,
                timeout_s=timeout_s,
                now_s=now_s,
            )

        return await self._ask(lambda engine: engine.ask(QueryEnded, begin))

    async def respond(self, query: QueryHeard, payload: bytes) -> None:
        """Answer a query that was heard. Raises SerfError: too late, too large, or twice."""
        await self._call(lambda serf, now_s: serf.respond(query, payload, now_s))

    async def keyring(
        self, operation: KeyOperation, key: bytes, *, relay_factor: int = 0
    ) -> KeyringEnded:
        """Have all members do something with a key. Raises SerfError."""

        def begin(serf: Serf, now_s: float) -> int:
            return serf.keyring(operation, key, relay_factor=relay_factor, now_s=now_s)

        return await self._ask(lambda engine: engine.ask(KeyringEnded, begin))

    async def set_tags(self, tags: Mapping[str, str]) -> None:
        """Have others. Raises SerfError."""
        await self._call(lambda serf, now_s: serf.set_tags(tags, now_s))

    def _begin(self, action: Callable[[Serf, float], object]) -> None:
        """Have the thread do what cannot fail, if it still can."""
        with suppress(PoolEndedError):
            self._hand_in(lambda engine: engine.call(action))

    async def _call(self, action: Callable[[Serf, float], T]) -> T:
        return await self._ask(lambda engine: engine.call(action))

    async def _ask(self, ask: Callable[[GossipEngine], Coroutine[Any, Any, T]]) -> T:
        """Have the thread do it. It may end meanwhile, and whom it forgot is told so."""
        asked = asyncio.wrap_future(self._hand_in(ask), loop=self._main)
        try:
            awaited: set[asyncio.Future[Any]] = {asked, self._ended}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            asked.cancel()
            raise
        if not asked.done() or asked.cancelled():
            raise PoolEndedError
        return asked.result()

    def _hand_in(self, ask: Callable[[GossipEngine], Coroutine[Any, Any, T]]) -> Future[T]:
        if self._runner is None:  # a server that takes no part has none
            raise PoolEndedError

        async def in_thread() -> T:
            assert self._engine is not None, "made by the thread before anything else"
            return await ask(self._engine)

        asking = in_thread()
        try:
            return asyncio.run_coroutine_threadsafe(asking, self._pool_loop)
        except RuntimeError as closed:
            asking.close()
            raise PoolEndedError from closed

    # ---------------------------------------------------------------- Outside, in the thread

    def wants(self, level: Level) -> bool:
        """Whether anybody reads lines of this level."""
        return self._logs["serf"].isEnabledFor(level)

    def said(self, level: Level, text: str) -> None:
        """A line, which begins with who says it."""
        log = self._logs.get(text.partition(":")[0], self._logs["memberlist"])
        self._courier.post(partial(log.log, level, "%s", text))

    def counted(self, counts: dict[str, int]) -> None:
        """So many more of each."""
        self._courier.post(partial(self._count, counts))

    def published(self, members: Sequence[PoolMember], stats: Mapping[str, str]) -> None:
        """The pool at this moment."""
        self._view = _view(members, stats)

    def heard(self, event: Heard) -> None:
        """Something happened."""
        self._courier.post(partial(self._hear, event), is_change=isinstance(event, MemberChanged))

    # ---------------------------------------------------------------- on the main loop

    def _count(self, counts: dict[str, int]) -> None:
        if left_out := self._courier.take_left_out():
            self._logs["serf"].error(
                "the event loop was too busy, %d events and lines of the pool were left out",
                left_out,
            )
        for name, by in counts.items():
            self._telemetry.count(name, by)

    def _delivery_failed(self, failure: Exception) -> None:
        self._logs["serf"].error("an event of the pool was not taken", exc_info=failure)
