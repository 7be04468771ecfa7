"""One act of one plan, carried out with its preconditions.

What a precondition says is asked again here, of the one who knows: the API server for objects, the
server itself for its role. An act whose world has changed raises Stale and nothing was done; the
next cycle looks again. Every act is harmless when it was done already.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from proconsul_operator.actions import certificates
from proconsul_operator.actions.consul import ConsulError
from proconsul_operator.actions.job_acts import JobActs
from proconsul_operator.actions.kube import ConflictError, Identity, KubeGateway
from proconsul_operator.actions.memory import Key, Memory
from proconsul_operator.actions.observing import View
from proconsul_operator.actions.reading import PREVIOUS_CERTIFICATE, PREVIOUS_KEY
from proconsul_operator.api.group import API_VERSION, FINALIZER, LEFT, RESTORE_LOCK
from proconsul_operator.api.values import Part, plain, time_text
from proconsul_operator.plans import actions as a
from proconsul_operator.plans.drift import digest, ref_of
from proconsul_operator.plans.observe import Leader, Local, Ref
from proconsul_operator.specs import gossip_key
from proconsul_operator.specs.wanted import Manifest


class StaleError(Exception):
    """The world is not as the plan saw it. Nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What there is to tell of an act: fields that others had set otherwise, by object."""

    taken: tuple[tuple[Ref, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Acts on one cluster."""

    gateway: KubeGateway
    memory: Memory
    jobs: JobActs

    async def carry_out(self, view: View, action: a.Action) -> Done:
        """Raises StaleError, ConflictError, other KubeErrors, ConsulError."""
        if isinstance(action, a.Wait | a.Nothing):
            return Done()
        act: Callable[[Actor, View, Any], Awaitable[Done | None]] = _ACTS[type(action)]
        return await act(self, view, action) or Done()

    async def _apply(self, view: View, action: a.Apply) -> Done:
        taken = []
        for manifest in action.manifests:
            done = await self.gateway.apply(manifest)
            ref, version = ref_of(manifest), done.object["metadata"]["resourceVersion"]
            self.memory.applied[(_key(view), ref)] = (digest(manifest), version)
            if done.taken:
                taken.append((ref, done.taken))
        return Done(taken=tuple(taken))

    async def _create(self, view: View, action: a.CreateIfAbsent) -> None:
        for manifest in action.manifests:
            await self.gateway.create_if_absent(manifest)

    async def _delete_pod(self, view: View, action: a.DeletePod) -> None:
        host = view.hosts.get(action.name, "")
        if action.unless_leading and host:
            try:
                local = await view.servers.local(host)
            except ConsulError:
                local = None
            if local is not None and _leads(local) and local.id == action.unless_leading:
                raise StaleError(f"{action.name} leads by now")
        identity = Identity(uid=action.uid, resource_version=action.resource_version)
        await self._delete(view, "Pod", action.name, identity)

    async def _delete_volume(self, view: View, action: a.DeleteVolume) -> None:
        identity = Identity(uid=action.uid, resource_version=action.resource_version)
        await self._delete(view, "PersistentVolumeClaim", action.name, identity)

    async def _label_volume(self, view: View, action: a.LabelVolume) -> None:
        change = {"metadata": {"labels": {LEFT: action.left or None}}}
        await self._patch(view, "PersistentVolumeClaim", action, change)

    async def _resize(self, view: View, action: a.ResizeVolume) -> None:
        change = {"spec": {"resources": {"requests": {"storage": action.size}}}}
        await self._patch(view, "PersistentVolumeClaim", action, change)

    async def _set_replicas(self, view: View, action: a.SetReplicas) -> None:
        identity = Identity(uid=action.uid, resource_version=action.resource_version)
        change = {"spec": {"replicas": action.replicas}}
        await self.gateway.patch("StatefulSet", *_key(view), change, identity=identity)

    async def _orphan(self, view: View, action: a.OrphanStatefulSet) -> None:
        identity = Identity(uid=action.uid, resource_version=action.resource_version)
        await self.gateway.delete(
            "StatefulSet", *_key(view), identity=identity, propagation="Orphan"
        )

    async def _transfer(self, view: View, action: a.TransferLeader) -> None:
        host = self._host(view, action.leader_id)
        local = await view.servers.local(host)
        if not _leads(local) or (local.id, local.term) != (action.leader_id, action.term):
            raise StaleError(f"{action.leader_id} does not lead in term {action.term}")
        await view.servers.transfer_leader(host, action.to_id)

    async def _decommission(self, view: View, action: a.Decommission) -> None:
        host = await self._same_pod(view, action.pod, action.pod_uid)
        local = await view.servers.local(host)
        if local.id != action.id:
            raise StaleError(f"{action.pod} is {local.id} by now")
        await view.servers.decommission(host)

    async def _recommission(self, view: View, action: a.Recommission) -> None:
        await view.servers.recommission(await self._same_pod(view, action.pod, action.pod_uid))

    async def _same_pod(self, view: View, name: str, uid: str) -> str:
        pod = await self.gateway.get("Pod", _key(view)[0], name)
        address = "" if pod is None else str(pod.get("status", {}).get("podIP", ""))
        if pod is None or pod["metadata"]["uid"] != uid or not address:
            raise StaleError(f"the pod {name} is another by now")
        return address

    async def _remove(self, view: View, action: a.RemovePeer) -> None:
        await view.servers.remove_peer(self._leader_host(view), action.id)

    async def _install(self, view: View, action: a.KeyringInstall) -> None:
        await view.servers.keyring_install(self._leader_host(view), action.key)

    async def _use(self, view: View, action: a.KeyringUse) -> None:
        await view.servers.keyring_use(self._leader_host(view), action.key)

    async def _remove_key(self, view: View, action: a.KeyringRemove) -> None:
        await view.servers.keyring_remove(self._leader_host(view), action.key)

    async def _store_keys(self, view: View, action: a.StoreGossipKeys) -> None:
        name = view.observed.wanted.gossip_secret
        data = {gossip_key.PRIMARY: action.keys[0], gossip_key.ALL: "\n".join(action.keys) + "\n"}
        await self.gateway.patch(
            "Secret", _key(view)[0], name, {"stringData": data},
            identity=Identity(resource_version=action.resource_version),
        )  # fmt: skip

    async def _authority(self, view: View, action: a.IssueAuthority) -> None:
        observed = view.observed
        made = certificates.authority_secret(observed.wanted, action.secret, observed.now_s)
        await self.gateway.create_if_absent(made)

    async def _rotate_authority(self, view: View, action: a.RotateAuthority) -> None:
        held = await self._secret(view, action.secret)
        observed = view.observed
        made = certificates.next_authority(observed.wanted, held, observed.now_s)
        await self._patch_secret(view, action, certificates.data_of(made))

    async def _forget_authority(self, view: View, action: a.ForgetAuthority) -> None:
        await self._patch_secret(view, action, {PREVIOUS_CERTIFICATE: None, PREVIOUS_KEY: None})

    async def _trust(self, view: View, action: a.TrustAuthorities) -> None:
        held, authority = await asyncio.gather(
            self._secret(view, action.secret), self._secret(view, action.authority)
        )
        trusted = _trusted(action.authorities, held, authority)
        await self._patch_secret(view, action, certificates.data_of({"ca.crt": trusted}))

    async def _certificate(self, view: View, action: a.IssueCertificate) -> None:
        observed, name = view.observed, action.secret
        authority = await self._secret(view, action.authority)
        held = [await self._secret(view, name)] if action.resource_version else []
        signer = certificates.signer_of(authority, action.signer)
        if signer is None:
            raise StaleError(f"Secret {action.authority} has another CA by now")
        trusted = _trusted(action.authorities, *held, authority)
        made = certificates.leaf_secret(observed.wanted, name, signer, trusted, observed.now_s)
        if not action.resource_version:
            await self.gateway.create_if_absent(made)
            return
        await self._patch_secret(view, action, certificates.data_of(made["stringData"]))

    async def _secret(self, view: View, name: str) -> Manifest:
        body = await self.gateway.get("Secret", _key(view)[0], name)
        if body is None:
            raise StaleError(f"Secret {name} is gone")
        return body

    async def _patch_secret(
        self,
        view: View,
        action: a.RotateAuthority | a.ForgetAuthority | a.TrustAuthorities | a.IssueCertificate,
        data: Mapping[str, str | None],
    ) -> None:
        await self.gateway.patch(
            "Secret", _key(view)[0], action.secret, {"data": data},
            identity=Identity(resource_version=action.resource_version),
        )  # fmt: skip

    async def _bootstrap_acl(self, view: View, action: a.BootstrapAcl) -> None:
        await view.servers.bootstrap_acl(self._leader_host(view), view.token)

    async def _start_job(self, view: View, action: a.StartJob) -> None:
        await self.jobs.start(view.observed.wanted, action)

    async def _put_snapshot(self, view: View, action: a.PutSnapshot) -> None:
        await self.jobs.put(view.observed, action)

    async def _reset_guard(self, view: View, action: a.ResetGuard) -> None:
        data = {"clusterID": action.cluster_id, "bootstrapped": "false"}
        await self.gateway.patch(
            "ConfigMap", _key(view)[0], view.observed.wanted.guard, {"data": data},
            identity=Identity(resource_version=action.resource_version),
        )  # fmt: skip

    async def _record_status(self, view: View, action: a.RecordStatus) -> None:
        status = msgspec.structs.replace(view.observed.status, **action.fields)
        meta = view.observed.cluster.metadata
        identity = Identity(uid=meta.uid, resource_version=meta.resource_version)
        await self.gateway.apply_status(
            status_manifest("ProconsulCluster", _key(view), status, identity)
        )

    async def _record_restore(self, view: View, action: a.RecordRestore) -> None:
        await record_restore(self.gateway, _key(view)[0], action, view.observed.now_s)

    async def _lock(self, view: View, action: a.Lock) -> None:
        change = {"metadata": {"annotations": {RESTORE_LOCK: action.restore_uid or None}}}
        await self.gateway.patch(
            "ProconsulCluster", *_key(view), change,
            identity=Identity(resource_version=action.resource_version),
        )  # fmt: skip

    async def _finalizer(self, view: View, action: a.SetFinalizer) -> None:
        await set_finalizer(self.gateway, _key(view)[0], action)

    async def _delete_object(self, view: View, action: a.DeleteObject) -> None:
        await self._delete(view, action.kind, action.name, Identity(uid=action.uid))

    async def _delete(self, view: View, kind: str, name: str, identity: Identity) -> None:
        await self.gateway.delete(kind, _key(view)[0], name, identity=identity)

    async def _patch(
        self, view: View, kind: str, action: a.LabelVolume | a.ResizeVolume, change: Manifest
    ) -> None:
        identity = Identity(uid=action.uid, resource_version=action.resource_version)
        await self.gateway.patch(kind, _key(view)[0], action.name, change, identity=identity)

    def _host(self, view: View, server_id: str) -> str:
        host = view.host_of(server_id)
        if not host:
            raise StaleError(f"no pod of {server_id} answers")
        return host

    def _leader_host(self, view: View) -> str:
        leader = view.observed.leader
        if not isinstance(leader, Leader):
            raise StaleError("nobody is known to lead")
        return self._host(view, leader.id)


