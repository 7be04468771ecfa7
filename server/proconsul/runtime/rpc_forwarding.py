"""Calls that are served wherever they belong: here, or at the leader (wire/rpc.md section 7).

While nobody leads a call is held, for `rpc_hold_timeout` at the most. It is made again only if it
cannot have been done (NoLeaderError says just that): a write whose outcome is unknown comes back
as what it is, an error that says so, and is never answered with "No cluster leader".
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from proconsul.endpoints.context import Context, Facts
from proconsul.endpoints.forward import (
    Decision,
    Here,
    NotYet,
    Refused,
    Standing,
    There,
    decide,
    reply_type_of,
)
from proconsul.endpoints.methods import Method, Methods, missing_features
from proconsul.errors import NoLeaderError, RpcError
from proconsul.runtime.rpc_client import RpcClient, RpcTransportError, can_retry

JITTER_FRACTION = 16  # of the hold, between two looks for a leader: up to one such part
JITTER_STEPS = 1 << 20
LAST_WORD_S = 1.0  # for an earlier leader to finish what it was asked
LEADER_REPLACED = (
    "rpc error making call: another server leads now, and the one that was asked does not answer: "
    "whether it was done is unknown"
)
_NOT_YET = object()


def _leading(facts: Facts) -> Standing:
    return Standing(
        datacenter=facts.datacenter,
        leads=True,
        leader_address="",
        has_heard_of_a_leader=True,
        primary_datacenter=facts.primary_datacenter,
        missing=missing_features(facts),
    )


class Forwarder:
    """Serves calls of the method table for HTTP and for the RPC port alike."""

    def __init__(
        self, methods: Methods, context: Context, client: RpcClient, leaves: Callable[[], bool]
    ) -> None:
        """`leaves`: whether this server is on its way out of the cluster."""
        self._methods = methods
        self._context = context
        self._client = client
        self._leaves = leaves
        self._facts = context.facts  # of the configuration that `_leading` is about
        self._leading = _leading(context.facts)
        self._reply_types: dict[str, Any] = {}
        self._changed = asyncio.Event()  # set, and replaced, when another server leads
        self._waiting: dict[str, set[asyncio.Future[Any]]] = {}  # by the address that was asked

    def call(self, name: str, request: Any) -> Coroutine[Any, Any, Any]:
        """The reply. Raises ProconsulError: NoLeaderError when nobody led all the time."""
        return self.call_in(self._context, name, request)

    async def call_in(self, context: Context, name: str, request: Any) -> Any:
        """The same; what is served here is served in this context."""
        method = self._methods.find(name)
        world, hold_s = context.world, context.facts.rpc_hold_timeout_s
        until_s = world.now_s() + hold_s
        while True:
            decision = self._decide(method, request)
            # Most calls are served here: in this coroutine, because another one takes its time.
            if isinstance(decision, Here):
                try:
                    return await self._methods.call(context, name, request)
                except NoLeaderError:
                    if method.local:
                        raise  # it says how things are
            else:
                answer = await self._call_elsewhere(decision, name, method, request)
                if answer is not _NOT_YET:
                    return answer
            if world.now_s() >= until_s:
                raise NoLeaderError
            part = world.die(JITTER_STEPS) / JITTER_STEPS
            await self._wait_for_leader(part * hold_s / JITTER_FRACTION)

    async def _wait_for_leader(self, at_most_s: float) -> None:
        """Until another server leads, or the time is over: whoever led may have the call back."""
        changed = self._changed
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await changed.wait()

    async def _call_elsewhere(
        self, decision: There | NotYet | Refused, name: str, method: Method, request: Any
    ) -> Any:
        """The reply, or _NOT_YET if nothing was done and it may be made again."""
        match decision:
            case Refused(failure):
                raise failure
            case There(address):
                try:
                    return await self._call_there(address, name, method, request)
                except RpcError as failure:
                    if not can_retry(failure, is_read=method.read):
                        raise
            case NotYet():
                pass
        return _NOT_YET

    def _decide(self, method: Method, request: Any) -> Decision:
        log, facts = self._context.log, self._context.facts
        if log.is_leader():
            if facts is not self._facts:
                self._facts, self._leading = facts, _leading(facts)
            return decide(method, request, self._leading)
        standing = Standing(
            datacenter=facts.datacenter,
            leads=False,
            leader_address=log.leader_address(),
            has_heard_of_a_leader=log.leader_known() or log.last_contact_ns() > 0,
            leaves=self._leaves(),
            primary_datacenter=facts.primary_datacenter,
            missing=missing_features(facts),
        )
        return decide(method, request, standing)

    async def _call_there(self, address: str, name: str, method: Method, request: Any) -> Any:
        if name not in self._reply_types:
            self._reply_types[name] = reply_type_of(method)
        calling = asyncio.ensure_future(
            self._client.call(address, name, request, self._reply_types[name])
        )
        waiting = self._waiting.setdefault(address, set())
        waiting.add(calling)
        try:
            return await calling
        except asyncio.CancelledError:
            if calling not in waiting:
                raise RpcTransportError(LEADER_REPLACED, sent=True) from None
            raise
        finally:
            calling.cancel()
            waiting.discard(calling)
            if not waiting:
                self._waiting.pop(address, None)

    def leader_changed(self) -> None:
        """Another server leads: who waits for an earlier one is told, if that does not soon.

        It may be frozen or cut off, and its connections would stay open for minutes.
        """
        self._changed.set()
        self._changed = asyncio.Event()
        address = self._context.log.leader_address()
        for earlier in self._waiting.keys() - {address}:
            asyncio.get_running_loop().call_later(LAST_WORD_S, self._give_up, earlier)

    def _give_up(self, address: str) -> None:
        if address == self._context.log.leader_address():
            return  # it is back
        waiting = self._waiting.get(address, set())
        for calling in list(waiting):
            waiting.discard(calling)
            calling.cancel()
