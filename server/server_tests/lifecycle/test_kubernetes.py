"""A server in a pod: its label, its guard, and what it refuses to do by it."""

import json
import shutil
from pathlib import Path
from typing import Any

from server_tests.lifecycle.server import Server, until
from server_tests.loopback import address
from server_tests.runtime.kube_world import Cluster, kubernetes

CHOSEN = "0f3c0000-2222-3333-4444-555555555555"
OTHER = "99990000-2222-3333-4444-555555555555"


def flags_of(cluster: Cluster) -> str:
    return (
        '-hcl=kubernetes { label_own_pod = true bootstrap_guard = "guard" pod_name = "p-0" '
        f'api_url = "{cluster.url}" credentials = "{cluster.credentials}" }}'
    )


def guard_of(cluster: Cluster) -> dict[str, str]:
    found: dict[str, str] = cluster.objects.kept["configmaps", "guard"]["data"]
    return found


def role_of(cluster: Cluster) -> Any:
    return cluster.objects.kept["pods", "p-0"]["metadata"]["labels"].get("proconsul.io/role")


def reason_of(server: Server) -> str:
    _, body, _ = server.request("GET", "/v1/proconsul/readyz")
    return str(json.loads(body)["Reason"])


def test_a_cluster_is_founded_once_and_its_disks_belong_to_it(tmp_path: Path) -> None:
    with kubernetes(tmp_path, address(232)) as cluster:
        cluster.objects.put("pods", "p-0")
        cluster.objects.put(
            "configmaps", "guard", data={"clusterID": CHOSEN, "bootstrapped": "false"}
        )
        with Server(address(224), tmp_path, flags_of(cluster)) as server:
            until(lambda: reason_of(server) == "OK")
            assert server.get("/v1/proconsul/raft/local")["ClusterID"] == CHOSEN
            until(lambda: guard_of(cluster) == {"clusterID": CHOSEN, "bootstrapped": "true"})
            until(lambda: role_of(cluster) == "leader")
            assert server.end() == 0
            server.start()
            until(lambda: reason_of(server) == "OK")
            assert server.end() == 0

            # The disk is that of another cluster.
            cluster.objects.put(
                "configmaps", "guard", data={"clusterID": OTHER, "bootstrapped": "true"}
            )
            server.start()
            assert reason_of(server) == "ForeignCluster"
            local = server.get("/v1/proconsul/raft/local")
            assert (local["State"], local["ClusterID"], local["LeaderID"]) == ("Idle", CHOSEN, "")
            assert server.get("/v1/proconsul/livez")["OK"] is True
            assert server.request("GET", "/v1/kv/a?stale")[0] in (404, 500)
            assert server.end() == 0

            # All disks are lost.
            shutil.rmtree(server.data)
            server.start()
            server.wait_for_line("no cluster is founded yet: the bootstrap guard says")
            assert reason_of(server) == "NoLeader"
            assert server.get("/v1/proconsul/raft/local")["LastIndex"] == 0
            assert server.end() == 0


def test_without_the_api_who_has_data_goes_on_and_who_has_none_waits(tmp_path: Path) -> None:
    with kubernetes(tmp_path, address(233)) as cluster:
        cluster.objects.put("pods", "p-0")
        cluster.objects.put("configmaps", "guard", data={"expect": "1"})
        with Server(address(225), tmp_path, flags_of(cluster)) as server:
            until(lambda: guard_of(cluster).get("bootstrapped") == "true")
            first = server.get("/v1/proconsul/raft/local")["ClusterID"]
            assert guard_of(cluster)["clusterID"] == first
            assert server.end() == 0
            cluster.tokens.clear()  # nothing is answered any more
            server.start()
            until(lambda: reason_of(server) == "OK")
            assert server.end() == 0
            shutil.rmtree(server.data)
            server.start()
            server.wait_for_line("the bootstrap guard could not be read yet")
            assert reason_of(server) == "NoLeader"
            assert server.end() == 0


def test_a_new_beginning_by_the_recovery_file_comes_before_the_guard_is_compared(
    tmp_path: Path,
) -> None:
    with kubernetes(tmp_path, address(234)) as cluster:
        cluster.objects.put("pods", "p-0")
        cluster.objects.put(
            "configmaps", "guard", data={"clusterID": CHOSEN, "bootstrapped": "false"}
        )
        file = tmp_path / "recovery.json"
        with Server(
            address(226), tmp_path, flags_of(cluster), f'-hcl=recovery_file = "{file}"'
        ) as server:
            until(lambda: guard_of(cluster)["bootstrapped"] == "true")
            old_id = server.get("/v1/proconsul/raft/local")["NodeID"]
            server.put("/v1/kv/old", "1")
            assert server.end() == 0
            cluster.objects.put(
                "configmaps", "guard", data={"clusterID": OTHER, "bootstrapped": "false"}
            )
            file.write_text(json.dumps({"epoch": 1, "mode": "Rebootstrap", "restoreUID": "r-1"}))
            for _ in range(2):  # seen again it does nothing
                server.start()
                until(lambda: reason_of(server) == "OK")
                told = server.get("/v1/proconsul/raft/local")
                assert (told["ClusterID"], told["RecoveryEpoch"]) == (OTHER, 1)
                assert told["NodeID"] != old_id
                assert server.request("GET", "/v1/kv/old")[0] == 404
                until(lambda: guard_of(cluster)["bootstrapped"] == "true")
                assert server.end() == 0
            assert (server.data / "raft.epoch-1.bak" / "log").is_dir()
