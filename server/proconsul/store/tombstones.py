"""Graves of deleted keys, so that the index of a listing does not go back (Consul's graveyard.go).

The leader reaps them after a while; then it may go back after all, as in Consul.
"""

from proconsul.model.kv import Tombstone
from proconsul.store.events import TombstoneAdded
from proconsul.store.keys import text
from proconsul.store.schema import TOMBSTONES
from proconsul.store.transaction import ReadTransaction, WriteTransaction


def bury(txn: WriteTransaction, key: str) -> None:
    """Remember that this key, or all under this prefix, was deleted at the present index."""
    txn.put(TOMBSTONES, text(key), Tombstone(key=key, index=txn.index))
    txn.set_index(TOMBSTONES.name)
    txn.events.append(TombstoneAdded(txn.index))


def max_index_under(txn: ReadTransaction, prefix: str) -> int:
    """The newest deletion under a prefix, 0 for none."""
    return max((stone.index for stone in txn.rows(TOMBSTONES, text(prefix))), default=0)


def reap(txn: WriteTransaction, up_to_index: int) -> None:
    """Drop the graves up to an index; no entry of the index table moves."""
    old = [text(stone.key) for stone in txn.rows(TOMBSTONES) if stone.index <= up_to_index]
    for key in old:
        txn.remove(TOMBSTONES.name, key)


def restore_tombstone(txn: WriteTransaction, stone: Tombstone) -> None:
    """Take a grave from a snapshot."""
    txn.put(TOMBSTONES, text(stone.key), stone)
    txn.raise_index(TOMBSTONES.name, value=stone.index)
