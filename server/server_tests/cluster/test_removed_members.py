"""A server that was taken out of its cluster and still runs: it says so, and disturbs nobody."""

import http.client
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server_tests.cluster.loopback_cluster import LoopbackCluster, Member, loopback_cluster

pytestmark = [pytest.mark.slow, pytest.mark.real_clock]

HOSTS = (236, 237, 238)
ELSEWHERE = 239


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LoopbackCluster]:
    with loopback_cluster(tmp_path, HOSTS) as cluster:
        cluster.until(lambda: len(voters(cluster.leader())) == 3, "three voters")
        yield cluster


def local(member: Member) -> dict[str, Any]:
    found: dict[str, Any] = member.get("/v1/proconsul/raft/local")
    return found


def voters(member: Member) -> set[str]:
    return {one["ID"] for one in member.servers() if one["Voter"]}


def readiness(member: Member) -> tuple[int, str, str]:
    """(status, reason, message); (0, "", "") for no answer."""
    try:
        answer = member.ask("GET", "/v1/proconsul/readyz")
    except (OSError, http.client.HTTPException):
        return 0, "", ""
    told = json.loads(answer.body)
    return answer.status, told["Reason"], told["Message"]


def test_who_is_taken_out_says_so_until_the_leader_takes_it_in_again(
    cluster: LoopbackCluster,
) -> None:
    """As with Consul: `remove-peer` of a server that lives lasts a minute at most."""
    leader = cluster.leader()
    out = cluster.followers()[0]
    own_id, term = local(out)["NodeID"], local(leader)["Term"]
    assert leader.ask("DELETE", f"/v1/operator/raft/peer?id={own_id}").status == 200
    cluster.until(lambda: readiness(out)[1] == "Removed", "it says that it was removed")
    status, _, message = readiness(out)
    assert status == 503
    assert f"says {leader.name}" in message
    told = local(out)
    assert (told["Removed"], told["LeaderID"], told["Term"]) == (True, "", term)
    assert out.ask("GET", "/v1/proconsul/livez").status == 200
    # Behind a Service that looks at nobody's readiness: the age of what it says is told.
    leader.put("/v1/kv/later", b"1")
    assert out.ask("GET", "/v1/kv/later?stale").headers["X-Consul-Knownleader"] == "false"

    cluster.until(lambda: readiness(out)[1] == "OK", "it is taken in again")
    cluster.until(lambda: own_id in voters(leader), "and votes")
    assert local(out)["NodeID"] == own_id
    assert not local(out)["Removed"]
    assert cluster.leader() is leader
    assert local(leader)["Term"] == term


def test_who_was_replaced_under_its_name_while_it_was_away_stays_out(
    cluster: LoopbackCluster,
) -> None:
    """Its pod was force-deleted on a node that nobody reaches; then the node comes back."""
    leader = cluster.leader()
    old = cluster.followers()[0]
    old_id = local(old)["NodeID"]
    old_process = old._process
    assert old_process is not None
    old_process.send_signal(signal.SIGSTOP)
    new = Member(old.name, cluster.folder, ELSEWHERE, cluster.config)
    new.data = cluster.folder / "new"
    cluster.members.append(new)
    new.start(cluster.members[:3], 3)
    cluster.until(lambda: old_id not in voters(leader), "the old one is out")
    cluster.until(lambda: local(new)["NodeID"] in voters(leader), "the new one votes")
    index = leader.get("/v1/operator/raft/configuration")["Index"]

    old_process.send_signal(signal.SIGCONT)
    cluster.until(lambda: readiness(old)[1] == "Removed", "it says that it was removed")
    assert "another server has its name" in readiness(old)[2]
    assert local(old)["Term"] == local(leader)["Term"]
    for number in range(20):
        assert leader.put(f"/v1/kv/{number}", b"1") is True
    assert cluster.leader() is leader
    assert readiness(new)[1] == "OK"
    assert leader.get("/v1/operator/raft/configuration")["Index"] == index
