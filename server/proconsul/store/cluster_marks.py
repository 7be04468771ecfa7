"""The cluster's ID and the UID of its last restore, as names in the index table.

An entry of that table is a name and a number, and a snapshot carries all of them, whatever their
names: so a server of Consul 1.8.7 that restores our snapshot keeps these two, and passes them on
in its own. A table or a record of our own would stop it. The number is the raft index at which
the mark was made; of two marks of one kind the younger counts.
"""

import re

from proconsul.errors import RpcError
from proconsul.model.cluster_mark import ClusterMark
from proconsul.store.keys import index_key
from proconsul.store.schema import INDEXES
from proconsul.store.transaction import ReadTransaction, WriteTransaction

CLUSTER = "proconsul-cluster:"
RESTORE = "proconsul-restore:"
NAME = re.compile(r"[0-9A-Za-z-]{1,64}")  # a UUID, or a name like one: it becomes part of a key


def marks(txn: ReadTransaction) -> ClusterMark:
    """Both; "" for what the state does not have."""
    return ClusterMark(cluster_id=_newest(txn, CLUSTER), restore_uid=_newest(txn, RESTORE))


def set_marks(txn: WriteTransaction, mark: ClusterMark) -> None:
    """Take what is not empty in place of what there is. Raises RpcError for what is no name."""
    for prefix, value in ((CLUSTER, mark.cluster_id), (RESTORE, mark.restore_uid)):
        if value:
            _require_name(value)
            _clear(txn, prefix)
            txn.set_index(prefix + value)


def replace_marks(txn: WriteTransaction, mark: ClusterMark, index: int) -> None:
    """Have just these, empty ones not at all: what a snapshot brought is of another cluster.

    Raises RpcError for what is no name.
    """
    for prefix, value in ((CLUSTER, mark.cluster_id), (RESTORE, mark.restore_uid)):
        _clear(txn, prefix)
        if value:
            _require_name(value)
            txn.set_index(prefix + value, value=index)


def _require_name(value: str) -> None:
    if NAME.fullmatch(value) is None:
        raise RpcError("a mark must be 1 to 64 letters, digits and hyphens")


def _newest(txn: ReadTransaction, prefix: str) -> str:
    found = max(txn.rows(INDEXES, index_key(prefix)), key=lambda entry: entry.value, default=None)
    return "" if found is None else found.key[len(prefix) :]


def _clear(txn: WriteTransaction, prefix: str) -> None:
    for entry in list(txn.rows(INDEXES, index_key(prefix))):
        txn.remove_index(entry.key)
