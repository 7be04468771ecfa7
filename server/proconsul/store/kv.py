"""Keys and values (Consul's kvs.go; wire/fsm.md section 4).

Functions refuse before their first write, so that a refused command needs no undoing.
"""

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.kv import DirEntry
from proconsul.store import tombstones
from proconsul.store.key_rows import PlainSet
from proconsul.store.keys import text
from proconsul.store.same import index_holds
from proconsul.store.schema import KVS, SESSIONS, TOMBSTONES
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.unique import uuid_key
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import quote
from proconsul.wire.msgpack import bytes_text

# ---------------------------------------------------------------- reading


def get(txn: ReadTransaction, watch: WatchSet | None, key: str) -> tuple[int, DirEntry | None]:
    """One entry, with the index of its last change; the whole store's index if there is none."""
    row_key = text(key)
    if watch is not None:
        watch.exact(KVS.name, row_key)
    entry = txn.row(KVS, row_key)
    if entry is not None:
        return entry.modify_index, entry
    return txn.table_index(KVS.name, TOMBSTONES.name), None


def list_entries(
    txn: ReadTransaction, watch: WatchSet | None, prefix: str
) -> tuple[int, list[DirEntry]]:
    """All entries under a prefix, in byte order of their keys.

    The index is that of the newest change under the prefix, deletions included, as long as
    their tombstones last; with nothing to go by it is the whole store's.
    """
    row_prefix = text(prefix)
    if watch is not None:
        watch.prefix(KVS.name, row_prefix)
    entries = list(txn.rows(KVS, row_prefix))
    index = 0
    if prefix:
        newest = max([entry.modify_index for entry in entries], default=0)
        index = max(newest, tombstones.max_index_under(txn, prefix))
    return index or txn.table_index(KVS.name, TOMBSTONES.name), entries


def collapse_keys(entries: list[DirEntry], prefix: str, separator: str) -> list[str]:
    """The keys of a listing; all that go on behind `separator` count as one, which ends there."""
    if not separator:
        return [entry.key for entry in entries]
    keys: dict[bytes, None] = {}
    cut, start = text(separator), len(text(prefix))  # in bytes: a prefix may end within a letter
    for entry in entries:
        key = text(entry.key)
        at = key.find(cut, start)
        keys[key if at < 0 else key[: at + len(cut)]] = None
    return [bytes_text(key) for key in keys]


def check_session(txn: ReadTransaction, key: str, session: str) -> DirEntry:
    """The entry, if this session holds it. Raises RpcError."""
    entry = txn.row(KVS, text(key))
    if entry is None:
        raise RpcError(f"failed to check session, key {quote(key)} doesn't exist")
    if entry.session != session:
        raise RpcError(
            f"failed session check for key {quote(key)}, "
            f"current session {quote(entry.session)} != {quote(session)}"
        )
    return entry


def check_index(txn: ReadTransaction, key: str, index: int) -> DirEntry:
    """The entry, if it was last changed at `index`. Raises RpcError."""
    entry = txn.row(KVS, text(key))
    if entry is None:
        raise RpcError(f"failed to check index, key {quote(key)} doesn't exist")
    if entry.modify_index != index:
        raise RpcError(
            f"failed index check for key {quote(key)}, "
            f"current modify index {entry.modify_index} != {index}"
        )
    return entry


# ---------------------------------------------------------------- writing


def set_key(txn: WriteTransaction, entry: DirEntry) -> DirEntry:
    """Set value and flags, whoever holds the key; returns the entry as it now is.

    A plain set takes the lock index from the request, where it is 0: so it resets it.
    """
    key = text(entry.key)
    existing = txn.row(KVS, key)
    session = existing.session if existing else ""
    if entry.session != session:
        entry = replace(entry, session=session)
    return _store(txn, key, existing, entry)


def set_plain(txn: WriteTransaction, new: PlainSet) -> bool:
    """What `set_key` does, for most entries, by their bytes; False: it was not done."""
    row = txn.encoded(KVS.name, new.key)
    create_index = txn.index
    if row is not None:
        create_index, is_same = new.compared(row)
        if create_index < 0:
            return False
        if is_same:
            return True
    txn.put_encoded(KVS.name, new.key, new.row(create_index, txn.index))
    txn.set_index(KVS.name)
    return True


