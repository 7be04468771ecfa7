"""The gateway against a real API server, named by KUBE_REAL; nothing else runs there."""

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from proconsul_operator.actions.kube import (
    MANAGER,
    STATUS_MANAGER,
    BusyError,
    Call,
    ConflictError,
    Identity,
    InvalidError,
    KubeGateway,
)
from proconsul_operator.api.group import API_VERSION

KUBE_REAL = os.environ.get("KUBE_REAL", "")
_T = TypeVar("_T")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not KUBE_REAL, reason="KUBE_REAL names no kubeconfig of a cluster"),
]


@dataclass(slots=True)
class Bench:
    """A gateway, a namespace of its own, and the calls that were made."""

    gateway: KubeGateway
    namespace: str
    calls: list[Call]

    def config_map(self, name: str = "one", **data: str) -> dict[str, Any]:
        """An object to play with."""
        meta = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}

    async def read(self, name: str = "one") -> dict[str, Any]:
        """It, as it is stored."""
        found = await self.gateway.get("ConfigMap", self.namespace, name)
        assert found is not None
        return found


def with_bench(act: Callable[[Bench], Awaitable[_T]]) -> _T:
    async def run() -> _T:
        calls: list[Call] = []
        gateway = await KubeGateway.open(KUBE_REAL, calls.append)
        name = f"proconsul-{uuid.uuid4().hex[:8]}"
        names = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        spaces = "/api/v1/namespaces"
        await (await gateway._client.request("post", spaces, body=names, serialize=False)).read()
        try:
            return await act(Bench(gateway, name, calls))
        finally:
            path = f"{spaces}/{name}"
            await (await gateway._client.request("delete", path, serialize=False)).read()
            await gateway.close()

    return asyncio.run(run())


def test_what_is_absent_is_none_and_not_an_error() -> None:
    async def act(bench: Bench) -> None:
        assert await bench.gateway.get("ConfigMap", bench.namespace, "none") is None
        assert await bench.gateway.list("Certificate", bench.namespace) == []  # no such kind here
        gone = Identity(uid="x")
        await bench.gateway.delete("ConfigMap", bench.namespace, "none", identity=gone)

    with_bench(act)


def test_an_apply_takes_our_fields_and_says_whose_they_were() -> None:
    async def act(bench: Bench) -> None:
        first = await bench.gateway.apply(bench.config_map(a="1", b="1"))
        assert first.taken == ()
        stranger = await bench.read()
        del stranger["metadata"]["managedFields"]
        await bench.gateway._call(
            "update", "ConfigMap", bench.namespace, "one", field_manager="somebody",
            body={**stranger, "data": {"a": "2", "b": "1", "c": "3"}},
        )  # fmt: skip
        again = await bench.gateway.apply(bench.config_map(a="1", b="1"))
        assert len(again.taken) == 1
        assert again.taken[0].startswith("data.a (")
        assert "somebody" in again.taken[0]
        assert again.object["data"] == {"a": "1", "b": "1", "c": "3"}
        less = await bench.gateway.apply(bench.config_map(a="1"))
        assert less.object["data"] == {"a": "1", "c": "3"}

    with_bench(act)


def test_what_we_changed_ourselves_is_no_drift() -> None:
    async def act(bench: Bench) -> None:
        await bench.gateway.apply(bench.config_map(a="1"))
        await bench.gateway.patch("ConfigMap", bench.namespace, "one", {"data": {"a": "2"}})
        assert (await bench.gateway.apply(bench.config_map(a="1"))).taken == ()

    with_bench(act)


def test_a_field_of_what_we_created_goes_with_a_later_apply() -> None:
    async def act(bench: Bench) -> None:
        assert await bench.gateway.create_if_absent(bench.config_map(a="1", b="1"))
        again = await bench.gateway.apply(bench.config_map(b="2"))
        assert again.object["data"] == {"b": "2"}
        assert again.taken == ()

    with_bench(act)


def test_an_apply_that_changes_nothing_leaves_the_version() -> None:
    async def act(bench: Bench) -> None:
        first = (await bench.gateway.apply(bench.config_map(a="1"))).object
        second = (await bench.gateway.apply(bench.config_map(a="1"))).object
        assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]

    with_bench(act)


def test_an_apply_on_an_old_version_is_refused_and_never_forced() -> None:
    async def act(bench: Bench) -> None:
        first = (await bench.gateway.apply(bench.config_map(a="1"))).object
        await bench.gateway.patch("ConfigMap", bench.namespace, "one", {"data": {"a": "2"}})
        old = bench.config_map(a="1")
        old["metadata"]["resourceVersion"] = first["metadata"]["resourceVersion"]
        with pytest.raises(ConflictError):
            await bench.gateway.apply(old)
        assert (await bench.read())["data"] == {"a": "2"}

    with_bench(act)


