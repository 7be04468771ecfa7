"""The body of a snapshot that another server sends: it follows its request on the connection."""

import asyncio
from collections.abc import AsyncGenerator

from proconsul.runtime.rpc_streams import SocketStream


class BodyBrokenError(ConnectionError):
    """The connection ended inside of a snapshot, or of a request."""


class IncomingBody:
    """What is left of it. `behind` is what was read of the next request, once nothing is left."""

    def __init__(
        self, stream: SocketStream, size_bytes: int, begun: bytes, silence_s: float
    ) -> None:
        """`begun` was read before; `silence_s` is the longest wait for a piece."""
        self.left_bytes = size_bytes
        self.behind = b""
        self._stream = stream
        self._data = begun
        self._silence_s = silence_s
        if not size_bytes:
            self.behind = begun

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """All that is left, as it comes. Raises BodyBrokenError."""
        while self.left_bytes:
            data, self._data = self._data or await self._read(), b""
            piece, self.behind = data[: self.left_bytes], data[self.left_bytes :]
            self.left_bytes -= len(piece)
            yield piece

    async def drain(self) -> None:
        """Read it for nobody: the next request is behind it. Raises BodyBrokenError."""
        async for _ in self.pieces():
            pass

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._silence_s):
                data = await self._stream.read()
        except OSError as failure:
            raise BodyBrokenError(f"inside of a snapshot: {failure!r}") from failure
        if not data:
            raise BodyBrokenError("it ended inside of a snapshot")
        return data
