"""`Txn.*`: several operations that all happen, or none."""

from collections.abc import Iterable

from msgspec.structs import replace

from proconsul.endpoints.blocking import check_datacenter, require_leadership
from proconsul.endpoints.catalog_checks import check_node, checked_service, named_check
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.endpoints.timing import timed
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType
from proconsul.model.txn import (
    TxnError,
    TxnKVOp,
    TxnOp,
    TxnReadRequest,
    TxnReadResponse,
    TxnRequest,
    TxnResponse,
)
from proconsul.store import txn
from proconsul.wire.golang import Duration, quote

GET = "get"


async def apply(context: Context, request: TxnRequest) -> TxnResponse:
    """`Txn.Apply`: through the log; errors are part of the answer, not an RPC error."""
    check_datacenter(context, request.datacenter)
    with timed(context, "txn.apply"):
        ops, errors = _before_log(context, request.ops or ())
        if errors:
            return TxnResponse(errors=errors)
        answer = await context.log.propose(MessageType.TXN, replace(request, ops=ops))
        assert isinstance(answer, TxnResponse), "that is what the state machine makes of it"
        return answer


async def read(context: Context, request: TxnReadRequest) -> TxnReadResponse:
    """`Txn.Read`: operations that change nothing; not through the log, and without waiting."""
    check_datacenter(context, request.datacenter)
    with timed(context, "txn.read"):
        log = context.log
        leading = log.is_leader()
        if request.require_consistent:
            await log.confirm_leadership()
        else:
            await require_leadership(context, stale=request.allow_stale)
        results = None
        ops, errors = _before_log(context, request.ops or ())
        if not errors:
            results, failed = txn.read_ops(context.state.read(), ops)
            errors = failed or []
        return TxnReadResponse(
            results=results,
            errors=errors or None,
            last_contact=Duration(0 if leading else log.last_contact_ns()),
            known_leader=leading or log.leader_known(),
        )


def _before_log(context: Context, ops: Iterable[TxnOp]) -> tuple[list[TxnOp], list[TxnError]]:
    """(the operations with what was missing filled in, what only the leader can refuse)."""
    checked: list[TxnOp] = []
    errors: list[TxnError] = []
    for at, op in enumerate(ops):
        try:
            checked.append(_checked(context, op))
        except RpcError as failure:
            errors.append(TxnError(op_index=at, what=str(failure)))
    return checked, errors


def _checked(context: Context, op: TxnOp) -> TxnOp:
    if op.kv is not None:
        _check_key(context, op.kv)
    elif op.node is not None and op.node.verb != GET:
        check_node(op.node.node.node, op.node.node.id)
    elif op.service is not None and op.service.verb != GET:
        service = checked_service(op.service.service)
        return replace(op, service=replace(op.service, service=service))
    elif op.check is not None and op.check.verb != GET:
        return replace(op, check=replace(op.check, check=named_check(op.check.check)))
    return op


def _check_key(context: Context, op: TxnKVOp) -> None:
    key = op.dir_ent.key
    if not key and op.verb != "delete-tree":
        raise RpcError("Must provide key")
    if op.verb == "lock" and context.lock_delays.delayed(key, context.world.now_s()):
        raise RpcError(f"failed to lock key {quote(key)} due to lock delay")


METHODS = {
    "Txn.Apply": Method(TxnRequest, apply),
    "Txn.Read": Method(TxnReadRequest, read, read=True),
}
