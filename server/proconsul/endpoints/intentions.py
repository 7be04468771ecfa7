"""`Intention.*`: which service may call which.

What the log and snapshots brought is told; intentions are not made or weighed here yet. A leader
that can is asked as ever.
"""

from proconsul.endpoints.blocking import blocking_query, check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method, NotImplementedHereError
from proconsul.errors import RpcError
from proconsul.filters.evaluate import compile_filter
from proconsul.model.intention import (
    IndexedIntentionMatches,
    IndexedIntentions,
    Intention,
    IntentionQueryCheckResponse,
    IntentionQueryRequest,
    IntentionRequest,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.store import intentions
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet


async def get(context: Context, request: IntentionQueryRequest) -> IndexedIntentions:
    """`Intention.Get`: by ID; RpcError for an unknown one."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, Intention]:
        index, found = intentions.get(state, watch, request.intention_id)
        if found is None:
            raise RpcError("Intention not found")
        return index, found

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedIntentions, intentions=[answer.value])


async def list_all(context: Context, request: DCSpecificRequest) -> IndexedIntentions:
    """`Intention.List`: all, or those that a filter lets through."""
    check_datacenter(context, request.datacenter)
    wanted = compile_filter(request.filter, Intention)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[Intention]]:
        index, found = intentions.list_all(state, watch)
        return index, [row for row in found if wanted(row)]

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedIntentions, intentions=answer.value)


async def apply(context: Context, request: IntentionRequest) -> str:
    """`Intention.Apply`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("Intention.Apply")


async def match(context: Context, request: IntentionQueryRequest) -> IndexedIntentionMatches:
    """`Intention.Match`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("Intention.Match")


async def check(context: Context, request: IntentionQueryRequest) -> IntentionQueryCheckResponse:
    """`Intention.Check`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("Intention.Check")


METHODS = {
    "Intention.Apply": Method(IntentionRequest, apply),
    "Intention.Get": Method(IntentionQueryRequest, get, read=True),
    "Intention.List": Method(DCSpecificRequest, list_all, read=True),
    "Intention.Match": Method(IntentionQueryRequest, match, read=True),
    "Intention.Check": Method(IntentionQueryRequest, check, read=True),
}
