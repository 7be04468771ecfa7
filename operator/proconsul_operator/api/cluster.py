"""ProconsulCluster: a set of servers that is one datacenter's cluster.

The spec is what a person wants; a wrong one never breaks a running cluster: what the schema and
its rules cannot see is answered in the status as Degraded, and the old state is kept. The status is
what the operator saw; it can be thrown away and is made anew, with four exceptions that the
operator itself must remember: `replicas_before_hibernation`, `recovery_epoch`, `leadership`
(history) and the gossip key's `rotation`.

Words in a status are open (a text, not an enumeration): an older operator must be able to read what
a newer one wrote.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from proconsul_operator.api.cluster_parts import (
    Acl,
    Bootstrap,
    ConfigSecretRef,
    Gossip,
    Image,
    Monitoring,
    NetworkPolicy,
    PodDisruptionBudget,
    PodTemplate,
    Ports,
    Resources,
    Service,
    Storage,
    Tls,
    Update,
)
from proconsul_operator.api.conditions import Conditions
from proconsul_operator.api.values import (
    Datacenter,
    Duration,
    Free,
    Message,
    Metadata,
    Name,
    Natural,
    OptionalName,
    Part,
    Text,
    Time,
    Word,
)

MEMBERS_MAX = 9  # seven, and two that leave or join
LEADERSHIP_MAX = 20
REPLICAS_MAX = 7


class Phase(StrEnum):
    """One word for people; made from the conditions, and no decision is taken by it."""

    PENDING = "Pending"
    BOOTSTRAPPING = "Bootstrapping"
    RUNNING = "Running"
    SCALING = "Scaling"
    UPDATING = "Updating"
    DEGRADED = "Degraded"
    QUORUM_LOST = "QuorumLost"
    RECOVERING = "Recovering"
    RESTORING = "Restoring"
    HIBERNATED = "Hibernated"
    PAUSED = "Paused"
    DELETING = "Deleting"
    FAILED = "Failed"


class ClusterSpec(Part, frozen=True, kw_only=True):
    """The cluster that is wanted."""

    replicas: Annotated[
        int,
        Meta(
            ge=0,
            le=REPLICAS_MAX,
            description="How many servers: 1, 3, 5 or 7; 0 hibernates the cluster and keeps its "
            "volumes. Changes by at most two at a time.",
        ),
    ] = 3
    image: Annotated[Image, Meta(description="The image of the servers.")] = msgspec.field(
        default_factory=Image
    )
    datacenter: Annotated[Datacenter, Meta(description="The datacenter's name. Immutable.")] = "dc1"
    domain: Annotated[Name, Meta(description="The domain that DNS answers for. Immutable.")] = (
        "consul"
    )
    bootstrap: Annotated[
        Bootstrap | None,
        Meta(description="What a new cluster begins with. Immutable, and never added later."),
    ] = None
    storage: Annotated[
        Storage | None,
        Meta(description="A volume for each server. Neither added nor taken away later."),
    ] = None
    allow_ephemeral: Annotated[
        bool, Meta(description="Yes to several servers without storage: a full stop loses all.")
    ] = False
    resources: Annotated[
        Resources, Meta(description="What the server's container asks for and may use.")
    ] = msgspec.field(default_factory=Resources.modest)
    config: Annotated[
        Free,
        Meta(
            description="Keys of Consul's server configuration. Those that the operator sets "
            "itself are refused in the status."
        ),
    ] = msgspec.field(default_factory=dict)
    extra_config_secret_ref: Annotated[
        ConfigSecretRef | None, Meta(description="More configuration, with secrets in it.")
    ] = None
    ports: Annotated[Ports, Meta(description="The ports that the servers listen on.")] = (
        msgspec.field(default_factory=Ports)
    )
    tls: Annotated[
        Tls | None,
        Meta(
            description="TLS. Its certificates are from secretName, or from issuerRef, or from a "
            "CA of the operator's own. Without it there is none."
        ),
    ] = None
    gossip: Annotated[
        Gossip | None,
        Meta(description="Encryption of gossip. Without it there is none; never taken away."),
    ] = None
    acl: Annotated[Acl, Meta(description="Access control.")] = msgspec.field(default_factory=Acl)
    service: Annotated[Service, Meta(description="The Services in front of the servers.")] = (
        msgspec.field(default_factory=Service)
    )
    snapshot_service_account_name: Annotated[
        OptionalName,
        Meta(
            description="ServiceAccount of snapshot Jobs: one of your own carries the workload "
            "identity for S3. Empty: <name>-snapshot, made by the operator."
        ),
    ] = ""
    pod_disruption_budget: Annotated[
        PodDisruptionBudget, Meta(description="How many servers a drain may take at a time.")
    ] = msgspec.field(default_factory=PodDisruptionBudget)
    pod_template: Annotated[
        PodTemplate, Meta(description="What the pods have beside what they need.")
    ] = msgspec.field(default_factory=PodTemplate)
    update: Annotated[Update, Meta(description="How pods are replaced, one at a time.")] = (
        msgspec.field(default_factory=Update)
    )
    monitoring: Annotated[Monitoring, Meta(description="Objects for Prometheus and Grafana.")] = (
        msgspec.field(default_factory=Monitoring)
    )
    network_policy: Annotated[NetworkPolicy, Meta(description="Who may talk to the servers.")] = (
        msgspec.field(default_factory=NetworkPolicy)
    )
    paused: Annotated[bool, Meta(description="The operator reports, and changes nothing.")] = False
    deletion_protection: Annotated[
        bool,
        Meta(description="Refuse deletion (needs the chart's ValidatingAdmissionPolicy)."),
    ] = False


class RaftProgress(Part, frozen=True, kw_only=True):
    """How far the log is."""

    commit_index: Annotated[Natural, Meta(description="The greatest committed index.")] = 0
    min_applied_index: Annotated[
        Natural, Meta(description="What the slowest reachable member has applied.")
    ] = 0


class Endpoints(Part, frozen=True, kw_only=True):
    """Where clients go."""

    http: Annotated[Text, Meta(description="URL of the HTTP API.")] = ""
    dns: Annotated[Text, Meta(description="Address of DNS.")] = ""


class Member(Part, frozen=True, kw_only=True):
    """One server, as it was last seen."""

    name: Annotated[Name, Meta(description="Node name: the pod's.")]
    id: Annotated[Word, Meta(description="Server ID: made with the data directory.")] = ""
    pod_uid: Annotated[Word, Meta(description="UID of its pod.")] = ""
    node: Annotated[Text, Meta(description="The Kubernetes node it runs on.")] = ""
    zone: Annotated[Text, Meta(description="The zone of that node.")] = ""
    address: Annotated[Text, Meta(description="Advertised address and RPC port.")] = ""
    role: Annotated[Word, Meta(description="Leader, Follower, Candidate or Unknown.")] = ""
    suffrage: Annotated[Word, Meta(description="Voter, Nonvoter, or None if not a member.")] = ""
    ready: Annotated[bool, Meta(description="Its pod is ready.")] = False
    revision: Annotated[Text, Meta(description="controller-revision-hash of its pod.")] = ""
    version: Annotated[Word, Meta(description="Version of its server.")] = ""
    lag: Annotated[Natural, Meta(description="Entries it is behind the leader.")] = 0
    last_contact: Annotated[
        Duration | None, Meta(description="How long ago it heard of the leader.")
    ] = None
    since: Annotated[Time | None, Meta(description="When role, ID or pod last changed.")] = None


class Operation(Part, frozen=True, kw_only=True):
    """What is in hand."""

    id: Annotated[Text, Meta(description="Tells it from others; the same after a restart.")]
    type: Annotated[Word, Meta(description="RollingUpdate, ScaleUp, ScaleIn, ...")]
    step: Annotated[Word, Meta(description="What is done or waited for.")] = ""
    target: Annotated[Text, Meta(description="The member or object it is about.")] = ""
    started_at: Annotated[Time | None, Meta(description="When it began.")] = None
    message: Annotated[Message, Meta(description="The same in a sentence.")] = ""


class Leadership(Part, frozen=True, kw_only=True):
    """Who led in a term, and why that began."""

    leader: Annotated[Text, Meta(description="Node name of the leader.")]
    term: Annotated[Natural, Meta(description="Raft's term.")] = 0
    since: Annotated[Time | None, Meta(description="When the operator first saw it.")] = None
    reason: Annotated[Text, Meta(description="Why the one before it led no more.")] = ""


class GossipStatus(Part, frozen=True, kw_only=True):
    """The key of gossip."""

    primary_fingerprint: Annotated[Text, Meta(description="SHA-256 of the primary key.")] = ""
    last_rotation: Annotated[Time | None, Meta(description="When it last changed.")] = None
    rotation: Annotated[
        Text, Meta(description="The value of the annotation that was last carried out.")
    ] = ""


class TlsStatus(Part, frozen=True, kw_only=True):
    """The certificate that the members serve."""

    not_after: Annotated[Time | None, Meta(description="When it ends.")] = None
    fingerprint: Annotated[Text, Meta(description="SHA-256 of it.")] = ""
    rotation: Annotated[
        Text,
        Meta(description="The value of the annotation for a new CA that was last carried out."),
    ] = ""


class LastSnapshot(Part, frozen=True, kw_only=True):
    """The newest snapshot that was completed."""

    name: Annotated[Name, Meta(description="Its ProconsulSnapshot.")]
    time: Annotated[Time | None, Meta(description="When it was taken.")] = None
    index: Annotated[Natural, Meta(description="The index it was taken at.")] = 0
    verified: Annotated[bool, Meta(description="It was checked.")] = False


class ClusterStatus(Part, frozen=True, kw_only=True):
    """The cluster that was seen."""

    observed_generation: Annotated[Natural, Meta(description="The generation it is about.")] = 0
    phase: Annotated[Word, Meta(description="One word for people, from the conditions.")] = ""
    cluster_id: Annotated[Word, Meta(description="UUID in the log, the same on all members.")] = ""
    replicas: Annotated[Natural, Meta(description="Size of the StatefulSet.")] = 0
    ready_replicas: Annotated[Natural, Meta(description="Pods that are ready.")] = 0
    updated_replicas: Annotated[Natural, Meta(description="Pods of the newest revision.")] = 0
    voters: Annotated[Natural, Meta(description="Voters in Raft's configuration.")] = 0
    learners: Annotated[Natural, Meta(description="Members without a vote.")] = 0
    selector: Annotated[str, Meta(max_length=1024, description="Label selector of the pods.")] = ""
    leader: Annotated[Text, Meta(description="Node name of the leader; empty if none.")] = ""
    term: Annotated[Natural, Meta(description="Raft's term.")] = 0
    raft: Annotated[RaftProgress | None, Meta(description="How far the log is.")] = None
    version: Annotated[Word, Meta(description="The lowest version of all members.")] = ""
    target_version: Annotated[Word, Meta(description="The version that is rolled out.")] = ""
    endpoints: Annotated[Endpoints | None, Meta(description="Where clients go.")] = None
    members: Annotated[
        tuple[Member, ...],
        Meta(max_length=MEMBERS_MAX, extra={"list_map": "name"}, description="Each server."),
    ] = ()
    operation: Annotated[Operation | None, Meta(description="What is in hand.")] = None
    leadership: Annotated[
        tuple[Leadership, ...],
        Meta(max_length=LEADERSHIP_MAX, description="Who led when, the newest first."),
    ] = ()
    gossip: Annotated[GossipStatus | None, Meta(description="The key of gossip.")] = None
    tls: Annotated[TlsStatus | None, Meta(description="The certificate in use.")] = None
    last_snapshot: Annotated[
        LastSnapshot | None, Meta(description="The newest completed snapshot.")
    ] = None
    recovery_epoch: Annotated[Natural, Meta(description="Number of the last recovery.")] = 0
    replicas_before_hibernation: Annotated[
        Natural, Meta(description="The size to come back to; 0 if it does not hibernate.")
    ] = 0
    conditions: Annotated[
        Conditions, Meta(description="What holds and what does not, each with its reason.")
    ] = ()


class ProconsulCluster(Part, frozen=True, kw_only=True):
    """A cluster of servers, kept by the operator."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: Annotated[ClusterSpec, Meta(description="The cluster that is wanted.")]
    status: Annotated[ClusterStatus, Meta(description="The cluster that was seen.")] = (
        msgspec.field(default_factory=ClusterStatus)
    )
