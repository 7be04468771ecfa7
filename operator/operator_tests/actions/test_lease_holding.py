"""Holding a Lease while the API server is slow, on virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

from operator_tests.actions.test_queue import on_virtual_time
from proconsul_operator.actions.lease import RENEW_S, TRY_S, Lease, LeaseName
from proconsul_operator.specs.wanted import Manifest


class SlowGateway:
    """It keeps one Lease; the calls that a test names are never answered."""

    def __init__(self, hangs: Callable[[int], bool]) -> None:
        self.hangs, self.calls, self.renewed = hangs, 0, 0
        self.held: Manifest | None = None

    async def _answer(self) -> None:
        self.calls += 1
        if self.hangs(self.calls):
            await asyncio.Event().wait()

    async def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        await self._answer()
        return self.held

    async def create_if_absent(self, manifest: Manifest) -> bool:
        return await self.replace(manifest)

    async def replace(self, manifest: Manifest) -> bool:
        await self._answer()
        manifest["metadata"]["resourceVersion"] = str(self.calls)
        self.held, self.renewed = manifest, self.renewed + 1
        return True


def lease_of(gateway: Any) -> Lease:
    which = LeaseName(namespace="n", name="operator", holder="we")
    return Lease(gateway, which, asyncio.get_running_loop().time)


def test_a_call_that_is_never_answered_does_not_lose_the_lease() -> None:
    async def act() -> None:
        gateway = SlowGateway(lambda call: call == 4)
        lease = lease_of(gateway)
        await lease.acquire()
        holding = asyncio.ensure_future(lease.hold())
        done, _ = await asyncio.wait({holding}, timeout=5 * RENEW_S)
        assert not done
        assert gateway.renewed > 3
        holding.cancel()

    on_virtual_time(act)


def test_without_any_answer_it_is_given_up_before_another_may_take_it() -> None:
    async def act() -> None:
        gateway = SlowGateway(lambda call: call > 2)
        lease = lease_of(gateway)
        await lease.acquire()
        began_s = asyncio.get_running_loop().time()
        await lease.hold()
        assert asyncio.get_running_loop().time() - began_s < RENEW_S + TRY_S

    on_virtual_time(act)
