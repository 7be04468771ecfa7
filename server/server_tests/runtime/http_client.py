"""A client that sends what it is told and reads answers exactly, for the tests of the server."""

import asyncio
import socket
import ssl
import struct
import zlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    """An answer as it stood on the wire."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """The values of a field; the spelling counts."""
        return [value for one, value in self.headers if one == name]

    def header(self, name: str) -> str | None:
        """The only value of a field."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands there twice"
        return values[0] if values else None


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def address(self) -> str:
        """Where we are."""
        host, port = self.writer.get_extra_info("sockname")
        return f"{host}:{port}"

    @staticmethod
    def unzipper() -> Any:
        """A reader of gzip."""
        return zlib.decompressobj(31)

    def send(self, data: bytes) -> None:
        """Say it."""
        self.writer.write(data)

    async def cannot_send(self, within_s: float) -> bool:
        """Whether the other side has stopped reading."""
        try:
            await asyncio.wait_for(self.writer.drain(), within_s)
        except TimeoutError:
            return True
        return False

    async def line(self) -> str:
        """One line."""
        return (await self.reader.readuntil(b"\r\n"))[:-2].decode("latin-1")

    async def head(self) -> Answer:
        """Everything up to the empty line."""
        status = await self.line()
        headers = []
        while line := await self.line():
            name, _, value = line.partition(": ")
            headers.append((name, value))
        return Answer(status, headers)

    async def answer(self, *, has_body: bool = True) -> Answer:
        """One answer with a length."""
        answer = await self.head()
        length = answer.header("Content-Length")
        assert length is not None, answer
        if has_body:
            answer.body = await self.reader.readexactly(int(length))
        return answer

    async def chunk(self) -> bytes:
        """One chunk; empty at the last one."""
        size = int(await self.line(), 16)
        data = await self.reader.readexactly(size)
        assert await self.line() == ""
        return data

    async def nothing_arrives(self, within_s: float) -> bool:
        """Whether it stays silent."""
        assert self.reader._buffer == b""  # type: ignore[attr-defined]
        await asyncio.sleep(within_s)
        return bool(self.reader._buffer == b"")  # type: ignore[attr-defined]

    async def everything(self) -> str:
        """All up to the end, however it ends."""
        text = b""
        try:
            while piece := await self.reader.read(1 << 16):
                text += piece
        except (ConnectionResetError, ssl.SSLError):
            pass
        return text.decode("latin-1")

    async def end(self) -> bool:
        """Whether nothing but the end comes now."""
        return await self.everything() == ""

    def at_end(self) -> bool:
        """Whether the other side is known to have closed."""
        return self.reader.at_eof() or self.reader.exception() is not None

    def close(self) -> None:
        """Leave."""
        self.writer.close()

    def reset(self) -> None:
        """Leave at once, without good-bye."""
        ours = self.writer.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def connect(host: str, port: int, tls: ssl.SSLContext | None = None) -> Client:
    """By TCP."""
    return Client(*await asyncio.open_connection(host, port, ssl=tls))


async def connect_unix(path: str) -> Client:
    """By a Unix socket."""
    return Client(*await asyncio.open_unix_connection(path))


async def patiently(connecting: Callable[[], Coroutine[Any, Any, Client]]) -> Client:
    """Try until somebody listens."""
    while True:
        try:
            return await connecting()
        except ConnectionRefusedError:
            await asyncio.sleep(0.1)
