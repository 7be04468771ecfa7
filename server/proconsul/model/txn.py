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
    """`structs.TxnKVOp`."""

    verb: str = ""
    dir_ent: DirEntry = DirEntry()


class TxnNodeOp(GoStruct, frozen=True, kw_only=True):
    """`structs.TxnNodeOp`."""

    verb: str = ""
    node: Node = Node()


class TxnServiceOp(GoStruct, frozen=True, kw_only=True):
    """`structs.TxnServiceOp`."""

    verb: str = ""
    node: str = ""
    service: NodeService = NodeService()


class TxnCheckOp(GoStruct, frozen=True, kw_only=True):
    """`structs.TxnCheckOp`."""

    verb: str = ""
    check: HealthCheck = HealthCheck()


class TxnSessionOp(GoStruct, frozen=True, kw_only=True):
    """`structs.TxnSessionOp`."""

    verb: str = ""
    session: Session = Session()


class TxnIntentionOp(WriteRequest, frozen=True, kw_only=True):
    """`structs.TxnIntentionOp`."""

    datacenter: str = ""
    op: str = ""
    intention: Intention | None = None


class TxnOp(GoStruct, frozen=True, kw_only=True):
    """`structs.TxnOp`."""

    kv: TxnKVOp | None = None
    intention: TxnIntentionOp | None = None
    node: TxnNodeOp | None = None
    service: TxnServiceOp | None = None
    check: TxnCheckOp | None = None
    session: TxnSessionOp | None = None


class TxnError(GoStruct, frozen=True, kw_only=True):
    """`structs.TxnError`."""

    op_index: int = 0
    what: str = ""


class TxnResult(GoStruct, frozen=True, kw_only=True):
    """`structs.TxnResult`."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"kv", "node", "service", "check"})

    kv: DirEntry | None = None
    node: Node | None = None
    service: NodeService | None = None
    check: HealthCheck | None = None


class TxnRequest(WriteRequest, frozen=True, kw_only=True):
    """`structs.TxnRequest`."""

    datacenter: str = ""
    ops: list[TxnOp] | None = None


class TxnReadRequest(QueryOptions, frozen=True, kw_only=True):
    """`structs.TxnReadRequest`."""

    datacenter: str = ""
    ops: list[TxnOp] | None = None


class TxnResponse(GoStruct, frozen=True, kw_only=True):
    """`structs.TxnResponse`."""

    results: list[TxnResult] | None = None
    errors: list[TxnError] | None = None


class TxnReadResponse(QueryMeta, frozen=True, kw_only=True):
    """`structs.TxnReadResponse`."""

    results: list[TxnResult] | None = None
    errors: list[TxnError] | None = None
