"""A request on its way through a connection: its upload, its deadlines, and faults in its head."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from proconsul.api.http import Request
from proconsul.runtime.read_recording import Recording

UPLOAD_BUFFER_BYTES_MAX = 1 << 18
_HOST = re.compile(r"[A-Za-z0-9!$%&'()*+,\-.:;=\[\]_~]*")  # Go's httpguts.ValidHostHeader


class Upload:
    """A request body that comes in pieces, read by one handler as fast as it can."""

    def __init__(self, resume: Callable[[], None]) -> None:
        """`resume` is called when there is room for more."""
        self._pieces: deque[bytes] = deque()
        self._resume = resume
        self._arrival: asyncio.Future[None] | None = None
        self.size_bytes = 0  # held and not yet read
        self._ended = False
        self._broken = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._broken:
                raise EOFError("the request body ends in the middle, or is not chunked as it says")
            if self._ended:
                raise StopAsyncIteration
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        piece = self._pieces.popleft()
        self.size_bytes -= len(piece)
        if self.size_bytes < UPLOAD_BUFFER_BYTES_MAX:
            self._resume()
        return piece

    def put(self, piece: bytes) -> None:
        """Take what has arrived."""
        self._pieces.append(piece)
        self.size_bytes += len(piece)
        self._tell()

    def end(self, *, is_broken: bool = False) -> None:
        """Nothing more will arrive; the reader of a broken body gets EOFError after its pieces."""
        self._ended, self._broken = True, is_broken
        self._tell()

    def _tell(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
        self._arrival = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a client may keep us waiting, in seconds.

    Go as Consul sets it up has none of these: there, connections that do nothing stay for ever.
    """

    head_s: int = 30  # from the first byte of a request to the end of its head
    body_s: int = 60  # without a byte of a body that is still to come
    idle_s: int = 600  # between requests: longer than the 90 s of Go's clients
    close_s: int = 30  # to take the last answer


class Exchange:
    """A request and what its answer must keep to."""

    __slots__ = (
        "body_is_complete",
        "is_http_10",
        "keep_alive",
        "recording",
        "request",
        "upload",
        "waits_for_word",
    )

    # One a request: spelled out, it costs a tenth of a dataclass's in machine code.
    def __init__(
        self,
        request: Request,
        keep_alive: bool,
        is_http_10: bool,
        waits_for_word: bool = False,
        body_is_complete: bool = False,
        upload: Upload | None = None,
    ) -> None:
        self.request = request
        self.keep_alive = keep_alive
        self.is_http_10 = is_http_10
        self.waits_for_word = waits_for_word  # to send its body, for our word (100 Continue)
        self.body_is_complete = body_is_complete
        self.upload = upload
        self.recording: Recording | None = None  # its answer may be kept


def head_fault(version: str, fields: dict[str, list[str]]) -> str | None:
    """What Go finds wrong with a head that parses (net/http, server.go, readRequest), or None."""
    if version not in ("1.1", "1.0"):
        return "" if version == "0.9" else "unsupported protocol version"
    hosts = fields.get("host")
    if hosts is None:
        return "missing required Host header" if version == "1.1" else None
    if len(hosts) > 1:
        return "too many Host headers"
    return None if _HOST.fullmatch(hosts[0]) else "malformed Host header"


def head_size_bytes(url: bytes, fields: dict[str, list[str]]) -> int:
    """About how long a head was on the wire."""
    return len(url) + sum(
        len(name) + len(value) + len(": \r\n")
        for name, values in fields.items()
        for value in values
    )


def address_text(address: object) -> str:
    """A socket's address as Go prints it; `@` for a Unix socket without a name."""
    if isinstance(address, tuple):
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return address if isinstance(address, str) and address else "@"
