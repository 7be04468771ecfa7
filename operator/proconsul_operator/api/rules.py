"""What must hold of an object beyond its types: CEL rules that the API server runs on each write.

A rule that speaks of `oldSelf` is about a change. Such a rule on a field that may be absent does
not run when the field comes or goes, so "neither added nor taken away" stands on the parent. The
rules see one object only: whether a Secret exists, or a jump of versions is allowed, is answered in
the status.

Each rule says what must be so and, in its message, what to do instead.
"""

from dataclasses import dataclass
from typing import Final

from proconsul_operator.api import cluster, cluster_parts, places, restore, schedule, snapshot
from proconsul_operator.api.values import Part

_PORTS: Final = "[self.http, self.https, self.server, self.serfLan, self.dns, self.probe]"
_NAME_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Rule:
    """CEL over `self` and, for a change, `oldSelf`; `message` for whoever broke it."""

    cel: str
    message: str

    @property
    def about_change(self) -> bool:
        """It compares with what was there before, so it does not run on creation."""
        return "oldSelf" in self.cel


def _immutable(what: str) -> Rule:
    return Rule("self == oldSelf", f"{what} is immutable; make a new object instead")


def _exactly_one(*fields: str) -> Rule:
    given = ", ".join(f"has(self.{field})" for field in fields)
    words = " and ".join((", ".join(fields[:-1]), fields[-1]))
    return Rule(f"[{given}].filter(x, x).size() == 1", f"give exactly one of {words}")


SHORT_NAME: Final = Rule(
    f"size(self.metadata.name) <= {_NAME_MAX}",
    f"the name may have {_NAME_MAX} characters: names of its children must fit in 63 (52 for a "
    "CronJob)",
)

# A Service's name is of DNS-1035, and it is the cluster's.
_SERVICE_NAME: Final = "matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
SERVICE_NAME: Final = Rule(
    f"self.metadata.name.{_SERVICE_NAME}",
    "the name must be of a-z, 0-9 and -, and begin with a letter: Services are named after it",
)

# On a whole struct (field ""), or on one field of it by its Python name.
RULES: Final[dict[tuple[type[Part], str], tuple[Rule, ...]]] = {
    (cluster.ProconsulCluster, ""): (SHORT_NAME, SERVICE_NAME),
    (cluster.ClusterSpec, ""): (
        Rule("self.replicas in [0, 1, 3, 5, 7]", "replicas must be 1, 3, 5 or 7 (0 hibernates)"),
        Rule(
            "has(self.storage) == has(oldSelf.storage)",
            "storage can neither be added nor taken away: restore a snapshot into a new cluster",
        ),
        Rule(
            "has(self.storage) || self.replicas == 1"
            " || (has(self.allowEphemeral) && self.allowEphemeral)",
            "several servers without storage lose everything in a full stop: give storage, or say "
            "allowEphemeral: true",
        ),
        Rule(
            "!has(self.bootstrap) || has(oldSelf.bootstrap)",
            "bootstrap cannot be added to a cluster: use a ProconsulRestore",
        ),
        Rule("!has(oldSelf.gossip) || has(self.gossip)", "gossip encryption cannot be taken away"),
    ),
    (cluster.ClusterSpec, "replicas"): (
        Rule(
            "oldSelf == 0 || self == 0 || (self - oldSelf <= 2 && oldSelf - self <= 2)",
            "change replicas by at most two at a time",
        ),
    ),
    (cluster.ClusterSpec, "datacenter"): (_immutable("datacenter"),),
    (cluster.ClusterSpec, "domain"): (_immutable("domain"),),
    (cluster.ClusterSpec, "bootstrap"): (_immutable("bootstrap"),),
    (cluster_parts.Storage, ""): (
        Rule(
            "has(self.storageClassName) == has(oldSelf.storageClassName)"
            " && (!has(self.storageClassName)"
            " || self.storageClassName == oldSelf.storageClassName)",
            "storageClassName is immutable: restore a snapshot into a new cluster",
        ),
    ),
    (cluster_parts.Storage, "size"): (
        Rule("quantity(self).compareTo(quantity(oldSelf)) >= 0", "volumes only grow"),
    ),
    (cluster_parts.Tls, ""): (
        Rule(
            "!has(self.enabled) || !self.enabled || (has(self.secretName) != has(self.issuerRef))"
            " || (!has(self.secretName) && !has(self.issuerRef))",
            "give secretName or issuerRef, not both (neither: a CA of the operator's own)",
        ),
        Rule(
            "!has(self.httpsOnly) || !self.httpsOnly || (has(self.enabled) && self.enabled)",
            "httpsOnly needs TLS: enabled must be true",
        ),
    ),
    (cluster_parts.Ports, ""): (
        Rule(
            f"{_PORTS}.all(p, {_PORTS}.filter(q, q == p).size() == 1)",
            "no two ports may be the same",
        ),
    ),
    (places.Destination, ""): (_exactly_one("s3", "pvc", "http"),),
    (places.Location, ""): (_exactly_one("s3", "pvc", "http"),),
    (places.SnapshotSource, ""): (_exactly_one("snapshotRef", "location"),),
    (snapshot.ProconsulSnapshot, "spec"): (_immutable("the spec of a snapshot"),),
    (schedule.ProconsulSnapshotSchedule, ""): (SHORT_NAME,),
    (schedule.ScheduleSpec, ""): (
        Rule(
            "!has(self.retention) || has(self.retention.keepLast) || has(self.retention.maxAge)",
            "retention needs keepLast or maxAge (leave it out to keep everything)",
        ),
    ),
    (schedule.ScheduleSpec, "schedule"): (
        Rule(
            r"self.matches('^(@(yearly|monthly|weekly|daily|hourly)|(\\S+\\s+){4}\\S+)$')",
            "schedule must have five fields, or be @yearly, @monthly, @weekly, @daily or @hourly",
        ),
    ),
    (schedule.ScheduleSpec, "verify_interval"): (
        Rule(
            "duration(self) == duration('0s') || duration(self) >= duration('1m')",
            "verifyInterval must be 1m or more, or 0s for never",
        ),
    ),
    (restore.ProconsulRestore, "spec"): (_immutable("the spec of a restore"),),
    (restore.RestoreSpec, ""): (
        Rule(
            "[has(self.snapshotRef), has(self.location)].filter(x, x).size()"
            " == (self.mode == 'RecoverQuorum' ? 0 : 1)",
            "give exactly one of snapshotRef and location; neither with mode RecoverQuorum",
        ),
        Rule(
            "has(self.newCluster) == (self.mode == 'NewCluster')",
            "newCluster goes with mode NewCluster, always and only",
        ),
        Rule(
            f"self.mode != 'NewCluster' || (size(self.clusterRef.name) <= {_NAME_MAX}"
            f" && self.clusterRef.name.{_SERVICE_NAME})",
            f"clusterRef must be a name that a cluster may have: {_NAME_MAX} characters of a-z, "
            "0-9 and -, a letter first",
        ),
        Rule(
            "!has(self.newCluster) || !has(self.newCluster.bootstrap)",
            "newCluster cannot have bootstrap: the snapshot is named by the restore itself",
        ),
        Rule(
            "self.mode == 'NewCluster' || (has(self.acknowledgeDataLoss)"
            " && self.acknowledgeDataLoss == self.clusterRef.name)",
            "acknowledgeDataLoss must repeat the name of clusterRef: what it holds may be lost",
        ),
    ),
}


def rules_of(struct: type[Part], field: str = "") -> tuple[Rule, ...]:
    """The rules on a struct, or on one field of it."""
    return RULES.get((struct, field), ())
