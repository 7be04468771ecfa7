"""The fields that every request or reply of a kind shares."""

from msgspec import field

from proconsul.wire.golang import Duration
from proconsul.wire.gostruct import GoStruct


class QueryOptions(GoStruct, frozen=True, kw_only=True):
    """What every read may ask for: an index to wait for, a consistency, a filter."""

    token: str = ""
    min_query_index: int = 0
    max_query_time: Duration = Duration(0)
    allow_stale: bool = False
    require_consistent: bool = False
    use_cache: bool = False
    max_stale_duration: Duration = Duration(0)
    max_age: Duration = Duration(0)
    must_revalidate: bool = False
    stale_if_error: Duration = Duration(0)
    filter: str = ""


class QueryMeta(GoStruct, frozen=True, kw_only=True):
    """What every answer to a read says about how fresh it is."""

    index: int = 0
    last_contact: Duration = Duration(0)
    known_leader: bool = False
    consistency_level: str = ""


class WriteRequest(GoStruct, frozen=True, kw_only=True):
    """What every write carries: the token."""

    token: str = ""


class QuerySource(GoStruct, frozen=True, kw_only=True):
    """Who asks, to sort by distance from there."""

    datacenter: str = ""
    segment: str = ""
    node: str = ""
    ip: str = field(default="", name="Ip")


class DCSpecificRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for all of something in a datacenter."""

    datacenter: str = ""
    node_meta_filters: dict[str, str] | None = None
    source: QuerySource = QuerySource()


class DatacentersRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for the names of the datacenters."""
