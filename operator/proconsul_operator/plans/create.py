"""From nothing to a cluster: Secrets, the guard, the children, the StatefulSet, the first quorum.

Everything that cannot be made twice (keys, IDs, tokens) is created if absent and never written
over, so a crash between any two of these is no more than a pause. The StatefulSet comes last: a pod
that starts finds all that it mounts. A set that is missing while the guard or pods are there is no
bootstrap: it comes back with as many pods as were seen, and the guard says the rest.
"""

from proconsul_operator.api.values import plain
from proconsul_operator.plans.actions import (
    LOOK_AGAIN_S,
    LOOK_LATER_S,
    Apply,
    BootstrapAcl,
    CreateIfAbsent,
    Decision,
    DeleteObject,
    IssueAuthority,
    IssueCertificate,
    PutSnapshot,
    wait,
)
from proconsul_operator.plans.change import before_founding, is_withheld
from proconsul_operator.plans.drift import is_foreign, needs_apply, ref_of
from proconsul_operator.plans.observe import Authority, Leader, Local, Observed, Ref
from proconsul_operator.plans.quorum import majority
from proconsul_operator.plans.restore_source import lack_of_archive
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.children import children
from proconsul_operator.specs.configmaps import config_map, guard
from proconsul_operator.specs.gossip_key import gossip_secret
from proconsul_operator.specs.labels import CLUSTER, kept_metadata
from proconsul_operator.specs.statefulset import stateful_set
from proconsul_operator.specs.wanted import Manifest, Wanted

# Kinds of which the spec may want one no longer.
OPTIONAL_KINDS = (
    "PodDisruptionBudget",
    "NetworkPolicy",
    "ServiceMonitor",
    "PrometheusRule",
    "Service",
    "Certificate",
)


def authority_secret(wanted: Wanted) -> str:
    """The Secret with the operator's own CA."""
    return f"{wanted.name}-ca"


def acl_secret(wanted: Wanted) -> str:
    """The Secret with the first token."""
    return wanted.spec.acl.bootstrap_token_secret_name or f"{wanted.name}-bootstrap-token"


def has_own_authority(wanted: Wanted) -> bool:
    """Certificates come from a CA that the operator keeps."""
    tls = wanted.spec.tls
    return wanted.has_tls and tls is not None and not tls.secret_name and tls.issuer_ref is None


def foreign_objects(observed: Observed) -> Decision | None:
    """Somebody else's object stands where ours should: nothing is done to it, or without it."""
    wanted = observed.wanted
    ours = [*children(wanted), stateful_set(wanted, max(observed.size, 1))]
    foreign = [ref for ref in map(ref_of, ours) if is_foreign(observed, ref)]
    if not foreign:
        return None
    names = ", ".join(f"{ref.kind} {ref.name}" for ref in foreign)
    return wait(
        Step.FOREIGN_OBJECT,
        f"{names} belongs to somebody else: remove or rename it",
        target=names,
        seconds=LOOK_LATER_S,
    )


def secrets(observed: Observed) -> Decision | None:
    """Keys, tokens and certificates, each if its Secret is not there."""
    return _gossip_key(observed) or _token(observed) or _certificates(observed)


def _gossip_key(observed: Observed) -> Decision | None:
    wanted = observed.wanted
    if wanted.spec.gossip is None or observed.gossip is not None:
        return None
    if wanted.spec.gossip.secret_name:
        return _await_secret(wanted.gossip_secret)
    manifest = gossip_secret(wanted, [observed.fresh.gossip_key])
    return Decision(
        step=Step.MAKE_SECRETS,
        action=CreateIfAbsent(manifests=(manifest,)),
        target=wanted.gossip_secret,
        why="gossip is encrypted and has no key yet",
    )


def _token(observed: Observed) -> Decision | None:
    wanted = observed.wanted
    if not wanted.spec.acl.enabled or observed.acl_token_stored:
        return None
    if wanted.spec.acl.bootstrap_token_secret_name:
        return _await_secret(acl_secret(wanted))
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": kept_metadata(wanted, acl_secret(wanted)),
        "type": "Opaque",
        "stringData": {"token": observed.fresh.token},
    }
    return Decision(
        step=Step.MAKE_SECRETS,
        action=CreateIfAbsent(manifests=(manifest,)),
        target=acl_secret(wanted),
        why="access control has no first token yet",
    )


