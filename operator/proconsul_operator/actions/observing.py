"""The world as the plans see it: one look at a cluster, all of it asked for at once.

Everything is read anew in every look, by name or by the cluster's label: a view that lags behind
our own acts would have us act twice, or take our own change for somebody else's. Watches only say
when to look. Servers are called by their pods' addresses, and by no name that DNS has not learned.
"""

import asyncio
import base64
import logging
import secrets
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import aiohttp
import msgspec

from proconsul_operator.actions.consul import (
    Access,
    ConsulError,
    RefusedError,
    Servers,
    UnreachableError,
)
from proconsul_operator.actions.facts import Facts
from proconsul_operator.actions.job_pods import COMPONENT
from proconsul_operator.actions.kube import KubeGateway
from proconsul_operator.actions.memory import Key, Memory
from proconsul_operator.actions.reading import (
    Body,
    authority_of,
    gossip_of,
    guard_of,
    job_of,
    pod_of,
    recovery_of,
    secret_text,
    stateful_set_of,
    tls_of,
    volume_of,
)
from proconsul_operator.actions.tls import trust_only
from proconsul_operator.api.cluster import ProconsulCluster
from proconsul_operator.api.group import RESTORE_LOCK
from proconsul_operator.api.restore import ProconsulRestore, RestorePhase
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import Part, read
from proconsul_operator.plans.create import acl_secret, authority_secret
from proconsul_operator.plans.drift import ref_of
from proconsul_operator.plans.observe import (
    Child,
    Fresh,
    Job,
    Keyring,
    Leader,
    Local,
    Observed,
    Pod,
    Ref,
    Unknown,
    Volume,
)
from proconsul_operator.specs import config_check
from proconsul_operator.specs.children import children
from proconsul_operator.specs.labels import CLUSTER, selector
from proconsul_operator.specs.wanted import Manifest, Wanted

_P = TypeVar("_P", bound=Part)
log: Final = logging.getLogger(__name__)

