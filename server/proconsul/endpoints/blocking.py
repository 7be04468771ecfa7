"""The long poll: run the query, and again whenever what it read has changed.

After wire/rpc.md section 7: a query with an index waits until its own index is beyond that one;
the time is over after `max_query_time`, with a random sixteenth added; time over is no error.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from proconsul.endpoints.context import Context, Woken
from proconsul.endpoints.timing import timed
from proconsul.errors import RpcError
from proconsul.model.query import QueryMeta, QueryOptions
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet
from proconsul.wire.golang import SECOND, Duration

T = TypeVar("T")
R = TypeVar("R", bound=QueryMeta)
JITTER_FRACTION = 16


class Answer(Generic[T]):
    """What a query found, and how it was found."""

    __slots__ = ("index", "known_leader", "last_contact", "value")

    def __init__(self, index: int, value: T, last_contact: Duration, known_leader: bool) -> None:
        self.index = index
        self.value = value
        self.last_contact = last_contact
        self.known_leader = known_leader

    def reply(self, reply_type: type[R], **fields: Any) -> R:
        """The RPC reply with the common fields filled in."""
        return reply_type(
            index=self.index,
            last_contact=self.last_contact,
            known_leader=self.known_leader,
            **fields,
        )


Query = Callable[[ReadTransaction, WatchSet | None], tuple[int, T]]


async def blocking_query(context: Context, options: QueryOptions, query: Query[T]) -> Answer[T]:
    """Run `query` until its index is beyond `options.min_query_index`, or time is over."""
    context.telemetry.count("rpc.query")
    if options.min_query_index == 0:
        if not options.require_consistent and _may_answer(context, options.allow_stale):
            return _found(context, query, None)  # most reads: no coroutine more
        return await _run_once(context, options, query, None)
    until_s = context.world.now_s() + patience_s(context, options.max_query_time)
    telemetry = context.telemetry
    telemetry.blocking_queries += 1
    try:
        while True:
            watch = WatchSet()
            answer = await _run_once(context, options, query, watch)
            if answer.index > options.min_query_index:
                return answer
            woken = await context.world.wait(watch, until_s)
            if woken is not Woken.CHANGED:
                # Who answers after the wait must still be the one to ask.
                await require_leadership(context, stale=options.allow_stale)
                return answer
    finally:
        telemetry.blocking_queries -= 1


async def _run_once(
    context: Context, options: QueryOptions, query: Query[T], watch: WatchSet | None
) -> Answer[T]:
    if options.require_consistent:
        with timed(context, "rpc.consistentRead"):
            await context.log.confirm_leadership()
    else:
        await require_leadership(context, stale=options.allow_stale)
    return _found(context, query, watch)


def _found(context: Context, query: Query[T], watch: WatchSet | None) -> Answer[T]:
    index, value = query(context.state.read(), watch)
    log = context.log
    leading = log.is_leader()
    return Answer(
        max(index, 1),
        value,
        Duration(0 if leading else log.last_contact_ns()),
        leading or log.leader_known(),
    )


async def require_leadership(context: Context, *, stale: bool = False) -> None:
    """For the default mode: this server's lease holds at this moment, or it is confirmed anew.

    Raises NoLeaderError, NotReadyError: then another server must be asked.
    """
    if not _may_answer(context, stale):
        await context.log.confirm_leadership()


def _may_answer(context: Context, stale: bool) -> bool:
    return stale or context.log.may_read_by_lease()


def check_datacenter(context: Context, datacenter: str) -> None:
    """Raises RpcError unless the request is for this datacenter."""
    if datacenter != context.facts.datacenter:
        raise RpcError("No path to datacenter")


def patience_s(context: Context, max_query_time: Duration) -> float:
    """How long a query waits that asked for that, or for nothing; a random part is added."""
    asked_s = max_query_time / SECOND
    facts = context.facts
    patience_s = min(asked_s, facts.max_query_time_s) if asked_s > 0 else facts.default_query_time_s
    jitter = context.world.die(1 << 20) / (1 << 20)
    return patience_s + jitter * patience_s / JITTER_FRACTION
