"""A state that says which commands were applied, in which order: a hash chain over them.

A server of HashiCorp's library has the same one (RAFT_PEER), with the same snapshots: JSON of the
chain and of how many commands are in it. Equal chains mean equal histories.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from proconsul.fsm.snapshot import SnapshotError
from proconsul.runtime.state_machine import Machine
from proconsul.store.schema import META
from proconsul.store.transaction import ReadTransaction, WriteTransaction

HEAD = b"chain"
LINK = b"link/"  # in front of an index: a command that this state has seen itself


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends, and how many commands are in it."""

    chain: str = ""
    count: int = 0

    def encode(self) -> bytes:
        """As it is in a snapshot."""
        return json.dumps({"Chain": self.chain, "Count": self.count}).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Head":
        """From a snapshot. Raises SnapshotError."""
        try:
            body = json.loads(data)
            return cls(body["Chain"], body["Count"])
        except (ValueError, KeyError, TypeError) as failure:
            raise SnapshotError(f"not the snapshot of a chain: {failure!r}") from failure


def linked(chain: str, data: bytes) -> str:
    """The chain with one more command."""
    return hashlib.sha256(chain.encode() + data).hexdigest()


def head(txn: ReadTransaction) -> Head:
    """Where the chain of this state ends."""
    data = txn.view.get(META, HEAD)
    return Head() if data is None else Head.decode(data)


def links(txn: ReadTransaction) -> list[dict[str, Any]]:
    """The commands since the state began, or since a snapshot took its place."""
    return [json.loads(data) for _, data in txn.view.scan(META, LINK)]


def _apply(txn: WriteTransaction, data: bytes, _: bytes | None, term: int) -> dict[str, Any]:
    before = head(txn)
    chain = linked(before.chain, data)
    link = {"Index": txn.index, "Term": term, "Size": len(data), "Chain": chain}
    txn.batch.put(META, HEAD, Head(chain, before.count + 1).encode())
    txn.batch.put(META, LINK + txn.index.to_bytes(8, "big"), json.dumps(link).encode())
    return link


def _write(txn: ReadTransaction) -> Iterator[bytes]:
    yield head(txn).encode()


def _restore(txn: WriteTransaction, chunks: Iterable[bytes]) -> None:
    txn.batch.put(META, HEAD, Head.decode(b"".join(chunks)).encode())


CHAIN = Machine(_apply, _write, _restore)
