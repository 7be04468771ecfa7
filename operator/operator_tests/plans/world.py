"""A small world to run plans in: Kubernetes, disks, and members with just enough of raft.

It is pure: time moves by `tick`. The StatefulSet's controller makes pods, pods start, empty ones
found a cluster if the guard allows, a majority elects, newcomers join without a vote and get it,
one change at a time. What the operator may never do is asserted where its acts arrive (acts.py).
"""

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from operator_tests.plans.certificates_world import Certificates
from proconsul_operator.api.cluster import ClusterSpec, ClusterStatus, ProconsulCluster
from proconsul_operator.api.restore import ProconsulRestore
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import Metadata, read, size_bytes
from proconsul_operator.plans.drift import digest
from proconsul_operator.plans.observe import (
    Configuration,
    Guard,
    Job,
    RaftServer,
    Recovery,
    Ref,
)
from proconsul_operator.specs.wanted import Manifest

NAME, SPACE = "consul", "infra"
UID = "0c9c0b3e-0f0a-4c8e-9d1b-2a3c4d5e6f70"
TICK_S = 5.0
STABLE_S = 20.0  # before a newcomer gets its vote: some cycles, as in a real cluster
START_S = 1_800_000_000.0
STORAGE = {"size": "10Gi"}
BROKEN = "9.9.9"  # a tag whose server never runs
BAD_KEY = "no_such_key"  # in a configuration that no server takes
Ring = set[str]  # the gossip keys of a server


@dataclass
class Thing:
    """An object of Kubernetes."""

    uid: str
    version: int
    manifest: Manifest
    controller_uid: str


@dataclass
class Disk:
    """A claim, and what a server wrote there. An empty ID: nothing yet."""

    uid: str
    version: int
    ordinal: int
    requested: str
    id: str = ""
    cluster_id: str = ""
    restore_uid: str = ""
    configuration: Configuration = field(default_factory=Configuration)
    last_index: int = 0
    epoch: int = 0
    decommissioned: bool = False
    left: str = ""
    terminating: bool = False

    def wipe(self) -> None:
        """Its data are moved aside."""
        self.id, self.cluster_id, self.restore_uid = "", "", ""
        self.configuration, self.last_index = Configuration(), 0


@dataclass
class PodState:
    """A pod."""

    name: str
    uid: str
    version: int
    ordinal: int
    revision: str
    tag: str
    created_s: float
    running: bool = False
    ready_since_s: float | None = None
    terminating: bool = False
    crashed: bool = False  # down until `heal`
    silent: bool = False  # it runs, and the operator does not reach it
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass
class Objects:
    """What the operator sees of Kubernetes, and may see too late."""

    things: dict[Ref, Thing] = field(default_factory=dict)
    pods: dict[str, PodState] = field(default_factory=dict)
    disks: dict[int, Disk] = field(default_factory=dict)
    guard: Guard | None = None
    recovery: Recovery | None = None
    jobs: dict[str, Job] = field(default_factory=dict)

    def copied(self) -> "Objects":
        """As it is at this time; manifests are never changed in place."""
        return Objects(
            things={ref: copy.copy(thing) for ref, thing in self.things.items()},
            pods={name: copy.copy(pod) for name, pod in self.pods.items()},
            disks={ordinal: copy.copy(disk) for ordinal, disk in self.disks.items()},
            guard=self.guard,
            recovery=self.recovery,
            jobs=dict(self.jobs),
        )


