"""Prepared queries."""

from typing import ClassVar

from proconsul.model.catalog import CheckServiceNode
from proconsul.model.query import QueryMeta, QueryOptions, QuerySource, WriteRequest
from proconsul.wire.gostruct import GoStruct


class QueryDatacenterOptions(GoStruct, frozen=True, kw_only=True):
    """Where a query looks when there is nobody here."""

    nearest_n: int = 0
    datacenters: list[str] | None = None


class QueryDNSOptions(GoStruct, frozen=True, kw_only=True):
    """How the DNS answers of a query are made."""

    ttl: str = ""


class QueryTemplateOptions(GoStruct, frozen=True, kw_only=True):
    """Makes a query a template: how names are matched and taken apart."""

    type: str = ""
    regexp: str = ""
    remove_empty_tags: bool = False


class ServiceQuery(GoStruct, frozen=True, kw_only=True):
    """Which instances of which service a query gives."""

    service: str = ""
    failover: QueryDatacenterOptions = QueryDatacenterOptions()
    only_passing: bool = False
    ignore_check_ids: list[str] | None = None
    near: str = ""
    tags: list[str] | None = None
    node_meta: dict[str, str] | None = None
    service_meta: dict[str, str] | None = None
    connect: bool = False


class PreparedQuery(GoStruct, frozen=True, kw_only=True):
    """A stored lookup of a service, under a name or (a template) all names with a prefix."""

    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    name: str = ""
    session: str = ""
    token: str = ""
    template: QueryTemplateOptions = QueryTemplateOptions()
    service: ServiceQuery = ServiceQuery()
    dns: QueryDNSOptions = QueryDNSOptions()
    create_index: int = 0
    modify_index: int = 0


class PreparedQueryRequest(WriteRequest, frozen=True, kw_only=True):
    """Create, change or delete a prepared query."""

    datacenter: str = ""
    op: str = ""
    query: PreparedQuery | None = None


class PreparedQuerySpecificRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for a query by ID."""

    datacenter: str = ""
    query_id: str = ""


class PreparedQueryExecuteRequest(QueryOptions, frozen=True, kw_only=True):
    """Run a query by name or ID."""

    datacenter: str = ""
    query_id_or_name: str = ""
    limit: int = 0
    connect: bool = False
    source: QuerySource = QuerySource()
    agent: QuerySource = QuerySource()


class PreparedQueryExecuteRemoteRequest(QueryOptions, frozen=True, kw_only=True):
    """Run a query of another datacenter here: its failover came to us."""

    datacenter: str = ""
    query: PreparedQuery = PreparedQuery()
    limit: int = 0
    connect: bool = False


class PreparedQueryExecuteResponse(QueryMeta, frozen=True, kw_only=True):
    """Answer: the instances found, where, and after how many failovers."""

    service: str = ""
    nodes: list[CheckServiceNode] | None = None
    dns: QueryDNSOptions = QueryDNSOptions()
    datacenter: str = ""
    failovers: int = 0


class PreparedQueryExplainResponse(QueryMeta, frozen=True, kw_only=True):
    """Answer: what a query becomes for a name, without running it."""

    query: PreparedQuery = PreparedQuery()


class IndexedPreparedQueries(QueryMeta, frozen=True, kw_only=True):
    """Answer: prepared queries."""

    queries: list[PreparedQuery] | None = None
