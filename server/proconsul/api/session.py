"""`/v1/session/`: make, renew, destroy and read sessions (agent/session_endpoint.go)."""

from msgspec.structs import replace

from proconsul.api.failure import BadRequestError, NotFoundError
from proconsul.api.http import Request
from proconsul.api.options import (
    parse_datacenter,
    parse_options,
    parse_token,
    refuse_namespaces,
)
from proconsul.api.reading import read
from proconsul.api.reply import TRUE, Reply
from proconsul.api.surface import Api
from proconsul.model.catalog import NodeSpecificRequest
from proconsul.model.session import (
    IndexedSessions,
    Session,
    SessionRequest,
    SessionSpecificRequest,
)
from proconsul.wire.golang import SECOND, Duration
from proconsul.wire.gostruct import to_json
from proconsul.wire.json_decode import BodyError

SERF_HEALTH = "serfHealth"
LOCK_DELAY_DEFAULT = Duration(15 * SECOND)
LOCK_DELAY_IN_SECONDS_BELOW = 1000  # a bare number below this is meant in seconds


async def create(api: Api, request: Request) -> Reply:
    """`PUT /v1/session/create`."""
    datacenter = parse_datacenter(request, api.facts.datacenter)
    refuse_namespaces(request)
    session = Session(
        node=api.facts.node_name,
        node_checks=[SERF_HEALTH],
        checks=[SERF_HEALTH],
        lock_delay=LOCK_DELAY_DEFAULT,
        behavior="release",
    )
    if request.content_length > 0:
        session = _from_body(api, request, session)
    created: str = await api.call(
        "Session.Apply",
        SessionRequest(
            datacenter=datacenter,
            op="create",
            session=_without_double_checks(session),
            token=parse_token(request),
        ),
    )
    return Reply({"ID": created})


def _from_body(api: Api, request: Request, defaults: Session) -> Session:
    try:
        session = api.decoder.update(defaults, request.body)
    except BodyError as failure:
        raise BadRequestError(f"Request decode failed: {failure}") from failure
    if session.lock_delay < LOCK_DELAY_IN_SECONDS_BELOW:
        session = replace(session, lock_delay=Duration(session.lock_delay * SECOND))
    return session


def _without_double_checks(session: Session) -> Session:
    """`Checks` is the older spelling of `NodeChecks`: one of the two goes to the log."""
    if not session.checks:
        return replace(session, node_checks=[])
    if session.checks == [SERF_HEALTH] or not session.node_checks:
        return replace(session, checks=None)
    return session


async def destroy(api: Api, request: Request) -> Reply:
    """`PUT /v1/session/destroy/:id`; an unknown one is no error."""
    datacenter = parse_datacenter(request, api.facts.datacenter)
    refuse_namespaces(request)
    session_id = _required(request, "/v1/session/destroy/", "Missing session")
    await api.call(
        "Session.Apply",
        SessionRequest(
            datacenter=datacenter,
            op="destroy",
            session=Session(id=session_id),
            token=parse_token(request),
        ),
    )
    return TRUE


async def renew(api: Api, request: Request) -> Reply:
    """`PUT /v1/session/renew/:id`; 404 when it is gone."""
    wanted = _wanted_session(api, request, "/v1/session/renew/")
    found: IndexedSessions = await api.call("Session.Renew", wanted)
    if found.sessions is None:
        raise NotFoundError(f"Session id '{wanted.session_id}' not found")
    return Reply([to_json(session) for session in found.sessions])


async def info(api: Api, request: Request) -> Reply:
    """`GET /v1/session/info/:id`; an empty list when there is none."""
    wanted = _wanted_session(api, request, "/v1/session/info/")
    return _list(await read(api, "Session.Get", wanted))


async def list_all(api: Api, request: Request) -> Reply:
    """`GET /v1/session/list`."""
    options = parse_options(request)
    refuse_namespaces(request)
    datacenter = parse_datacenter(request, api.facts.datacenter)
    wanted = SessionSpecificRequest(datacenter=datacenter, **options)
    return _list(await read(api, "Session.List", wanted))


async def of_node(api: Api, request: Request) -> Reply:
    """`GET /v1/session/node/:node`."""
    options = parse_options(request)
    refuse_namespaces(request)
    node = _required(request, "/v1/session/node/", "Missing node name")
    datacenter = parse_datacenter(request, api.facts.datacenter)
    wanted = NodeSpecificRequest(datacenter=datacenter, node=node, **options)
    return _list(await read(api, "Session.NodeSessions", wanted))


def _wanted_session(api: Api, request: Request, prefix: str) -> SessionSpecificRequest:
    options = parse_options(request)
    refuse_namespaces(request)
    session_id = _required(request, prefix, "Missing session")
    datacenter = parse_datacenter(request, api.facts.datacenter)
    return SessionSpecificRequest(
        datacenter=datacenter, session_id=session_id, session=session_id, **options
    )


def _required(request: Request, prefix: str, text: str) -> str:
    name = request.path[len(prefix) :]
    if not name:
        raise BadRequestError(text)
    return name


def _list(found: IndexedSessions) -> Reply:
    return Reply([to_json(session) for session in found.sessions or ()], found)
