"""The load on a server: its HTTP saturated, a thousand blocked queries, a long listing each second.

A process of its own, so that its work is not done by the process that watches:

    python -m server_tests.gossip_pool.pool_load ADDRESS SECONDS

It says `ready` in a line of its own once all is held and running, and at the end what came of it,
as JSON. Requests that fail are `errors`: there should be none.
"""

import argparse
import asyncio
import dataclasses
import json
import math
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

HTTP_PORT = 8500
BLOCKED = 1000
INSTANCES = 1000
SERVICE = "listed"
SATURATING = 64  # connections, one request after the other on each
WRITE_EVERY = 10  # requests of those
LIST_EVERY_S = 1.0
WAIT_S = 600  # Consul's longest
ERRORS_MAX = 50  # that are told
REGISTERING = 16  # at a time


class BrokenError(Exception):
    """A connection ended, or an answer was no success."""


class Connection(asyncio.Protocol):
    """One request after the other; answers with a Content-Length, whole in memory."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._whole_bytes = 0  # of head and body; 0 while the head is not there
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits hears of it."""
        self._fail(BrokenError(f"the connection ended: {exc}"))

    def _fail(self, failure: BrokenError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(failure)

    def data_received(self, data: bytes) -> None:
        """More of the answer."""
        self._data += data
        if not self._whole_bytes:
            head, found, _ = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            length = _header(head, b"content-length")
            if length is None:
                self._fail(BrokenError(f"an answer without a length: {bytes(head)!r}"))
                return
            self._whole_bytes = len(head) + 4 + int(length)
        if len(self._data) >= self._whole_bytes:
            answer, self._data, self._whole_bytes = bytes(self._data), bytearray(), 0
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[bytes, bytes]:
        """(head, body) of a success. Raises BrokenError."""
        if self._transport is None or self._transport.is_closing():
            raise BrokenError("the connection has ended")
        self._answer = asyncio.get_running_loop().create_future()
        head = f"{method} {path} HTTP/1.1\r\nHost: load\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
        answer = await self._answer
        head_found, _, body_found = answer.partition(b"\r\n\r\n")
        if not head_found.startswith(b"HTTP/1.1 200 "):
            raise BrokenError(f"{method} {path}: {answer[:300]!r}")
        return head_found, body_found

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()


def _header(head: bytes | bytearray, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.lower() == name:
            return bytes(value.strip())
    return None


@dataclass
class Result:
    """What came of it."""

    seconds: float = 0.0
    cpu_s: float = 0.0  # of this process
    requests: int = 0
    longest_request_s: float = 0.0
    listings: int = 0
    longest_listing_s: float = 0.0
    listing_bytes: int = 0
    blocked_least: int = 0
    blocked_answers: int = 0
    error_count: int = 0
    errors: list[str] = field(default_factory=list)


class Load:
    """All of it, on one loop."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._blocked = 0
        self._is_over = False
        self._connections: list[Connection] = []
        self.result = Result()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._address, HTTP_PORT)
        self._connections.append(connection)
        return connection

    def _wrong(self, text: str) -> None:
        if self._is_over:
            return
        self.result.error_count += 1
        if len(self.result.errors) < ERRORS_MAX:
            self.result.errors.append(f"{time.strftime('%H:%M:%S')} {text}")

    # ---------------------------------------------------------------- before

    async def prepare(self) -> None:
        """The instances and the keys. Raises BrokenError."""
        todo = [
            *(("/v1/catalog/register", _instance(number)) for number in range(INSTANCES)),
            *((f"/v1/kv/held/{number}", b"x") for number in range(BLOCKED)),
            *((f"/v1/kv/read/{number}", b"x" * 100) for number in range(SATURATING)),
        ]

        async def write_some() -> None:
            connection = await self._connect()
            while todo:
                path, body = todo.pop()
                await connection.ask("PUT", path, body)

        await asyncio.gather(*(write_some() for _ in range(REGISTERING)))

    # ---------------------------------------------------------------- meanwhile

    async def run(self, seconds: float) -> None:
        """Everything for so long, from when all queries are held."""
        tasks = [asyncio.create_task(self._repeat(self._hold(n))) for n in range(BLOCKED)]
        while self._blocked < BLOCKED and not self.result.error_count:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        self.result.blocked_least = self._blocked
        tasks += [asyncio.create_task(self._repeat(self._ask(n))) for n in range(SATURATING)]
        tasks.append(asyncio.create_task(self._repeat(self._list())))
        began_s, cpu_s = time.monotonic(), time.process_time()
        say("ready")
        while (passed_s := time.monotonic() - began_s) < seconds:
            await asyncio.sleep(min(1.0, seconds - passed_s))
            self.result.blocked_least = min(self.result.blocked_least, self._blocked)
        self.result.seconds = time.monotonic() - began_s
        self.result.cpu_s = time.process_time() - cpu_s
        self._is_over = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in self._connections:
            connection.close()

    async def _repeat(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (OSError, BrokenError) as failure:
            self._wrong(str(failure))

    async def _hold(self, number: int) -> None:
        connection = await self._connect()
        path = f"/v1/kv/held/{number}"
        head, _ = await connection.ask("GET", path)
        index = int(_header(head, b"x-consul-index") or 0)
        while True:
            began_s = time.monotonic()
            self._blocked += 1
            await connection.ask("GET", f"{path}?index={index}&wait={WAIT_S}s")
            self._blocked -= 1
            self.result.blocked_answers += 1
            took_s = time.monotonic() - began_s
            if took_s < WAIT_S:  # nobody writes what it waits for
                self._wrong(f"a blocked query was answered after {took_s:.1f} s")

    async def _ask(self, number: int) -> None:
        connection = await self._connect()
        result = self.result
        while True:
            began_s = time.monotonic()
            if (result.requests + number) % WRITE_EVERY:
                await connection.ask("GET", f"/v1/kv/read/{number}")
            else:
                await connection.ask("PUT", f"/v1/kv/written/{number}", b"y" * 100)
            result.requests += 1
            result.longest_request_s = max(result.longest_request_s, time.monotonic() - began_s)

    async def _list(self) -> None:
        connection = await self._connect()
        result = self.result
        due_s = time.monotonic()
        while True:
            began_s = time.monotonic()
            _, body = await connection.ask("GET", f"/v1/health/service/{SERVICE}")
            result.longest_listing_s = max(result.longest_listing_s, time.monotonic() - began_s)
            result.listings += 1
            result.listing_bytes = len(body)
            found = len(json.loads(body))
            if found != INSTANCES:
                self._wrong(f"a listing of {found} instances")
            due_s += LIST_EVERY_S * math.ceil((time.monotonic() - due_s) / LIST_EVERY_S)
            await asyncio.sleep(max(due_s - time.monotonic(), 0))


def _instance(number: int) -> bytes:
    node = f"listed-{number}"
    return json.dumps(
        {
            "Node": node,
            "Address": f"10.1.{number // 250}.{number % 250 + 1}",
            "Service": {"ID": f"{SERVICE}-{number}", "Service": SERVICE, "Port": 8080},
            "Check": {"Node": node, "CheckID": "up", "Name": "Up", "Status": "passing"},
        }
    ).encode()


def say(text: str) -> None:
    """A line, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def load(address: str, seconds: float) -> Result:
    """All of it."""
    one = Load(address)
    await one.prepare()
    await one.run(seconds)
    return one.result


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(load(asked.address, asked.seconds))
    say(json.dumps(dataclasses.asdict(result)))


if __name__ == "__main__":
    main()