def _certificates(observed: Observed) -> Decision | None:
    wanted = observed.wanted
    if not wanted.has_tls:
        return None
    if not has_own_authority(wanted):
        # cert-manager fills its Secret once the children are there.
        asked = wanted.spec.tls is not None and wanted.spec.tls.secret_name
        return _await_secret(wanted.tls_secret) if asked and observed.tls is None else None
    if observed.authority is None:
        return Decision(
            step=Step.MAKE_AUTHORITY,
            action=IssueAuthority(secret=authority_secret(wanted)),
            target=authority_secret(wanted),
            why="TLS needs a CA",
        )
    if observed.tls is None:
        held = observed.authority
        return Decision(
            step=Step.MAKE_CERTIFICATE,
            action=IssueCertificate(
                secret=wanted.tls_secret,
                authority=authority_secret(wanted),
                signer=_signer(observed, held),
                authorities=tuple(filter(None, (held.fingerprint, held.previous))),
            ),
            target=wanted.tls_secret,
            why="the servers need a certificate",
        )
    return None


def _signer(observed: Observed, authority: Authority) -> str:
    """The newest CA, unless a member that runs does not trust it yet."""
    trusted = [pod.trusts for pod in observed.pods if isinstance(pod.trusts, tuple) and pod.trusts]
    strange = any(authority.fingerprint not in each for each in trusted)
    return authority.previous if authority.previous and strange else authority.fingerprint


def _await_secret(name: str) -> Decision:
    return wait(Step.AWAIT_SECRET, f"Secret {name} is not there", target=name)


def make_guard(observed: Observed) -> Decision | None:
    """The guard, with the ID of a cluster that is to be founded."""
    if observed.guard is not None:
        return None
    manifest = guard(observed.wanted, observed.fresh.cluster_id)
    known = observed.status.cluster_id or _told_id(observed)
    if known:
        # The ConfigMap was lost, not the cluster: say so, or empty servers would found another.
        manifest["data"] |= {"clusterID": known, "bootstrapped": "true"}
    return Decision(
        step=Step.MAKE_GUARD,
        action=CreateIfAbsent(manifests=(manifest,)),
        target=observed.wanted.guard,
        why="a cluster is founded once, and this remembers it",
    )


def _told_id(observed: Observed) -> str:
    return next((local.cluster_id for local in observed.locals() if local.cluster_id), "")


def make_config(observed: Observed) -> Decision | None:
    """The first configuration. On an old view the one that stands is not written over."""
    if Ref("ConfigMap", observed.wanted.config) in observed.children:
        return None
    return Decision(
        step=Step.MAKE_CONFIG,
        action=CreateIfAbsent(manifests=(config_map(observed.wanted),)),
        target=observed.wanted.config,
        why="the servers have no configuration yet",
    )


def apply_children(observed: Observed) -> Decision | None:
    """Static children that are missing or otherwise; the configuration only if it may change."""
    wanted = observed.wanted
    kept = Ref("ConfigMap", wanted.config) if is_withheld(observed) else None
    changed = tuple(
        manifest
        for manifest in children(wanted)
        if needs_apply(observed, manifest) and ref_of(manifest) != kept
    )
    if not changed:
        return None
    names = ", ".join(f"{each['kind']} {each['metadata']['name']}" for each in changed)
    return Decision(
        step=Step.APPLY_CHILDREN,
        action=Apply(manifests=changed),
        target=names,
        why="they are missing or not as the spec asks",
    )


def drop_children(observed: Observed) -> Decision | None:
    """One child of ours that the spec wants no more."""
    wanted = {ref_of(manifest) for manifest in children(observed.wanted)}
    for ref, child in observed.children.items():
        ours = child.controller_uid == observed.cluster.metadata.uid
        labelled = child.manifest.get("metadata", {}).get("labels", {}).get(CLUSTER)
        if _is_optional(observed, ref) and ours and labelled and ref not in wanted:
            return Decision(
                step=Step.DROP_CHILD,
                action=DeleteObject(kind=ref.kind, name=ref.name, uid=child.uid),
                target=f"{ref.kind} {ref.name}",
                why="the spec wants it no more",
            )
    return None


