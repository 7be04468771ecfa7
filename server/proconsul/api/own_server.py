"""`/v1/proconsul/`: one server about itself. No Consul has these paths.

- `GET startz`, `livez`, `readyz`: 200, or 503 with the reason, as JSON (api/probes.py). They are
  served without data on a port of their own, too (`ports { probe = N }`).
- `GET raft/local`: its own raft, whatever the others are (model/raft_local.py).
- `GET tls`: the certificate that it uses, and whom it trusts (model/tls_local.py).
- `PUT decommission`: this server leaves the cluster for good, and its process ends. Started again
  it is idle and not ready (`Decommissioned`). 409 if there is no other voter. Once is as good as
  often.
- `DELETE decommission`: the marker goes, and the process ends; started again it joins with a new
  ID. The answer says whether there was a marker: `{"Cleared": bool}`.

A client agent has none of it: 404.
"""

from proconsul.api.failure import HttpError, NotFoundError
from proconsul.api.http import Request, Response
from proconsul.api.probes import PATH, PROBES
from proconsul.api.process import OwnServer
from proconsul.api.reply import Reply
from proconsul.api.surface import Api
from proconsul.errors import RpcError
from proconsul.wire.gostruct import to_json

CONFLICT = 409


async def probe(api: Api, request: Request) -> Reply:
    """`GET /v1/proconsul/startz`, `livez` and `readyz`."""
    verdict = _server(api).probe(request.path.removeprefix(PATH))
    return Reply(verdict.builtins(), status=verdict.status)


async def raft_local(api: Api, request: Request) -> Reply:
    """`GET /v1/proconsul/raft/local`."""
    return Reply(to_json(_server(api).raft_local()))


async def tls_local(api: Api, request: Request) -> Reply:
    """`GET /v1/proconsul/tls`."""
    return Reply(to_json(_server(api).tls_local()))


async def decommission(api: Api, request: Request) -> Reply:
    """`PUT` and `DELETE /v1/proconsul/decommission`."""
    server = _server(api)
    if request.method == "DELETE":
        return Reply({"Cleared": await server.recommission()})
    try:
        await server.decommission()
    except RpcError as refusal:
        raise HttpError(CONFLICT, str(refusal)) from refusal
    return Reply({"Decommissioned": True})


def _server(api: Api) -> OwnServer:
    if api.own_server is None:
        raise NotFoundError("this agent is no server")
    return api.own_server


def probe_port(server: OwnServer, request: Request) -> Response:
    """What the port of the probes answers: they, and nothing else."""
    name = request.path.removeprefix(PATH)
    if not request.path.startswith(PATH) or name not in PROBES:
        return Response.text(404, "")
    if request.method not in ("GET", "HEAD"):
        return Response(405, b"", [("Allow", "GET,HEAD")])
    verdict = server.probe(name)
    return Response.json(verdict.status, verdict.body())
