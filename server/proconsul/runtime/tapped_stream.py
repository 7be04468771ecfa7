"""A stream whose bytes are offered to a function before a task is woken for them.

A task that waits for bytes costs a future, a resumption and a turn of the loop each time; what
raft says is mostly such that nothing has to be waited for. The function takes as much from the
front as it can use at once; with the rest the task goes on as with any stream.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from proconsul.runtime.rpc_streams import SocketStream


class TappedStream(asyncio.Protocol):
    """Between the stream's transport and its protocol, until the connection ends."""

    def __init__(self, stream: SocketStream, offer: Callable[[bytes], int]) -> None:
        """`offer` says how many bytes it has taken. It must not raise."""
        transport = stream.writer.transport
        self._stream = stream
        self._offer = offer
        self._above = cast("asyncio.Protocol", transport.get_protocol())
        self._is_parked = False  # a task waits in `read`, and nothing is there for it
        transport.set_protocol(self)

    async def read(self) -> bytes:
        """What was not taken, as it comes; b"" at the end. Nothing is offered but meanwhile."""
        self._is_parked = True
        try:
            return await self._stream.read()
        finally:
            self._is_parked = False

    def data_received(self, data: bytes) -> None:
        """Offer it, if all that came before is taken."""
        if self._is_parked:
            taken = self._offer(data)
            if taken == len(data):
                return
            self._is_parked = False  # it is about to go on
            data = data[taken:]
        self._above.data_received(data)

    def eof_received(self) -> bool | None:
        """For whoever reads."""
        return self._above.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """For whoever reads or writes."""
        self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        """For whoever writes."""
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """For whoever writes."""
        self._above.resume_writing()
