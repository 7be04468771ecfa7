"""`KVS.*`: keys and values."""

from proconsul.endpoints.blocking import blocking_query, check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.endpoints.timing import timed
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType
from proconsul.model.kv import (
    DirEntry,
    IndexedDirEntries,
    IndexedKeyList,
    KeyListRequest,
    KeyRequest,
    KVSRequest,
)
from proconsul.store import kv
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet


async def apply(context: Context, request: KVSRequest) -> bool:
    """`KVS.Apply`: change one key; False says that a check-and-set or a lock lost.

    Plain sets and deletions answer False too, as in Consul: their callers know better.
    """
    check_datacenter(context, request.datacenter)
    with timed(context, "kvs.apply"):
        if not request.dir_ent.key and request.op != "delete-tree":
            raise RpcError("Must provide key")
        # Lock-delay is wall time, and every server's wall differs: so the leader rules
        # on it here, before the log, and applying the command stays deterministic.
        if request.op == "lock" and context.lock_delays.delayed(
            request.dir_ent.key, context.world.now_s()
        ):
            return False
        return await context.log.propose(MessageType.KVS, request) is True


async def get(context: Context, request: KeyRequest) -> IndexedDirEntries:
    """`KVS.Get`: one key; an absent one has the index of the newest change of any."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, DirEntry | None]:
        return kv.get(state, watch, request.key)

    answer = await blocking_query(context, request, query)
    entries = None if answer.value is None else [answer.value]
    return answer.reply(IndexedDirEntries, entries=entries)


async def list_entries(context: Context, request: KeyRequest) -> IndexedDirEntries:
    """`KVS.List`: all keys below a prefix."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[DirEntry]]:
        return kv.list_entries(state, watch, request.key)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedDirEntries, entries=answer.value or None)


async def list_keys(context: Context, request: KeyListRequest) -> IndexedKeyList:
    """`KVS.ListKeys`: the names below a prefix, folded at the separator."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[str]]:
        index, entries = kv.list_entries(state, watch, request.prefix)
        return index, kv.collapse_keys(entries, request.prefix, request.seperator)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedKeyList, keys=answer.value or None)


METHODS = {
    "KVS.Apply": Method(KVSRequest, apply, answers=bool),
    "KVS.Get": Method(KeyRequest, get, read=True, answers=IndexedDirEntries),
    "KVS.List": Method(KeyRequest, list_entries, read=True, answers=IndexedDirEntries),
    "KVS.ListKeys": Method(KeyListRequest, list_keys, read=True, answers=IndexedKeyList),
}
