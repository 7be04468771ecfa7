"""The pool's members in the catalog: the node, check `serfHealth`, and a server's `consul`.

Sessions and clients rest on them. Texts and fields are those that a real leader writes for a
member that is alive or failed (agent/consul/leader.go). Who has left is taken out, and so is a
node that has a `serfHealth` and is no member any more; nodes without one are somebody else's.
"""

from collections.abc import Collection, Iterable

from proconsul.leader.pool import LanMember, ServerMember, Status
from proconsul.model.catalog import DeregisterRequest, NodeService, RegisterRequest, Weights
from proconsul.model.health import HealthCheck
from proconsul.store import checks, nodes, services
from proconsul.store.transaction import ReadTransaction

SERF_HEALTH = "serfHealth"
SERF_HEALTH_NAME = "Serf Health Status"
ALIVE_OUTPUT = "Agent alive and reachable"
FAILED_OUTPUT = "Agent not live or unreachable"
CONSUL_SERVICE = "consul"


def as_member(server: ServerMember) -> LanMember:
    """A server that is alive, as a member."""
    return LanMember(
        node=server.node,
        node_id=server.node_id,
        address=server.address,
        status=Status.ALIVE,
        server=server,
    )


def due(
    state: ReadTransaction, me: ServerMember, members: Iterable[LanMember]
) -> list[RegisterRequest | DeregisterRequest]:
    """What to write so that the catalog shows how these members are.

    `me` is this server, which is alive whatever the pool says.
    """
    commands: list[RegisterRequest | DeregisterRequest] = []
    for member in members:
        wanted: RegisterRequest | DeregisterRequest | None = None
        if member.node_id == me.node_id or member.node == me.node:
            commands += registration(state, me.datacenter, as_member(me))
        elif member.status is Status.ALIVE:
            commands += registration(state, me.datacenter, member)
        elif member.status is Status.FAILED:
            wanted = failure(state, me.datacenter, member)
        elif member.status is Status.LEFT:
            wanted = departure(state, me.datacenter, member)
        commands += [wanted] if wanted is not None else []
    return commands


def forgotten(
    state: ReadTransaction, datacenter: str, names: Collection[str]
) -> list[DeregisterRequest]:
    """What takes out the nodes that were members, and are none of these any more."""
    known = {name.lower() for name in names}
    _, found = nodes.list_nodes(state, None)
    return [
        DeregisterRequest(datacenter=datacenter, node=node.node)
        for node in found
        if node.node.lower() not in known and _has_check(state, node.node)
    ]


def departure(
    state: ReadTransaction, datacenter: str, member: LanMember
) -> DeregisterRequest | None:
    """What takes a member out that has left; None if it is not there, or another has its name."""
    _, node = nodes.get_node(state, member.node)
    if node is None or node.id not in ("", member.node_id):
        return None
    return DeregisterRequest(datacenter=datacenter, node=member.node)


def registration(
    state: ReadTransaction, datacenter: str, member: LanMember
) -> list[RegisterRequest]:
    """What to write, in this order, so that the catalog shows this member alive; [] if it does.

    A name in the catalog that belongs to another ID is kept for it as long as that lives. Where
    the name lives under a new one, it does not: it lost its disk and was back before anybody
    missed it, or the state came from a snapshot of other servers.
    """
    wanted = _registration(state, datacenter, member)
    if wanted is None:
        return []
    _, node = nodes.get_node(state, member.node)
    if node is None or node.id in ("", member.node_id):
        return [wanted]
    if not _has_check(state, member.node) or _has_status(state, member.node, "critical"):
        return [wanted]
    return [_critical(datacenter, node.node, node.id, node.address), wanted]


def _registration(
    state: ReadTransaction, datacenter: str, member: LanMember
) -> RegisterRequest | None:
    service = None if member.server is None else _consul_service(member.server)
    _, node = nodes.get_node(state, member.node)
    if (
        node is not None
        and node.address == member.address
        and node.id == member.node_id
        and (service is None or _service_is_current(state, member.node, service))
        and _has_status(state, member.node, "passing")
    ):
        return None
    return RegisterRequest(
        datacenter=datacenter,
        node=member.node,
        id=member.node_id,
        address=member.address,
        service=service,
        check=HealthCheck(
            node=member.node,
            check_id=SERF_HEALTH,
            name=SERF_HEALTH_NAME,
            status="passing",
            output=ALIVE_OUTPUT,
        ),
        tagged_addresses=None if node is None else node.tagged_addresses,
        node_meta=None if node is None else node.meta,
    )


def failure(state: ReadTransaction, datacenter: str, member: LanMember) -> RegisterRequest | None:
    """What to write so that the catalog shows this member failed; None if it does, or lacks it."""
    _, node = nodes.get_node(state, member.node)
    if node is None or _has_status(state, member.node, "critical"):
        return None
    return _critical(datacenter, member.node, member.node_id, member.address)


def _critical(datacenter: str, node: str, node_id: str, address: str) -> RegisterRequest:
    return RegisterRequest(
        datacenter=datacenter,
        node=node,
        id=node_id,
        address=address,
        check=HealthCheck(
            node=node,
            check_id=SERF_HEALTH,
            name=SERF_HEALTH_NAME,
            status="critical",
            output=FAILED_OUTPUT,
        ),
        skip_node_update=True,
    )


def _consul_service(member: ServerMember) -> NodeService:
    low, high, current = member.serf_protocol
    return NodeService(
        id=CONSUL_SERVICE,
        service=CONSUL_SERVICE,
        port=member.rpc_port,
        weights=Weights(passing=1, warning=1),
        meta={
            "non_voter": "true" if member.non_voter else "false",
            "raft_version": str(member.raft_version),
            "serf_protocol_current": str(current),
            "serf_protocol_max": str(high),
            "serf_protocol_min": str(low),
            "version": member.version,
        },
    )


def _service_is_current(state: ReadTransaction, node: str, wanted: NodeService) -> bool:
    _, service = services.node_service(state, node, CONSUL_SERVICE)
    return service is not None and service.meta == wanted.meta and service.port == wanted.port


def _has_check(state: ReadTransaction, node: str) -> bool:
    return checks.node_check(state, None, node, SERF_HEALTH)[1] is not None


def _has_status(state: ReadTransaction, node: str, status: str) -> bool:
    _, check = checks.node_check(state, None, node, SERF_HEALTH)
    return check is not None and check.status == status