def test_what_is_there_is_not_created_again() -> None:
    async def act(bench: Bench) -> None:
        assert await bench.gateway.create_if_absent(bench.config_map(a="1"))
        assert not await bench.gateway.create_if_absent(bench.config_map(a="2"))
        assert (await bench.read())["data"] == {"a": "1"}

    with_bench(act)


@pytest.mark.parametrize("wrong", ["uid", "resource_version"])
def test_another_object_is_neither_deleted_nor_changed(wrong: str) -> None:
    async def act(bench: Bench) -> None:
        made = (await bench.gateway.apply(bench.config_map(a="1"))).object["metadata"]
        right = {"uid": made["uid"], "resource_version": made["resourceVersion"]}
        other = Identity(**{**right, wrong: {"uid": str(uuid.uuid4())}.get(wrong, "1")})
        kind, name = ("ConfigMap", bench.namespace), "one"
        with pytest.raises(ConflictError):
            await bench.gateway.delete(*kind, name, identity=other)
        with pytest.raises(ConflictError):
            await bench.gateway.patch(*kind, name, {"data": {"a": "2"}}, identity=other)
        assert (await bench.read())["data"] == {"a": "1"}
        same = Identity(**right)
        changed = await bench.gateway.patch(*kind, name, {"data": {"a": None}}, identity=same)
        assert not changed.get("data")
        now = changed["metadata"]
        right_now = Identity(uid=now["uid"], resource_version=now["resourceVersion"])
        await bench.gateway.delete(*kind, name, identity=right_now)
        assert await bench.gateway.get(*kind, name) is None

    with_bench(act)


def test_what_cannot_be_is_invalid() -> None:
    async def act(bench: Bench) -> None:
        with pytest.raises(InvalidError):
            await bench.gateway.apply(bench.config_map(name="No_Name"))

    with_bench(act)


def test_a_list_is_whole_however_many_pages_it_has() -> None:
    async def act(bench: Bench) -> None:
        bodies = [bench.config_map(f"n-{number}") for number in range(523)]
        for body in bodies:
            body["metadata"]["labels"] = {"x": "y"}
        for start in range(0, len(bodies), 50):
            batch = bodies[start : start + 50]
            await asyncio.gather(*(bench.gateway.create_if_absent(body) for body in batch))
        await bench.gateway.create_if_absent(bench.config_map("other"))
        found = await bench.gateway.list("ConfigMap", bench.namespace, "x=y")
        assert len({each["metadata"]["name"] for each in found}) == 523
        assert (found[0]["kind"], found[0]["apiVersion"]) == ("ConfigMap", "v1")

    with_bench(act)


def test_a_status_is_ours_under_another_name() -> None:
    async def act(bench: Bench) -> None:
        about = {
            "apiVersion": API_VERSION,
            "kind": "ProconsulCluster",
            "metadata": {"name": "c", "namespace": bench.namespace},
        }
        spec = {"storage": {"size": "1Gi"}}
        await bench.gateway.create_if_absent({**about, "spec": spec})
        await bench.gateway.apply_status({**about, "status": {"phase": "Running", "leader": "a"}})
        await bench.gateway.apply_status({**about, "status": {"phase": "Updating"}})
        found = await bench.gateway.get("ProconsulCluster", bench.namespace, "c")
        assert found is not None
        assert found["status"] == {"phase": "Updating"}
        owners = {each["manager"] for each in found["metadata"]["managedFields"]}
        assert owners == {MANAGER, STATUS_MANAGER}

    with_bench(act)


def test_an_event_is_about_its_object() -> None:
    async def act(bench: Bench) -> None:
        made = (await bench.gateway.apply(bench.config_map(a="1"))).object
        await bench.gateway.event(
            made, reason="LeaderChanged", note="ä" * 2000, warning=True, now="2026-01-01T00:00:00Z"
        )
        (event,) = await bench.gateway.list("Event", bench.namespace)
        assert event["involvedObject"]["uid"] == made["metadata"]["uid"]
        assert (event["type"], event["reason"]) == ("Warning", "LeaderChanged")
        assert len(event["message"].encode()) <= 1024

    with_bench(act)


def test_every_call_is_told_as_rbac_sees_it() -> None:
    async def act(bench: Bench) -> None:
        await bench.gateway.get("StatefulSet", bench.namespace, "none")
        call = Call(verb="get", group="apps", resource="statefulsets", status=404)
        assert bench.calls == [call]

    with_bench(act)


def test_nobody_there_is_busy_and_not_absent(tmp_path: Any) -> None:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(str(config).replace("'", '"'))

    async def act() -> None:
        gateway = await KubeGateway.open(str(tmp_path / "config"), lambda _: None)
        try:
            with pytest.raises(BusyError):
                await gateway.get("Pod", "n", "p")
        finally:
            await gateway.close()

    asyncio.run(act())
