"""THE table: path, verbs, handler, in the order of Consul's documentation.

A path that Consul 1.8.7 knows and this server does not serve yet answers 501 with a text that
says so; api/later.py lists them.
"""

from proconsul.api import (
    agent,
    agent_checks,
    agent_health,
    agent_services,
    catalog,
    config,
    coordinate,
    event,
    health,
    keyring,
    metrics,
    operator,
    session,
    status,
)
from proconsul.api.kv import kv
from proconsul.api.later import LATER, not_yet
from proconsul.api.routing import Route
from proconsul.api.snapshot import snapshot
from proconsul.api.surface import ApiHandler
from proconsul.api.txn import txn

SERVED: list[Route[ApiHandler]] = [
    Route("/v1/agent/token/", ("PUT",), agent.token),
    Route("/v1/agent/self", ("GET",), agent.own_self),
    Route("/v1/agent/host", ("GET",), agent.host),
    Route("/v1/agent/maintenance", ("PUT",), agent_services.node_maintenance),
    Route("/v1/agent/reload", ("PUT",), agent.reload),
    Route("/v1/agent/monitor", ("GET",), agent.monitor),
    Route("/v1/agent/metrics", ("GET",), metrics.metrics),
    Route("/v1/agent/services", ("GET",), agent_services.services),
    Route("/v1/agent/service/", ("GET",), agent_services.service),
    Route("/v1/agent/checks", ("GET",), agent_checks.checks),
    Route("/v1/agent/members", ("GET",), agent.members),
    Route("/v1/agent/join/", ("PUT",), agent.join),
    Route("/v1/agent/leave", ("PUT",), agent.leave),
    Route("/v1/agent/force-leave/", ("PUT",), agent.force_leave),
    Route("/v1/agent/health/service/id/", ("GET",), agent_health.by_id),
    Route("/v1/agent/health/service/name/", ("GET",), agent_health.by_name),
    Route("/v1/agent/check/register", ("PUT",), agent_checks.register),
    Route("/v1/agent/check/deregister/", ("PUT",), agent_checks.deregister),
    Route("/v1/agent/check/pass/", ("PUT",), agent_checks.passes),
    Route("/v1/agent/check/warn/", ("PUT",), agent_checks.warns),
    Route("/v1/agent/check/fail/", ("PUT",), agent_checks.fails),
    Route("/v1/agent/check/update/", ("PUT",), agent_checks.update),
    Route("/v1/agent/service/register", ("PUT",), agent_services.register),
    Route("/v1/agent/service/deregister/", ("PUT",), agent_services.deregister),
    Route("/v1/agent/service/maintenance/", ("PUT",), agent_services.maintenance),
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
    Route("/v1/config/", ("GET", "DELETE"), config.entry_or_kind),
    Route("/v1/config", ("PUT",), config.apply),
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
    Route("/v1/operator/keyring", tuple(keyring.OPERATIONS), keyring.keyring),
    Route("/v1/operator/raft/configuration", ("GET",), operator.raft_configuration),
    Route("/v1/operator/raft/peer", ("DELETE",), operator.raft_peer),
    Route("/v1/operator/raft/transfer-leader", ("POST",), operator.raft_transfer_leader),
    Route("/v1/operator/autopilot/configuration", ("GET", "PUT"), operator.autopilot_configuration),
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
