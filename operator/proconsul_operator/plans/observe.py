"""All that a plan may know, as one frozen value.

What was not answered is `Unknown`, with its why and since when: never the same as down, and a plan
that needs the answer waits. All times are seconds since 1970. Dice are thrown before: `Fresh` holds
what a plan may need that nobody can guess, new in every cycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from proconsul_operator.api.cluster import ClusterSpec, ClusterStatus, ProconsulCluster
from proconsul_operator.api.group import RESTORE_LOCK
from proconsul_operator.api.restore import ProconsulRestore
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.specs.wanted import Wanted

NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Asked, and not answered; `since_s` is when it was last answered or first asked."""

    why: str
    since_s: float


class Ref(NamedTuple):
    """An object of the cluster's namespace."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """An object that is there.

    `applied` is the digest of what this process last applied to it, "" for never; `untouched` says
    that nobody changed the object since. `controller_uid` is "" without a controller.
    """

    uid: str
    resource_version: str
    manifest: Mapping[str, Any]
    controller_uid: str = ""
    applied: str = ""
    untouched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatefulSet:
    """The set of pods. `observed`: its controller has seen the newest template."""

    uid: str
    resource_version: str
    replicas: int
    update_revision: str
    observed: bool = True
    terminating: bool = False
    volume_size: str = ""  # of its claim template; "" without one


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftServer:
    """A member of the raft configuration."""

    id: str
    name: str
    voter: bool
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The members, and the index of the entry that says so."""

    index: int = 0
    servers: tuple[RaftServer, ...] = ()

    @property
    def voters(self) -> tuple[RaftServer, ...]:
        """Those whose vote counts."""
        return tuple(server for server in self.servers if server.voter)

    @property
    def learners(self) -> tuple[RaftServer, ...]:
        """Those without a vote."""
        return tuple(server for server in self.servers if not server.voter)

    def by_id(self, server_id: str) -> RaftServer | None:
        """The member with this ID."""
        return next((server for server in self.servers if server.id == server_id), None)

    def by_name(self, name: str) -> tuple[RaftServer, ...]:
        """Two while a member that lost its disk is replaced."""
        return tuple(server for server in self.servers if server.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """What a server says of itself (`GET /v1/proconsul/raft/local`)."""

    id: str
    state: str = "Follower"
    cluster_id: str = ""
    restore_uid: str = ""
    version: str = ""
    term: int = 0
    last_term: int = 0
    last_index: int = 0
    commit_index: int = 0
    applied_index: int = 0
    leader_commit_index: int = 0
    leader_id: str = ""
    last_contact_s: float | None = None  # None: never
    configuration: Configuration = Configuration()
    recovery_epoch: int = 0
    decommissioned: bool = False
    address: str = ""

    @property
    def lag(self) -> int:
        """Entries that it has not applied yet."""
        return max(self.leader_commit_index - self.applied_index, 0)

    @property
    def empty(self) -> bool:
        """It belongs to no cluster."""
        return not self.configuration.servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, and what its server said.

    `stopped`: its container waits or has ended. `certificate`: the SHA-256 that it serves.
    `trusts`: those of the CAs that it trusts, in the order of its file.
    """

    name: str
    uid: str
    resource_version: str
    ordinal: int
    revision: str
    local: Local | Unknown
    created_s: float = 0.0
    ready: bool = False
    ready_since_s: float | None = None
    terminating: bool = False
    pending: bool = False
    unschedulable: str = ""
    stopped: str = ""
    node: str = ""
    zone: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    certificate: str | Unknown = ""
    trusts: tuple[str, ...] | Unknown = ()

    @property
    def id(self) -> str:
        """Its server's ID, "" as long as nobody knows."""
        return self.local.id if isinstance(self.local, Local) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A PersistentVolumeClaim of a member. `left`: the ID of the member that left it behind."""

    name: str
    uid: str
    resource_version: str
    ordinal: int
    bound: bool = True
    requested_bytes: int = 0
    capacity_bytes: int = 0
    expandable: bool | None = None  # None: its class is not known
    resize_error: str = ""
    node_gone: str = ""  # the node that its volume is tied to and that is no more
    left: str = ""
    terminating: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What autopilot thinks of a member."""

    id: str
    healthy: bool
    last_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """How many members and agents have each gossip key, and use it as primary, of how many."""

    keys: Mapping[str, int]
    primary: Mapping[str, int]
    nodes: int
    failed: int = 0  # members of gossip that are failed: they answer nothing

    def everywhere(self, key: str) -> bool:
        """All have it, and nobody is missing."""
        return self.failed == 0 and self.nodes > 0 and self.keys.get(key, 0) == self.nodes

    def primary_everywhere(self, key: str) -> bool:
        """All encrypt with it, and nobody is missing."""
        return self.failed == 0 and self.nodes > 0 and self.primary.get(key, 0) == self.nodes

    def is_settled(self, keys: tuple[str, ...]) -> bool:
        """All have the only key of the Secret, encrypt with it, and have no other."""
        if len(keys) != 1 or set(self.keys) != set(keys):
            return False
        return self.everywhere(keys[0]) and self.primary_everywhere(keys[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """What the leader said, after it answered a linearizable read."""

    id: str
    name: str
    term: int
    configuration: Configuration
    healths: tuple[Health, ...]
    commit_index: int = 0
    keyring: Keyring | Unknown | None = None  # None: gossip is in the clear

    def healthy(self, server_id: str) -> bool:
        """Autopilot says so."""
        return any(health.id == server_id and health.healthy for health in self.healths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The ConfigMap that remembers that the cluster was founded."""

    cluster_id: str
    bootstrapped: bool
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The order to recover that the members read at their start."""

    epoch: int
    mode: str
    voter: str = ""
    restore_uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A Job of ours. `succeeded` is None while it runs.

    What its pod left behind is `result` if a program of the operator's wrote it, else `said`.
    """

    name: str
    uid: str
    succeeded: bool | None = None
    started_s: float | None = None
    ended_s: float | None = None
    attempts: int = 0
    result: Mapping[str, Any] | None = None
    message: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSecret:
    """A Secret with certificates: when it ends, the leaf's SHA-256, and the CAs it trusts."""

    fingerprint: str
    not_after_s: float
    authorities: tuple[str, ...] = ()  # SHA-256 of each in ca.crt
    issuer: str = ""  # SHA-256 of the CA that signed the leaf
    resource_version: str = ""
    changed_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The operator's own CA: its SHA-256, its end, and the SHA-256 of the one before, if any."""

    fingerprint: str
    not_after_s: float
    previous: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipSecret:
    """The keys, the primary one first."""

    keys: tuple[str, ...]
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """Values that nobody can guess; each is used once or thrown away."""

    cluster_id: str
    gossip_key: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything about one cluster at one time."""

    now_s: float
    cluster: ProconsulCluster
    operator_version: str
    fresh: Fresh
    leader: Leader | Unknown
    stateful_set: StatefulSet | None = None
    pods: tuple[Pod, ...] = ()
    volumes: tuple[Volume, ...] = ()
    children: Mapping[Ref, Child] = field(default_factory=dict)
    guard: Guard | None = None
    recovery: Recovery | None = None
    gossip: GossipSecret | None = None
    tls: TlsSecret | None = None
    authority: Authority | None = None  # the operator's own CA
    acl_token_stored: bool = False
    acl_bootstrapped: bool | Unknown | None = False  # None: these servers have no access control
    jobs: tuple[Job, ...] = ()
    snapshots: tuple[ProconsulSnapshot, ...] = ()
    schedules: tuple[ProconsulSnapshotSchedule, ...] = ()
    restore: ProconsulRestore | None = None  # that owns the cluster, or is next
    may_roll: bool = True  # it is this cluster's turn among all of the operator's
    dns_address: str = ""

    @property
    def spec(self) -> ClusterSpec:
        """What is wanted."""
        return self.cluster.spec

    @property
    def status(self) -> ClusterStatus:
        """What was last reported."""
        return self.cluster.status

    @property
    def annotations(self) -> Mapping[str, str]:
        """What people and we noted on the cluster."""
        return self.cluster.metadata.annotations

    @property
    def wanted(self) -> Wanted:
        """The cluster as the builders take it."""
        meta = self.cluster.metadata
        return Wanted(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            spec=self.cluster.spec,
            version=self.operator_version,
        )

    @property
    def lock(self) -> str:
        """The UID of the restore that owns the cluster, "" for none."""
        return self.annotations.get(RESTORE_LOCK, "")

    @property
    def size(self) -> int:
        """How many pods the StatefulSet is to have."""
        return 0 if self.stateful_set is None else self.stateful_set.replicas

    @property
    def was_founded(self) -> bool:
        """The guard says so: its servers never found another cluster."""
        return self.guard is not None and self.guard.bootstrapped

    @property
    def has_servers(self) -> bool:
        """A set of them, or pods that live on without their set."""
        return self.stateful_set is not None or bool(self.pods)

    def pod(self, ordinal: int) -> Pod | None:
        """The pod with this number."""
        return next((pod for pod in self.pods if pod.ordinal == ordinal), None)

    def pod_named(self, name: str) -> Pod | None:
        """The pod of a member, by its node name."""
        return next((pod for pod in self.pods if pod.name == name), None)

    def volume(self, ordinal: int) -> Volume | None:
        """The claim of the member with this number."""
        return next((volume for volume in self.volumes if volume.ordinal == ordinal), None)

    def job(self, name: str) -> Job | None:
        """The Job of this name."""
        return next((job for job in self.jobs if job.name == name), None)

    def locals(self) -> tuple[Local, ...]:
        """What the servers said that answered."""
        return tuple(pod.local for pod in self.pods if isinstance(pod.local, Local))

    def ordinal_of(self, name: str) -> int:
        """The number of a member, by its node name; -1 if it is none of ours."""
        prefix, _, number = name.rpartition("-")
        return int(number) if prefix == self.cluster.metadata.name and number.isdigit() else -1
