"""The parts of a ProconsulCluster's spec, each with its defaults.

The words are for people: they are what `kubectl explain` says. A default stands in the schema, so
the object in the cluster shows what holds, and a later version cannot change it under a running
cluster.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from proconsul_operator.api.places import LocalRef, SnapshotSource
from proconsul_operator.api.values import (
    NAME_PATTERN,
    QUANTITY_PATTERN,
    Duration,
    Free,
    Key,
    Name,
    OptionalName,
    Part,
    Port,
    Size,
    Text,
)

Keep = Literal["Retain", "Delete"]
Amount = Annotated[str | int, Meta(extra={"int_or_string": QUANTITY_PATTERN})]
Amounts = Annotated[dict[str, Amount], Meta(max_length=16)]
Labels = Annotated[
    dict[str, Annotated[str, Meta(max_length=63)]],
    Meta(max_length=64),
]
Annotations = Annotated[
    dict[str, Annotated[str, Meta(max_length=16384)]],
    Meta(max_length=64),
]


def _keyed(key: str, pattern: str, length_max: int) -> Meta:
    """An object of Kubernetes' own, known in a list by its `key`, the rest free."""
    named = {"type": "string", "minLength": 1, "maxLength": length_max, "pattern": pattern}
    named["description"] = "What tells it from the others in the list."
    return Meta(extra={"free": True, "key": key, "key_schema": named})


EnvVar = Annotated[dict[str, Any], _keyed("name", r"^[-._a-zA-Z][-._a-zA-Z0-9]*$", 253)]
Volume = Annotated[dict[str, Any], _keyed("name", NAME_PATTERN, 63)]
VolumeMount = Annotated[dict[str, Any], _keyed("mountPath", r"^/[^:]*$", 1024)]


class Image(Part, frozen=True, kw_only=True):
    """The image of the servers."""

    repository: Annotated[
        str, Meta(min_length=1, max_length=512, description="Registry and name, without a tag.")
    ] = "ghcr.io/proconsul/proconsul"
    tag: Annotated[
        str, Meta(max_length=128, description="The tag. Empty: the version of the operator.")
    ] = ""
    digest: Annotated[
        str,
        Meta(
            max_length=71,
            pattern=r"^$|^sha256:[0-9a-f]{64}$",
            description="sha256:... of the image; goes before the tag.",
        ),
    ] = ""
    pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"], Meta(description="When the kubelet pulls it.")
    ] = "IfNotPresent"
    pull_secrets: Annotated[
        tuple[LocalRef, ...],
        Meta(
            max_length=8,
            extra={"list_map": "name"},
            description="imagePullSecrets of the servers' pods and of snapshot Jobs.",
        ),
    ] = ()


class Bootstrap(Part, frozen=True, kw_only=True):
    """What a new cluster begins with."""

    from_snapshot: Annotated[
        SnapshotSource,
        Meta(description="The snapshot that is restored once, before the cluster is Ready."),
    ]


class Storage(Part, frozen=True, kw_only=True):
    """The volume of each server."""

    size: Annotated[Size, Meta(min_length=1, description="Its size. Only ever grows.")] = "10Gi"
    storage_class_name: Annotated[
        Name | None, Meta(description="Its class; the default class without it. Immutable.")
    ] = None
    on_delete: Annotated[
        Keep, Meta(description="What happens to the volumes when the cluster is deleted.")
    ] = "Retain"
    on_scale_in: Annotated[
        Keep, Meta(description="What happens to a volume when its member is scaled away.")
    ] = "Retain"
    final_snapshot: Annotated[
        bool,
        Meta(
            description="Take a snapshot before the cluster is deleted, to the destination of its "
            "ProconsulSnapshotSchedule."
        ),
    ] = False


class Resources(Part, frozen=True, kw_only=True):
    """What the server's container asks for and may use."""

    requests: Annotated[Amounts, Meta(description="What is reserved for it on its node.")] = (
        msgspec.field(default_factory=dict)
    )
    limits: Annotated[Amounts, Meta(description="What it cannot go beyond.")] = msgspec.field(
        default_factory=dict
    )

    @classmethod
    def modest(cls) -> "Resources":
        """What is taken when nothing is said.

        All or nothing: a limit filled in below a request of the user would be a pod that
        Kubernetes refuses.
        """
        return cls(requests={"cpu": "500m", "memory": "512Mi"}, limits={"memory": "1Gi"})


