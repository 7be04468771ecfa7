"""User events."""

from proconsul.model.query import QueryMeta, QueryOptions


class EventFireRequest(QueryOptions, frozen=True, kw_only=True):
    """Send a user event to the members."""

    datacenter: str = ""
    name: str = ""
    payload: bytes | None = None


class EventFireResponse(QueryMeta, frozen=True, kw_only=True):
    """Answer to a sent user event."""

    pass
