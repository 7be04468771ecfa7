"""What happens, and what the operator does then: a case for each row of the table in the design.

A case begins with a cluster that is well, lets one thing happen, and names the steps that follow.
"""

from dataclasses import replace
from typing import Any

import pytest

from operator_tests.plans.operator import Operator
from operator_tests.plans.stories import archived, is_whole, reason, reasons, restore, well
from operator_tests.plans.world import BROKEN, NAME, World
from proconsul_operator.api.conditions import ClusterCondition, condition_of, holds
from proconsul_operator.api.group import REPLACE_MEMBER
from proconsul_operator.plans.actions import Decision, DeletePod, TransferLeader
from proconsul_operator.plans.cluster import plan
from proconsul_operator.plans.observe import Configuration, Leader, Ref, Unknown
from proconsul_operator.plans.steps import Step


def test_creation_makes_what_pods_mount_before_it_makes_pods() -> None:
    world = World(gossip={}, acl={"enabled": True})
    operator = Operator(world)
    operator.settle()
    assert operator.steps[:6] == [
        Step.MAKE_SECRETS,
        Step.MAKE_SECRETS,
        Step.MAKE_GUARD,
        Step.MAKE_CONFIG,
        Step.APPLY_CHILDREN,
        Step.MAKE_SET,
    ]
    assert operator.steps[-1] is Step.BOOTSTRAP_ACL
    assert holds(world.cluster.status.conditions, ClusterCondition.READY)
    assert "Bootstrapped" in reasons(operator)


def test_a_pod_that_was_deleted_is_the_sets_business() -> None:
    world, operator = well()
    world.delete_pod(2)
    operator.settle()
    assert operator.steps == []
    assert "MemberRestarted" in reasons(operator)


def test_a_dashboard_that_is_wanted_no_more_goes_and_no_other_config_map() -> None:
    def config_maps() -> set[str]:
        return {ref.name for ref in world.objects.things if ref.kind == "ConfigMap"}

    world, operator = well(monitoring={"dashboards": True})
    assert config_maps() == {f"{NAME}-config", f"{NAME}-dashboards"}
    mine = world.objects.things[Ref("ConfigMap", f"{NAME}-config")]
    recovery = Ref("ConfigMap", f"{NAME}-recovery")
    world.objects.things[recovery] = replace(mine, uid="recovery")
    world.edit()
    operator.settle()
    assert operator.steps == [Step.DROP_CHILD]
    assert config_maps() == {f"{NAME}-config", recovery.name}


def test_a_leader_that_died_is_told_with_its_reason() -> None:
    world, operator = well()
    before = world.cluster.status.leader
    world.crash(int(before[-1]))
    operator.run(cycles=2)
    status = world.cluster.status
    assert status.leader not in ("", before)
    assert [each.leader for each in status.leadership[:2]] == [status.leader, before]
    assert before in status.leadership[0].reason
    assert "LeaderChanged" in reasons(operator)
    assert operator.steps == []


def test_a_lost_disk_is_the_members_business_and_ready_only_after_it() -> None:
    world, operator = well()
    world.lose_disk(1)
    operator.run(cycles=3)
    assert not holds(world.cluster.status.conditions, ClusterCondition.READY)
    operator.settle()
    assert operator.steps == []
    assert is_whole(world, 3)
    assert "MemberReplaced" in reasons(operator)


def test_without_a_quorum_nothing_is_stopped() -> None:
    world, operator = well()
    world.crash(0)
    world.crash(1)
    world.edit(image={"tag": "1.0.1"}, replicas=5)
    operator.run(cycles=5)
    # The crashed ones take no part, so they may be mended; the one that lives may not be touched.
    alive = world.pod(2)
    assert alive is not None
    assert not alive.terminating
    assert Step.ROLL_POD not in operator.steps
    assert Step.GROW_SET not in operator.steps
    assert "QuorumLost" in reasons(operator)


def test_a_majority_of_lost_disks_is_told_and_left_to_a_person() -> None:
    world, operator = well()
    world.lose_disk(0)
    world.lose_disk(1)
    operator.run(cycles=6)
    assert reason(world, ClusterCondition.QUORATE) == "MajorityLost"
    condition = condition_of(world.cluster.status.conditions, ClusterCondition.QUORATE)
    assert condition is not None
    assert f"{NAME}-2" in condition.message
    assert "RecoverQuorum" in condition.message
    assert world.cluster.status.phase == "QuorumLost"
    assert operator.steps == []


