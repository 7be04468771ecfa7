"""Rounds of joins: all join addresses, resolved anew, at once; and what a round found out.

A client goes on until `retry_join` has worked. A server that may have to found a cluster goes on
until there is one, for it must know who of those that it was to join is silent.
"""

import asyncio

from proconsul.config.schema import Joining
from proconsul.runtime.join_addresses import JoinAddresses, Place, Resolve, Resolved
from proconsul.runtime.joining import Join, reach
from proconsul.runtime.logs import logger
from proconsul.runtime.retry_join import JoinError, RetryJoin
from proconsul.wire.golang import list_of_errors

log = logger("")


class JoinRounds:
    """The join addresses of one agent."""

    def __init__(
        self, joining: Joining, port: int, own: frozenset[Place], resolve: Resolve, join_one: Join
    ) -> None:
        """`own` are this agent's own places, which need no joining.

        Raises ConfigError for join addresses that can never work.
        """
        self._joining = joining
        self._port = port
        self._own = own
        self._join_one = join_one
        self.addresses = JoinAddresses((*joining.start_join, *joining.retry_join), port, resolve)
        self.retry = RetryJoin(joining)

    async def join_at_start(self) -> None:
        """`-join`: join now. Raises JoinError when none of the addresses can be joined."""
        texts = self._joining.start_join
        if not texts:
            return
        log.info("(LAN) joining: lan_addresses=[%s]", ", ".join(texts))
        results = await asyncio.gather(*(reach(text, self._port, self._join) for text in texts))
        reached = sum(count for count, _ in results)
        complaints = [complaint for _, told in results for complaint in told]
        if not reached:
            log.warning("(LAN) couldn't join: number_of_nodes=0")
            raise JoinError(list_of_errors(complaints))
        log.info("(LAN) joined: number_of_nodes=%d", reached)

    async def go(self, now_s: float) -> list[str]:
        """One round; the join addresses that are silent, and names that lead nowhere.

        Raises JoinError if `retry_join` is to be given up.
        """
        resolved = await self.addresses.resolved()
        places = list(dict.fromkeys(place for each in resolved for place in each.addresses))
        told = await asyncio.gather(*(self._join(*place) for place in places))
        complaints = dict(zip(places, told, strict=True))
        self._count_attempt(resolved, complaints, now_s)
        nowhere = [each.text for each in resolved if not each.addresses]
        silent = [f"{host}:{port}" for (host, port), text in complaints.items() if text]
        return [*nowhere, *silent]

    async def retry_forever(self) -> None:
        """Rounds until `retry_join` has worked. Raises JoinError if it is to be given up."""
        loop = asyncio.get_running_loop()
        self.retry.begin(loop.time())
        while not self.retry.is_over:
            await self.go(loop.time())
            if not self.retry.is_over:
                await asyncio.sleep(self._joining.retry_interval_s)

    async def _join(self, host: str, port: int) -> str:
        return "" if (host, port) in self._own else await self._join_one(host, port)

    def _count_attempt(
        self, resolved: list[Resolved], complaints: dict[Place, str], now_s: float
    ) -> None:
        if self.retry.is_over:
            return
        reached, told = set(), []
        for each in resolved:
            if not self.retry.counts(each.text):
                continue
            if each.complaint:
                told.append(f"Failed to resolve {each.text}: {each.complaint}")
            for place in each.addresses:
                if complaint := complaints[place]:
                    told.append(complaint)
                else:
                    reached.add(str(place))
        self.retry.tried(reached, told, now_s)