def _is_optional(observed: Observed, ref: Ref) -> bool:
    # Of the ConfigMaps only this one: a recovery's is no child, and stays.
    return ref.kind in OPTIONAL_KINDS or ref == ("ConfigMap", observed.wanted.dashboards)


def make_set(observed: Observed) -> Decision | None:
    """The StatefulSet, if it is missing."""
    if observed.stateful_set is not None:
        return None
    if has_certificate_to_await(observed):
        return _await_secret(observed.wanted.tls_secret)
    replicas = size_of_lost_set(observed)
    if replicas:
        return Decision(
            step=Step.REMAKE_SET,
            action=CreateIfAbsent(manifests=(stateful_set(observed.wanted, replicas),)),
            target=observed.wanted.name,
            why=f"{replicas} pods were there and their StatefulSet is not",
        )
    size = first_size(observed)
    if size and (awaited := before_founding(observed)) is not None:
        return awaited
    return Decision(
        step=Step.MAKE_SET,
        action=CreateIfAbsent(manifests=(stateful_set(observed.wanted, size),)),
        target=observed.wanted.name,
        why="the cluster has no servers",
    )


def has_certificate_to_await(observed: Observed) -> bool:
    """cert-manager has not filled the Secret that the pods mount."""
    return observed.wanted.has_tls and observed.tls is None


def size_of_lost_set(observed: Observed) -> int:
    """Pods that live on without their set; never the spec alone says how many."""
    return max((pod.ordinal + 1 for pod in observed.pods if not pod.terminating), default=0)


def first_size(observed: Observed) -> int:
    """Of a set that is made anew: with kept volumes as many as had a member."""
    if observed.was_founded:
        kept = max((each.ordinal + 1 for each in observed.volumes if not each.left), default=0)
        if kept and observed.spec.replicas:
            return kept
    return observed.spec.replicas


def await_first_quorum(observed: Observed) -> Decision | None:
    """The servers found the cluster by themselves."""
    if isinstance(observed.leader, Leader) or observed.was_founded or observed.size == 0:
        return None
    ready = sum(1 for pod in observed.pods if isinstance(pod.local, Local))
    return wait(
        Step.AWAIT_FIRST_QUORUM,
        f"{ready} of {observed.size} servers answer, {majority(observed.size)} must",
        seconds=LOOK_AGAIN_S,
    )


def bootstrap_acl(observed: Observed) -> Decision | None:
    """Make the stored token the first one."""
    if not observed.spec.acl.enabled or observed.acl_bootstrapped is not False:
        return None
    name = acl_secret(observed.wanted)
    return Decision(
        step=Step.BOOTSTRAP_ACL,
        action=BootstrapAcl(secret=name),
        target=name,
        why="access control has no first token",
    )


def seed(observed: Observed) -> Decision | None:
    """The snapshot that a new cluster begins with: put once, known by the cluster's UID."""
    bootstrap = observed.spec.bootstrap
    uid = observed.cluster.metadata.uid
    if bootstrap is None or not isinstance(observed.leader, Leader) or _is_seeded(observed):
        return None
    name = f"{observed.wanted.name}-seed-{uid[:8]}"
    job = observed.job(name)
    lack = lack_of_archive(bootstrap.from_snapshot.snapshot_ref, observed.snapshots)
    if job is None and lack is not None:
        return wait(Step.SEED_MISSING, lack.message, target=name, seconds=LOOK_LATER_S)
    if job is None:
        return Decision(
            step=Step.SEED,
            action=PutSnapshot(name=name, restore_uid=uid, source=plain(bootstrap.from_snapshot)),
            target=name,
            why="the cluster begins with a snapshot",
        )
    failed = f" and failed: {job.message}" if job.succeeded is False else ""
    return wait(Step.AWAIT_SEED, f"Job {name} puts the snapshot{failed}", target=name)


def _is_seeded(observed: Observed) -> bool:
    """A state that anything was ever restored into remembers which restore it was."""
    return any(local.restore_uid for local in observed.locals())
