"""The leader's own node in the catalog: the node, service `consul`, check `serfHealth`.

Sessions and clients rest on them. Texts and fields are those that a real leader writes for a
member that is alive (agent/consul/leader.go); with the gossip pool the same is done for all.
"""

from proconsul.leader.pool import ServerMember
from proconsul.model.catalog import NodeService, RegisterRequest, Weights
from proconsul.model.health import HealthCheck
from proconsul.store import checks, nodes, services
from proconsul.store.transaction import ReadTransaction

SERF_HEALTH = "serfHealth"
SERF_HEALTH_NAME = "Serf Health Status"
ALIVE_OUTPUT = "Agent alive and reachable"
CONSUL_SERVICE = "consul"


def registration(state: ReadTransaction, member: ServerMember) -> RegisterRequest | None:
    """What to write so that the catalog shows this member alive; None if it does."""
    service = _consul_service(member)
    _, node = nodes.get_node(state, member.node)
    if (
        node is not None
        and node.address == member.address
        and node.id == member.node_id
        and _service_is_current(state, member.node, service)
        and _is_alive(state, member.node)
    ):
        return None
    return RegisterRequest(
        datacenter=member.datacenter,
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


def _is_alive(state: ReadTransaction, node: str) -> bool:
    _, check = checks.node_check(state, None, node, SERF_HEALTH)
    return check is not None and check.status == "passing"
