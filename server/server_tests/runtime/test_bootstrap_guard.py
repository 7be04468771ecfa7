"""The guard of a cluster in its ConfigMap, and the label of a pod: tried until done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from proconsul.runtime.bootstrap_guard import BootstrapGuard
from proconsul.runtime.kube_api import KubeError
from proconsul.runtime.pod_label import LABEL, PodLabel
from server_tests.runtime.kube_world import Objects

OWN, OTHER = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"


class State:
    """What the server's state says."""

    def __init__(self, cluster_id: str = "") -> None:
        self.cluster_id = cluster_id

    def __call__(self) -> str:
        return self.cluster_id


def with_guard(**entries: str) -> Objects:
    objects = Objects()
    objects.put("configmaps", "guard", data=entries)
    return objects


def data_of(objects: Objects) -> dict[str, str]:
    found: dict[str, str] = objects.kept["configmaps", "guard"]["data"]
    return found


@asynccontextmanager
async def at_work(duty: BootstrapGuard | PodLabel) -> AsyncIterator[None]:
    running = asyncio.ensure_future(duty.run())
    yield
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_before_anything_was_founded_a_server_may_found_under_the_chosen_id() -> None:
    guard = BootstrapGuard(with_guard(clusterID=OWN, bootstrapped="false"), "guard", State())
    assert guard.objection()
    assert await guard.begin() is None
    assert (guard.objection(), guard.chosen_cluster_id) == ("", OWN)


async def test_where_a_cluster_was_founded_an_empty_server_waits_to_be_taken_in() -> None:
    guard = BootstrapGuard(with_guard(clusterID=OWN, bootstrapped="true"), "guard", State())
    assert await guard.begin() is None  # it may take part
    assert "already" in guard.objection()


async def test_with_the_data_of_another_cluster_it_takes_no_part() -> None:
    guard = BootstrapGuard(with_guard(clusterID=OWN, bootstrapped="true"), "guard", State(OTHER))
    idle = await guard.begin()
    assert idle is not None
    assert idle.reason == "ForeignCluster"
    assert OTHER in idle.message
    assert OWN in idle.message


async def test_an_api_that_is_silent_keeps_nobody_from_running_but_from_founding() -> None:
    objects = with_guard(clusterID=OWN, bootstrapped="false")
    objects.failures = [KubeError("GET", 0, "timed out")] * 3
    guard = BootstrapGuard(objects, "guard", State(OWN))
    assert await guard.begin() is None
    assert "could not be read" in guard.objection()
    async with at_work(guard):
        await asyncio.sleep(60)
        assert guard.objection() == ""


class Silent(Objects):
    """An API that takes a call and does not answer."""

    async def read(self, kind: str, name: str) -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError("nobody wakes it")


async def test_the_start_waits_for_the_guard_only_for_a_while() -> None:
    began_s = asyncio.get_running_loop().time()
    assert await BootstrapGuard(Silent(), "guard", State(OWN)).begin() is None
    assert asyncio.get_running_loop().time() - began_s < 10


async def test_the_leader_marks_the_guard_once_the_cluster_has_its_id() -> None:
    objects, state = with_guard(expect="3"), State()
    guard = BootstrapGuard(objects, "guard", state)
    await guard.begin()
    async with at_work(guard):
        guard.leads = True
        await asyncio.sleep(5)
        assert data_of(objects) == {"expect": "3"}
        state.cluster_id = OWN
        await asyncio.sleep(5)
        assert data_of(objects) == {"expect": "3", "clusterID": OWN, "bootstrapped": "true"}
        calls = len(objects.calls)
        await asyncio.sleep(60)
        assert len(objects.calls) == calls  # once is enough
    assert guard.objection()


async def test_a_guard_that_was_marked_by_hand_gets_the_clusters_id() -> None:
    objects = with_guard(bootstrapped="true")
    guard = BootstrapGuard(objects, "guard", State(OWN))
    await guard.begin()
    async with at_work(guard):
        guard.leads = True
        await asyncio.sleep(5)
    assert data_of(objects) == {"clusterID": OWN, "bootstrapped": "true"}


