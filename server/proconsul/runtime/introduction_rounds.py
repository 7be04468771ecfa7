"""One round of introductions: all join addresses, resolved anew, and all members, at once.

What a round finds out: which join addresses were silent, who answered and is no member, and whether
`retry_join` has worked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from proconsul.errors import RpcError
from proconsul.runtime.join_addresses import JoinAddresses, Resolved, host_and_port
from proconsul.runtime.joining import dial_complaint
from proconsul.runtime.logs import logger
from proconsul.runtime.retry_join import RetryJoin
from proconsul.runtime.rpc_client import RemoteError, RpcTransportError

STRANGER_S = 30.0  # between two introductions to a server that is none of this kind
TOLD_MAX = 512
_UNKNOWN_METHOD = "can't find service"

log = logger("server")

Introduce = Callable[[str], Awaitable[None]]
"""To whoever is at an address. RpcTransportError: nobody answers; RpcError: it is no member."""


@dataclass(frozen=True, slots=True)
class Met:
    """What came of a round."""

    silent: list[str]  # join addresses that did not answer, and names that lead nowhere
    strangers: list[str]  # addresses that answered, of servers that are no members


@dataclass(frozen=True, slots=True)
class _Outcome:
    answered: bool
    is_stranger: bool = False
    complaint: str = ""


_OURSELVES = _Outcome(answered=True)


class Complaints:
    """Refusals, each told in the log once as long as it does not change."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, who: str, text: str) -> None:
        """`who` is refused, or refuses us."""
        if self._told.get(who) == text:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told[who] = text
        log.error("%s: from=%s", text, who)


class Rounds:
    """The rounds of one server."""

    def __init__(
        self,
        own_address: str,
        joins: JoinAddresses,
        retry: RetryJoin,
        introduce: Introduce,
        complaints: Complaints,
    ) -> None:
        self._own_address = own_address
        self._joins = joins
        self._retry = retry
        self._introduce = introduce
        self._complaints = complaints
        self._loop = asyncio.get_running_loop()
        self._strangers: dict[str, float] = {}  # until when each is left in peace, by address

    def begin(self) -> None:
        """The first round is to come."""
        self._retry.begin(self._loop.time())

    async def go(self, addresses: Iterable[str]) -> Met:
        """Introduce this server at these and at all join addresses.

        Members need not wait for name servers, nor anybody for who is slow. Raises JoinError if
        `retry_join` is to be given up.
        """
        asked: dict[str, asyncio.Task[_Outcome]] = {}
        async with asyncio.TaskGroup() as group:

            def ask(addresses: Iterable[str]) -> None:
                for address in addresses:
                    if address not in asked and address != self._own_address:
                        asked[address] = group.create_task(self._ask(address))

            ask(addresses)
            resolved = await self._joins.resolved()
            for each in resolved:
                ask(each.addresses)
        outcomes = {address: task.result() for address, task in asked.items()}
        self._count_attempt(resolved, outcomes)
        return _met(resolved, outcomes)

    async def _ask(self, address: str) -> _Outcome:
        if self._strangers.get(address, 0.0) > self._loop.time():
            return _Outcome(answered=True, is_stranger=True)
        self._strangers.pop(address, None)
        try:
            await self._introduce(address)
        except RpcTransportError as failure:
            log.debug("%s does not answer: %s", address, failure)
            return _Outcome(False, complaint=dial_complaint(address, failure.__cause__))
        except RpcError as failure:
            text = failure.text if isinstance(failure, RemoteError) else str(failure)
            if _UNKNOWN_METHOD in text:
                self._strangers[address] = self._loop.time() + STRANGER_S
                text = "this server is of another kind, it cannot be met without gossip"
            self._complaints.tell(address, text)
            return _Outcome(answered=True, is_stranger=True, complaint=text)
        return _Outcome(answered=True)

    def _count_attempt(self, resolved: list[Resolved], outcomes: dict[str, _Outcome]) -> None:
        if self._retry.is_over:
            return
        reached, complaints = set(), []
        for each in resolved:
            if not self._retry.counts(each.text):
                continue
            if each.complaint:
                complaints.append(f"Failed to resolve {each.text}: {each.complaint}")
            for address in each.addresses:
                outcome = outcomes.get(address, _OURSELVES)
                if outcome.answered:
                    reached.add(address)
                else:
                    host, _ = host_and_port(address, 0)
                    complaints.append(f"Failed to join {host}: {outcome.complaint}")
        self._retry.tried(reached, complaints, self._loop.time())


def _met(resolved: list[Resolved], outcomes: dict[str, _Outcome]) -> Met:
    nowhere = [each.text for each in resolved if not each.addresses]
    joined = dict.fromkeys(address for each in resolved for address in each.addresses)
    silent = [each for each in joined if not outcomes.get(each, _OURSELVES).answered]
    strangers = [address for address, outcome in outcomes.items() if outcome.is_stranger]
    return Met([*nowhere, *silent], strangers)
