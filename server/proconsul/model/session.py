"""Sessions."""

from typing import ClassVar

from proconsul.model.query import QueryMeta, QueryOptions, WriteRequest
from proconsul.wire.golang import Duration
from proconsul.wire.gostruct import GoStruct


class ServiceCheck(GoStruct, frozen=True, kw_only=True):
    """A check of a service that a session depends on."""

    id: str = ""
    namespace: str = ""


class Session(GoStruct, frozen=True, kw_only=True):
    """What locks are held by: it ends with its node, its checks or its time."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"checks"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    name: str = ""
    node: str = ""
    lock_delay: Duration = Duration(0)
    behavior: str = ""
    ttl: str = ""
    node_checks: list[str] | None = None
    service_checks: list[ServiceCheck] | None = None
    checks: list[str] | None = None
    create_index: int = 0
    modify_index: int = 0


class SessionRequest(WriteRequest, frozen=True, kw_only=True):
    """Create or destroy a session."""

    datacenter: str = ""
    op: str = ""
    session: Session = Session()


class SessionSpecificRequest(QueryOptions, frozen=True, kw_only=True):
    """Ask for a session, or renew it."""

    datacenter: str = ""
    session_id: str = ""
    session: str = ""


class IndexedSessions(QueryMeta, frozen=True, kw_only=True):
    """Answer: sessions."""

    sessions: list[Session] | None = None
