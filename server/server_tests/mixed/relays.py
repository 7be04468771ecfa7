"""A way of its own from each server to each other one, so that the network can be cut.

While a way is cut nothing is refused and nothing is reset: bytes wait in it, as in a network whose
cable was pulled, and come out when it heals.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from itertools import permutations

PIECE_BYTES = 64 * 1024


class Way:
    """From one server to the port of another; listens where the first believes the second to be."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._listener: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.address = ""
        self.passable = asyncio.Event()
        self.passable.set()

    async def open(self, host: str) -> None:
        """Listen at any port."""
        self._listener = await asyncio.start_server(self._serve, host, 0)
        bound = self._listener.sockets[0].getsockname()
        self.address = f"{bound[0]}:{bound[1]}"

    async def close(self) -> None:
        """End all that goes through here."""
        assert self._listener is not None
        self._listener.close()
        serving = set(self._serving)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.passable.wait()
        host, _, port = self._target.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        pumps = {
            asyncio.create_task(self._pump(reader, far_writer)),
            asyncio.create_task(self._pump(far_reader, writer)),
        }
        try:
            # Raft's connections are never half closed: the end of one direction is the end.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_writer.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while True:
            data = await source.read(PIECE_BYTES)
            await self.passable.wait()
            if not data:
                return
            target.write(data)
            await target.drain()


class Relays:
    """The ways between all servers."""

    def __init__(self, ports: dict[str, str]) -> None:
        """`ports` are the servers' real raft ports by name, `host:port`."""
        self._ways = {
            (source, target): Way(ports[target]) for source, target in permutations(ports, 2)
        }

    async def open(self, host: str) -> None:
        """Let everybody through."""
        for way in self._ways.values():
            await way.open(host)

    async def close(self) -> None:
        """End everything."""
        for way in self._ways.values():
            await way.close()

    def address(self, source: str, target: str) -> str:
        """Where `source` finds `target`."""
        return self._ways[source, target].address

    def cut_off(self, names: Iterable[str]) -> None:
        """Between these and the others nothing passes."""
        inside = set(names)
        for (source, target), way in self._ways.items():
            if (source in inside) != (target in inside):
                way.passable.clear()

    def heal(self) -> None:
        """Everything passes, what waited first."""
        for way in self._ways.values():
            way.passable.set()
