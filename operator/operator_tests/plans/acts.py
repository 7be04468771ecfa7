"""Where the operator's acts arrive in the world: preconditions first, then what may never be.

A precondition that fails raises ConflictError, as the API server and the servers would answer. An
invariant that fails is an AssertionError: the operator did what it must not.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from operator_tests.plans.world import BAD_KEY, NAME, Disk, PodState, Thing, World
from proconsul_operator.api.group import CONFIG, FINALIZER, RESTORE_LOCK
from proconsul_operator.api.snapshot import ProconsulSnapshot, SnapshotStatus
from proconsul_operator.api.values import read, time_text
from proconsul_operator.plans import actions as a
from proconsul_operator.plans.drift import ref_of
from proconsul_operator.plans.observe import Guard, Job, Recovery, Ref
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.wanted import Manifest


class ConflictError(Exception):
    """A precondition did not hold."""


def carry_out(world: World, step: Step, action: a.Action) -> None:
    """Do it, or raise ConflictError."""
    match action:
        case a.DeletePod():
            _delete_pod(world, step, action)
        case a.Wait() | a.Nothing():
            pass
        case _:
            _HANDLERS[type(action)](world, action)


def _uid(holds: bool) -> None:
    if not holds:
        raise ConflictError


def _pod(world: World, name: str, uid: str) -> PodState:
    pod = world.objects.pods.get(name)
    _uid(pod is not None and pod.uid == uid)
    assert pod is not None
    return pod


def _delete_pod(world: World, step: Step, action: a.DeletePod) -> None:
    pod = _pod(world, action.name, action.uid)
    _uid(str(pod.version) == action.resource_version and not pod.terminating)
    server_id = world.objects.disks[pod.ordinal].id if pod.ordinal in world.objects.disks else ""
    if action.unless_leading and server_id == action.unless_leading:
        _uid(server_id != world.leader_id)  # as actions/acting.py refuses it
    if step not in (Step.FENCE_POD, Step.MEND_POD):
        _may_stop(world, pod, server_id)
        world.stopped_by_us.add(pod.name)
    if step is Step.MEND_POD:
        assert not pod.ready_since_s, "who takes part is not mended away"
    world.stop(pod)


def _may_stop(world: World, pod: PodState, server_id: str) -> None:
    others = world.stopped_by_us - {pod.name}
    assert not others, f"{pod.name} is stopped while {others} is not back"
    voters = world.configuration.voters
    if len(voters) == 1:
        return
    assert server_id != world.leader_id, "the leader is stopped without a transfer"
    active = world.active()
    left = sum(1 for each in voters if each.id in active and each.id != server_id)
    assert left >= len(voters) // 2 + 1, f"{pod.name} is stopped, and no quorum is left"


def _apply(world: World, action: a.Apply) -> None:
    for manifest in action.manifests:
        _put(world, manifest, over=True)


def _create(world: World, action: a.CreateIfAbsent) -> None:
    for manifest in action.manifests:
        _put(world, manifest, over=False)


def _put(world: World, manifest: Manifest, *, over: bool) -> None:
    kind, name = ref_of(manifest)
    special = _SPECIAL.get((kind, name)) or _SPECIAL.get((kind, ""))
    if special is not None:
        special(world, manifest)
        return
    ref = Ref(kind, name)
    held = world.objects.things.get(ref)
    meta = dict(manifest["metadata"])
    version = meta.pop("resourceVersion", None)
    if held is not None and not over:
        return
    if version is not None:
        _uid(held is not None and str(held.version) == version)
    data = manifest.get("data", {})
    if held is not None and held.manifest.get("data", {}) != data:
        served = world.set is not None or world.objects.pods
        refused = BAD_KEY in json.dumps(data) and BAD_KEY not in json.dumps(held.manifest)
        assert not (served and refused), "servers get a configuration that they refuse"
    kept = {**manifest, "metadata": meta}
    if held is None:
        owner = meta.get("ownerReferences", [{}])[0].get("uid", "")
        world.objects.things[ref] = Thing(
            uid=world.serial("thing"), version=1, manifest=kept, controller_uid=owner
        )
    elif held.manifest != kept:
        held.manifest, held.version = kept, held.version + 1


def _make_guard(world: World, manifest: Manifest) -> None:
    if world.objects.guard is None:
        data = manifest["data"]
        world.objects.guard = Guard(
            cluster_id=data["clusterID"],
            bootstrapped=data["bootstrapped"] == "true",
            resource_version=world.serial("rv"),
        )


def _make_keys(world: World, manifest: Manifest) -> None:
    if not world.keys:
        world.keys = (manifest["stringData"]["key"],)


def _order_recovery(world: World, manifest: Manifest) -> None:
    order = json.loads(manifest["data"]["recovery.json"])
    held = world.objects.recovery
    assert held is None or order["epoch"] >= held.epoch, "epochs only rise"
    assert world.cluster.status.recovery_epoch >= order["epoch"], "noted before it is ordered"
    world.surgery = True
    world.objects.recovery = Recovery(
        epoch=order["epoch"], mode=order["mode"], voter=order.get("voter", "")
    )


def _make_snapshot(world: World, manifest: Manifest) -> None:
    name = manifest["metadata"]["name"]
    if name not in world.snapshots:
        began = {"uid": world.serial("snap"), "creationTimestamp": time_text(world.now_s)}
        body = {**manifest, "metadata": {**manifest["metadata"], **began}}
        world.snapshots[name] = read(ProconsulSnapshot, body)


def _make_job(world: World, manifest: Manifest) -> None:
    name = manifest["metadata"]["name"]
    text = manifest["spec"]["template"]["metadata"]["annotations"][CONFIG]
    if name not in world.objects.jobs:
        kind = "CheckConfig bad" if BAD_KEY in text else "CheckConfig"
        world.objects.jobs[name] = Job(name=name, uid=kind, started_s=world.now_s)


def _make_token(world: World, manifest: Manifest) -> None:
    world.token = True


_SPECIAL: dict[tuple[str, str], Callable[[World, Manifest], None]] = {
    ("ConfigMap", f"{NAME}-bootstrap"): _make_guard,
    ("ConfigMap", f"{NAME}-recovery"): _order_recovery,
    ("Secret", f"{NAME}-gossip"): _make_keys,
    ("Secret", f"{NAME}-bootstrap-token"): _make_token,
    ("ProconsulSnapshot", ""): _make_snapshot,
    ("Job", ""): _make_job,
}


def _disk(world: World, name: str, uid: str, version: str) -> Disk:
    disk = world.objects.disks.get(int(name.rpartition("-")[2]))
    _uid(disk is not None and disk.uid == uid and str(disk.version) == version)
    assert disk is not None
    return disk


def _delete_volume(world: World, action: a.DeleteVolume) -> None:
    disk = _disk(world, action.name, action.uid, action.resource_version)
    deleted = world.cluster.metadata.deletion_timestamp is not None
    if not deleted:
        member = world.configuration.by_id(disk.id)
        asked = any(
            "replace-member" in key
            for pod in world.objects.pods.values()
            for key in pod.annotations
        )
        assert member is None or asked, "the data of a member are deleted"
    pod = world.pod(disk.ordinal)
    if pod is None:
        del world.objects.disks[disk.ordinal]
    else:
        disk.terminating = True
        disk.version += 1


def _label_volume(world: World, action: a.LabelVolume) -> None:
    disk = _disk(world, action.name, action.uid, action.resource_version)
    disk.left = action.left
    disk.version += 1


def _resize(world: World, action: a.ResizeVolume) -> None:
    disk = _disk(world, action.name, action.uid, action.resource_version)
    disk.requested = action.size
    disk.version += 1


def _set(world: World, uid: str, version: str) -> Thing:
    held = world.set
    _uid(held is not None and held.uid == uid and str(held.version) == version)
    assert held is not None
    return held


def _set_replicas(world: World, action: a.SetReplicas) -> None:
    held = _set(world, action.uid, action.resource_version)
    before = held.manifest["spec"]["replicas"]
    to_sleep = action.replicas == 0 or before == 0
    assert to_sleep or abs(action.replicas - before) == 1, "one pod at a time"
    if action.replicas < before and action.replicas:
        names = {f"{NAME}-{n}" for n in range(action.replicas, before)}
        voters = {each.name for each in world.configuration.voters}
        assert not names & voters, "a voter's pod is scaled away"
        world.stopped_by_us -= names  # they need not come back
    spec = {**held.manifest["spec"], "replicas": action.replicas}
    held.manifest = {**held.manifest, "spec": spec}
    held.version += 1


def _orphan(world: World, action: a.OrphanStatefulSet) -> None:
    _set(world, action.uid, action.resource_version)
    del world.objects.things[Ref("StatefulSet", NAME)]


def _transfer(world: World, action: a.TransferLeader) -> None:
    _uid(world.leader_id == action.leader_id and world.term == action.term)
    _uid(action.to_id in world.active() and world.configuration.by_id(action.to_id) is not None)
    world.leader_id = action.to_id
    world.term += 1


def _decommission(world: World, action: a.Decommission) -> None:
    pod = _pod(world, action.pod, action.pod_uid)
    disk = world.objects.disks[pod.ordinal]
    _uid(pod.running and not pod.silent and disk.id == action.id)
    _may_lose(world, disk.id)
    disk.decommissioned = True
    world.stopped_by_us.discard(pod.name)
    world._elect()


def _may_lose(world: World, server_id: str) -> None:
    member = world.configuration.by_id(server_id)
    if member is None or not member.voter:
        return
    active = world.active()
    voters = [each for each in world.configuration.voters if each.id != server_id]
    left = sum(1 for each in voters if each.id in active)
    assert voters, "the only voter leaves"
    assert server_id != world.leader_id, "the leader leaves without a transfer"
    assert left >= len(voters) // 2 + 1, "a removal rests on members that are down"


def _recommission(world: World, action: a.Recommission) -> None:
    pod = _pod(world, action.pod, action.pod_uid)
    _uid(pod.running and not pod.silent)
    disk = world.objects.disks[pod.ordinal]
    assert world.configuration.by_id(disk.id) is None, "a member would vote under two IDs"
    disk.decommissioned = False
    disk.wipe()
    disk.id = world.serial("id")


def _remove(world: World, action: a.RemovePeer) -> None:
    _uid(bool(world.leader_id))
    if world.configuration.by_id(action.id) is None:
        return
    _may_lose(world, action.id)
    world.change(tuple(each for each in world.configuration.servers if each.id != action.id))


def _install(world: World, action: a.KeyringInstall) -> None:
    for held in world.rings().values():
        held.add(action.key)


def _use(world: World, action: a.KeyringUse) -> None:
    for server_id, held in world.rings().items():
        assert action.key in held, "a key is used that a member does not have"
        world.primary[server_id] = action.key


def _remove_key(world: World, action: a.KeyringRemove) -> None:
    assert all(pod.running for pod in world.objects.pods.values()), "somebody is missing"
    for server_id, held in world.rings().items():
        assert world.primary[server_id] != action.key
        held.discard(action.key)


def _store_keys(world: World, action: a.StoreGossipKeys) -> None:
    _uid(str(world.keys_version) == action.resource_version)
    world.keys, world.keys_version = action.keys, world.keys_version + 1


def _start_job(world: World, action: a.StartJob) -> None:
    if action.name not in world.objects.jobs:
        world.objects.jobs[action.name] = Job(
            name=action.name, uid=action.kind, started_s=world.now_s
        )


def _put_snapshot(world: World, action: a.PutSnapshot) -> None:
    if action.name not in world.objects.jobs:
        world.objects.jobs[action.name] = Job(
            name=action.name, uid=f"Put {action.restore_uid}", started_s=world.now_s
        )


def run_jobs(world: World) -> None:
    """Each Job ends a tick after it began; what it did may have been done before."""
    for name, job in list(world.objects.jobs.items()):
        if job.succeeded is not None or job.started_s == world.now_s:
            continue
        kind, _, uid = job.uid.partition(" ")
        good = kind not in world.failing_jobs and uid != "bad"
        if kind == "Put" and good:
            if not world.leader_id:
                continue
            if world.state_restore_uid != uid:
                world.puts.append(uid)
                world.state_restore_uid = uid
                world._replicate()
        world.objects.jobs[name] = replace(
            job,
            succeeded=good,
            ended_s=world.now_s,
            message="" if good else "it was told to",
            said=f"invalid config key {BAD_KEY}" if uid == "bad" else "",
        )
    for name, snapshot in world.snapshots.items():
        if not snapshot.status.phase and not world.slow_snapshots:
            phase = "Failed" if "Snapshot" in world.failing_jobs else "Completed"
            status = SnapshotStatus(phase=phase, completed_at=time_text(world.now_s))
            world.snapshots[name] = msgspec.structs.replace(snapshot, status=status)


def _reset_guard(world: World, action: a.ResetGuard) -> None:
    held = world.objects.guard
    _uid(held is not None and held.resource_version == action.resource_version)
    assert held is not None
    assert held.cluster_id != action.cluster_id, "a guard is opened for another cluster only"
    world.objects.guard = Guard(
        cluster_id=action.cluster_id, bootstrapped=False, resource_version=world.serial("rv")
    )


def _record_status(world: World, action: a.RecordStatus) -> None:
    held = world.cluster.status
    epoch = action.fields.get("recovery_epoch", held.recovery_epoch)
    assert epoch >= held.recovery_epoch, "epochs only rise"
    world.set_status(msgspec.structs.replace(held, **action.fields))


def _record_restore(world: World, action: a.RecordRestore) -> None:
    assert world.restore is not None
    assert action.status.epoch >= world.restore.status.epoch
    world.restore = msgspec.structs.replace(world.restore, status=action.status)


def _lock(world: World, action: a.Lock) -> None:
    meta = world.cluster.metadata
    _uid(meta.resource_version == action.resource_version)
    noted = {key: held for key, held in meta.annotations.items() if key != RESTORE_LOCK}
    if action.restore_uid:
        noted[RESTORE_LOCK] = action.restore_uid
    else:
        world.surgery = False
    world.set_metadata(annotations=noted)


def _finalizer(world: World, action: a.SetFinalizer) -> None:
    world.set_metadata(finalizers=(FINALIZER,) if action.present else ())


def _delete_object(world: World, action: a.DeleteObject) -> None:
    ref = Ref(action.kind, action.name)
    if action.kind == "StatefulSet":
        for pod in world.objects.pods.values():
            world.stop(pod)
    world.objects.things.pop(ref, None)
    if ref == ("ConfigMap", f"{NAME}-bootstrap"):
        world.objects.guard = None
    if ref == ("Secret", f"{NAME}-gossip"):
        world.keys = ()


def _issue_authority(world: World, action: a.IssueAuthority) -> None:
    world.certificates.make_authority(world.now_s)


def _rotate_authority(world: World, action: a.RotateAuthority) -> None:
    _uid(world.certificates.rotate(action.resource_version, world.now_s))


def _forget_authority(world: World, action: a.ForgetAuthority) -> None:
    _uid(world.certificates.forget(action.resource_version))


def _trust_authorities(world: World, action: a.TrustAuthorities) -> None:
    _uid(world.certificates.trust(action))


def _issue_certificate(world: World, action: a.IssueCertificate) -> None:
    _uid(world.certificates.issue(action, world.now_s))


def _bootstrap_acl(world: World, action: a.BootstrapAcl) -> None:
    _uid(bool(world.leader_id))
    assert world.token, "a token that is stored nowhere"
    world.acl = True


_HANDLERS: dict[type, Callable[[World, Any], None]] = {
    a.Apply: _apply,
    a.CreateIfAbsent: _create,
    a.DeleteVolume: _delete_volume,
    a.LabelVolume: _label_volume,
    a.ResizeVolume: _resize,
    a.SetReplicas: _set_replicas,
    a.OrphanStatefulSet: _orphan,
    a.TransferLeader: _transfer,
    a.Decommission: _decommission,
    a.Recommission: _recommission,
    a.RemovePeer: _remove,
    a.KeyringInstall: _install,
    a.KeyringUse: _use,
    a.KeyringRemove: _remove_key,
    a.StoreGossipKeys: _store_keys,
    a.StartJob: _start_job,
    a.PutSnapshot: _put_snapshot,
    a.ResetGuard: _reset_guard,
    a.RecordStatus: _record_status,
    a.RecordRestore: _record_restore,
    a.Lock: _lock,
    a.SetFinalizer: _finalizer,
    a.DeleteObject: _delete_object,
    a.BootstrapAcl: _bootstrap_acl,
    a.IssueAuthority: _issue_authority,
    a.IssueCertificate: _issue_certificate,
    a.RotateAuthority: _rotate_authority,
    a.ForgetAuthority: _forget_authority,
    a.TrustAuthorities: _trust_authorities,
}
