"""The Lease on a real API server, named by KUBE_REAL, with clocks that the test sets."""

import pytest

from operator_tests.actions.test_kube import KUBE_REAL, Bench, with_bench
from proconsul_operator.actions.lease import DURATION_S, Lease, LeaseName

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not KUBE_REAL, reason="KUBE_REAL names no kubeconfig of a cluster"),
]


class Candidate:
    """An operator with a clock of its own."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.now_s = 0.0
        which = LeaseName(namespace=bench.namespace, name="operator", holder=name)
        self.lease = Lease(bench.gateway, which, lambda: self.now_s)


async def spec_of(bench: Bench) -> dict[str, object]:
    body = await bench.gateway.get("Lease", bench.namespace, "operator")
    assert body is not None
    found: dict[str, object] = body["spec"]
    return found


def test_one_holds_it_and_the_other_waits_until_it_is_silent_for_long_enough() -> None:
    async def act(bench: Bench) -> None:
        first, second = Candidate(bench, "first"), Candidate(bench, "second")
        assert await first.lease.attempt()
        assert not await second.lease.attempt()
        second.now_s += DURATION_S - 1
        assert not await second.lease.attempt()
        assert await first.lease.attempt()  # renewed: the other begins to count again
        second.now_s += 2
        assert not await second.lease.attempt()
        second.now_s += DURATION_S
        assert await second.lease.attempt()
        assert not await first.lease.attempt()
        spec = await spec_of(bench)
        assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("second", 1)

    with_bench(act)


def test_what_is_given_back_is_free_at_once() -> None:
    async def act(bench: Bench) -> None:
        first, second = Candidate(bench, "first"), Candidate(bench, "second")
        assert await first.lease.attempt()
        await second.lease.release()  # not his to give
        assert not await second.lease.attempt()
        await first.lease.release()
        assert await second.lease.attempt()

    with_bench(act)
