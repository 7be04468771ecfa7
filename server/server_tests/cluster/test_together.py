"""Three servers of ours as their users see them: whichever is asked, it is one cluster."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server_tests.cluster.loopback_cluster import LoopbackCluster, Member, loopback_cluster
from server_tests.loopback import address

pytestmark = pytest.mark.real_clock

HOSTS = (161, 162, 163)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackCluster]:
    with loopback_cluster(tmp_path_factory.mktemp("together"), HOSTS) as cluster:
        yield cluster


def test_each_server_takes_writes_and_reads_what_the_others_took(cluster: LoopbackCluster) -> None:
    for writer in cluster.members:
        assert writer.put(f"/v1/kv/from/{writer.name}", b"1") is True
        for reader in cluster.members:
            assert len(reader.get(f"/v1/kv/from/{writer.name}")) == 1
            assert len(reader.get(f"/v1/kv/from/{writer.name}?consistent")) == 1


def test_all_agree_on_the_leader_the_peers_and_the_members(cluster: LoopbackCluster) -> None:
    peers = sorted(f"{member.address}:8300" for member in cluster.members)
    leader = cluster.leader()
    for member in cluster.members:
        assert member.get("/v1/status/leader") == f"{leader.address}:8300"
        assert sorted(member.get("/v1/status/peers")) == peers
        found = {one["Node"]: (one["Leader"], one["Voter"]) for one in member.servers()}
        assert found == {one.name: (one is leader, True) for one in cluster.members}
        names = {one["Name"]: one["Status"] for one in member.get("/v1/agent/members")}
        assert names == {"s1": 1, "s2": 1, "s3": 1}


def test_the_catalog_and_autopilot_know_all_three(cluster: LoopbackCluster) -> None:
    one = cluster.followers()[0]
    cluster.until(lambda: len(one.get("/v1/health/service/consul?passing")) == 3, "three nodes")
    cluster.until(lambda: bool(one.get("/v1/operator/autopilot/health")["Healthy"]), "health")
    health = one.get("/v1/operator/autopilot/health")
    assert health["FailureTolerance"] == 1
    assert sorted(server["Name"] for server in health["Servers"]) == ["s1", "s2", "s3"]


def test_a_stale_read_of_a_follower_says_how_old_it_may_be(cluster: LoopbackCluster) -> None:
    cluster.leader().put("/v1/kv/aging", b"1")
    cluster.until_all_follow()
    for follower in cluster.followers():
        response = follower.ask("GET", "/v1/kv/aging?stale")
        assert response.status == 200
        assert response.headers["X-Consul-Knownleader"] == "true"
        assert int(response.headers["X-Consul-Lastcontact"]) >= 0


def test_a_blocking_query_at_one_follower_is_woken_by_a_write_at_another(
    cluster: LoopbackCluster,
) -> None:
    first, second = cluster.followers()
    first.put("/v1/kv/watched", b"1")
    index = first.ask("GET", "/v1/kv/watched").headers["X-Consul-Index"]
    answers: list[bytes] = []

    def wait() -> None:
        answers.append(first.ask("GET", f"/v1/kv/watched?index={index}&wait=60s&raw").body)

    waiting = threading.Thread(target=wait)
    waiting.start()
    second.put("/v1/kv/watched", b"2")
    waiting.join(60)
    assert answers == [b"2"]


def test_a_large_value_and_a_transaction_go_through_a_follower(cluster: LoopbackCluster) -> None:
    follower = cluster.followers()[0]
    large = b"x" * 1_500_000  # several entries of the log
    assert follower.put("/v1/kv/large", large) is True
    done = follower.put(
        "/v1/txn", [{"KV": {"Verb": "set", "Key": "of-txn", "Value": "MQ=="}}], method="PUT"
    )
    assert done["Errors"] is None
    cluster.until_all_follow()
    for member in cluster.members:
        assert member.ask("GET", "/v1/kv/large?stale&raw").body == large
        assert len(member.get("/v1/kv/of-txn?stale")) == 1


def test_a_lock_outlives_its_leader(cluster: LoopbackCluster) -> None:
    leader, follower = cluster.leader(), cluster.followers()[0]
    session = follower.put("/v1/session/create", {"TTL": "30s", "Node": "s1", "Checks": []})["ID"]
    assert follower.put(f"/v1/kv/lock?acquire={session}", b"mine") is True
    leader.end(signal.SIGKILL)
    cluster.start(leader)
    cluster.until_all_follow()
    assert follower.get("/v1/kv/lock")[0]["Session"] == session
    assert follower.put(f"/v1/session/renew/{session}")[0]["ID"] == session
    other = follower.put("/v1/session/create", {"TTL": "30s", "Node": "s1", "Checks": []})["ID"]
    assert follower.put(f"/v1/kv/lock?acquire={other}", b"mine") is False


def test_a_snapshot_is_saved_and_restored_through_a_follower(cluster: LoopbackCluster) -> None:
    follower = cluster.followers()[0]
    follower.put("/v1/kv/kept", b"1")
    archive = follower.ask("GET", "/v1/snapshot").body
    follower.put("/v1/kv/kept", b"2")
    follower.put("/v1/kv/too-late", b"1")
    assert follower.ask("PUT", "/v1/snapshot", archive).status == 200
    cluster.until_all_follow()
    for member in cluster.members:
        assert member.ask("GET", "/v1/kv/kept?stale&raw").body == b"1"
        assert member.ask("GET", "/v1/kv/too-late?stale").status == 404
    follower.put("/v1/kv/after", b"1")


def test_a_stop_hands_the_leadership_over_and_leaves_the_membership(
    cluster: LoopbackCluster,
) -> None:
    leader = cluster.leader()
    members = {server["ID"] for server in leader.servers()}
    assert leader.end(signal.SIGTERM) == 0
    assert "leadership was handed over" in leader.log.read_text()
    other = cluster.leader()
    assert other.put("/v1/kv/meanwhile", b"1") is True
    assert {server["ID"] for server in other.servers()} == members
    cluster.start(leader)
    cluster.until_all_follow()


def test_an_operator_moves_the_leadership(cluster: LoopbackCluster) -> None:
    leader, target = cluster.leader(), cluster.followers()[0]
    ids = {server["Node"]: server["ID"] for server in leader.servers()}
    path = "/v1/operator/raft/transfer-leader"
    assert target.put(f"{path}?id={ids[target.name]}", method="POST") == {"Success": True}
    assert cluster.leader() is target
    refused = target.ask("POST", f"{path}?id=nobody")
    assert refused.status == 500
    assert b"leadership can only go to another voter" in refused.body
    cluster.until_all_follow()


def test_without_a_majority_nobody_takes_writes_and_stale_reads_go_on(
    cluster: LoopbackCluster,
) -> None:
    alone, *others = cluster.members
    alone.put("/v1/kv/last", b"1")
    cluster.until_all_follow()
    for other in others:
        other.end(signal.SIGKILL)
    refused = alone.ask("PUT", "/v1/kv/last", b"2")
    assert refused.status == 500
    # Whether a leader that finds itself alone has it in its log already is not said to be no.
    assert refused.body in (b"No cluster leader", b"leadership lost while committing log")
    assert alone.ask("GET", "/v1/kv/last?consistent").status == 500
    assert alone.ask("GET", "/v1/kv/last").status == 500
    stale = alone.ask("GET", "/v1/kv/last?stale")
    assert (stale.status, stale.headers["X-Consul-Knownleader"]) == (200, "false")
    assert alone.get("/v1/status/leader") == ""
    cluster.start(*others)
    cluster.until_all_follow()


def test_all_servers_come_back_at_new_addresses_at_once(cluster: LoopbackCluster) -> None:
    cluster.leader().put("/v1/kv/moving", b"1")
    for member in cluster.members:
        member.end(signal.SIGKILL)
    for member, host in zip(cluster.members, (164, 165, 166), strict=True):
        member.address = address(host)
    cluster.start()
    cluster.until_all_follow()
    for member in cluster.members:
        assert len(member.get("/v1/kv/moving")) == 1
    wanted = sorted(f"{member.address}:8300" for member in cluster.members)
    cluster.until(
        lambda: sorted(one["Address"] for one in cluster.leader().servers()) == wanted,
        "the new addresses in the configuration",
    )


def test_a_server_that_lost_its_disk_is_replaced_by_itself(cluster: LoopbackCluster) -> None:
    victim = cluster.followers()[0]
    victim.put("/v1/kv/kept-by-others", b"1")
    victim.end(signal.SIGKILL)
    before = {server["ID"] for server in cluster.leader().servers()}
    victim.data.rename(victim.data.with_name(f"{victim.name}-lost"))
    cluster.start(victim)

    def is_replaced() -> bool:
        servers = cluster.leader().servers()
        new = {server["ID"] for server in servers} - before
        return len(servers) == 3 and len(new) == 1 and all(one["Voter"] for one in servers)

    cluster.until(is_replaced, "a voter with a new ID in its place")
    cluster.until_all_follow()
    assert len(victim.get("/v1/kv/kept-by-others?stale")) == 1


def test_who_leaves_is_no_member_any_more_until_it_comes_back(cluster: LoopbackCluster) -> None:
    leaving = cluster.leader()
    said_before = len(leaving.log.read_text())
    assert leaving.ask("PUT", "/v1/agent/leave").status == 200
    assert leaving.wait() == 0
    assert "[ERROR]" not in leaving.log.read_text()[said_before:]
    cluster.until(lambda: len(cluster.leader().servers()) == 2, "two members")
    assert leaving.name not in {server["Node"] for server in cluster.leader().servers()}
    cluster.until(
        lambda: (
            leaving.name not in {one["Node"] for one in cluster.leader().get("/v1/catalog/nodes")}
        ),
        "the catalog lets it go",
    )
    assert cluster.leader().put("/v1/kv/of-two", b"1") is True
    cluster.start(leaving)
    cluster.until(
        lambda: [one["Voter"] for one in cluster.leader().servers()] == [True] * 3, "three voters"
    )
    cluster.until_all_follow()
    assert len(leaving.get("/v1/kv/of-two?stale")) == 1


def test_a_second_cluster_is_never_founded_beside_a_living_one(
    cluster: LoopbackCluster, tmp_path: Path
) -> None:
    cluster.leader().put("/v1/kv/of-the-first", b"1")
    newcomer = Member("newcomer", tmp_path, 167, "")
    try:
        newcomer.start(cluster.members, expect=1)
        leader = f"{cluster.leader().address}:8300"
        cluster.until(
            lambda: newcomer.get("/v1/status/leader") == leader, "it is taken into the living one"
        )
        assert len(newcomer.get("/v1/kv/of-the-first")) == 1
        newcomer.put("/v1/agent/leave")
        cluster.until(lambda: len(cluster.leader().servers()) == 3, "it is gone again")
    finally:
        newcomer.end(signal.SIGKILL)


def test_a_server_with_another_clusters_data_is_not_mixed_in(
    cluster: LoopbackCluster, tmp_path: Path
) -> None:
    stranger = Member("stranger", tmp_path, 168, "")
    try:
        stranger.start([], expect=1)
        cluster.until(lambda: stranger.leads, "a cluster of its own")
        stranger.put("/v1/kv/of-the-stranger", b"1")
        stranger.end()
        stranger.start(cluster.members, expect=1)
        cluster.until(
            lambda: "belong to another cluster" in cluster.leader().log.read_text(), "a refusal"
        )
        assert "stranger" not in {server["Node"] for server in cluster.leader().servers()}
        assert len(stranger.get("/v1/kv/of-the-stranger")) == 1  # it goes on by itself
    finally:
        stranger.end(signal.SIGKILL)
