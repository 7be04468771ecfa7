"""Who may talk to whom."""

from typing import ClassVar

from proconsul.model.query import QueryMeta, QueryOptions, WriteRequest
from proconsul.wire.golang import ZERO_TIME, Time
from proconsul.wire.gostruct import GoStruct


class Intention(GoStruct, frozen=True, kw_only=True):
    """Whether a service may call another."""

    filter_skip: ClassVar[frozenset[str]] = frozenset(
        {"created_at", "updated_at", "hash", "create_index", "modify_index"}
    )

    id: str = ""
    description: str = ""
    source_ns: str = ""
    source_name: str = ""
    destination_ns: str = ""
    destination_name: str = ""
    source_type: str = ""
    action: str = ""
    default_addr: str = ""
    default_port: int = 0
    meta: dict[str, str] | None = None
    precedence: int = 0
    created_at: Time = ZERO_TIME
    updated_at: Time = ZERO_TIME
    hash: bytes | None = None
    create_index: int = 0
    modify_index: int = 0


class IntentionRequest(WriteRequest, frozen=True, kw_only=True):
    """Create, change or delete an intention."""

    datacenter: str = ""
    op: str = ""
    intention: Intention | None = None


class IntentionMatchEntry(GoStruct, frozen=True, kw_only=True):
    """A source or destination to match."""

    namespace: str = ""
    name: str = ""


class IntentionQueryMatch(GoStruct, frozen=True, kw_only=True):
    """Ask which intentions concern some sources, or some destinations."""

    type: str = ""
    entries: list[IntentionMatchEntry] | None = None


class IntentionQueryCheck(GoStruct, frozen=True, kw_only=True):
    """Ask whether one service may call another."""

    source_ns: str = ""
    source_name: str = ""
    destination_ns: str = ""
    destination_name: str = ""
    source_type: str = ""


class IntentionQueryCheckResponse(GoStruct, frozen=True, kw_only=True):
    """Answer: whether it may."""

    allowed: bool = False


class IntentionQueryRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for an intention by ID, by match or for a check."""

    datacenter: str = ""
    intention_id: str = ""
    match: IntentionQueryMatch | None = None
    check: IntentionQueryCheck | None = None


class IndexedIntentions(QueryMeta, frozen=True, kw_only=True):
    """Answer: intentions."""

    intentions: list[Intention] | None = None


class IndexedIntentionMatches(QueryMeta, frozen=True, kw_only=True):
    """Answer: for each entry asked for, its intentions by precedence."""

    matches: list[list[Intention] | None] | None = None