def test_an_upgrade_goes_from_the_last_follower_to_the_leader_which_gives_way_first() -> None:
    world, operator = well()
    leader = world.cluster.status.leader
    world.edit(image={"tag": "1.1.0"})
    rolled = []
    for _ in range(60):
        decision = operator.cycle()
        if isinstance(decision.action, DeletePod | TransferLeader):
            rolled.append((decision.step, decision.target))
        operator.pass_time()
    others = sorted({f"{NAME}-{n}" for n in range(3)} - {leader}, reverse=True)
    assert rolled == [
        *((Step.ROLL_POD, name) for name in others),
        (Step.ROLL_TRANSFER, leader),
        (Step.ROLL_POD, leader),
    ]


@pytest.mark.parametrize("tag", ["1.2.0", "2.0.0", "0.9.0"])
def test_a_jump_of_versions_is_refused_and_nothing_moves(tag: str) -> None:
    world, operator = well()
    world.edit(image={"tag": tag})
    operator.run(cycles=5)
    assert operator.steps == []
    assert reason(world, ClusterCondition.DEGRADED) == "VersionSkewRefused"
    world.annotate(allow_version=tag)
    operator.settle()
    assert {pod.tag for pod in world.objects.pods.values()} == {tag}


def test_a_bad_image_stops_at_one_pod_and_goes_back_with_the_spec() -> None:
    world, operator = well(update={"maxWaitPerPod": "1m"})
    world.annotate(allow_version=BROKEN)
    world.edit(image={"tag": BROKEN}, update={"maxWaitPerPod": "1m"})
    operator.run(cycles=30)
    broken = [pod for pod in world.objects.pods.values() if pod.tag == BROKEN]
    assert len(broken) == 1
    assert reason(world, ClusterCondition.DEGRADED) == "RolloutStuck"
    assert "RolloutStuck" in reasons(operator)
    world.edit(update={"maxWaitPerPod": "1m"})
    operator.settle()
    assert is_whole(world, 3)


def test_a_roll_by_hand_waits_for_the_word_and_the_word_is_for_one_revision() -> None:
    manual = {"update": {"strategy": "Manual"}}
    world, operator = well(**manual)
    world.annotate(roll_now="yes")
    world.edit(image={"tag": "1.1.0"}, **manual)
    operator.run(cycles=5)
    assert Step.ROLL_POD not in operator.steps
    assert reason(world, ClusterCondition.ALL_MEMBERS_UPDATED) == "ManualApprovalNeeded"
    world.annotate(roll_now=world.revision())
    operator.settle()
    assert operator.steps.count(Step.ROLL_POD) == 3


def test_a_single_server_is_rolled_and_the_downtime_is_told() -> None:
    world, operator = well(replicas=1)
    world.edit(replicas=1, image={"tag": "1.1.0"})
    operator.settle()
    assert operator.steps.count(Step.ROLL_POD) == 1
    assert Step.ROLL_TRANSFER not in operator.steps
    assert "DowntimeExpected" in reasons(operator)


def test_what_a_server_reloads_restarts_none() -> None:
    world, operator = well()
    world.edit(config={"log_level": "DEBUG"})
    operator.settle()
    assert operator.steps == [Step.CHECK_CONFIG, Step.APPLY_CHILDREN]


def test_what_needs_a_restart_is_rolled() -> None:
    world, operator = well()
    world.edit(config={"performance": {"raft_multiplier": 2}})
    operator.settle()
    assert operator.steps.count(Step.ROLL_POD) == 3


def test_a_refused_key_keeps_the_old_configuration() -> None:
    world, operator = well()
    before = world.objects.things[Ref("ConfigMap", f"{NAME}-config")].manifest
    world.edit(config={"bind_addr": "0.0.0.0", "log_level": "DEBUG"})
    operator.run(cycles=4)
    assert operator.steps == []
    assert world.objects.things[Ref("ConfigMap", f"{NAME}-config")].manifest is before
    assert reason(world, ClusterCondition.DEGRADED) == "ConfigInvalid"


def test_growing_adds_one_member_at_a_time() -> None:
    world, operator = well()
    world.voter_changes.clear()
    world.edit(replicas=5)
    operator.settle()
    voters = [after for before, after in world.voter_changes if before != after]
    assert voters == [4, 5]