async def test_a_follower_marks_nothing() -> None:
    objects = with_guard()
    guard = BootstrapGuard(objects, "guard", State(OWN))
    await guard.begin()
    async with at_work(guard):
        await asyncio.sleep(60)
    assert data_of(objects) == {}


async def test_a_guard_that_somebody_changed_meanwhile_is_read_anew_before_it_is_marked() -> None:
    objects = with_guard(clusterID=OWN, bootstrapped="false")
    guard = BootstrapGuard(objects, "guard", State(OWN))
    await guard.begin()
    objects.put("configmaps", "guard", data={"clusterID": OTHER, "bootstrapped": "false"})
    async with at_work(guard):
        guard.leads = True
        await asyncio.sleep(120)
    assert data_of(objects) == {"clusterID": OTHER, "bootstrapped": "false"}


async def test_a_guard_of_another_cluster_that_is_read_late_is_told_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    objects = with_guard(clusterID=OTHER, bootstrapped="true")
    objects.failures = [KubeError("GET", 0, "timed out")] * 2
    guard = BootstrapGuard(objects, "guard", State(OWN))
    assert await guard.begin() is None
    async with at_work(guard):
        await asyncio.sleep(120)
    told = [one.message for one in caplog.records if "one of them is wrong" in one.message]
    assert len(told) == 1
    assert data_of(objects)["bootstrapped"] == "true"


class Strange(Objects):
    """An API that answers with an object of its own making."""

    def __init__(self, **answer: object) -> None:
        super().__init__()
        self._answer = answer

    async def read(self, kind: str, name: str) -> dict[str, object]:
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        {"metadata": {"resourceVersion": "1"}, "data": ["bootstrapped"]},
        {"metadata": {"resourceVersion": "1"}, "data": {"clusterID": 7}},
        {"metadata": [], "data": {"bootstrapped": "false"}},
        {"metadata": {"resourceVersion": 1}, "data": {"bootstrapped": "false"}},
        {"data": {"bootstrapped": "false"}},
    ],
)
async def test_an_answer_that_is_no_guard_lets_nobody_found_and_stops_nothing(
    answer: dict[str, object],
) -> None:
    guard = BootstrapGuard(Strange(**answer), "guard", State())
    assert await guard.begin() is None
    async with at_work(guard):
        await asyncio.sleep(120)
        assert "could not be read" in guard.objection()


@pytest.mark.parametrize("status", [0, 403, 409, 500])
async def test_a_mark_that_fails_is_tried_again(status: int) -> None:
    objects = with_guard()
    guard = BootstrapGuard(objects, "guard", State(OWN))
    await guard.begin()
    objects.failures = [KubeError("PATCH", status, "no")] * 3
    async with at_work(guard):
        guard.leads = True
        await asyncio.sleep(120)
    assert data_of(objects)["bootstrapped"] == "true"


# ---------------------------------------------------------------- the label


def with_pod() -> Objects:
    objects = Objects()
    objects.put("pods", "p-0")
    return objects


def role_of(objects: Objects) -> str:
    return str(objects.kept["pods", "p-0"]["metadata"]["labels"].get(LABEL))


async def test_a_pod_is_labelled_at_the_start_and_when_its_role_changes() -> None:
    objects = with_pod()
    label = PodLabel(objects, "p-0")
    async with at_work(label):
        await asyncio.sleep(0.1)
        assert role_of(objects) == "follower"
        for leads, role in ((True, "leader"), (False, "follower")):
            label.leads(leads)
            await asyncio.sleep(0.1)
            assert role_of(objects) == role
        assert len(objects.calls) == 3


async def test_a_label_that_cannot_be_written_is_tried_again_and_the_last_role_counts() -> None:
    objects = with_pod()
    objects.failures = [KubeError("PATCH", 0, "no answer")] * 4
    label = PodLabel(objects, "p-0")
    async with at_work(label):
        label.leads(True)
        await asyncio.sleep(0.1)
        label.leads(False)
        label.leads(True)
        await asyncio.sleep(120)
    assert role_of(objects) == "leader"
