"""Bytes come to the function or to the task, each once and in their order."""

import asyncio

import pytest

from proconsul.runtime.rpc_streams import SocketStream
from proconsul.runtime.tapped_stream import TappedStream


class Wire(asyncio.Transport):
    """What a connection does, the test does."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = asyncio.StreamReader()
        self.protocol: asyncio.BaseProtocol = asyncio.StreamReaderProtocol(self.reader)
        self.stream = SocketStream(
            self.reader,
            asyncio.StreamWriter(self, self.protocol, self.reader, asyncio.get_running_loop()),
        )
        self.above.connection_made(self)

    @property
    def above(self) -> asyncio.Protocol:
        """Who hears of what happens."""
        assert isinstance(self.protocol, asyncio.Protocol)
        return self.protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return True  # or the writer closes it once more when nobody has it any more

    def write(self, data: object) -> None:
        """It goes nowhere."""


class Ear:
    """Takes bytes up to the first full stop, which it leaves."""

    def __init__(self) -> None:
        self.taken = b""

    def offer(self, data: bytes) -> int:
        """All of it without one."""
        size = data.find(b".")
        if size < 0:
            size = len(data)
        self.taken += data[:size]
        return size


async def parked(tapped: TappedStream) -> asyncio.Task[bytes]:
    """A task that waits in `read`."""
    reading = asyncio.create_task(tapped.read())
    await asyncio.sleep(0)
    return reading


async def test_the_function_comes_first_and_the_task_has_the_rest_to_the_end() -> None:
    wire, ear = Wire(), Ear()
    tapped = TappedStream(wire.stream, ear.offer)
    reading = await parked(tapped)
    wire.above.data_received(b"one ")
    assert ear.taken == b"one "
    wire.above.data_received(b"two. three")
    wire.above.data_received(b" four")  # the task has not run: nothing may overtake
    assert await reading == b". three four"
    assert ear.taken == b"one two"
    reading = await parked(tapped)
    wire.above.data_received(b"five")
    wire.above.eof_received()
    assert await reading == b""
    assert ear.taken == b"one twofive"


async def test_nothing_is_offered_while_the_task_is_elsewhere() -> None:
    wire, ear = Wire(), Ear()
    wire.above.data_received(b"before ")
    tapped = TappedStream(wire.stream, ear.offer)
    wire.above.data_received(b"while it was busy")
    assert await tapped.read() == b"before while it was busy"
    reading = await parked(tapped)
    reading.cancel()
    await asyncio.wait({reading})
    wire.above.data_received(b"after it was cancelled")
    assert await wire.stream.read() == b"after it was cancelled"
    assert ear.taken == b""


async def test_who_writes_waits_while_the_connection_is_full_and_hears_of_its_end() -> None:
    wire = Wire()
    tapped = TappedStream(wire.stream, Ear().offer)
    wire.above.pause_writing()
    writing = asyncio.create_task(wire.stream.write(b"much"))
    await asyncio.sleep(0)
    assert not writing.done()
    wire.above.resume_writing()
    await writing
    reading = await parked(tapped)
    wire.above.connection_lost(ConnectionResetError("it was reset"))
    with pytest.raises(ConnectionResetError, match="it was reset"):
        await reading