class World:
    """One cluster, and everything around it but the operator."""

    def __init__(self, **spec: Any) -> None:
        """`spec` is what a person would write."""
        self.now_s = START_S
        self.objects = Objects()
        self.cluster = ProconsulCluster(
            metadata=Metadata(
                name=NAME, namespace=SPACE, uid=UID, resource_version="1", generation=1
            ),
            spec=read(ClusterSpec, {"storage": STORAGE, **spec}),
        )
        self.configuration = Configuration()
        self.leader_id = ""
        self.term = 0
        self.commit_index = 0
        self.state_restore_uid = ""
        self.keys: tuple[str, ...] = ()  # of the Secret
        self.keys_version = 1
        self.ring: dict[str, Ring] = {}
        self.primary: dict[str, str] = {}
        self.restore: ProconsulRestore | None = None
        self.schedules: tuple[ProconsulSnapshotSchedule, ...] = ()
        self.snapshots: dict[str, ProconsulSnapshot] = {}
        self.failing_jobs: set[str] = set()  # kinds
        self.slow_snapshots = False  # none comes to its end
        self.puts: list[str] = []  # restore UIDs, each time that an archive was taken in
        self.stopped_by_us: set[str] = set()
        self.voter_changes: list[tuple[int, int]] = []
        self.surgery = False  # a recovery runs: its pods go together, and that is asked for
        self.token = False
        self.acl: bool | None = False  # None: the servers have no access control
        self.expandable: bool | None = True
        self._serial = 0
        self.certificates = Certificates(self.serial)
        self._stable_s: dict[str, float] = {}

    def serial(self, what: str) -> str:
        """A name that nobody had."""
        self._serial += 1
        return f"{what}-{self._serial:04d}"

    # What people do.

    def edit(self, **spec: Any) -> None:
        """A person changes the spec."""
        held = self.cluster
        changed = read(ClusterSpec, {"storage": STORAGE, **spec})
        self.cluster = ProconsulCluster(
            metadata=_renewed(held.metadata, generation=held.metadata.generation + 1),
            spec=changed,
            status=held.status,
        )

    def annotate(self, **annotations: str) -> None:
        """A person annotates the cluster; `roll_now` is proconsul.io/roll-now."""
        named = {f"proconsul.io/{key.replace('_', '-')}": v for key, v in annotations.items()}
        held = self.cluster.metadata
        self.set_metadata(annotations={**held.annotations, **named})

    def set_metadata(self, **fields: Any) -> None:
        """Change something of the cluster's metadata."""
        held = self.cluster
        self.cluster = ProconsulCluster(
            metadata=_renewed(held.metadata, **fields), spec=held.spec, status=held.status
        )

    def set_status(self, status: ClusterStatus) -> None:
        """The status, which is no change of the metadata that counts here."""
        held = self.cluster
        self.cluster = ProconsulCluster(metadata=held.metadata, spec=held.spec, status=status)

    # What the world does.

    def crash(self, ordinal: int) -> None:
        """A pod dies, and stays down until `heal`."""
        pod = self.pod(ordinal)
        if pod is not None:
            pod.running, pod.crashed, pod.ready_since_s = False, True, None
            pod.version += 1
            self._elect()

    def lose_disk(self, ordinal: int) -> None:
        """A volume is gone with its data, and its pod starts on an empty one."""
        self.objects.disks.pop(ordinal, None)
        self.objects.pods.pop(f"{NAME}-{ordinal}", None)
        self._elect()

    def delete_pod(self, ordinal: int) -> None:
        """Somebody else stops a pod."""
        pod = self.pod(ordinal)
        if pod is not None:
            self.stop(pod)

    def stop(self, pod: PodState) -> None:
        """It gives its leadership away, if it can, and goes."""
        pod.terminating, pod.ready_since_s = True, None
        pod.running = False
        pod.version += 1
        self._elect()

    def move_leader(self, ordinal: int) -> None:
        """An election that this member wins."""
        pod = self.pod(ordinal)
        assert pod is not None
        self.leader_id = self.objects.disks[ordinal].id
        self.term += 1

    def heal(self) -> None:
        """Crashed and unreachable pods come back."""
        for pod in self.objects.pods.values():
            pod.crashed = pod.silent = False

    def pod(self, ordinal: int) -> PodState | None:
        """By its number."""
        return self.objects.pods.get(f"{NAME}-{ordinal}")

    @property
    def set(self) -> Thing | None:
        """The StatefulSet."""
        return self.objects.things.get(Ref("StatefulSet", NAME))

    @property
    def size(self) -> int:
        """Of the StatefulSet."""
        return 0 if self.set is None else int(self.set.manifest["spec"]["replicas"])

    def revision(self) -> str:
        """The newest of the StatefulSet."""
        assert self.set is not None
        return revision_of(self.set.manifest)

    def running(self) -> dict[str, PodState]:
        """Servers that run, by their IDs."""
        return {
            self.objects.disks[pod.ordinal].id: pod
            for pod in self.objects.pods.values()
            if pod.running and pod.ordinal in self.objects.disks
        }

    def active(self) -> dict[str, PodState]:
        """Servers that take part."""
        return {
            server_id: pod
            for server_id, pod in self.running().items()
            if not self.objects.disks[pod.ordinal].decommissioned
        }

    def has_quorum(self) -> bool:
        """A majority of the voters takes part."""
        voters = self.configuration.voters
        active = self.active()
        there = sum(1 for server in voters if server.id in active)
        return bool(voters) and there >= len(voters) // 2 + 1

    def tick(self) -> None:
        """Five seconds."""
        self.now_s += TICK_S
        self._controllers()
        self._start_pods()
        self._found()
        self._elect()
        self._reconcile_members()
        self._replicate()
        self._readiness()
        self.certificates.tick(self.objects.pods, int(self.now_s / TICK_S))

    def _controllers(self) -> None:
        objects = self.objects
        for pod in list(objects.pods.values()):
            if pod.terminating:
                del objects.pods[pod.name]
                disk = objects.disks.get(pod.ordinal)
                if disk is not None and disk.terminating:
                    del objects.disks[pod.ordinal]
            elif self.set is not None and pod.ordinal >= self.size:
                self.stop(pod)
        if self.set is None or self.set.manifest["metadata"].get("deletionTimestamp"):
            return
        for ordinal in range(self.size):
            if f"{NAME}-{ordinal}" not in objects.pods:
                self._make_pod(self.set.manifest, ordinal)

    def _make_pod(self, manifest: Manifest, ordinal: int) -> None:
        claims = manifest["spec"].get("volumeClaimTemplates", [])
        if ordinal not in self.objects.disks or not claims:
            size = claims[0]["spec"]["resources"]["requests"]["storage"] if claims else ""
            self.objects.disks[ordinal] = Disk(
                uid=self.serial("claim"), version=1, ordinal=ordinal, requested=size
            )
        image = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
        name = f"{NAME}-{ordinal}"
        self.objects.pods[name] = PodState(
            name=name,
            uid=self.serial("pod"),
            version=1,
            ordinal=ordinal,
            revision=revision_of(manifest),
            tag=image.rpartition(":")[2],
            created_s=self.now_s,
        )

    def _start_pods(self) -> None:
        for pod in self.objects.pods.values():
            if pod.running or pod.crashed or pod.terminating or pod.tag == BROKEN:
                continue
            if pod.created_s == self.now_s:
                continue
            pod.running = True
            pod.version += 1
            self._start_server(self.objects.disks[pod.ordinal])

    def _start_server(self, disk: Disk) -> None:
        order = self.objects.recovery
        if order is not None and order.epoch > disk.epoch:
            if order.mode == "Reform" and disk.id == order.voter:
                self.term += 1
                server = RaftServer(id=disk.id, name=f"{NAME}-{disk.ordinal}", voter=True)
                index = max(self.configuration.index, disk.configuration.index) + 1
                self.configuration = Configuration(index=index, servers=(server,))
                self.leader_id = disk.id
                disk.configuration = self.configuration
            elif not disk.configuration.servers or disk.id != order.voter:
                if order.mode == "Rebootstrap":
                    self.configuration, self.leader_id = Configuration(), ""
                    self.state_restore_uid = ""
                disk.wipe()
            disk.epoch = order.epoch
        if not disk.id:
            disk.id = self.serial("id")
        self._take_keys(disk.id)

    def _take_keys(self, server_id: str) -> None:
        """A server starts with the keys of the Secret, whatever it had."""
        if self.keys:
            self.ring[server_id] = set(self.keys)
            self.primary[server_id] = self.keys[0]

    def _found(self) -> None:
        guard = self.objects.guard
        if guard is None or guard.bootstrapped or self.configuration.servers:
            return
        empty = [
            pod
            for pod in self.active().values()
            if not self.objects.disks[pod.ordinal].configuration.servers
        ]
        if len(empty) < max(self.size, 1):
            return
        servers = tuple(
            RaftServer(id=self.objects.disks[pod.ordinal].id, name=pod.name, voter=True)
            for pod in empty
        )
        self.configuration = Configuration(index=1, servers=servers)
        for pod in empty:
            self.objects.disks[pod.ordinal].cluster_id = guard.cluster_id
        self.objects.guard = replace(guard, bootstrapped=True, resource_version=self.serial("rv"))

    def _elect(self) -> None:
        active = self.active()
        if self.leader_id in active and self.has_quorum():
            return
        self.leader_id = ""
        if self.has_quorum():
            able = [server for server in self.configuration.voters if server.id in active]
            self.leader_id = able[self.term % len(able)].id
            self.term += 1

    def change(self, servers: tuple[RaftServer, ...]) -> None:
        """One entry that changes the configuration."""
        before = {server.id for server in self.configuration.voters}
        after = {server.id for server in servers if server.voter}
        assert len(before ^ after) <= 1, "voters change one at a time"
        self.voter_changes.append((len(before), len(after)))
        self.configuration = Configuration(index=self.configuration.index + 1, servers=servers)
        self._replicate()

    def _reconcile_members(self) -> None:
        """The leader's own work: one change a tick."""
        if not self.leader_id:
            return
        active, held = self.active(), self.configuration.servers
        for server_id, pod in active.items():
            if self.configuration.by_id(server_id) is None:
                joined = RaftServer(id=server_id, name=pod.name, voter=False)
                self.change((*held, joined))
                self._stable_s[server_id] = self.now_s + STABLE_S
                return
        for learner in self.configuration.learners:
            if learner.id not in active or self.now_s < self._stable_s[learner.id]:
                continue
            dead = [each for each in held if each.name == learner.name and each.id not in active]
            if dead:
                gone = {dead[0].id}
                self.change(tuple(each for each in held if each.id not in gone))
                return
            self.change(
                tuple(replace(each, voter=True) if each is learner else each for each in held)
            )
            return

    def _replicate(self) -> None:
        if not self.leader_id:
            return
        self.commit_index += 1
        cluster_id = self.objects.guard.cluster_id if self.objects.guard else ""
        for server_id, pod in self.active().items():
            if self.configuration.by_id(server_id) is not None:
                disk = self.objects.disks[pod.ordinal]
                disk.configuration, disk.last_index = self.configuration, self.commit_index
                disk.restore_uid, disk.cluster_id = self.state_restore_uid, cluster_id

    def _readiness(self) -> None:
        active = self.active()
        for pod in self.objects.pods.values():
            server_id = (
                self.objects.disks[pod.ordinal].id if pod.ordinal in self.objects.disks else ""
            )
            member = self.configuration.by_id(server_id)
            ready = bool(self.leader_id) and server_id in active and member is not None
            if ready and pod.ready_since_s is None:
                pod.ready_since_s = self.now_s
                pod.version += 1
                self.stopped_by_us.discard(pod.name)
            elif not ready and pod.ready_since_s is not None:
                pod.ready_since_s = None
                pod.version += 1

    def rings(self) -> dict[str, Ring]:
        """The keys of each server that there is; one whose data are gone has none."""
        there = {disk.id for disk in self.objects.disks.values()}
        return {server_id: held for server_id, held in self.ring.items() if server_id in there}

    def install_keys(self) -> None:
        """Who has another ID has started anew. Everybody understands everybody, always."""
        active = self.active()
        for server_id in active:
            if server_id not in self.ring:
                self._take_keys(server_id)
        for one in active.keys() & self.primary.keys():
            for other in active.keys() & self.ring.keys():
                assert self.primary[one] in self.ring[other], f"{other} cannot read {one}"


def revision_of(manifest: Manifest) -> str:
    """As Kubernetes names it: the same template is the same revision."""
    return f"{NAME}-{digest({'metadata': {}, 't': manifest['spec']['template']})[:8]}"


def bytes_of(size: str) -> int:
    """Of a claim; 0 without one."""
    return size_bytes(size) if size else 0


def _renewed(held: Metadata, **fields: Any) -> Metadata:
    version = str(int(held.resource_version) + 1)
    return msgspec.structs.replace(held, resource_version=version, **fields)
