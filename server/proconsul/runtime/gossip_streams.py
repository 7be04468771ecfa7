"""The streams of a pool: whole states at a join and now and then, pings where UDP is blocked.

A stream carries one message, and at most one back (wire/gossip/gossip.md section 6). All of it
has to be done in the time that memberlist gives, TCPTimeout; who is slower is cut off. What could
not be read is answered with the reason, as memberlist does.

Taking a large message apart takes as long as it is large, and seconds for the states of ten
thousand members. So only small ones are taken apart at once; large ones in a thread of their own,
so that pings are answered meanwhile.
"""

import asyncio
import os
import socket
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

from proconsul.gossip.address import Address, address_of
from proconsul.gossip.effects import Exchange, Level
from proconsul.gossip.failure import LabelError, PacketError
from proconsul.gossip.messages import StreamMessage
from proconsul.gossip.streams import StreamReader
from proconsul.runtime.gossip_sockets import Complain, socket_address
from proconsul.runtime.rpc_streams import SocketStream, open_on

ACCEPTED_MAX = 128  # at once; memberlist's number, for push/pulls
# Of all streams whose message is not whole, or waits until its answer is taken; a state has 5 MB.
ARRIVING_BYTES_MAX = 64 * 1024 * 1024
AT_ONCE_BYTES = 4096  # the compressed states of about twenty members: some milliseconds of work
DECODERS = 2  # threads; nobody's large message keeps all others waiting
ACCEPTS_A_TURN_MAX = 16  # of the loop
ACCEPT_PAUSE_S = 0.1  # after an accept that failed: out of file descriptors, mostly
CLOSE_S = 1.0  # for a peer to take the last of what was written

Arriving = Callable[[int], None]  # so many bytes more have come by a stream


class Conversation(Protocol):
    """What the pool has to say on streams."""

    def stream_reader(self, *, is_answer: bool) -> StreamReader:
        """Takes one message out of a stream's bytes."""

    def refusal(self, text: str) -> bytes:
        """The answer to what could not be read."""

    def answer(self, message: StreamMessage) -> bytes | None:
        """What to write back."""

    def absorb(self, message: StreamMessage) -> None:
        """Take it in, after the answer."""


class _TooMuchError(Exception):
    """All streams together hold more than they may."""


