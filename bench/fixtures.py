"""What must be there before a row can be measured: made alike on both sides."""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.failure import BenchError
from bench.http1 import Wire
from bench.servers import Cluster, Server

KEYS = 10_000  # that reads choose from
KEY_FOLDER = "bench/keys"
VALUE_BYTES = 64
INSTANCES = (10, 100, 1000)  # of the services that are looked up
SESSIONS = 64
TXN_OPS_MAX = 64  # Consul's own limit


@dataclass(slots=True)
class Stock:
    """What one side has, and what was acknowledged to us since: samplers compare with it."""

    leader: Server
    asked: Server  # of whom the row is asked
    sessions: list[str] = field(default_factory=list)
    written: dict[int, int] = field(default_factory=dict)  # key: number of its newest value
    indexes: dict[tuple[str, str], int] = field(default_factory=dict)  # of (server, path)

    @property
    def side(self) -> str:
        """Whose it is."""
        return self.leader.side.value


def key(number: int) -> str:
    """The path of a key that is read."""
    return f"{KEY_FOLDER}/{number:05d}"


def value(number: int, version: int, size_bytes: int = VALUE_BYTES) -> bytes:
    """The value of a key: it tells which it is, and which of all its values."""
    return f"{number}:{version}:".encode().ljust(size_bytes, b"v")


def service(instances: int) -> str:
    """The name of the service that has so many."""
    return f"web-{instances}"


def registration(instances: int, number: int, status: str = "passing") -> bytes:
    """One instance on a node of its own, with a check."""
    name = f"{service(instances)}-{number}"
    return json.dumps(
        {
            "Node": f"node-{name}",
            "Address": f"127.8.{number >> 8}.{number & 255}",
            "Service": {
                "ID": name,
                "Service": service(instances),
                "Port": 8080,
                "Tags": ["v1", "primary"],
                "Meta": {"version": "1.2.3"},
            },
            "Check": {
                "CheckID": f"service:{name}",
                "Name": "alive",
                "ServiceID": name,
                "Status": status,
                "Output": "TCP connect: Success",
            },
        }
    ).encode()


def put(wire: Wire, path: str, body: bytes) -> bytes:
    """A write that has to be taken: the answer's body. Raises BenchError: it is refused."""
    answer = wire.ask("PUT", path, body)
    if answer.status != 200:
        text = answer.body.decode(errors="replace")[:300]
        raise BenchError(f"{wire.address}: PUT {path}: {answer.status} {text}")
    return answer.body


def write_keys(wire: Wire, entries: Iterable[tuple[str, bytes]]) -> None:
    """Many keys, in transactions."""
    batch: list[object] = []
    for path, content in entries:
        text = base64.b64encode(content).decode()
        batch.append({"KV": {"Verb": "set", "Key": path, "Value": text}})
        if len(batch) == TXN_OPS_MAX:
            put(wire, "/v1/txn", json.dumps(batch).encode())
            batch.clear()
    if batch:
        put(wire, "/v1/txn", json.dumps(batch).encode())


def prepare(cluster: Cluster, instances: Sequence[int], *, keys: bool, sessions: bool) -> Stock:
    """Make what the rows to come need."""
    leader = cluster.leader
    stock = Stock(leader, leader)
    with Wire(leader.address) as wire:
        if keys:
            write_keys(wire, ((key(number), value(number, 0)) for number in range(KEYS)))
            stock.written = dict.fromkeys(range(KEYS), 0)
        for count in instances:
            for number in range(count):
                put(wire, "/v1/catalog/register", registration(count, number))
        for _ in range(SESSIONS if sessions else 0):
            made = put(wire, "/v1/session/create", b'{"Name": "bench", "LockDelay": "0s"}')
            stock.sessions.append(json.loads(made)["ID"])
    return stock
