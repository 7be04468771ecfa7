"""Case 18, with the operator: what a cluster leaves, one of its name finds again; nothing hangs.

The operator refuses to go first. If it is made to, servers go on, and can be taken away as ever.
"""

import time
from typing import Final

import pytest

from e2e import helm, operator
from e2e.cases.story import RELEASE, VALUES, Story
from e2e.kubectl import CommandError, run
from e2e.waits import limit, until

KEY: Final = "e2e/kept"


@pytest.mark.case(minutes=6)
def test_a_cluster_that_comes_again_finds_what_it_left_and_nothing_hangs(story: Story) -> None:
    servers, kubectl = story.servers, story.kubectl
    story.install_operated()
    ids, cluster_id = servers.ids(), _cluster_id(story)
    servers.put(servers.leader(), KEY, 1)

    story.note("the operator is to go while there is a cluster")
    with pytest.raises(
        CommandError, match="still takes care of 1 objects: proconsulclusters/consul"
    ):
        helm.uninstall(kubectl.namespace, operator.RELEASE)
    assert list(story.operator.pods()), "it stays, for who would end the cluster's finalizer?"

    _uninstall_servers(story)
    assert len(kubectl.list("persistentvolumeclaims")) == servers.replicas
    story.note("it comes again")
    chosen = {**VALUES, "mode": "operator"}
    helm.install(kubectl.namespace, RELEASE, chosen, "ready")
    story.cluster.wait_for("Ready", "True", limit_name="operated_ready")
    servers.wait_until_well("operated_ready")
    assert (servers.ids(), _cluster_id(story)) == (ids, cluster_id)
    assert servers.values_below("e2e") == {KEY: 1}

    story.note("the operator goes first, by force")
    run(helm.PROGRAM, "-n", kubectl.namespace, "uninstall", operator.RELEASE, "--no-hooks")
    until(lambda: ", ".join(story.operator.pods()), "no operator is left", limit("pod_gone"))
    assert servers.not_well() == "", "servers need none"
    _uninstall_servers(story)

    story.note("and the namespace")
    words = ("delete", "namespace", kubectl.namespace, f"--timeout={limit('pod_gone'):.0f}s")
    run("kubectl", *words, limit_s=limit("pod_gone") + 10)


def _cluster_id(story: Story) -> str:
    (found,) = {raft["ClusterID"] for raft in story.servers.rafts().values()}
    return str(found)


def _uninstall_servers(story: Story) -> None:
    began_s = time.time()
    story.note("the cluster is uninstalled")
    helm.uninstall(story.kubectl.namespace, RELEASE)
    until(lambda: ", ".join(story.servers.pods()), "no server is left", limit("pod_gone"))
    taken = story.figures.setdefault("servers gone after s", [])
    taken.append(round(time.time() - began_s, 1))
