"""What a plan may ask for: one of these a cycle.

Each carries what must still hold when it is carried out (UID, resourceVersion, ID, term): acting on
an old view then fails, and the next cycle looks again. Failing is never harm, and each is harmless
when it was done already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proconsul_operator.api.restore import RestoreStatus
from proconsul_operator.plans.steps import STEPS, Step
from proconsul_operator.specs.wanted import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Server-side apply, in this order. Fields of others stay."""

    manifests: tuple[Manifest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateIfAbsent:
    """Make what is not there; what is there stays as it is."""

    manifests: tuple[Manifest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePod:
    """Refused if the pod is another by now, or if `unless_leading` leads by its own account."""

    name: str
    uid: str
    resource_version: str
    unless_leading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVolume:
    """Delete a claim, and with it the data."""

    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelVolume:
    """Set `proconsul.io/left` on a claim; "" takes it away."""

    name: str
    uid: str
    resource_version: str
    left: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReplicas:
    """The StatefulSet's size, and nothing else of it."""

    uid: str
    resource_version: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanStatefulSet:
    """Delete it and leave its pods alone."""

    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeVolume:
    """Ask for a bigger volume."""

    name: str
    uid: str
    resource_version: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferLeader:
    """`leader_id` shall give its leadership to `to_id`; refused in another term."""

    leader_id: str
    term: int
    to_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decommission:
    """The member leaves for good; it is asked itself, and only if it is still this one."""

    pod: str
    pod_uid: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommission:
    """Clear a member's mark: it may join again, with a new ID."""

    pod: str
    pod_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePeer:
    """The leader takes a member out of the configuration."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringInstall:
    """All members and agents take a gossip key in."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringUse:
    """All encrypt with it."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringRemove:
    """All forget it."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreGossipKeys:
    """The keys of the Secret, the primary one first."""

    keys: tuple[str, ...] = field(repr=False)
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueAuthority:
    """Make the operator's own CA, if it is not there."""

    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateAuthority:
    """Make a new CA; the one that is there stays beside it as the one before."""

    secret: str
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetAuthority:
    """Drop the CA before, and its key."""

    secret: str
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAuthorities:
    """Put these CAs, by SHA-256, into the members' Secret; its certificate stays."""

    secret: str
    authority: str
    authorities: tuple[str, ...]
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCertificate:
    """A leaf into the members' Secret; create it, or replace this version of it.

    `authority` is the CA's Secret, `signer` the SHA-256 of one of the CAs in it; `authorities`:
    whom the members are to trust.
    """

    secret: str
    authority: str
    signer: str
    authorities: tuple[str, ...]
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapAcl:
    """Make the first token valid: the one that is stored already."""

    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartJob:
    """A Job by its name, if it is not there. `parameters` are for the builder of its kind."""

    kind: str  # Snapshot, Scheduled, Verify, Validate, Delete
    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSnapshot:
    """A Job puts the archive to the leader, which answers "already" to the same restore UID."""

    name: str
    restore_uid: str
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetGuard:
    """A new cluster is to be founded under this ID."""

    cluster_id: str
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStatus:
    """Write fields of the cluster's status before the act that needs them."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRestore:
    """Write the status of a restore before the act that needs it; `event` is the reason of one."""

    name: str
    uid: str
    status: RestoreStatus
    event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Give the cluster to a restore, or, with "", back; refused on another resourceVersion."""

    resource_version: str
    restore_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFinalizer:
    """Put the finalizer on an object, or take it off."""

    kind: str
    name: str
    uid: str
    present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteObject:
    """Delete an object of the cluster's namespace."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Look again after so long, or when something changes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Nothing:
    """All is as it should be."""


Action = (
    Apply | CreateIfAbsent | DeletePod | DeleteVolume | LabelVolume | SetReplicas
    | OrphanStatefulSet | ResizeVolume | TransferLeader | Decommission | Recommission | RemovePeer
    | KeyringInstall | KeyringUse | KeyringRemove | StoreGossipKeys | IssueAuthority
    | RotateAuthority | ForgetAuthority | TrustAuthorities
    | IssueCertificate | BootstrapAcl | StartJob | PutSnapshot | ResetGuard | RecordStatus
    | RecordRestore | Lock | SetFinalizer | DeleteObject | Wait | Nothing
)  # fmt: skip

LOOK_AGAIN_S = 2.0
LOOK_LATER_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One step of one plan: its name, the act, its target, and why in a sentence."""

    step: Step
    action: Action
    target: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        """A step acts, or it waits: the table says which."""
        acts = not isinstance(self.action, Wait | Nothing)
        assert STEPS[self.step].acts is acts, f"{self.step} is not what the table says"

    @property
    def acts(self) -> bool:
        """It changes something."""
        return STEPS[self.step].acts


def wait(step: Step, why: str, *, target: str = "", seconds: float = LOOK_AGAIN_S) -> Decision:
    """Nothing to do yet."""
    return Decision(step=step, action=Wait(seconds=seconds), target=target, why=why)
