"""Would processes that only read be worth it? `python -m bench.reader_spike` (docs/adr/0017).

A spike, and no part of the server: processes that read a server's LMDB map answer `GET /v1/kv/KEY`
on another port, which they share. Each keeps its answers, and looks before each one whether the
map was written since, and whether the lease, a time in shared memory, still holds. Nothing is
pinned: servers, readers and wrk have all cores between them.
"""

import argparse
import asyncio
import itertools
import mmap
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import lmdb
import uvloop

from bench.fixtures import KEY_FOLDER, KEYS, key, put, value, write_keys
from bench.http1 import Wire
from bench.machine import Placement, usage
from bench.samples import Lanes
from bench.servers import Server, Side, running
from bench.wrk import Counted, command, require_wrk, run
from proconsul.runtime.lmdb_views import LmdbView
from proconsul.store import kv
from proconsul.store.transaction import ReadTransaction
from proconsul.wire import json
from proconsul.wire.gostruct import to_json
from server_tests.differential import target
from server_tests.differential.target import pause
from server_tests.process import die_with_the_tests

PORT = 8599
LEASE = struct.Struct("<d")  # until when it holds, by time.monotonic
CONNECTIONS = 64
WRITES_A_SECOND = 50
RENEWALS_A_SECOND = 20


class Reader(asyncio.Protocol):
    """One connection to a reading process."""

    def __init__(self, env: lmdb.Environment, lease: mmap.mmap, kept: dict[bytes, bytes]) -> None:
        self._env = env
        self._lease = lease
        self._kept = kept
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """One whole request, as wrk sends it."""
        kept = self._kept
        newest = self._env.info()["last_txnid"].to_bytes(8, "big")
        if kept.get(b"txnid") != newest:
            kept.clear()
            kept[b"txnid"] = newest
        if LEASE.unpack_from(self._lease)[0] < time.monotonic():
            self._transport.write(b"HTTP/1.1 503 No Lease\r\nContent-Length: 0\r\n\r\n")
            return
        answer = kept.get(data)
        if answer is None:
            answer = kept[data] = self._answer(data)
        self._transport.write(answer)

    def _answer(self, data: bytes) -> bytes:
        name = data.split(b" ", 2)[1].removeprefix(b"/v1/kv/").decode()
        with self._env.begin() as txn:
            index, entry = kv.get(ReadTransaction(LmdbView(txn), None), None, name)
        body = json.encode([] if entry is None else [to_json(entry)])
        head = (
            f"HTTP/1.1 {404 if entry is None else 200} OK\r\nX-Consul-Index: {index}\r\n"
            f"X-Consul-Knownleader: true\r\nX-Consul-Lastcontact: 0\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def read_for(address: str, map_folder: str, lease_path: str) -> None:
    """A reading process; it ends when it is killed."""
    env = lmdb.Environment(map_folder, readonly=True, max_readers=1024)
    kept: dict[bytes, bytes] = {}
    with open(lease_path, "r+b") as file:
        lease = mmap.mmap(file.fileno(), LEASE.size)
    shared = socket.socket()
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind((address, PORT))

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Reader(env, lease, kept), sock=shared, backlog=CONNECTIONS * 2
        )
        await server.serve_forever()

    uvloop.run(serve())


@contextmanager
def readers(count: int, address: str, map_folder: Path, lease: Path) -> Iterator[frozenset[int]]:
    """So many of them, at work; their process numbers."""
    words = [sys.executable, "-m", "bench.reader_spike", "--read-for"]
    words += [address, str(map_folder), str(lease)]
    processes = [
        subprocess.Popen(words, preexec_fn=die_with_the_tests)  # noqa: PLW1509 - one system call
        for _ in range(count)
    ]
    try:
        pause(1.0 if count else 0.0)
        yield frozenset(process.pid for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def renewing(lease: mmap.mmap) -> Lanes:
    """A leader's heartbeats, as far as a reader sees them."""

    def renew() -> int:
        lease[:] = LEASE.pack(time.monotonic() + 0.5)  # in one piece
        return 1

    renew()
    return Lanes(RENEWALS_A_SECOND, [renew])


def writing(wire: Wire) -> Lanes:
    """The keys change meanwhile, one after the other."""
    numbers = itertools.count(1)

    def write() -> int:
        number = next(numbers)
        put(wire, f"/v1/kv/{key(number % KEYS)}", value(number % KEYS, number))
        return 1

    return Lanes(WRITES_A_SECOND, [write])


def load(host: str, port: int, seconds: int) -> Counted:
    """What wrk counted. Raises WrongAnswerError."""
    words = command(
        host,
        ["get", f"/v1/kv/{KEY_FOLDER}/%05d", str(KEYS)],
        connections=CONNECTIONS,
        threads=1,
        seconds=seconds,
        seed=1,
        port=port,
    )
    return run(words, Placement())


def measure(seconds: int) -> None:
    """The server itself, then one to three readers; quiet, and while keys change."""
    folder = Path(tempfile.mkdtemp(prefix="reader-spike-", dir="."))
    lease = folder / "lease"
    lease.write_bytes(bytes(LEASE.size))
    ours = (Side.OURS,)
    try:
        with running(ours, 1, network="127.77.0", folder=folder, placement=Placement()) as sides:
            server = sides[Side.OURS].leader
            with Wire(server.address) as wire, open(lease, "r+b") as file:
                shared = mmap.mmap(file.fileno(), LEASE.size)
                write_keys(wire, ((key(number), value(number, 0)) for number in range(KEYS)))
                for count, busy in itertools.product((0, 1, 2, 3), (False, True)):
                    with renewing(shared), writing(wire) if busy else nullcontext():
                        sys.stdout.write(f"{one_row(server, count, lease, seconds, busy)}\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def one_row(server: Server, count: int, lease: Path, seconds: int, busy: bool) -> str:
    """With so many readers; 0: the server is asked."""
    assert server.process is not None
    state = next(server.data.rglob("data.mdb")).parent
    port = PORT if count else target.PORT
    with readers(count, server.address, state, lease) as pids:
        load(server.address, port, 1)
        who = pids | {server.process.pid}
        before = usage(who)
        found = load(server.address, port, seconds)
        each_us = (usage(who).cpu_s - before.cpu_s) / found.requests * 1e6
    name = f"{count} readers" if count else "the server"
    when = f"{WRITES_A_SECOND} writes/s" if busy else "quiet"
    return (
        f"{name}, {when}: {found.per_s:,.0f} requests/s, p99 {found.p99_us / 1000:.2f} ms, "
        f"{each_us:.1f} us of CPU each"
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--read-for", nargs=3, metavar=("ADDRESS", "FOLDER", "LEASE"))
    asked = parser.parse_args()
    if asked.read_for:
        read_for(*asked.read_for)
        return 0
    require_wrk()
    measure(asked.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
