"""Who may talk to whom."""

from typing import ClassVar

from proconsul.model.query import QueryMeta, QueryOptions, WriteRequest
from proconsul.wire.golang import ZERO_TIME, Time
from proconsul.wire.gostruct import GoStruct


class Intention(GoStruct, frozen=True, kw_only=True):
    """`structs.Intention`."""

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
    """`structs.IntentionRequest`."""

    datacenter: str = ""
    op: str = ""
    intention: Intention | None = None


class IntentionMatchEntry(GoStruct, frozen=True, kw_only=True):
    """`structs.IntentionMatchEntry`."""

    namespace: str = ""
    name: str = ""


class IntentionQueryMatch(GoStruct, frozen=True, kw_only=True):
    """`structs.IntentionQueryMatch`."""

    type: str = ""
    entries: list[IntentionMatchEntry] | None = None


class IntentionQueryCheck(GoStruct, frozen=True, kw_only=True):
    """`structs.IntentionQueryCheck`."""

    source_ns: str = ""
    source_name: str = ""
    destination_ns: str = ""
    destination_name: str = ""
    source_type: str = ""


class IntentionQueryCheckResponse(GoStruct, frozen=True, kw_only=True):
    """`structs.IntentionQueryCheckResponse`."""

    allowed: bool = False


class IntentionQueryRequest(QueryOptions, frozen=True, kw_only=True):
    """`structs.IntentionQueryRequest`."""

    datacenter: str = ""
    intention_id: str = ""
    match: IntentionQueryMatch | None = None
    check: IntentionQueryCheck | None = None


class IndexedIntentions(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedIntentions`."""

    intentions: list[Intention] | None = None


class IndexedIntentionMatches(QueryMeta, frozen=True, kw_only=True):
    """`structs.IndexedIntentionMatches`."""

    matches: list[list[Intention] | None] | None = None