def test_a_pod_that_is_asked_to_go_is_asked_once() -> None:
    """Kubernetes gives it its time: each further call would be one more Event of a pod rolled."""
    world, operator = well()
    world.edit(image={"tag": "1.1.0"})
    while operator.cycle().step is not Step.ROLL_POD:
        operator.pass_time()
    assert any(pod.terminating for pod in world.objects.pods.values())
    assert not operator.cycle().acts


def test_shrinking_takes_the_last_out_before_its_pod_goes() -> None:
    world, operator = well(replicas=5)
    world.edit(replicas=3)
    operator.settle()
    one = [Step.DECOMMISSION, Step.REMOVE_MEMBER, Step.MARK_VOLUME, Step.SHRINK_SET]
    assert [s for s in operator.steps if s is not Step.APPLY_CHILDREN] == one + one
    left = {n for n, disk in world.objects.disks.items() if disk.left}
    assert left == {3, 4}


def test_what_a_member_leaves_behind_is_marked_although_its_server_is_silent_by_then() -> None:
    """A server that was taken out starts again, and answers nothing for seconds."""
    world, operator = well(replicas=5)
    gone = world.objects.disks[4].id
    world.edit(replicas=3)
    while Step.REMOVE_MEMBER not in operator.steps:
        operator.cycle()
    world.objects.pods[f"{NAME}-4"].silent = True
    operator.settle()
    assert world.objects.disks[4].left == gone


def test_a_healthy_member_does_not_leave_while_another_is_sick() -> None:
    world, operator = well(replicas=5)
    world.crash(0)
    world.edit(replicas=3)
    operator.run(cycles=6)
    assert Step.DECOMMISSION not in operator.steps
    assert reason(world, ClusterCondition.DEGRADED) == "ScaleBlocked"
    world.heal()
    operator.settle()
    assert is_whole(world, 3)


def test_a_wish_taken_back_in_the_middle_brings_the_member_back_with_a_new_id() -> None:
    world, operator = well(replicas=5)
    before = world.objects.disks[4].id
    world.edit(replicas=3)
    while Step.DECOMMISSION not in operator.steps:
        operator.cycle()
    world.edit(replicas=5)
    operator.settle()
    assert is_whole(world, 5)
    assert world.objects.disks[4].id != before


def test_a_sleeping_cluster_wakes_to_the_size_it_had() -> None:
    world, operator = well(replicas=5)
    ids = {disk.id for disk in world.objects.disks.values()}
    world.edit(replicas=0)
    operator.settle()
    assert world.cluster.status.phase == "Hibernated"
    assert world.cluster.status.replicas_before_hibernation == 5
    world.edit(replicas=3)
    operator.run(cycles=4)
    assert reason(world, ClusterCondition.DEGRADED) == "ScaleBlocked"
    world.edit(replicas=5)
    operator.settle()
    assert {disk.id for disk in world.objects.disks.values()} == ids


def test_a_volume_that_cannot_grow_is_told_and_left() -> None:
    world, operator = well()
    world.expandable = False
    world.edit(storage={"size": "20Gi"})
    operator.settle()
    assert Step.ORPHAN_SET not in operator.steps
    assert reason(world, ClusterCondition.DATA_VOLUMES_READY) == "ResizeUnsupported"


def test_a_bigger_volume_restarts_no_pod() -> None:
    world, operator = well()
    uids = {pod.uid for pod in world.objects.pods.values()}
    world.edit(storage={"size": "20Gi"})
    operator.settle()
    assert Step.REMAKE_SET in operator.steps
    assert {pod.uid for pod in world.objects.pods.values()} == uids


def test_drift_is_put_right_and_told_by_its_fields() -> None:
    world, operator = well()
    thing = world.objects.things[Ref("Service", NAME)]
    spec = {**thing.manifest["spec"], "type": "NodePort"}
    thing.manifest, thing.version = {**thing.manifest, "spec": spec}, thing.version + 1
    operator.settle()
    assert operator.steps == [Step.APPLY_CHILDREN]
    (event,) = [each for each in operator.events if each.reason == "DriftCorrected"]
    assert "spec.type" in event.message


def test_somebody_elses_object_is_not_adopted() -> None:
    world, operator = well()
    thing = world.objects.things[Ref("Service", NAME)]
    thing.controller_uid = "somebody"
    world.edit(replicas=5)
    operator.run(cycles=3)
    assert operator.steps == []
    assert reason(world, ClusterCondition.DEGRADED) == "ForeignObject"


