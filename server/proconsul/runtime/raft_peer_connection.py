"""Requests to one server over one connection: pipelined, in order, dialled when there is work.

Each reply may say where the server is. One that is somewhere else has been started anew: a
connection to where it lived before leads to nobody, and nobody says so if its machine is gone, so
it is closed.

When anything goes wrong all requests of the connection are lost, in their order, and those that
waited for room behind them, too: a follower would only refuse entries behind a gap. After a dial
that failed the next requests are lost at once for a while, which grows. Another server that answers
in place of the one that was meant is as good as none.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from proconsul.raft import codec
from proconsul.raft.codec import CodecError
from proconsul.raft.messages import Lost, Message, PreVote, Reply, Request, Server, ServerAddress
from proconsul.raft.pairing import Asking, PreVotes, WrongServerError
from proconsul.runtime.connection_errors import ClosedByPeerError, IdleError, MovedError
from proconsul.runtime.logs import logger
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.runtime.server_lookup import ServerDialer
from proconsul.runtime.tapped_stream import TappedStream

log = logger("raft")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How much and how long, of one connection."""

    reply_s: float  # from writing a request to its reply
    in_flight_max: int = 128  # written and not answered; HashiCorp's pipelines have as many
    queued_max: int = 1024  # waiting for room in flight, or for the connection
    idle_s: float = 120.0  # without a request: closed, the server may have left the cluster
    backoff_first_s: float = 0.05
    backoff_max_s: float = 0.5  # a server that came back is heard within an election timeout


