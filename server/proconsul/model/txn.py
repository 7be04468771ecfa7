"""Transactions."""

from typing import ClassVar

from proconsul.model.catalog import Node, NodeService
from proconsul.model.health import HealthCheck
from proconsul.model.intention import Intention
from proconsul.model.kv import DirEntry
from proconsul.model.query import QueryMeta, QueryOptions, WriteRequest
from proconsul.model.session import Session
from proconsul.wire.gostruct import GoStruct


class TxnKVOp(GoStruct, frozen=True, kw_only=True):
    """A transaction's operation on a key."""

    verb: str = ""
    dir_ent: DirEntry = DirEntry()


class TxnNodeOp(GoStruct, frozen=True, kw_only=True):
    """A transaction's operation on a node."""

    verb: str = ""
    node: Node = Node()


class TxnServiceOp(GoStruct, frozen=True, kw_only=True):
    """A transaction's operation on a service."""

    verb: str = ""
    node: str = ""
    service: NodeService = NodeService()


class TxnCheckOp(GoStruct, frozen=True, kw_only=True):
    """A transaction's operation on a check."""

    verb: str = ""
    check: HealthCheck = HealthCheck()


class TxnSessionOp(GoStruct, frozen=True, kw_only=True):
    """A transaction's operation on a session."""

    verb: str = ""
    session: Session = Session()


class TxnIntentionOp(WriteRequest, frozen=True, kw_only=True):
    """A transaction's operation on an intention."""

    datacenter: str = ""
    op: str = ""
    intention: Intention | None = None


class TxnOp(GoStruct, frozen=True, kw_only=True):
    """One operation of a transaction: exactly one of its fields is set."""

    kv: TxnKVOp | None = None
    intention: TxnIntentionOp | None = None
    node: TxnNodeOp | None = None
    service: TxnServiceOp | None = None
    check: TxnCheckOp | None = None
    session: TxnSessionOp | None = None


class TxnError(GoStruct, frozen=True, kw_only=True):
    """Which operation of a transaction failed, and why."""

    op_index: int = 0
    what: str = ""


class TxnResult(GoStruct, frozen=True, kw_only=True):
    """What one operation of a transaction gave: one of its fields is set."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"kv", "node", "service", "check"})

    kv: DirEntry | None = None
    node: Node | None = None
    service: NodeService | None = None
    check: HealthCheck | None = None


class TxnRequest(WriteRequest, frozen=True, kw_only=True):
    """A transaction: all of its operations at one index, or none."""

    datacenter: str = ""
    ops: list[TxnOp] | None = None


class TxnReadRequest(QueryOptions, frozen=True, kw_only=True):
    """A transaction that only reads, and does not go through the log."""

    datacenter: str = ""
    ops: list[TxnOp] | None = None


class TxnResponse(GoStruct, frozen=True, kw_only=True):
    """Answer: what the operations gave, or why none was done."""

    results: list[TxnResult] | None = None
    errors: list[TxnError] | None = None


class TxnReadResponse(QueryMeta, frozen=True, kw_only=True):
    """Answer to a transaction that only reads."""

    results: list[TxnResult] | None = None
    errors: list[TxnError] | None = None