def test_paused_it_only_reports() -> None:
    world, operator = well()
    world.edit(paused=True, replicas=5, image={"tag": "1.1.0"})
    world.crash(0)
    operator.run(cycles=6)
    assert operator.steps == []
    assert world.cluster.status.phase == "Paused"
    assert world.cluster.status.ready_replicas == 2
    assert reasons(operator).count("Paused") == 1


def test_an_operator_that_was_renewed_restarts_no_cluster_before_its_turn() -> None:
    world, operator = well()
    world.edit(image={"tag": "1.1.0"})
    operator.run(cycles=1)
    observed = operator.observe(world.objects.copied())
    assert plan(replace(observed, may_roll=False)).step is Step.AWAIT_TURN
    assert plan(observed).step is Step.ROLL_POD


def test_a_leader_is_never_given_up_by_an_annotation() -> None:
    world, operator = well()
    ordinal = int(world.cluster.status.leader[-1])
    pod = world.pod(ordinal)
    assert pod is not None
    pod.annotations["proconsul.io/replace-member"] = world.objects.disks[ordinal].id
    decision = operator.cycle()
    assert decision.step is Step.REPLACE_REFUSED


def test_a_member_that_the_leader_took_out_is_given_up_by_the_claim_that_it_lost() -> None:
    world, operator = well()
    whole = operator.observe(world.objects.copied())
    leader = whole.leader
    assert isinstance(leader, Leader)
    lost = next(pod for pod in whole.pods if pod.name != leader.name)
    claim = whole.volume(lost.ordinal)
    assert claim is not None
    others = tuple(each for each in leader.configuration.servers if each.name != lost.name)

    def asked(word: str, **volume: Any) -> Decision:
        waiting = replace(
            lost,
            ready=False,
            pending=True,
            unschedulable="no node has its volume",
            local=Unknown(why="it does not run", since_s=0.0),
            annotations={REPLACE_MEMBER: word},
        )
        volumes = (each for each in whole.volumes if each.name != claim.name)
        return plan(
            replace(
                whole,
                leader=replace(leader, configuration=Configuration(servers=others)),
                pods=tuple(waiting if pod is lost else pod for pod in whole.pods),
                volumes=(*volumes, replace(claim, node_gone="n1", **volume)),
            )
        )

    assert asked(claim.uid).step is Step.REPLACE_VOLUME
    assert asked(claim.uid, terminating=True).step is Step.REPLACE_POD
    assert asked("another").step not in (Step.REPLACE_VOLUME, Step.REPLACE_POD)


def test_a_recovery_is_refused_while_a_leader_is_known() -> None:
    world, operator = well()
    world.restore = restore(mode="RecoverQuorum")
    operator.settle()
    assert world.restore.status.phase == "Failed"
    assert "QuorumPresent" in world.restore.status.message
    assert Step.FENCE_POD not in operator.steps


def test_while_a_restore_owns_the_cluster_nothing_else_is_done() -> None:
    world, operator = well()
    archived(world)
    world.restore = restore(mode="InPlace", snapshotRef={"name": "nightly-1"})
    world.edit(replicas=5)
    operator.cycle()
    seen = []
    while world.restore.status.phase not in ("Succeeded", "Failed"):
        seen.append(operator.cycle().step)
        operator.pass_time()
    assert Step.GROW_SET not in seen
    operator.settle()
    assert is_whole(world, 5)


def test_a_server_that_only_we_cannot_reach_is_not_stopped() -> None:
    world, operator = well()
    for pod in world.objects.pods.values():
        pod.silent = True
    world.edit(image={"tag": "1.1.0"})
    operator.run(cycles=30)
    assert Step.MEND_POD not in operator.steps


def test_a_leader_that_we_cannot_reach_gives_its_leadership_away_before_it_is_scaled_away() -> None:
    world, operator = well()
    world.move_leader(2)
    pod = world.pod(2)
    assert pod is not None
    pod.silent = True
    world.edit(replicas=1)
    operator.settle()
    assert is_whole(world, 1)
    assert Step.SCALE_TRANSFER in operator.steps


def test_on_an_old_view_a_new_template_does_not_bring_back_an_old_size() -> None:
    world, operator = well()
    world.edit(replicas=5)
    while Step.GROW_SET not in operator.steps:
        operator.cycle()
    world.edit(replicas=5, image={"tag": "1.1.0"})
    assert operator.cycle(stale=1).step is Step.APPLY_TEMPLATE
    assert world.size == 4
    assert operator.steps.count(Step.APPLY_TEMPLATE) == 0
