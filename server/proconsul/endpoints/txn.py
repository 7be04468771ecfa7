"""`Txn.*`: several operations that all happen, or none."""

from collections.abc import Iterable

from msgspec.structs import replace

from proconsul.endpoints.blocking import check_datacenter
from proconsul.endpoints.catalog_checks import checked_txn_op
from proconsul.endpoints.context import Context
from proconsul.endpoints.kv import refusal_before_log
from proconsul.endpoints.methods import Method
from proconsul.endpoints.timing import timed
from proconsul.fsm.commands import MessageType
from proconsul.model.txn import (
    TxnError,
    TxnOp,
    TxnReadRequest,
    TxnReadResponse,
    TxnRequest,
    TxnResponse,
)
from proconsul.store import txn
