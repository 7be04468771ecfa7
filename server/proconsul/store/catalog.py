"""Registrations: a node, a service and checks in one command (wire/fsm.md section 3)."""

from proconsul.errors import RpcError
from proconsul.model.catalog import DeregisterRequest, Node, RegisterRequest
from proconsul.model.health import HealthCheck
from proconsul.store import checks, nodes, services
from proconsul.store.keys import folded, lower
from proconsul.store.same import same_node, same_node_service
from proconsul.store.schema import NODES, SERVICES
from proconsul.store.transaction import WriteTransaction
from proconsul.wire.golang import quote


def register(txn: WriteTransaction, request: RegisterRequest) -> None:
    """Register what the request names; what is unchanged is not written.

    Raises RpcError when any part is refused; parts before it may have been written.
    """
    _register(txn, request, restoring=False)


def restore_registration(txn: WriteTransaction, request: RegisterRequest) -> None:
    """Take a registration from a snapshot, with the indexes that are in it.

    What has none gets the transaction's index, which is the snapshot's last one.
    """
    _register(txn, request, restoring=True)


def _register(txn: WriteTransaction, request: RegisterRequest, *, restoring: bool) -> None:
    node = Node(
        id=request.id,
        node=request.node,
        address=request.address,
        datacenter=request.datacenter,
        tagged_addresses=request.tagged_addresses,
        meta=request.node_meta,
        create_index=request.create_index if restoring else 0,
        modify_index=request.modify_index if restoring else 0,
    )
    existing = txn.row(NODES, folded(request.node))
    if existing is None or (not request.skip_node_update and not same_node(node, existing)):
        try:
            nodes.ensure_node(txn, node, restoring=restoring)
        except RpcError as failure:
            raise RpcError(f"failed inserting node: {failure}") from failure

    service = request.service
    if service is not None:
        row = txn.row(SERVICES, folded(request.node, service.id))
        if row is None or not same_node_service(services.to_node_service(row), service):
            try:
                services.ensure_service(txn, request.node, service, restoring=restoring)
            except RpcError as failure:
                raise RpcError(f"failed inserting service: {failure}") from failure

    if request.check is not None:
        _register_check(txn, request.node, request.check, restoring=restoring)
    for check in request.checks or ():
        _register_check(txn, request.node, check, restoring=restoring)


def _register_check(
    txn: WriteTransaction, node: str, check: HealthCheck, *, restoring: bool
) -> None:
    # A node that changed the case of its name keeps checks of the old spelling; 1.8.7 cannot
    # restore the snapshots that it then writes, but nothing is gained by failing, too.
    if check.node != node and not (restoring and lower(check.node) == lower(node)):
        raise RpcError(f"check node {quote(check.node)} does not match node {quote(node)}")
    try:
        checks.ensure_check(txn, check, restoring=restoring)
    except RpcError as failure:
        raise RpcError(
            f"failed inserting check: {failure} on node {quote(check.node)}"
        ) from failure


def deregister(txn: WriteTransaction, request: DeregisterRequest) -> None:
    """Remove a service, else a check, else the node; what is not there is no matter."""
    if request.service_id:
        services.delete_service(txn, request.node, request.service_id)
    elif request.check_id:
        checks.delete_check(txn, request.node, request.check_id)
    else:
        nodes.delete_node(txn, request.node)
