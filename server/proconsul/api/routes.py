"""THE table: path, verbs, handler, in the order of Consul's documentation.

A path that Consul 1.8.7 knows and this server does not serve yet answers 501 with a text that
says so; api/later.py lists them.
"""

from proconsul.api import catalog, coordinate, event, health, operator, session, status
from proconsul.api.kv import kv
from proconsul.api.later import LATER, not_yet
from proconsul.api.routing import Route
from proconsul.api.snapshot import snapshot
from proconsul.api.surface import ApiHandler
from proconsul.api.txn import txn

SERVED: list[Route[ApiHandler]] = [
    Route("/v1/catalog/register", ("PUT",), catalog.register),
    Route("/v1/catalog/deregister", ("PUT",), catalog.deregister),
    Route("/v1/catalog/connect/", ("GET",), catalog.connect),
    Route("/v1/catalog/datacenters", ("GET",), catalog.datacenters),
    Route("/v1/catalog/gateway-services/", ("GET",), catalog.gateway_services),
    Route("/v1/catalog/node-services/", ("GET",), catalog.node_services),
    Route("/v1/catalog/node/", ("GET",), catalog.node),
    Route("/v1/catalog/nodes", ("GET",), catalog.nodes),
    Route("/v1/catalog/service/", ("GET",), catalog.service),
    Route("/v1/catalog/services", ("GET",), catalog.services),
    Route("/v1/coordinate/datacenters", ("GET",), coordinate.datacenters),
    Route("/v1/coordinate/node/", ("GET",), coordinate.node),
    Route("/v1/coordinate/nodes", ("GET",), coordinate.nodes),
    Route("/v1/coordinate/update", ("PUT",), coordinate.update),
    Route("/v1/event/fire/", ("PUT",), event.fire),
    Route("/v1/event/list", ("GET",), event.list_events),
    Route("/v1/health/checks/", ("GET",), health.checks),
    Route("/v1/health/connect/", ("GET",), health.connect),
    Route("/v1/health/ingress/", ("GET",), health.ingress),
    Route("/v1/health/node/", ("GET",), health.node),
    Route("/v1/health/service/", ("GET",), health.service),
    Route("/v1/health/state/", ("GET",), health.state),
    Route("/v1/kv/", ("GET", "PUT", "DELETE"), kv),
    Route("/v1/operator/raft/configuration", ("GET",), operator.raft_configuration),
    Route("/v1/operator/raft/peer", ("DELETE",), operator.raft_peer),
    Route(
        "/v1/operator/autopilot/configuration", ("GET", "PUT"), operator.autopilot_configuration
    ),
    Route("/v1/operator/autopilot/health", ("GET",), operator.autopilot_health),
    Route("/v1/session/create", ("PUT",), session.create),
    Route("/v1/session/destroy/", ("PUT",), session.destroy),
    Route("/v1/session/info/", ("GET",), session.info),
    Route("/v1/session/list", ("GET",), session.list_all),
    Route("/v1/session/node/", ("GET",), session.of_node),
    Route("/v1/session/renew/", ("PUT",), session.renew),
    Route("/v1/snapshot", ("GET", "PUT"), snapshot),
    Route("/v1/status/leader", ("GET",), status.leader),
    Route("/v1/status/peers", ("GET",), status.peers),
    Route("/v1/txn", ("PUT",), txn),
]
NOT_YET: list[Route[ApiHandler]] = [Route(path, methods, not_yet) for path, methods in LATER]
ROUTES = [*SERVED, *NOT_YET]
