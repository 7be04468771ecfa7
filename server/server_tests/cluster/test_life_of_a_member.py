"""Three servers as Kubernetes and its operator treat them: ended, taken out, wiped, recovered."""

import http.client
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server_tests.cluster.loopback_cluster import LoopbackCluster, Member, loopback_cluster

pytestmark = pytest.mark.real_clock

HOSTS = (241, 242, 243)
PROBE_PORT = 8558
DRAIN_S = 2.0
GRACE_S = 90.0  # terminationGracePeriodSeconds of chart and operator


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LoopbackCluster]:
    config = (
        f'ports {{ probe = {PROBE_PORT} }} drain_time = "{DRAIN_S:g}s" '
        f'recovery_file = "{tmp_path}/recovery.json" '
    )
    with loopback_cluster(tmp_path, HOSTS, config) as cluster:
        yield cluster


def local(member: Member) -> dict[str, Any]:
    """What it says of its own raft."""
    found: dict[str, Any] = member.get("/v1/proconsul/raft/local")
    return found


def readiness(member: Member) -> str:
    """The reason on the port of the probes; "" for no answer."""
    connection = http.client.HTTPConnection(member.address, PROBE_PORT, timeout=5)
    try:
        connection.request("GET", "/v1/proconsul/readyz")
        return str(json.loads(connection.getresponse().read())["Reason"])
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def voters(member: Member) -> set[str]:
    """The IDs of those that vote, as that server sees it."""
    return {one["ID"] for one in member.servers() if one["Voter"]}


def until_whole(cluster: LoopbackCluster) -> None:
    """Three voters, and all of them ready."""
    cluster.until(lambda: len(voters(cluster.leader())) == 3, "three voters")
    cluster.until(lambda: all(readiness(one) == "OK" for one in cluster.members), "all are ready")


def test_a_leader_that_is_ended_hands_over_drains_and_answers_who_waits(
    cluster: LoopbackCluster,
) -> None:
    until_whole(cluster)
    leader = cluster.leader()
    others = [one for one in cluster.members if one is not leader]
    assert len({local(one)["ClusterID"] for one in cluster.members}) == 1
    leader.put("/v1/kv/watched", b"1")
    index = leader.ask("GET", "/v1/kv/watched").headers["X-Consul-Index"]
    answers: list[int] = []

    def wait() -> None:
        answers.append(leader.ask("GET", f"/v1/kv/watched?index={index}&wait=5m").status)

    waiting = threading.Thread(target=wait)
    waiting.start()
    cluster.until(lambda: leader.get("/v1/agent/metrics") is not None, "it waits")
    process = leader._process
    assert process is not None
    began_s = time.monotonic()
    process.terminate()
    cluster.until(lambda: readiness(leader) == "Draining", "it is not ready any more")
    cluster.until(lambda: any(one.leads for one in others), "another leads")
    assert time.monotonic() - began_s < DRAIN_S, "while it drains"
    # On connections of their own: it passes on what still comes, and lives.
    assert leader.put("/v1/kv/late", b"1") is True
    assert len(leader.get("/v1/kv/late")) == 1
    assert leader.get("/v1/proconsul/livez")["OK"] is True
    assert readiness(leader) == "Draining"
    assert leader.wait() == 0
    waiting.join(60)
    assert answers == [503]
    assert DRAIN_S <= time.monotonic() - began_s < GRACE_S
    assert len(voters(cluster_leader(others))) == 3  # it did not leave


def cluster_leader(members: list[Member]) -> Member:
    return next(one for one in members if one.leads)


def test_a_decommissioned_server_stays_out_until_it_may_join_as_another(
    cluster: LoopbackCluster,
) -> None:
    until_whole(cluster)
    leader = cluster.leader()
    leaving = next(one for one in cluster.members if one is not leader)
    old_id = local(leaving)["NodeID"]
    assert leaving.put("/v1/proconsul/decommission") == {"Decommissioned": True}
    assert leaving.wait() == 0
    cluster.until(lambda: old_id not in voters(leader), "it is out")
    for _ in range(2):  # a supervisor starts it again
        cluster.start(leaving)
        cluster.until(lambda: readiness(leaving) == "Decommissioned", "it is idle")
        told = local(leaving)
        assert (told["State"], told["Decommissioned"], told["NodeID"]) == ("Idle", True, old_id)
        assert leaving.get("/v1/proconsul/livez")["OK"] is True
        assert leaving.end() == 0
    assert len(leader.servers()) == 2

    cluster.start(leaving)
    cluster.until(lambda: readiness(leaving) == "Decommissioned", "it is idle")
    assert leaving.put("/v1/proconsul/decommission", method="DELETE") == {"Cleared": True}
    assert leaving.wait() == 0
    cluster.start(leaving)
    until_whole(cluster)
    assert local(leaving)["NodeID"] != old_id
    assert local(leaving)["ClusterID"] == local(leader)["ClusterID"]
    assert (leaving.data / f"raft.left-{old_id}.bak" / "log").is_dir()


def test_a_server_that_lost_its_disk_takes_the_place_of_its_old_self(
    cluster: LoopbackCluster,
) -> None:
    until_whole(cluster)
    leader = cluster.leader()
    leader.put("/v1/kv/kept", b"1")
    lost = next(one for one in cluster.members if one is not leader)
    old_id = local(lost)["NodeID"]
    lost.end()
    shutil.rmtree(lost.data)
    cluster.start(lost)
    cluster.until(lambda: old_id not in voters(cluster.leader()), "its old self is out")
    until_whole(cluster)
    told = local(lost)
    assert told["NodeID"] != old_id
    assert told["Voter"]
    assert told["ClusterID"] == local(leader)["ClusterID"]
    assert len(lost.get("/v1/kv/kept?stale")) == 1


def test_a_survivor_reforms_the_cluster_and_the_others_join_it_anew(
    cluster: LoopbackCluster,
) -> None:
    until_whole(cluster)
    cluster.leader().put("/v1/kv/kept", b"1")
    cluster.until_all_follow()
    survivor, *others = cluster.members
    ids = [local(one)["NodeID"] for one in cluster.members]
    cluster_id = local(survivor)["ClusterID"]
    for member in cluster.members:
        member.end()
    recovery = {"epoch": 1, "mode": "Reform", "voter": ids[0]}
    (cluster.folder / "recovery.json").write_text(json.dumps(recovery))
    cluster.start(survivor)
    cluster.until(lambda: survivor.leads, "the survivor leads")
    assert voters(survivor) == {ids[0]}
    cluster.start(*others)
    until_whole(cluster)
    assert {local(one)["ClusterID"] for one in cluster.members} == {cluster_id}
    assert {local(one)["RecoveryEpoch"] for one in cluster.members} == {1}
    assert local(survivor)["NodeID"] == ids[0]
    assert not {local(one)["NodeID"] for one in others} & set(ids)
    for member in cluster.members:
        assert len(member.get("/v1/kv/kept?stale")) == 1
    # The file is still there, and was seen.
    members = {local(one)["NodeID"] for one in cluster.members}
    for member in cluster.members:
        member.end()
    cluster.start()
    until_whole(cluster)
    assert {local(one)["NodeID"] for one in cluster.members} == members