class ConfigSecretRef(Part, frozen=True, kw_only=True):
    """A Secret with a file of configuration."""

    name: Annotated[Name, Meta(description="The Secret's name.")]
    key: Annotated[Key, Meta(description="The key in it: a JSON or HCL file.")] = "server.json"


class Ports(Part, frozen=True, kw_only=True):
    """The ports that the servers listen on. No two may be the same."""

    http: Annotated[Port, Meta(description="HTTP API.")] = 8500
    https: Annotated[Port, Meta(description="HTTP API by TLS.")] = 8501
    server: Annotated[Port, Meta(description="RPC of servers and client agents.")] = 8300
    serf_lan: Annotated[Port, Meta(description="Gossip, TCP and UDP.")] = 8301
    dns: Annotated[Port, Meta(description="DNS, TCP and UDP.")] = 8600
    probe: Annotated[Port, Meta(description="Health for the kubelet: no data on it.")] = 8558


class IssuerRef(Part, frozen=True, kw_only=True):
    """A cert-manager issuer."""

    name: Annotated[Name, Meta(description="The issuer's name.")]
    kind: Annotated[
        Literal["Issuer", "ClusterIssuer"], Meta(description="Of this namespace or of the cluster.")
    ] = "Issuer"
    group: Annotated[Text, Meta(description="The API group of the issuer.")] = "cert-manager.io"


class Tls(Part, frozen=True, kw_only=True):
    """Certificates of the servers: from a Secret, from cert-manager, or from an own CA."""

    enabled: Annotated[bool, Meta(description="TLS for RPC and the HTTPS port.")] = True
    https_only: Annotated[bool, Meta(description="No plain HTTP API.")] = False
    secret_name: Annotated[
        Name | None, Meta(description="Secret with ca.crt, tls.crt and tls.key, kept by others.")
    ] = None
    issuer_ref: Annotated[
        IssuerRef | None, Meta(description="The issuer of a Certificate that we ask for.")
    ] = None
    renew_before: Annotated[
        Duration, Meta(description="How long before its end a certificate is renewed.")
    ] = "720h"


class GossipRotation(Part, frozen=True, kw_only=True):
    """When the key is changed for a new one."""

    every: Annotated[Duration, Meta(description="The age at which a key is replaced.")] = "2160h"


class Gossip(Part, frozen=True, kw_only=True):
    """Encryption of gossip."""

    secret_name: Annotated[
        OptionalName,
        Meta(description="Secret with the keys, the first is primary. Empty: one is generated."),
    ] = ""
    rotation: Annotated[
        GossipRotation | None,
        Meta(description="Rotation by the clock. Without it only when the annotation asks."),
    ] = None


class Acl(Part, frozen=True, kw_only=True):
    """Access control."""

    enabled: Annotated[bool, Meta(description="Rights are asked for, and nothing is allowed.")] = (
        False
    )
    bootstrap_token_secret_name: Annotated[
        OptionalName,
        Meta(description="Secret with the first token (key token). Empty: one is generated."),
    ] = ""


class Service(Part, frozen=True, kw_only=True):
    """The Services in front of the servers."""

    type: Annotated[
        Literal["ClusterIP", "NodePort", "LoadBalancer"],
        Meta(description="Type of the Service of clients; the others are always ClusterIP."),
    ] = "ClusterIP"
    annotations: Annotated[Annotations, Meta(description="Annotations of that Service.")] = (
        msgspec.field(default_factory=dict)
    )
    leader_service: Annotated[bool, Meta(description="A Service <name>-leader.")] = True
    stale_service: Annotated[
        bool, Meta(description="A Service <name>-stale: reads and DNS while no leader is known.")
    ] = True
    ip_family_policy: Annotated[
        Literal["SingleStack", "PreferDualStack", "RequireDualStack"],
        Meta(description="IPv4, IPv6 or both, for all Services."),
    ] = "PreferDualStack"
    ip_families: Annotated[
        tuple[Literal["IPv4", "IPv6"], ...],
        Meta(max_length=2, description="The families, the first first. Empty: the cluster's own."),
    ] = ()