class Streams:
    """Those that others begin, and those that we do."""

    def __init__(
        self,
        listening: socket.socket,
        conversation: Conversation,
        patience_s: float,
        complain: Complain,
    ) -> None:
        """`patience_s` is for a stream of others as a whole. The socket is ours from now on."""
        self._listening = listening
        self._conversation = conversation
        self._patience_s = patience_s
        self._complain = complain
        self._decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="gossip-decoder")
        self._tasks: set[asyncio.Task[None]] = set()  # an accepted stream each
        self._unopened: set[socket.socket] = set()  # whose task has not begun yet
        self._arriving_bytes = 0
        self._is_full = False
        self._pausing: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._begin_to_accept()

    @property
    def accepted_count(self) -> int:
        """How many streams of others are open."""
        return len(self._tasks)

    async def stop(self) -> None:
        """Accept nothing more; cut off what is open."""
        if self._pausing is not None:
            self._pausing.cancel()
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for connected in self._unopened:
            connected.close()
        self._decoders.shutdown(wait=False)

    # ---------------------------------------------------------------- theirs

    # No `sock_accept`: when it is cancelled, a stream that was just accepted may be lost, open.

    def _begin_to_accept(self) -> None:
        self._pausing = None
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_A_TURN_MAX):
            try:
                connected, address = self._listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as failure:
                text = f"memberlist: Error accepting TCP connection: {failure}"
                self._complain(Level.ERROR, text)
                self._loop.remove_reader(self._listening.fileno())
                self._pausing = self._loop.call_later(ACCEPT_PAUSE_S, self._begin_to_accept)
                return
            self._admit(connected, address_of(address[0], address[1]))

    def _admit(self, connected: socket.socket, source: Address) -> None:
        if self.accepted_count >= ACCEPTED_MAX:
            connected.close()
            if not self._is_full:
                text = f"memberlist: {ACCEPTED_MAX} streams are open, others are closed"
                self._complain(Level.ERROR, text)
            self._is_full = True
            return
        self._is_full = False
        connected.setblocking(False)
        self._unopened.add(connected)
        task = self._loop.create_task(self._serve(connected, source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connected: socket.socket, source: Address) -> None:
        self._unopened.discard(connected)
        try:
            stream = await open_on(connected, is_server=True)
        except OSError as failure:
            self._complain(Level.DEBUG, f"memberlist: {failure} from={source}")
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._answer(stream, source)
        except TimeoutError:
            text = f"memberlist: failed to receive: i/o timeout from={source}"
            self._complain(Level.ERROR, text)
            stream.abort()
        except OSError as failure:
            self._complain(Level.DEBUG, f"memberlist: failed to receive: {failure} from={source}")
            stream.abort()
        except BaseException:
            stream.abort()
            raise
        else:
            stream.close()
            await stream.closed(CLOSE_S)

    async def _answer(self, stream: SocketStream, source: Address) -> None:
        with self._arriving() as arriving:
            await self._answer_what_arrives(stream, source, arriving)

    async def _answer_what_arrives(
        self, stream: SocketStream, source: Address, arriving: Arriving
    ) -> None:
        try:
            message = await self._read(stream, arriving, is_answer=False)
        except (PacketError, _TooMuchError) as failure:
            self._complain(Level.ERROR, f"memberlist: failed to receive: {failure} from={source}")
            if not isinstance(failure, LabelError):
                await stream.write(self._conversation.refusal(str(failure)))
            return
        if message is None:
            return
        answer = self._conversation.answer(message)
        if answer is not None:
            await stream.write(answer)
        self._conversation.absorb(message)

    # ---------------------------------------------------------------- ours

    async def exchange(self, wanted: Exchange) -> tuple[StreamMessage | None, str]:
        """Do it: the answer, or None and what failed, in Go's words. "" if none was wanted."""
        where = f"dial tcp {wanted.to}"
        stream: SocketStream | None = None
        try:
            async with asyncio.timeout(wanted.patience_s):
                stream = await _dial(wanted.to)
                where = f"read tcp {wanted.to}"
                await stream.write(wanted.data)
                answer: StreamMessage | None = None
                if wanted.wants_answer:
                    with self._arriving() as arriving:
                        answer = await self._read(stream, arriving, is_answer=True)
                    if answer is None:
                        return None, "EOF"
            stream.close()
            await stream.closed(CLOSE_S)
        except TimeoutError:
            return None, f"{where}: i/o timeout"
        except (PacketError, _TooMuchError) as failure:
            return None, str(failure)
        except OSError as failure:
            return None, f"{where}: {_reason(failure)}"
        else:
            return answer, ""
        finally:
            if stream is not None:
                stream.abort()

    # ---------------------------------------------------------------- both

    async def _read(
        self, stream: SocketStream, arriving: Arriving, *, is_answer: bool
    ) -> StreamMessage | None:
        """One message; None if the stream ends before. Raises PacketError, _TooMuchError."""
        reader = self._conversation.stream_reader(is_answer=is_answer)
        come_bytes = 0
        message: StreamMessage | None = None
        try:
            while message is None and (data := await stream.read()):
                come_bytes += len(data)
                arriving(len(data))
                if come_bytes <= AT_ONCE_BYTES:
                    message = reader.feed(data)
                else:
                    message = await self._loop.run_in_executor(self._decoders, reader.feed, data)
        except (OSError, PacketError, _TooMuchError):
            raise
        except Exception as mistake:
            self._complain(
                Level.ERROR, f"memberlist: a stream could not be read: {traceback.format_exc()}"
            )
            raise PacketError("the message cannot be read") from mistake
        return message

    @contextmanager
    def _arriving(self) -> Iterator[Arriving]:
        """What came by one stream is held for as long. Raises _TooMuchError for too much."""
        held_bytes = 0

        def arrived(size_bytes: int) -> None:
            nonlocal held_bytes
            held_bytes += size_bytes
            self._arriving_bytes += size_bytes
            if self._arriving_bytes > ARRIVING_BYTES_MAX:
                raise _TooMuchError("too much is arriving at once")

        try:
            yield arrived
        finally:
            self._arriving_bytes -= held_bytes


async def _dial(to: Address) -> SocketStream:
    family = socket.AF_INET if len(to.ip) == 4 else socket.AF_INET6
    address = socket_address(to, family)
    if address is None:
        raise OSError("there is no such address")
    dialled = socket.socket(family, socket.SOCK_STREAM)
    try:
        dialled.setblocking(False)
        await asyncio.get_running_loop().sock_connect(dialled, address)
    except OSError as failure:
        dialled.close()
        if failure.errno is None:
            raise
        reason = f"connect: {os.strerror(failure.errno).lower()}"
        raise OSError(failure.errno, reason) from failure
    except BaseException:
        dialled.close()
        raise
    return await open_on(dialled, is_server=False)


def _reason(failure: OSError) -> str:
    return str(failure.strerror or failure)
