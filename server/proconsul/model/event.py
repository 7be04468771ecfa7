"""User events."""

from proconsul.model.query import QueryMeta, QueryOptions


class EventFireRequest(QueryOptions, frozen=True, kw_only=True):
    """`structs.EventFireRequest`."""

    datacenter: str = ""
    name: str = ""
    payload: bytes | None = None


class EventFireResponse(QueryMeta, frozen=True, kw_only=True):
    """`structs.EventFireResponse`."""

    pass
