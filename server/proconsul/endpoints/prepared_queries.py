"""`PreparedQuery.*`: stored lookups of services.

What the log and snapshots brought is told; queries are not made or run here yet. A leader that
can is asked as ever.
"""

from proconsul.endpoints.blocking import blocking_query, check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method, NotImplementedHereError
from proconsul.errors import RpcError
from proconsul.model.prepared_query import (
    IndexedPreparedQueries,
    PreparedQuery,
    PreparedQueryExecuteRemoteRequest,
    PreparedQueryExecuteRequest,
    PreparedQueryExecuteResponse,
    PreparedQueryExplainResponse,
    PreparedQueryRequest,
    PreparedQuerySpecificRequest,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.store import prepared_queries
from proconsul.store.transaction import ReadTransaction
from proconsul.store.unique import uuid_key
from proconsul.store.watch import WatchSet


async def get(context: Context, request: PreparedQuerySpecificRequest) -> IndexedPreparedQueries:
    """`PreparedQuery.Get`: by ID; RpcError for an unknown one."""
    check_datacenter(context, request.datacenter)
    uuid_key(request.query_id, "failed prepared query lookup: index error")

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, PreparedQuery]:
        index, found = prepared_queries.prepared_query(state, watch, request.query_id)
        if found is None:
            raise RpcError("Query not found")
        return index, found

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedPreparedQueries, queries=[answer.value])


async def list_all(context: Context, request: DCSpecificRequest) -> IndexedPreparedQueries:
    """`PreparedQuery.List`: all of them."""
    check_datacenter(context, request.datacenter)
    answer = await blocking_query(context, request, prepared_queries.prepared_queries)
    return answer.reply(IndexedPreparedQueries, queries=answer.value or None)


async def apply(context: Context, request: PreparedQueryRequest) -> str:
    """`PreparedQuery.Apply`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("PreparedQuery.Apply")


async def execute(
    context: Context, request: PreparedQueryExecuteRequest
) -> PreparedQueryExecuteResponse:
    """`PreparedQuery.Execute`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("PreparedQuery.Execute")


async def execute_remote(
    context: Context, request: PreparedQueryExecuteRemoteRequest
) -> PreparedQueryExecuteResponse:
    """`PreparedQuery.ExecuteRemote`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("PreparedQuery.ExecuteRemote")


async def explain(
    context: Context, request: PreparedQueryExecuteRequest
) -> PreparedQueryExplainResponse:
    """`PreparedQuery.Explain`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("PreparedQuery.Explain")


METHODS = {
    "PreparedQuery.Apply": Method(PreparedQueryRequest, apply),
    "PreparedQuery.Get": Method(PreparedQuerySpecificRequest, get, read=True),
    "PreparedQuery.List": Method(DCSpecificRequest, list_all, read=True),
    "PreparedQuery.Execute": Method(PreparedQueryExecuteRequest, execute, read=True),
    "PreparedQuery.ExecuteRemote": Method(
        PreparedQueryExecuteRemoteRequest, execute_remote, read=True
    ),
    "PreparedQuery.Explain": Method(PreparedQueryExecuteRequest, explain, read=True),
}
