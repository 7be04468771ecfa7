"""The steps of all plans, in one table.

The names are the failpoints too: `after-<step>` kills the operator when the step's act is done and
nothing else yet. Tests take the names from here, so a new step without its kill fails them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Operation(StrEnum):
    """What is in hand; the reasons of the condition Progressing."""

    IDLE = "Idle"
    BOOTSTRAP = "Bootstrap"
    CONFIG_CHECK = "ConfigCheck"
    UPGRADE_SNAPSHOT = "UpgradeSnapshot"
    ROLLING_UPDATE = "RollingUpdate"
    SCALE_UP = "ScaleUp"
    SCALE_IN = "ScaleIn"
    HIBERNATION = "Hibernation"
    VOLUME_RESIZE = "VolumeResize"
    GOSSIP_ROTATION = "GossipRotation"
    CERTIFICATE_RENEWAL = "CertificateRenewal"
    AUTHORITY_ROTATION = "AuthorityRotation"
    MEMBER_REPLACEMENT = "MemberReplacement"
    RECOVERY = "Recovery"
    RESTORE = "Restore"
    SNAPSHOT = "Snapshot"
    DELETION = "Deletion"


class Step(StrEnum):
    """One name for each thing that a plan does or waits for."""

    IDLE = "Idle"
    PAUSED = "Paused"
    FOREIGN_OBJECT = "ForeignObject"
    NO_QUORUM = "NoQuorum"

    MAKE_AUTHORITY = "MakeAuthority"
    MAKE_CERTIFICATE = "MakeCertificate"
    MAKE_SECRETS = "MakeSecrets"
    MAKE_GUARD = "MakeGuard"
    MAKE_CONFIG = "MakeConfig"
    APPLY_CHILDREN = "ApplyChildren"
    DROP_CHILD = "DropChild"
    MAKE_SET = "MakeSet"
    AWAIT_SECRET = "AwaitSecret"
    AWAIT_FIRST_QUORUM = "AwaitFirstQuorum"
    BOOTSTRAP_ACL = "BootstrapAcl"
    SEED = "Seed"
    AWAIT_SEED = "AwaitSeed"
    SEED_MISSING = "SeedMissing"

    CHECK_CONFIG = "CheckConfig"
    AWAIT_CONFIG_CHECK = "AwaitConfigCheck"
    CONFIG_REFUSED = "ConfigRefused"
    UPGRADE_SNAPSHOT = "UpgradeSnapshot"
    AWAIT_UPGRADE_SNAPSHOT = "AwaitUpgradeSnapshot"
    APPLY_TEMPLATE = "ApplyTemplate"
    AWAIT_REVISION = "AwaitRevision"
    AWAIT_TURN = "AwaitTurn"
    AWAIT_APPROVAL = "AwaitApproval"
    AWAIT_MEMBER = "AwaitMember"
    ROLLOUT_STUCK = "RolloutStuck"
    REST_BETWEEN_PODS = "RestBetweenPods"
    AWAIT_SAFETY = "AwaitSafety"
    ROLL_TRANSFER = "RollTransfer"
    ROLL_POD = "RollPod"
    MEND_POD = "MendPod"

    AWAIT_JOIN = "AwaitJoin"
    RECOMMISSION = "Recommission"
    UNMARK_VOLUME = "UnmarkVolume"
    BRING_BACK = "BringBack"
    GROW_SET = "GrowSet"
    SCALE_BLOCKED = "ScaleBlocked"
    SCALE_TRANSFER = "ScaleTransfer"
    DECOMMISSION = "Decommission"
    REMOVE_MEMBER = "RemoveMember"
    CONFIRM_REMOVAL = "ConfirmRemoval"
    MARK_VOLUME = "MarkVolume"
    SHRINK_SET = "ShrinkSet"
    AWAIT_POD_GONE = "AwaitPodGone"
    DROP_VOLUME = "DropVolume"

    REMEMBER_SIZE = "RememberSize"
    HIBERNATION_SNAPSHOT = "HibernationSnapshot"
    AWAIT_HIBERNATION_SNAPSHOT = "AwaitHibernationSnapshot"
    HIBERNATE = "Hibernate"
    HIBERNATED = "Hibernated"
    WAKE = "Wake"

    REPLACE_REFUSED = "ReplaceRefused"
    REPLACE_VOLUME = "ReplaceVolume"
    REPLACE_POD = "ReplacePod"

    GROW_VOLUME = "GrowVolume"
    AWAIT_RESIZE = "AwaitResize"
    ORPHAN_SET = "OrphanSet"
    REMAKE_SET = "RemakeSet"

    ADD_KEY = "AddKey"
    INSTALL_KEY = "InstallKey"
    PREFER_KEY = "PreferKey"
    USE_KEY = "UseKey"
    REMOVE_KEY = "RemoveKey"
    FORGET_KEY = "ForgetKey"
    NOTE_ROTATION = "NoteRotation"
    AWAIT_KEYRING = "AwaitKeyring"
    RENEW_CERTIFICATE = "RenewCertificate"

    ADD_AUTHORITY = "AddAuthority"
    NOTE_AUTHORITY = "NoteAuthority"
    TRUST_BOTH = "TrustBoth"
    AWAIT_TRUST = "AwaitTrust"
    CHANGE_CERTIFICATE = "ChangeCertificate"
    AWAIT_CERTIFICATE = "AwaitCertificate"
    TRUST_NEW = "TrustNew"
    FORGET_AUTHORITY = "ForgetAuthority"

    NOTE_FINALIZER = "NoteFinalizer"
    FINAL_SNAPSHOT = "FinalSnapshot"
    AWAIT_FINAL_SNAPSHOT = "AwaitFinalSnapshot"
    DROP_SET = "DropSet"
    AWAIT_PODS_GONE = "AwaitPodsGone"
    DELETE_VOLUME = "DeleteVolume"
    DELETE_KEPT = "DeleteKept"
    LET_GO = "LetGo"

    SNAPSHOT_IDLE = "SnapshotIdle"
    SNAPSHOT_FINALIZER = "SnapshotFinalizer"
    START_SNAPSHOT = "StartSnapshot"
    AWAIT_SNAPSHOT = "AwaitSnapshot"
    EXPIRE_SNAPSHOT = "ExpireSnapshot"
    DELETE_REMOTE = "DeleteRemote"
    AWAIT_DELETE_REMOTE = "AwaitDeleteRemote"
    SNAPSHOT_LET_GO = "SnapshotLetGo"
    SCHEDULE_IDLE = "ScheduleIdle"
    APPLY_CRON_JOB = "ApplyCronJob"
    RUN_NOW = "RunNow"
    RECORD_SNAPSHOT = "RecordSnapshot"
    DROP_RECORD = "DropRecord"
    VERIFY_AGAIN = "VerifyAgain"
    AWAIT_VERIFICATION = "AwaitVerification"

    TAKE_LOCK = "TakeLock"
    RELEASE_LOCK = "ReleaseLock"
    REFUSE_RESTORE = "RefuseRestore"
    NOTE_LACK = "NoteLack"
    AWAIT_SOURCE = "AwaitSource"
    CHECK_ARCHIVE = "CheckArchive"
    AWAIT_ARCHIVE = "AwaitArchive"
    SAFETY_SNAPSHOT = "SafetySnapshot"
    AWAIT_SAFETY_SNAPSHOT = "AwaitSafetySnapshot"
    ENTER_PHASE = "EnterPhase"
    AWAIT_SURVIVORS = "AwaitSurvivors"
    NOTE_SURVIVORS = "NoteSurvivors"
    NOTE_EPOCH = "NoteEpoch"
    RAISE_EPOCH = "RaiseEpoch"
    RESET_GUARD = "ResetGuard"
    ORDER_RECOVERY = "OrderRecovery"
    FENCE_POD = "FencePod"
    AWAIT_FENCE = "AwaitFence"
    AWAIT_NEW_QUORUM = "AwaitNewQuorum"
    PUT_SNAPSHOT = "PutSnapshot"
    AWAIT_PUT = "AwaitPut"
    AWAIT_REJOIN = "AwaitRejoin"
    AFTER_SNAPSHOT = "AfterSnapshot"
    FINISH_RESTORE = "FinishRestore"
    MAKE_CLUSTER = "MakeCluster"
    AWAIT_CLUSTER = "AwaitCluster"


@dataclass(frozen=True, slots=True)
class Row:
    """To what a step belongs, and whether it acts or only waits."""

    operation: Operation
    acts: bool


def _rows(operation: Operation, *, acts: str = "", waits: str = "") -> dict[Step, Row]:
    rows = {Step(name): Row(operation, acts=True) for name in acts.split()}
    rows |= {Step(name): Row(operation, acts=False) for name in waits.split()}
    return rows


_O = Operation
STEPS: Final[dict[Step, Row]] = {
    **_rows(
        _O.IDLE,
        acts="MakeConfig ApplyChildren DropChild ApplyTemplate",
        waits="Idle Paused ForeignObject ConfigRefused NoQuorum AwaitMember",
    ),
    **_rows(
        _O.BOOTSTRAP,
        acts="MakeAuthority MakeCertificate MakeSecrets MakeGuard MakeSet BootstrapAcl Seed",
        waits="AwaitSecret AwaitFirstQuorum AwaitSeed SeedMissing",
    ),
    **_rows(_O.CONFIG_CHECK, acts="CheckConfig", waits="AwaitConfigCheck"),
    **_rows(_O.UPGRADE_SNAPSHOT, acts="UpgradeSnapshot", waits="AwaitUpgradeSnapshot"),
    **_rows(
        _O.ROLLING_UPDATE,
        acts="RollTransfer RollPod MendPod",
        waits="AwaitRevision AwaitTurn AwaitApproval RolloutStuck RestBetweenPods AwaitSafety",
    ),
    **_rows(_O.SCALE_UP, acts="Recommission UnmarkVolume BringBack GrowSet", waits="AwaitJoin"),
    **_rows(
        _O.SCALE_IN,
        acts="ScaleTransfer Decommission RemoveMember MarkVolume ShrinkSet DropVolume",
        waits="ScaleBlocked ConfirmRemoval AwaitPodGone",
    ),
    **_rows(
        _O.HIBERNATION,
        acts="RememberSize HibernationSnapshot Hibernate Wake",
        waits="AwaitHibernationSnapshot Hibernated",
    ),
    **_rows(_O.MEMBER_REPLACEMENT, acts="ReplaceVolume ReplacePod", waits="ReplaceRefused"),
    **_rows(_O.VOLUME_RESIZE, acts="GrowVolume OrphanSet RemakeSet", waits="AwaitResize"),
    **_rows(
        _O.GOSSIP_ROTATION,
        acts="AddKey InstallKey PreferKey UseKey RemoveKey ForgetKey NoteRotation",
        waits="AwaitKeyring",
    ),
    **_rows(_O.CERTIFICATE_RENEWAL, acts="RenewCertificate"),
    **_rows(
        _O.AUTHORITY_ROTATION,
        acts="AddAuthority NoteAuthority TrustBoth ChangeCertificate TrustNew ForgetAuthority",
        waits="AwaitTrust AwaitCertificate",
    ),
    **_rows(
        _O.DELETION,
        acts="NoteFinalizer FinalSnapshot DropSet DeleteVolume DeleteKept LetGo",
        waits="AwaitFinalSnapshot AwaitPodsGone",
    ),
    **_rows(
        _O.SNAPSHOT,
        acts="SnapshotFinalizer StartSnapshot ExpireSnapshot DeleteRemote SnapshotLetGo "
        "ApplyCronJob RunNow RecordSnapshot DropRecord VerifyAgain",
        waits="SnapshotIdle AwaitSnapshot AwaitDeleteRemote ScheduleIdle AwaitVerification",
    ),
    **_rows(
        _O.RESTORE,
        acts="NoteLack TakeLock ReleaseLock RefuseRestore CheckArchive SafetySnapshot EnterPhase "
        "PutSnapshot FinishRestore MakeCluster",
        waits="AwaitSource AwaitArchive AwaitSafetySnapshot AwaitPut AwaitCluster",
    ),
    **_rows(
        _O.RECOVERY,
        acts="NoteSurvivors NoteEpoch RaiseEpoch ResetGuard OrderRecovery FencePod AfterSnapshot",
        waits="AwaitSurvivors AwaitFence AwaitNewQuorum AwaitRejoin",
    ),
}

assert STEPS.keys() == set(Step), "every step is in the table"

FAILPOINTS: Final = tuple(f"after-{step}" for step, row in STEPS.items() if row.acts)
"""Where a test may kill the operator."""