def status_manifest(kind: str, key: Key, status: Part, identity: Identity) -> Manifest:
    """What is applied to `status`."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"namespace": key[0], "name": key[1], **identity.metadata},
        "status": plain(status),
    }


async def record_restore(
    gateway: KubeGateway, namespace: str, action: a.RecordRestore, now_s: float
) -> None:
    """Its status, and before it the Event: who dies in between tells twice, never not at all."""
    key, identity = (namespace, action.name), Identity(uid=action.uid)
    manifest = status_manifest("ProconsulRestore", key, action.status, identity)
    if action.event:
        await gateway.event(
            manifest,
            reason=action.event,
            note=action.status.message or action.event,
            warning=action.event != "RestoreSucceeded",
            now=time_text(now_s),
        )
    await gateway.apply_status(manifest)


async def set_finalizer(gateway: KubeGateway, namespace: str, action: a.SetFinalizer) -> None:
    """Ours, put on or taken off; those of others stay."""
    body = await gateway.get(action.kind, namespace, action.name)
    if body is None:
        return
    meta = body["metadata"]
    if meta["uid"] != action.uid:
        raise ConflictError(f"{action.kind} {action.name} is another by now")
    held = [each for each in meta.get("finalizers", ()) if each != FINALIZER]
    wanted = [*held, FINALIZER] if action.present else held
    await gateway.patch(
        action.kind, namespace, action.name, {"metadata": {"finalizers": wanted}},
        identity=Identity(resource_version=meta["resourceVersion"]),
    )  # fmt: skip


def _trusted(named: Sequence[str], *secrets: Manifest) -> str:
    text = certificates.trusted_text(named, *secrets)
    if text is None:
        raise StaleError("a CA that is to be trusted is in no Secret by now")
    return text


def _key(view: View) -> Key:
    meta = view.observed.cluster.metadata
    return (meta.namespace, meta.name)


def _leads(local: Local) -> bool:
    return local.state == "Leader"


_ACTS: Final[dict[type, Callable[[Actor, View, Any], Awaitable[Done | None]]]] = {
    a.Apply: Actor._apply,
    a.CreateIfAbsent: Actor._create,
    a.DeletePod: Actor._delete_pod,
    a.DeleteVolume: Actor._delete_volume,
    a.LabelVolume: Actor._label_volume,
    a.SetReplicas: Actor._set_replicas,
    a.OrphanStatefulSet: Actor._orphan,
    a.ResizeVolume: Actor._resize,
    a.TransferLeader: Actor._transfer,
    a.Decommission: Actor._decommission,
    a.Recommission: Actor._recommission,
    a.RemovePeer: Actor._remove,
    a.KeyringInstall: Actor._install,
    a.KeyringUse: Actor._use,
    a.KeyringRemove: Actor._remove_key,
    a.StoreGossipKeys: Actor._store_keys,
    a.IssueAuthority: Actor._authority,
    a.RotateAuthority: Actor._rotate_authority,
    a.ForgetAuthority: Actor._forget_authority,
    a.TrustAuthorities: Actor._trust,
    a.IssueCertificate: Actor._certificate,
    a.BootstrapAcl: Actor._bootstrap_acl,
    a.StartJob: Actor._start_job,
    a.PutSnapshot: Actor._put_snapshot,
    a.ResetGuard: Actor._reset_guard,
    a.RecordStatus: Actor._record_status,
    a.RecordRestore: Actor._record_restore,
    a.Lock: Actor._lock,
    a.SetFinalizer: Actor._finalizer,
    a.DeleteObject: Actor._delete_object,
}
