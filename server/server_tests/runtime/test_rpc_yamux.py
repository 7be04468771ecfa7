"""Yamux over a connection whose other end is slow, silent, or breaks off."""

import asyncio
import socket

import pytest

from proconsul.rpc.yamux import Session
from proconsul.rpc.yamux_events import DataReceived, Event
from proconsul.runtime.connection_errors import StreamLostError
from proconsul.runtime.rpc_streams import (
    WRITE_BUFFER_BYTES,
    SocketStream,
    open_on,
)
from proconsul.runtime.rpc_yamux import YamuxConnection, YamuxStream


class FarEnd:
    """The other end, which reads only when it is told to."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.session = Session(is_client=False)
        self.events: list[Event] = []

    async def read(self) -> bool:
        """Take some bytes; False when there are none within a second."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(1):
                data = await loop.sock_recv(self.socket, 1 << 16)
        except TimeoutError:
            return False
        self.events += self.session.receive(data)
        return bool(data)

    async def say(self) -> None:
        """Send what the session wants to send."""
        await asyncio.get_running_loop().sock_sendall(self.socket, self.session.data_to_send(1))

    def data_of(self, stream: int) -> bytes:
        """All that came on a stream."""
        pieces = (one for one in self.events if isinstance(one, DataReceived))
        return b"".join(one.data for one in pieces if one.stream == stream)


class Pair:
    """A connection of ours, and its far end."""

    near: YamuxConnection
    socket_stream: SocketStream
    far: FarEnd
    running: asyncio.Task[None]

    async def __aenter__(self) -> "Pair":
        left, right = socket.socketpair()
        for one in (left, right):
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.socket_stream = await open_on(left, is_server=True)
        self.near = YamuxConnection(self.socket_stream, is_client=True, on_stream=YamuxStream.close)
        self.running = asyncio.ensure_future(self.near.run())
        self.far = FarEnd(right)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.near.abort("the test is over")
        await self.running
        self.far.socket.close()


async def test_a_peer_that_does_not_read_stops_the_writers_and_loses_nothing() -> None:
    async with Pair() as pair:
        streams = [await pair.near.open_stream() for _ in range(20)]
        contents = [bytes([number]) * 200_000 for number in range(20)]
        writing = [
            asyncio.ensure_future(stream.write(content))
            for stream, content in zip(streams, contents, strict=True)
        ]
        await asyncio.sleep(5)
        waiting = pair.socket_stream.writer.transport.get_write_buffer_size()
        assert WRITE_BUFFER_BYTES < waiting < 3 * WRITE_BUFFER_BYTES
        assert not all(one.done() for one in writing)
        while await pair.far.read():
            pass
        await asyncio.gather(*writing)
        for stream, content in zip(streams, contents, strict=True):
            assert pair.far.data_of(stream.id) == content


async def test_a_connection_that_is_lost_loses_its_streams_and_their_waiters() -> None:
    async with Pair() as pair:
        stream = await pair.near.open_stream()
        reading = asyncio.ensure_future(stream.read())
        writer = await pair.near.open_stream()
        writing = asyncio.ensure_future(writer.write(bytes(1 << 20)))
        await asyncio.sleep(1)
        pair.near.abort("broken off")
        with pytest.raises(StreamLostError, match="broken off"):
            await reading
        with pytest.raises(StreamLostError, match="broken off"):
            await writing
        with pytest.raises(StreamLostError, match="broken off"):
            await writer.write(b"more")
        with pytest.raises(StreamLostError, match="broken off"):
            await pair.near.open_stream()


async def test_a_stream_that_is_given_up_sends_nothing_more() -> None:
    async with Pair() as pair:
        stream = await pair.near.open_stream()
        writing = asyncio.ensure_future(stream.write(bytes(1 << 20)))
        await asyncio.sleep(1)
        assert stream.has_unsent
        stream.abort()
        with pytest.raises(StreamLostError):
            await writing
        with pytest.raises(StreamLostError):
            await stream.read()
        while await pair.far.read():
            pass
        assert pair.far.session.stream_count == 0
        assert pair.near.stream_count == 0


async def test_a_stream_that_the_peer_opens_to_a_client_is_ended_at_once() -> None:
    async with Pair() as pair:
        stream = pair.far.session.open_stream()
        await pair.far.say()
        while await pair.far.read():
            pass
        pair.far.session.finish(stream)
        await pair.far.say()
        assert pair.far.session.stream_count == 0


async def test_a_stream_may_be_read_after_the_peer_has_ended_it() -> None:
    async with Pair() as pair:
        stream = await pair.near.open_stream()
        await pair.far.read()
        pair.far.session.accept(stream.id)
        pair.far.session.send(stream.id, b"the last words")
        pair.far.session.finish(stream.id)
        await asyncio.get_running_loop().sock_sendall(
            pair.far.socket, pair.far.session.data_to_send(1000)
        )
        assert await stream.read() == b"the last words"
        assert await stream.read() == b""
        assert not stream.is_usable