class PeerConnection:
    """One lane to a server. `send` never blocks; each request has one outcome in `deliver`."""

    def __init__(
        self,
        server: Server,
        dialer: ServerDialer,
        deliver: Callable[[Message], None],
        limits: ConnectionLimits,
        said: Callable[[ServerAddress, str], None],
    ) -> None:
        """`said` hears from replies where the server says that it is, and where it was reached."""
        self.server = server  # its address changes with the configuration
        self._dialer = dialer
        self._deliver = deliver
        self._limits = limits
        self._said = said
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Request] = deque()
        self._wake = asyncio.Event()
        self._pre_votes = PreVotes()
        self._asking = Asking(server.id, self._pre_votes)
        self._task: asyncio.Task[None] | None = None
        self._stream: SocketStream | None = None  # while the connection is open
        self._address = ""  # where it leads, or has led
        self._moved = asyncio.Event()  # while it was open
        self._misheard: Exception | None = None  # what is wrong with what came in
        self._failures = 0
        self._dial_again_s = 0.0  # on the loop's clock
        self._used_s = 0.0

    def send(self, request: Request) -> None:
        """Take a request; its outcome never comes before this returns."""
        has_to_wait = self._task is None and self._loop.time() < self._dial_again_s
        if has_to_wait or len(self._queue) >= self._limits.queued_max:
            self._loop.call_soon(self._deliver, Lost(token=request.token))
            return
        if (stream := self._stream) is not None and self._has_room(stream):
            # A task that has to be woken costs more than this.
            try:
                self._write_one(stream, request)
            except OSError:
                stream.abort()  # whoever reads finds out, and all that was asked is lost
            return
        self._queue.append(request)
        self._wake.set()
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    def moved(self, addresses: Collection[str]) -> None:
        """The server was started anew, and answers there: close what leads elsewhere."""
        self._dial_again_s = 0.0
        if self._stream is not None and self._address not in addresses:
            self._moved.set()

    async def stop(self) -> None:
        """Close; no outcome is delivered any more."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait({task})

    # ------------------------------------------------------------ one life of the connection

    async def _run(self) -> None:
        failure: BaseException | None = None
        try:
            await self._connect_and_talk()
        except Exception as raised:
            failure = _judge(raised)
        # It is over before anybody hears of it: who then sends again begins a new one.
        outcomes = self._end(failure)
        for outcome in outcomes:
            self._deliver(outcome)

    def _end(self, failure: BaseException | None) -> list[Reply | Lost]:
        if not isinstance(failure, IdleError):
            log.debug("connection to %s: %s", self.server.id, failure)
        is_wrong = isinstance(failure, WrongServerError)
        if is_wrong:
            self._dialer.misled(self.server, self._address)
        if is_wrong or self._stream is None:
            pause_s = self._limits.backoff_first_s * (1 << min(self._failures, 16))
            self._dial_again_s = self._loop.time() + min(pause_s, self._limits.backoff_max_s)
            self._failures += 1
        self._stream = None
        self._task = None
        outcomes = self._asking.end(closed_by_peer=_is_closed_by_peer(failure))
        outcomes += [Lost(token=request.token) for request in self._queue]
        self._queue.clear()
        self._asking = Asking(self.server.id, self._pre_votes)
        return outcomes

    async def _connect_and_talk(self) -> None:
        reached = await self._dialer.reach(self.server)
        stream, self._address = reached.stream, reached.address
        self._moved.clear()
        self._used_s = self._loop.time()
        self._stream, self._misheard = stream, None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(stream))
                group.create_task(self._read(stream))
                group.create_task(self._watch())
                await self._moved.wait()
                raise MovedError
        finally:
            stream.abort()

    async def _write(self, stream: SocketStream) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and len(self._asking) < self._limits.in_flight_max:
                self._write_one(stream, self._queue.popleft())
                await stream.writer.drain()

    def _has_room(self, stream: SocketStream) -> bool:
        """Whether nobody waits to be written, and one more may be."""
        is_free = not self._queue and len(self._asking) < self._limits.in_flight_max
        return is_free and not stream.is_full

    def _write_one(self, stream: SocketStream, request: Request) -> None:
        if isinstance(request, PreVote) and self._pre_votes.are_known is False:
            # It would close again: that it could be reached has to do.
            granted = self._pre_votes.granted_by_ignorance(request)
            self._loop.call_soon(self._deliver, granted)
            return
        self._used_s = self._loop.time()
        self._asking.asked(request, self._used_s + self._limits.reply_s)
        stream.push(codec.encode_request(request))

    async def _read(self, stream: SocketStream) -> None:
        tapped = TappedStream(stream, self._hear)
        while True:
            data = await tapped.read()
            if self._misheard is not None:
                raise self._misheard
            if not data:
                raise ClosedByPeerError
            self._take(data)

    def _hear(self, data: bytes) -> int:
        """Take replies when they come. What is wrong with them, `_read` raises."""
        try:
            self._take(data)
        except Exception as failure:
            self._misheard = failure
            return 0
        return len(data)

    def _take(self, data: bytes) -> None:
        for outcome in self._asking.feed(data):
            self._failures = 0  # it is who was meant, as far as it says
            self._deliver(outcome)
        if self._asking.peer_address:
            self._said(self._asking.peer_address, self._address)
        if self._queue:
            self._wake.set()

    async def _watch(self) -> None:
        """Fail when the oldest request is overdue.

        What is written while this sleeps is due after it wakes.
        """
        reply_s = self._limits.reply_s
        while True:
            now_s = self._loop.time()
            deadline_s = self._asking.deadline_s
            if deadline_s is None:
                if now_s - self._used_s >= self._limits.idle_s and not self._queue:
                    raise IdleError
                deadline_s = now_s + reply_s
            if deadline_s <= now_s:
                raise TimeoutError(f"no reply within {reply_s:g} s")
            await asyncio.sleep(deadline_s - now_s)


def _judge(raised: Exception) -> Exception:
    """The first of what went wrong in its tasks. What should not, is logged, and comes first."""
    # By hand, for `except*` cannot be compiled.
    group = raised if isinstance(raised, ExceptionGroup) else ExceptionGroup("", [raised])
    expected, unexpected = group.split((OSError, CodecError, IdleError))
    if unexpected is not None:
        log.error("an error in the server itself", exc_info=unexpected)
        return unexpected
    assert expected is not None, "it is the one or the other"
    return _first(expected)


def _first(failure: Exception) -> Exception:
    while isinstance(failure, ExceptionGroup):
        failure = failure.exceptions[0]
    return failure


def _is_closed_by_peer(failure: BaseException | None) -> bool:
    return isinstance(failure, ClosedByPeerError | ConnectionResetError | BrokenPipeError)
