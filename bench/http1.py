"""HTTP/1.1 as the samplers need it: answers parsed whole, one connection, one request at a time."""

import socket
from typing import Self

from server_tests.differential.target import PORT, Answer

REQUEST_S_MAX = 60.0
_CHUNK = 1 << 18


def parsed(data: bytes | bytearray) -> tuple[Answer, int] | None:
    """The answer at the beginning of `data` and its length; None while it is not all there."""
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    status_line, *lines = bytes(data[:head_end]).decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status = int(status_line.split(" ", 2)[1])
    begin = head_end + 4
    if headers.get("transfer-encoding") == "chunked":
        whole = _dechunked(data, begin)
        if whole is None:
            return None
        body, end = whole
        return Answer(status, headers, body), end
    end = begin + int(headers.get("content-length", "0"))
    if len(data) < end:
        return None
    return Answer(status, headers, bytes(data[begin:end])), end


def _dechunked(data: bytes | bytearray, at: int) -> tuple[bytes, int] | None:
    pieces: list[bytes] = []
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return None
        size = int(bytes(data[at:line_end]).partition(b";")[0], 16)
        begin, end = line_end + 2, line_end + 2 + size
        if len(data) < end + 2:
            return None
        if size == 0:
            return b"".join(pieces), end + 2  # neither server sends trailers
        pieces.append(bytes(data[begin:end]))
        at = end + 2


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """The bytes of a request."""
    length = f"Content-Length: {len(body)}\r\n" if body or method in ("PUT", "POST") else ""
    return f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{length}\r\n".encode() + body


class Wire:
    """A connection to a server, opened when it is first needed."""

    def __init__(self, address: str, timeout_s: float = REQUEST_S_MAX) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """One request. Raises OSError: the server is not there, or too slow."""
        if self._socket is None:
            self._socket = opened(self.address, self._timeout_s)
        try:
            self._socket.sendall(request(method, path, body))
            return self._answer(self._socket)
        except OSError:
            self.close()
            raise

    def _answer(self, connection: socket.socket) -> Answer:
        data = bytearray()
        while True:
            piece = connection.recv(_CHUNK)
            if not piece:
                raise ConnectionResetError(f"{self.address} hung up within an answer")
            data += piece
            found = parsed(data)
            if found is not None:
                return found[0]

    def close(self) -> None:
        """Hang up; the next request opens a connection anew."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def opened(address: str, timeout_s: float = REQUEST_S_MAX, source: str = "") -> socket.socket:
    """A connection to the HTTP port, from a loopback address."""
    here = (source, 0) if source else None
    connection = socket.create_connection((address, PORT), timeout_s, here)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
