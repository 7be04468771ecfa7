"""Objects that are taken and objects that are refused, with the words of the refusal.

The same cases are put to our own reading of the rules (test_rules.py) and to a real API server
(test_against_kubernetes.py). A case with `old` is a change of it.
"""

from dataclasses import dataclass
from typing import Any

from proconsul_operator.api.group import API_VERSION

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One write; `refusal` is part of the message that it gets, empty if it is taken."""

    name: str
    kind: str
    spec: Json
    old: Json | None = None
    refusal: str = ""
    object_name: str = "c"
    by_schema: bool = False  # refused by a type or a bound, not by a rule
    kubernetes_only: bool = False  # quantity()

    @property
    def body(self) -> Json:
        """The object that is written."""
        return self._object(self.spec)

    @property
    def old_body(self) -> Json | None:
        """The object that was there."""
        return None if self.old is None else self._object(self.old)

    def _object(self, spec: Json) -> Json:
        metadata = {"name": self.object_name}
        return {"apiVersion": API_VERSION, "kind": self.kind, "metadata": metadata, "spec": spec}


def _of(kind: str, *cases: tuple[str, Json, str]) -> tuple[Case, ...]:
    return tuple(Case(name=name, kind=kind, spec=spec, refusal=no) for name, spec, no in cases)


def _changes(kind: str, *cases: tuple[str, Json, Json, str]) -> tuple[Case, ...]:
    return tuple(
        Case(name=name, kind=kind, old=old, spec=spec, refusal=no) for name, old, spec, no in cases
    )


CLUSTER = "ProconsulCluster"
SNAPSHOT = "ProconsulSnapshot"
SCHEDULE = "ProconsulSnapshotSchedule"
RESTORE = "ProconsulRestore"

DISK: Json = {"storage": {"size": "10Gi"}}
REF: Json = {"clusterRef": {"name": "consul"}}
BUCKET: Json = {"s3": {"bucket": "backups", "prefix": "infra"}}
OBJECT: Json = {"s3": {"bucket": "backups", "key": "infra/consul/1.snap"}}
FROM: Json = {"bootstrap": {"fromSnapshot": {"snapshotRef": {"name": "nightly-1"}}}}
FROM_OTHER: Json = {"bootstrap": {"fromSnapshot": {"snapshotRef": {"name": "nightly-2"}}}}
TAKE: Json = {**REF, "destination": BUCKET}
NIGHTLY: Json = {**REF, "schedule": "0 3 * * *", "template": {"destination": BUCKET}}
IN_PLACE: Json = {
    **REF,
    "mode": "InPlace",
    "snapshotRef": {"name": "nightly-1"},
    "acknowledgeDataLoss": "consul",
}
RECOVER: Json = {**REF, "mode": "RecoverQuorum", "acknowledgeDataLoss": "consul"}
CLONE: Json = {**REF, "mode": "NewCluster", "location": OBJECT, "newCluster": DISK}


def _without(body: Json, *names: str) -> Json:
    return {name: value for name, value in body.items() if name not in names}


def _disk(**more: Any) -> Json:
    return {"storage": {**DISK["storage"], **more}}


CLUSTERS = (
    *_of(
        CLUSTER,
        ("three with disks", DISK, ""),
        ("all defaults of a disk", {"storage": {}}, ""),
        ("hibernated", {**DISK, "replicas": 0}, ""),
        ("seven", {**DISK, "replicas": 7}, ""),
        ("four", {**DISK, "replicas": 4}, "replicas must be 1, 3, 5 or 7"),
        ("two", {**DISK, "replicas": 2}, "replicas must be 1, 3, 5 or 7"),
        ("one without a disk", {"replicas": 1}, ""),
        ("three without a disk", {}, "allowEphemeral: true"),
        ("three without a disk, said so", {"allowEphemeral": True}, ""),
        ("three without a disk, said no", {"allowEphemeral": False}, "allowEphemeral: true"),
        ("tls by an own ca", {**DISK, "tls": {}}, ""),
        ("tls by a secret", {**DISK, "tls": {"secretName": "s"}}, ""),
        ("tls by an issuer", {**DISK, "tls": {"issuerRef": {"name": "ca"}}}, ""),
        (
            "tls by two sources",
            {**DISK, "tls": {"secretName": "s", "issuerRef": {"name": "ca"}}},
            "secretName or issuerRef, not both",
        ),
        (
            "two sources, but off",
            {**DISK, "tls": {"enabled": False, "secretName": "s", "issuerRef": {"name": "ca"}}},
            "",
        ),
        ("https only", {**DISK, "tls": {"httpsOnly": True}}, ""),
        (
            "https only without tls",
            {**DISK, "tls": {"enabled": False, "httpsOnly": True}},
            "httpsOnly needs TLS",
        ),
        ("other ports", {**DISK, "ports": {"http": 80, "dns": 53}}, ""),
        (
            "a port that is another's default",
            {**DISK, "ports": {"http": 8501}},
            "no two ports may be the same",
        ),
        ("from a snapshot", {**DISK, **FROM}, ""),
        (
            "from a location",
            {**DISK, "bootstrap": {"fromSnapshot": {"location": OBJECT}}},
            "",
        ),
        (
            "from nothing",
            {**DISK, "bootstrap": {"fromSnapshot": {}}},
            "exactly one of snapshotRef and location",
        ),
        (
            "from two",
            {
                **DISK,
                "bootstrap": {"fromSnapshot": {"snapshotRef": {"name": "n"}, "location": OBJECT}},
            },
            "exactly one of snapshotRef and location",
        ),
        (
            "from a location that is none",
            {**DISK, "bootstrap": {"fromSnapshot": {"location": {}}}},
            "exactly one of s3, pvc and http",
        ),
        (
            "free-form parts",
            {
                **DISK,
                "config": {"log_level": "DEBUG", "performance": {"raft_multiplier": 1}},
                "resources": {"requests": {"cpu": 1, "memory": "1Gi"}},
                "podTemplate": {
                    "affinity": {"nodeAffinity": {}},
                    "extraEnv": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
                    "extraVolumes": [{"name": "v", "emptyDir": {}}],
                    "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
                    "topologySpreadConstraints": [],
                },
            },
            "",
        ),
    ),
    Case(name="a long name", kind=CLUSTER, spec=DISK, object_name="a" * 40),
    Case(
        name="too long a name",
        kind=CLUSTER,
        spec=DISK,
        object_name="a" * 41,
        refusal="the name may have 40 characters",
    ),
    *(
        Case(name=f"named {name}", kind=CLUSTER, spec=DISK, object_name=name, refusal=refusal)
        for name, refusal in (
            ("consul-2", ""),
            ("con.sul", "Services are named after it"),
            ("2consul", "Services are named after it"),
        )
    ),
)

CLUSTER_CHANGES = _changes(
    CLUSTER,
    ("three to five", {**DISK, "replicas": 3}, {**DISK, "replicas": 5}, ""),
    ("five to three", {**DISK, "replicas": 5}, {**DISK, "replicas": 3}, ""),
    ("three to seven", DISK, {**DISK, "replicas": 7}, "at most two at a time"),
    ("five to one", {**DISK, "replicas": 5}, {**DISK, "replicas": 1}, "at most two at a time"),
    ("into hibernation", {**DISK, "replicas": 7}, {**DISK, "replicas": 0}, ""),
    ("out of hibernation", {**DISK, "replicas": 0}, {**DISK, "replicas": 7}, ""),
    ("another class", _disk(storageClassName="a"), _disk(storageClassName="b"), "immutable"),
    ("a class added", DISK, _disk(storageClassName="b"), "storageClassName is immutable"),
    ("a class taken away", _disk(storageClassName="a"), DISK, "storageClassName is immutable"),
    ("the same class", _disk(storageClassName="a"), _disk(storageClassName="a", size="20Gi"), ""),
    ("a disk added", {"replicas": 1}, {**DISK, "replicas": 1}, "neither be added nor taken"),
    ("a disk taken away", {**DISK, "replicas": 1}, {"replicas": 1}, "neither be added nor taken"),
    ("another datacenter", DISK, {**DISK, "datacenter": "dc2"}, "datacenter is immutable"),
    ("another domain", DISK, {**DISK, "domain": "other"}, "domain is immutable"),
    ("another beginning", {**DISK, **FROM}, {**DISK, **FROM_OTHER}, "bootstrap is immutable"),
    ("a beginning added", DISK, {**DISK, **FROM}, "use a ProconsulRestore"),
    ("a beginning forgotten", {**DISK, **FROM}, DISK, ""),
    ("gossip encrypted later", DISK, {**DISK, "gossip": {}}, ""),
    ("gossip laid bare", {**DISK, "gossip": {}}, DISK, "cannot be taken away"),
    ("another configuration", DISK, {**DISK, "config": {"log_level": "DEBUG"}}, ""),
)

VOLUMES = tuple(
    Case(
        name=f"{before} to {after}",
        kind=CLUSTER,
        old=_disk(size=before),
        spec=_disk(size=after),
        refusal=no,
        kubernetes_only=True,
    )
    for before, after, no in (
        ("10Gi", "20Gi", ""),
        ("10Gi", "10240Mi", ""),
        ("10Gi", "5Gi", "volumes only grow"),
        ("10Gi", "10G", "volumes only grow"),
    )
)

SNAPSHOTS = (
    *_of(
        SNAPSHOT,
        ("into a bucket", TAKE, ""),
        ("onto a volume", {**REF, "destination": {"pvc": {"claimName": "backups"}}}, ""),
        ("to a server", {**REF, "destination": {"http": {"url": "https://x.example/f"}}}, ""),
        ("to nowhere", {**REF, "destination": {}}, "exactly one of s3, pvc and http"),
        (
            "to two places",
            {**REF, "destination": {**BUCKET, "pvc": {"claimName": "backups"}}},
            "exactly one of s3, pvc and http",
        ),
    ),
    *_changes(
        SNAPSHOT,
        ("untouched", TAKE, TAKE, ""),
        ("changed", TAKE, {**TAKE, "ttl": "1h"}, "the spec of a snapshot is immutable"),
    ),
)

SCHEDULES = (
    *_of(
        SCHEDULE,
        ("every night", NIGHTLY, ""),
        ("every day", {**NIGHTLY, "schedule": "@daily"}, ""),
        ("six fields", {**NIGHTLY, "schedule": "0 0 3 * * *"}, "must have five fields"),
        ("a word", {**NIGHTLY, "schedule": "every day"}, "must have five fields"),
        ("looked at each hour", {**NIGHTLY, "verifyInterval": "1h"}, ""),
        ("looked at each minute", {**NIGHTLY, "verifyInterval": "60s"}, ""),
        ("never looked at again", {**NIGHTLY, "verifyInterval": "0s"}, ""),
        ("looked at all the time", {**NIGHTLY, "verifyInterval": "59s"}, "must be 1m or more"),
        ("keep seven", {**NIGHTLY, "retention": {"keepLast": 7}}, ""),
        ("keep a month", {**NIGHTLY, "retention": {"maxAge": "720h"}}, ""),
        ("keep what?", {**NIGHTLY, "retention": {}}, "retention needs keepLast or maxAge"),
    ),
    Case(
        name="too long a name for a CronJob",
        kind=SCHEDULE,
        spec=NIGHTLY,
        object_name="a" * 41,
        refusal="the name may have 40 characters",
    ),
)

RESTORES = (
    *_of(
        RESTORE,
        ("in place", IN_PLACE, ""),
        ("in place by location", {**_without(IN_PLACE, "snapshotRef"), "location": OBJECT}, ""),
        ("in place from nothing", _without(IN_PLACE, "snapshotRef"), "exactly one of snapshotRef"),
        ("in place from two", {**IN_PLACE, "location": OBJECT}, "exactly one of snapshotRef"),
        ("in place without a yes", _without(IN_PLACE, "acknowledgeDataLoss"), "must repeat"),
        ("a yes to another", {**IN_PLACE, "acknowledgeDataLoss": "other"}, "must repeat"),
        ("in place with a new cluster", {**IN_PLACE, "newCluster": DISK}, "always and only"),
        ("after a lost quorum", RECOVER, ""),
        ("after a lost quorum, unasked", _without(RECOVER, "acknowledgeDataLoss"), "must repeat"),
        (
            "a lost quorum and a snapshot",
            {**RECOVER, "snapshotRef": {"name": "n"}},
            "neither with mode RecoverQuorum",
        ),
        ("a clone", CLONE, ""),
        ("a clone of nothing known", _without(CLONE, "newCluster"), "always and only"),
        (
            "a clone with two beginnings",
            {**CLONE, "newCluster": {**DISK, **FROM}},
            "named by the restore itself",
        ),
        (
            "a clone of too long a name",
            {**CLONE, "clusterRef": {"name": "a" * 41}},
            "a name that a cluster may have",
        ),
        (
            "a clone with a dot",
            {**CLONE, "clusterRef": {"name": "a.b"}},
            "a name that a cluster may have",
        ),
        (
            "a clone that breaks the cluster's rules",
            {**CLONE, "newCluster": {**DISK, "replicas": 4}},
            "replicas must be 1, 3, 5 or 7",
        ),
    ),
    *_changes(
        RESTORE,
        ("untouched", IN_PLACE, IN_PLACE, ""),
        ("changed", RECOVER, {**RECOVER, "survivor": "x"}, "the spec of a restore is immutable"),
    ),
)

BAD_TYPES = tuple(
    Case(name=name, kind=kind, spec=spec, refusal=no, by_schema=True)
    for name, kind, spec, no in (
        ("minus one", CLUSTER, {**DISK, "replicas": -1}, "spec.replicas"),
        ("nine", CLUSTER, {**DISK, "replicas": 9}, "spec.replicas"),
        ("a size in words", CLUSTER, {"storage": {"size": "much"}}, "spec.storage.size"),
        ("a negative size", CLUSTER, {"storage": {"size": "-1Gi"}}, "spec.storage.size"),
        ("a wait in words", CLUSTER, {**DISK, "update": {"maxWaitPerPod": "long"}}, "maxWait"),
        ("a port too high", CLUSTER, {**DISK, "ports": {"dns": 65536}}, "spec.ports.dns"),
        ("a port too low", CLUSTER, {**DISK, "ports": {"dns": 0}}, "spec.ports.dns"),
        ("a bad digest", CLUSTER, {**DISK, "image": {"digest": "md5:1"}}, "spec.image.digest"),
        ("a Datacenter", CLUSTER, {**DISK, "datacenter": "My DC"}, "spec.datacenter"),
        ("IPX", CLUSTER, {**DISK, "service": {"ipFamilies": ["IPX"]}}, "ipFamilies"),
        ("three families", CLUSTER, {**DISK, "service": {"ipFamilies": ["IPv4"] * 3}}, "ipFam"),
        (
            "a variable without a name",
            CLUSTER,
            {**DISK, "podTemplate": {"extraEnv": [{"value": "x"}]}},
            "extraEnv",
        ),
        ("a limit in words", CLUSTER, {**DISK, "resources": {"limits": {"cpu": "x"}}}, "limits"),
        ("no destination", SNAPSHOT, REF, "destination"),
        ("no bucket", SNAPSHOT, {**REF, "destination": {"s3": {}}}, "bucket"),
        ("ftp", SNAPSHOT, {**REF, "destination": {"http": {"url": "ftp://x/y"}}}, "url"),
        ("now and then", SCHEDULE, {**NIGHTLY, "verifyInterval": "daily"}, "verifyInterval"),
        ("keep none", SCHEDULE, {**NIGHTLY, "retention": {"keepLast": 0}}, "keepLast"),
        ("all at once", SCHEDULE, {**NIGHTLY, "concurrencyPolicy": "Allow"}, "concurrencyPolicy"),
        ("a mode of its own", RESTORE, {**IN_PLACE, "mode": "Merge"}, "spec.mode"),
    )
)

CASES = (
    *CLUSTERS, *CLUSTER_CHANGES, *VOLUMES, *SNAPSHOTS, *SCHEDULES, *RESTORES, *BAD_TYPES,
)  # fmt: skip