def set_key_cas(txn: WriteTransaction, entry: DirEntry) -> DirEntry | None:
    """Set if the entry was last changed at `entry.modify_index`, 0 for absent; None if not."""
    existing = txn.row(KVS, text(entry.key))
    if not index_holds(existing, entry.modify_index):
        return None
    return set_key(txn, entry)


def delete_key(txn: WriteTransaction, key: str) -> None:
    """Delete an entry, if it is there."""
    if txn.row(KVS, text(key)) is None:
        return
    tombstones.bury(txn, key)
    txn.remove(KVS.name, text(key))
    txn.set_index(KVS.name)


def delete_key_cas(txn: WriteTransaction, key: str, index: int) -> bool:
    """Delete if last changed at `index`; True too for a key that is not there."""
    existing = txn.row(KVS, text(key))
    if existing is None:
        return True
    if existing.modify_index != index:
        return False
    delete_key(txn, key)
    return True


def delete_tree(txn: WriteTransaction, prefix: str) -> None:
    """Delete all under a prefix, with one tombstone for it; none when all keys go."""
    doomed = list(txn.keys(KVS.name, text(prefix)))
    if not doomed:
        return
    for key in doomed:
        txn.remove(KVS.name, key)
    if prefix:
        tombstones.bury(txn, prefix)
    txn.set_index(KVS.name)


def lock(txn: WriteTransaction, entry: DirEntry) -> DirEntry | None:
    """Acquire the key for `entry.session` and set it; None if another session holds it.

    Lock-delay is not looked at: only the leader does, before the log (wire/fsm.md section 5).
    Raises RpcError when there is no such session.
    """
    if not entry.session:
        raise RpcError("missing session")
    session_key = uuid_key(entry.session, "failed session lookup: index error")
    if txn.row(SESSIONS, session_key) is None:
        raise RpcError(f"invalid session {quote(entry.session)}")
    key = text(entry.key)
    existing = txn.row(KVS, key)
    if existing is None:
        return _store(txn, key, None, replace(entry, lock_index=1))
    if existing.session == entry.session:
        return _store(txn, key, existing, replace(entry, lock_index=existing.lock_index))
    if existing.session:
        return None
    return _store(txn, key, existing, replace(entry, lock_index=existing.lock_index + 1))


def unlock(txn: WriteTransaction, entry: DirEntry) -> DirEntry | None:
    """Release the key that `entry.session` holds, and set it; None if it does not hold it."""
    if not entry.session:
        raise RpcError("missing session")
    key = text(entry.key)
    existing = txn.row(KVS, key)
    if existing is None or existing.session != entry.session:
        return None
    return _store(txn, key, existing, replace(entry, session="", lock_index=existing.lock_index))


def release(txn: WriteTransaction, entry: DirEntry) -> None:
    """Take the holder from an entry, because its session ended."""
    _store(txn, text(entry.key), entry, replace(entry, session=""))


def _store(
    txn: WriteTransaction, key: bytes, existing: DirEntry | None, entry: DirEntry
) -> DirEntry:
    """Write the entry, unless that would change nothing: then its index stays, too."""
    if existing is not None and _same(existing, entry):
        return replace(
            entry, create_index=existing.create_index, modify_index=existing.modify_index
        )
    entry = replace(
        entry,
        create_index=txn.index if existing is None else existing.create_index,
        modify_index=txn.index,
        value=entry.value or None,
    )
    txn.replace(KVS, key, existing, entry)
    txn.set_index(KVS.name)
    return entry


def _same(one: DirEntry, other: DirEntry) -> bool:
    return (
        one.lock_index == other.lock_index
        and one.flags == other.flags
        and (one.value or b"") == (other.value or b"")
        and one.session == other.session
    )


def restore_key(txn: WriteTransaction, entry: DirEntry) -> None:
    """Take an entry from a snapshot."""
    txn.put(KVS, text(entry.key), entry)
    txn.raise_index(KVS.name, value=entry.modify_index)
