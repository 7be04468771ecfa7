"""`Session.*`: sessions, which own locks."""

from msgspec.structs import replace

from proconsul.endpoints.blocking import blocking_query, check_datacenter, require_leadership
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.endpoints.timing import timed
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType
from proconsul.model.catalog import NodeSpecificRequest
from proconsul.model.session import (
    IndexedSessions,
    Session,
    SessionRequest,
    SessionSpecificRequest,
)
from proconsul.store import sessions
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import HOUR, DurationError, format_duration, parse_duration

TTL_NS_MAX = 24 * HOUR


async def apply(context: Context, request: SessionRequest) -> str:
    """`Session.Apply`: make a session, whose ID it answers, or destroy one."""
    check_datacenter(context, request.datacenter)
    with timed(context, "session.apply"):
        _check(context, request)
        session = request.session
        if not session.behavior:
            session = replace(session, behavior="release")
        if request.op == "create":
            # The ID is no matter for the FSM: every server must make the same.
            session = replace(session, id=_unused_id(context))
        created = await context.log.propose(MessageType.SESSION, replace(request, session=session))
        return created if isinstance(created, str) else ""


async def get(context: Context, request: SessionSpecificRequest) -> IndexedSessions:
    """`Session.Get`: one session, or none."""
    check_datacenter(context, request.datacenter)
    session_id = request.session_id or request.session

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, Session | None]:
        return sessions.get(state, watch, session_id)

    answer = await blocking_query(context, request, query)
    found = None if answer.value is None else [answer.value]
    return answer.reply(IndexedSessions, sessions=found)


async def list_sessions(context: Context, request: SessionSpecificRequest) -> IndexedSessions:
    """`Session.List`: all sessions."""
    check_datacenter(context, request.datacenter)
    answer = await blocking_query(context, request, sessions.list_all)
    return answer.reply(IndexedSessions, sessions=answer.value or None)


async def node_sessions(context: Context, request: NodeSpecificRequest) -> IndexedSessions:
    """`Session.NodeSessions`: the sessions of a node."""
    check_datacenter(context, request.datacenter)

    def query(state: ReadTransaction, watch: WatchSet | None) -> tuple[int, list[Session]]:
        return sessions.of_node(state, watch, request.node)

    answer = await blocking_query(context, request, query)
    return answer.reply(IndexedSessions, sessions=answer.value or None)


async def renew(context: Context, request: SessionSpecificRequest) -> IndexedSessions:
    """`Session.Renew`: the session's time begins anew; none when it is gone."""
    check_datacenter(context, request.datacenter)
    with timed(context, "session.renew"):
        await require_leadership(context)  # its timers may be another's by now
        session_id = request.session_id or request.session
        index, session = sessions.get(context.state.read(), None, session_id)
        if session is None:
            return IndexedSessions(index=index)
        context.session_timers.reset(session.id, session.ttl, context.world.now_s())
        return IndexedSessions(index=index, sessions=[session])


def _check(context: Context, request: SessionRequest) -> None:
    session = request.session
    if not session.id and request.op == "destroy":
        raise RpcError("Must provide ID")
    if not session.node and request.op == "create":
        raise RpcError("Must provide Node")
    if session.behavior not in ("", "release", "delete"):
        raise RpcError(f"Invalid Behavior setting '{session.behavior}'")
    if session.ttl:
        _check_ttl(session.ttl, context.facts.session_ttl_min_ns)


def _check_ttl(text: str, min_ns: int) -> None:
    try:
        ttl_ns = parse_duration(text)
    except DurationError as failure:
        raise RpcError(f"Session TTL '{text}' invalid: {failure}") from None
    if ttl_ns and not min_ns <= ttl_ns <= TTL_NS_MAX:
        bounds = f"[{format_duration(min_ns)}={format_duration(TTL_NS_MAX)}]"
        raise RpcError(f"Invalid Session TTL '{ttl_ns}', must be between {bounds}")


def _unused_id(context: Context) -> str:
    state = context.state.read()
    while True:
        session_id = context.world.new_uuid()
        if sessions.get(state, None, session_id)[1] is None:
            return session_id


METHODS = {
    "Session.Apply": Method(SessionRequest, apply, answers=str),
    "Session.Get": Method(SessionSpecificRequest, get, read=True, answers=IndexedSessions),
    "Session.List": Method(
        SessionSpecificRequest, list_sessions, read=True, answers=IndexedSessions
    ),
    "Session.NodeSessions": Method(
        NodeSpecificRequest, node_sessions, read=True, answers=IndexedSessions
    ),
    "Session.Renew": Method(SessionSpecificRequest, renew, answers=IndexedSessions),
}
