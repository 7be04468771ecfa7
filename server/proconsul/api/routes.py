"""THE table: path, verbs, handler, in the order of Consul's documentation.

A path that Consul 1.8.7 knows and this server does not serve yet answers 501 with a text that
says so; api/later.py lists them.
"""

from proconsul.api import operator, session
from proconsul.api.kv import kv
from proconsul.api.later import LATER, not_yet
from proconsul.api.routing import Route
from proconsul.api.snapshot import snapshot
from proconsul.api.surface import ApiHandler

ROUTES: list[Route[ApiHandler]] = [
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
    *(Route(path, methods, not_yet) for path, methods in LATER),
]