GOSSIP_KEY_BYTES: Final = 32
NOT_IMPLEMENTED: Final = 501
_REFUSALS: Final[dict[int, bool | None]] = {403: False, NOT_IMPLEMENTED: None}
_TOKEN_SELF: Final = "/v1/acl/token/self"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look, and how the servers that were seen are called. `token` is the first ACL token."""

    observed: Observed
    servers: Servers
    hosts: Mapping[str, str]
    body: Manifest
    token: str = field(repr=False)

    def host_of(self, server_id: str) -> str:
        """The address of a server by its ID; "" if it did not answer."""
        pods = self.observed.pods
        name = next((pod.name for pod in pods if server_id and pod.id == server_id), "")
        return self.hosts.get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """Looks. `now_s` tells seconds since 1970."""

    gateway: KubeGateway
    session: aiohttp.ClientSession
    memory: Memory
    facts: Facts
    now_s: Callable[[], float]
    version: str

    async def look(self, key: Key) -> View | None:
        """At one cluster; None if it is gone."""
        body = await self.gateway.get("ProconsulCluster", *key)
        if body is None:
            return None
        cluster = read(ProconsulCluster, body)
        wanted = wanted_of(cluster, self.version)
        found = await self._objects(wanted)
        token = secret_text(found.named.get(Ref("Secret", acl_secret(wanted))) or {}, "token")
        servers = Servers(self.session, access(wanted, found.named, token))
        hosts = {name: ip for name, ip in map(_address, found.pods) if ip}
        pods = await self._pods(key, wanted, found, servers, hosts)
        gossip = gossip_of(found.named.get(Ref("Secret", wanted.gossip_secret)))
        keys = () if gossip is None else gossip.keys
        leader = await self._leader(key, wanted, keys, servers, hosts, pods)
        ours = Ref("Service", wanted.name)
        address = (found.named.get(ours) or {}).get("spec", {}).get("clusterIP", "")
        observed = Observed(
            now_s=self.now_s(),
            cluster=cluster,
            operator_version=self.version,
            fresh=_fresh(),
            leader=leader,
            stateful_set=stateful_set_of(found.named.get(Ref("StatefulSet", wanted.name))),
            pods=pods,
            volumes=await self._volumes(key[0], found, pods),
            children=self._children(key, found.named),
            guard=guard_of(found.named.get(Ref("ConfigMap", wanted.guard))),
            recovery=recovery_of(found.named.get(Ref("ConfigMap", wanted.recovery))),
            gossip=gossip,
            tls=tls_of(found.named.get(Ref("Secret", wanted.tls_secret))),
            authority=authority_of(found.named.get(Ref("Secret", authority_secret(wanted)))),
            acl_token_stored=bool(token),
            acl_bootstrapped=await self._acl(wanted, servers, hosts, leader),
            jobs=jobs_of(found.jobs, found.job_pods),
            snapshots=read_all(ProconsulSnapshot, found.snapshots),
            schedules=read_all(ProconsulSnapshotSchedule, found.schedules),
            restore=next_restore(_restores(found.restores, cluster), cluster),
            may_roll=self.memory.may_roll(key),
            dns_address="" if address == "None" else address,
        )
        return View(observed=observed, servers=servers, hosts=hosts, body=body, token=token)

    async def _objects(self, wanted: Wanted) -> "_Found":
        refs = named_refs(wanted)
        get, listed, where = self.gateway.get, self.gateway.list, wanted.namespace
        members = ",".join(f"{name}={value}" for name, value in selector(wanted).items())
        ours = f"{CLUSTER}={wanted.name}"
        named = asyncio.gather(*(get(ref.kind, where, ref.name) for ref in refs))
        lists = await asyncio.gather(
            listed("Pod", where, members),
            listed("PersistentVolumeClaim", where, members),
            listed("Job", where, ours),
            listed("Pod", where, f"{ours},{COMPONENT} in (snapshot,{config_check.COMPONENT})"),
            listed("ProconsulSnapshot", where),
            listed("ProconsulSnapshotSchedule", where),
            listed("ProconsulRestore", where),
        )
        held = zip(refs, await named, strict=True)
        bodies = {ref: body for ref, body in held if body is not None}
        return _Found(bodies, *lists)

    def _children(self, key: Key, named: Mapping[Ref, Manifest]) -> dict[Ref, Child]:
        return {ref: self._child(key, ref, body) for ref, body in named.items()}

    def _child(self, key: Key, ref: Ref, body: Manifest) -> Child:
        applied, version = self.memory.applied.get((key, ref), ("", ""))
        meta = body["metadata"]
        owners = meta.get("ownerReferences", ())
        return Child(
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            manifest=body,
            controller_uid=next((each["uid"] for each in owners if each.get("controller")), ""),
            applied=applied,
            untouched=version == meta["resourceVersion"],
        )

    async def _pods(
        self,
        key: Key,
        wanted: Wanted,
        found: "_Found",
        servers: Servers,
        hosts: Mapping[str, str],
    ) -> tuple[Pod, ...]:
        told, shown, trusts = await asyncio.gather(
            servers.locals(hosts),
            self._of_tls(wanted, servers.certificate, hosts),
            self._of_tls(wanted, servers.trusts, hosts),
        )
        made = []
        for body in found.pods:
            name, uid = body["metadata"]["name"], body["metadata"]["uid"]
            answer = told.get(name, UnreachableError("it has no address yet"))
            local: Local | Unknown
            if isinstance(answer, Local):
                self.memory.answered(key, uid)
                local = answer
            else:
                since_s = self.memory.silent_since(key, uid, self.now_s())
                local = Unknown(why=str(answer), since_s=since_s)
            zone = await self.facts.zone(body["spec"].get("nodeName", ""))
            made.append(
                pod_of(
                    body,
                    local,
                    zone=zone,
                    certificate=shown.get(name, ""),
                    trusts=trusts.get(name, ()),
                )
            )
        return tuple(sorted(made, key=lambda pod: pod.ordinal))

    async def _of_tls(
        self, wanted: Wanted, ask: Callable[[str], Awaitable[_T]], hosts: Mapping[str, str]
    ) -> dict[str, _T | Unknown]:
        if not wanted.has_tls:
            return {}

        async def told(host: str) -> _T | Unknown:
            try:
                return await ask(host)
            except ConsulError as error:
                return Unknown(why=str(error), since_s=self.now_s())

        answers = await asyncio.gather(*map(told, hosts.values()))
        return dict(zip(hosts, answers, strict=True))

    async def _leader(
        self,
        key: Key,
        wanted: Wanted,
        keys: tuple[str, ...],
        servers: Servers,
        hosts: Mapping[str, str],
        pods: tuple[Pod, ...],
    ) -> Leader | Unknown:
        held = self.memory.keyring(key, keys, self.now_s())
        why = "no server says that it leads"
        leading = [pod for pod in pods if isinstance(pod.local, Local)]
        leading.sort(key=lambda pod: pod.local.term if isinstance(pod.local, Local) else 0)
        for pod in reversed(leading):
            local = pod.local
            if not isinstance(local, Local) or local.state != "Leader":
                continue
            try:
                found = await servers.leader(
                    hosts[pod.name],
                    local,
                    name=pod.name,
                    encrypted=bool(wanted.gossip_secret) and held is None,
                    now_s=self.now_s(),
                )
            except ConsulError as error:
                why = f"{pod.name} did not answer a linearizable read: {error}"
            else:
                self.memory.answered(key, "leader")
                if isinstance(found.keyring, Keyring):
                    self.memory.heard_of_keys(key, found.keyring, self.now_s())
                return found if held is None else replace(found, keyring=held)
        return Unknown(why=why, since_s=self.memory.silent_since(key, "leader", self.now_s()))

    async def _acl(
        self,
        wanted: Wanted,
        servers: Servers,
        hosts: Mapping[str, str],
        leader: Leader | Unknown,
    ) -> bool | Unknown | None:
        if not wanted.spec.acl.enabled:
            return False
        if isinstance(leader, Unknown):
            return leader
        try:
            await servers.call(hosts[leader.name], "GET", _TOKEN_SELF)
        except RefusedError as refusal:
            unknown = Unknown(why=str(refusal), since_s=self.now_s())
            return _REFUSALS.get(refusal.status, unknown)
        except ConsulError as error:
            return Unknown(why=str(error), since_s=self.now_s())
        return True

    async def _volumes(
        self, namespace: str, found: "_Found", pods: tuple[Pod, ...]
    ) -> tuple[Volume, ...]:
        stuck = {f"data-{pod.name}" for pod in pods if pod.unschedulable}
        made = []
        for body in found.claims:
            name, spec = body["metadata"]["name"], body["spec"]
            node = body["metadata"].get("annotations", {}).get(_SELECTED_NODE, "")
            # A network volume goes on elsewhere, so a lost node alone proves nothing.
            gone = node if name in stuck and await self.facts.is_gone(node) else ""
            grows = await self.facts.expandable(spec.get("storageClassName", ""))
            made.append(volume_of(body, expandable=grows, node_gone=gone))
        return tuple(sorted(made, key=lambda volume: volume.ordinal))


_SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"


@dataclass(frozen=True, slots=True)
class _Found:
    named: Mapping[Ref, Manifest]
    pods: list[Manifest]
    claims: list[Manifest]
    jobs: list[Manifest]
    job_pods: list[Manifest]
    snapshots: list[Manifest]
    schedules: list[Manifest]
    restores: list[Manifest]


def wanted_of(cluster: ProconsulCluster, version: str) -> Wanted:
    """The cluster as the builders take it."""
    meta = cluster.metadata
    return Wanted(
        name=meta.name, namespace=meta.namespace, uid=meta.uid, spec=cluster.spec, version=version
    )


def named_refs(wanted: Wanted) -> tuple[Ref, ...]:
    """All that has a name: what is wanted, what may have been, what is kept."""
    names = {
        Ref("StatefulSet", wanted.name),
        Ref("ConfigMap", wanted.guard),
        Ref("ConfigMap", wanted.recovery),
        Ref("Service", wanted.leader),
        Ref("Service", wanted.stale),
        Ref("PodDisruptionBudget", wanted.name),
        Ref("NetworkPolicy", wanted.name),
        Ref("ServiceMonitor", wanted.name),
        Ref("PrometheusRule", wanted.name),
        Ref("ConfigMap", wanted.dashboards),
        Ref("Certificate", f"{wanted.name}-tls"),
        Ref("Secret", f"{wanted.name}-gossip"),
        Ref("Secret", acl_secret(wanted)),
        Ref("Secret", authority_secret(wanted)),
        *(Ref("Secret", name) for name in (wanted.gossip_secret, wanted.tls_secret) if name),
        *map(ref_of, children(wanted)),
    }
    return tuple(sorted(names))


def access(wanted: Wanted, named: Mapping[Ref, Manifest], token: str) -> Access:
    """By TLS where there is a CA to verify by; else in the clear, if that is served."""
    ports = wanted.spec.ports
    authorities = secret_text(named.get(Ref("Secret", wanted.tls_secret)) or {}, "ca.crt")
    context = _trusting(authorities) if wanted.has_tls and authorities else None
    if context is None:
        return Access(port=ports.http, token=token)
    return Access(port=ports.https, tls=context, server_name=wanted.server_name, token=token)


def _trusting(authorities: str) -> ssl.SSLContext | None:
    try:
        return trust_only([authorities])
    except ssl.SSLError:
        return None


def _address(pod: Body) -> tuple[str, str]:
    status = pod.get("status", {})
    running = status.get("phase") == "Running"
    return pod["metadata"]["name"], status.get("podIP", "") if running else ""


def jobs_of(bodies: list[Manifest], pods: list[Manifest]) -> tuple[Job, ...]:
    """Jobs with what their pods left behind."""
    label = "batch.kubernetes.io/job-name"
    return tuple(
        job_of(
            body,
            tuple(
                pod
                for pod in pods
                if pod["metadata"].get("labels", {}).get(label) == body["metadata"]["name"]
            ),
        )
        for body in bodies
    )


def next_restore(
    restores: tuple[ProconsulRestore, ...], cluster: ProconsulCluster
) -> ProconsulRestore | None:
    """The one that owns the cluster, or the oldest that waits for it."""
    final = (RestorePhase.SUCCEEDED, RestorePhase.FAILED)
    ours = [
        each
        for each in restores
        if each.spec.cluster_ref.name == cluster.metadata.name and each.spec.mode != "NewCluster"
    ]
    lock = cluster.metadata.annotations.get(RESTORE_LOCK, "")
    owner = next((each for each in ours if lock and each.metadata.uid == lock), None)
    waiting = [
        each
        for each in ours
        if each.status.phase not in final and each.metadata.deletion_timestamp is None
    ]
    waiting.sort(key=lambda each: (each.metadata.creation_timestamp or "", each.metadata.name))
    return owner or next(iter(waiting), None)


def _fresh() -> Fresh:
    return Fresh(
        cluster_id=str(uuid.uuid4()),
        gossip_key=base64.b64encode(secrets.token_bytes(GOSSIP_KEY_BYTES)).decode(),
        token=str(uuid.uuid4()),
    )


def read_all(kind: type[_P], bodies: list[Manifest]) -> tuple[_P, ...]:
    """Those that can be read: one of another version must not stop all clusters beside it."""
    made = []
    for body in bodies:
        try:
            made.append(read(kind, body))
        except msgspec.ValidationError as error:
            meta = body["metadata"]
            log.warning("%s %s/%s: %s", kind.__name__, meta["namespace"], meta["name"], error)
    return tuple(made)


def _restores(bodies: list[Manifest], cluster: ProconsulCluster) -> tuple[ProconsulRestore, ...]:
    """Raises msgspec.ValidationError for the one that owns the cluster: it is not to be let go."""
    lock = cluster.metadata.annotations.get(RESTORE_LOCK, "")
    for body in bodies:
        if lock and body["metadata"]["uid"] == lock:
            read(ProconsulRestore, body)
    return read_all(ProconsulRestore, bodies)