class PodDisruptionBudget(Part, frozen=True, kw_only=True):
    """How many servers a drain may take at a time."""

    enabled: Annotated[bool, Meta(description="Make one.")] = True
    max_unavailable: Annotated[
        int, Meta(ge=0, le=3, description="Pods that may be away at a time.")
    ] = 1
    unhealthy_pod_eviction_policy: Annotated[
        Literal["IfHealthyBudget", "AlwaysAllow"],
        Meta(description="Whether a pod that is not ready may be evicted when the budget is used."),
    ] = "IfHealthyBudget"


class Toleration(Part, frozen=True, kw_only=True):
    """A taint that the pods bear."""

    key: Annotated[str, Meta(max_length=317, description="The taint's key. Empty: all.")] = ""
    operator: Annotated[
        Literal["Exists", "Equal", "Lt", "Gt"], Meta(description="How the value is compared.")
    ] = "Equal"
    value: Annotated[str, Meta(max_length=63, description="The taint's value.")] = ""
    effect: Annotated[
        Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"],
        Meta(description="The taint's effect. Empty: all."),
    ] = ""
    toleration_seconds: Annotated[
        int | None, Meta(description="How long NoExecute is borne. Without it: for ever.")
    ] = None


class PodTemplate(Part, frozen=True, kw_only=True):
    """What the servers' pods have beside what they need."""

    labels: Annotated[Labels, Meta(description="More labels; ours go before.")] = msgspec.field(
        default_factory=dict
    )
    annotations: Annotated[Annotations, Meta(description="More annotations; ours go before.")] = (
        msgspec.field(default_factory=dict)
    )
    node_selector: Annotated[Labels, Meta(description="Labels that a node must have.")] = (
        msgspec.field(default_factory=dict)
    )
    tolerations: Annotated[
        tuple[Toleration, ...], Meta(max_length=32, description="Taints that are borne.")
    ] = ()
    affinity: Annotated[Free | None, Meta(description="Affinity of a pod.")] = None
    topology_spread_constraints: Annotated[
        Annotated[tuple[Free, ...], Meta(max_length=8)] | None,
        Meta(
            description="How pods are spread. Without it: never two on a node, and over the zones "
            "if that can be. A list, an empty one too, takes the place of both."
        ),
    ] = None
    priority_class_name: Annotated[OptionalName, Meta(description="PriorityClass of a pod.")] = ""
    extra_env: Annotated[
        tuple[EnvVar, ...],
        Meta(
            max_length=64,
            extra={"list_map": "name"},
            description="More environment variables of the server's container.",
        ),
    ] = ()
    extra_volumes: Annotated[
        tuple[Volume, ...],
        Meta(max_length=32, extra={"list_map": "name"}, description="More volumes of a pod."),
    ] = ()
    extra_volume_mounts: Annotated[
        tuple[VolumeMount, ...],
        Meta(
            max_length=32,
            extra={"list_map": "mountPath"},
            description="Where the server's container mounts them.",
        ),
    ] = ()


class Update(Part, frozen=True, kw_only=True):
    """How pods are replaced when their template changes."""

    strategy: Annotated[
        Literal["Automatic", "Manual"],
        Meta(description="Manual waits for the annotation proconsul.io/roll-now."),
    ] = "Automatic"
    max_wait_per_pod: Annotated[
        Duration, Meta(description="A pod that is not well after this stops the roll.")
    ] = "15m"
    pause_between_pods: Annotated[Duration, Meta(description="Rest between two pods.")] = "10s"
    pre_upgrade_snapshot: Annotated[
        bool,
        Meta(
            description="Take a snapshot before a new image is rolled out, to the destination of "
            "the cluster's ProconsulSnapshotSchedule. The roll waits for it, and stops if it fails."
        ),
    ] = False


class Monitoring(Part, frozen=True, kw_only=True):
    """Objects of the Prometheus operator and of Grafana."""

    service_monitor: Annotated[bool, Meta(description="A ServiceMonitor.")] = False
    prometheus_rule: Annotated[bool, Meta(description="A PrometheusRule with alerts.")] = False
    dashboards: Annotated[bool, Meta(description="A ConfigMap with Grafana's dashboard.")] = False


class NetworkPolicy(Part, frozen=True, kw_only=True):
    """Who may talk to the servers."""

    enabled: Annotated[bool, Meta(description="Make one.")] = True
