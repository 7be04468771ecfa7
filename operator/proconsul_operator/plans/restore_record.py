"""What a restore writes down of itself, always before the act that needs it."""

from typing import Any, Final

import msgspec

from proconsul_operator.api.conditions import Finding, RestoreCondition, Truth, settle
from proconsul_operator.api.restore import ProconsulRestore, RestorePhase, RestoreStatus
from proconsul_operator.api.values import plain, time_text
from proconsul_operator.plans.actions import Decision, RecordRestore
from proconsul_operator.plans.observe import Observed
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.names import head

_P = RestorePhase
_ENDS: Final = {_P.FAILED: "RestoreFailed", _P.SUCCEEDED: "RestoreSucceeded"}


def enter(
    observed: Observed,
    restore: ProconsulRestore,
    phase: RestorePhase,
    *,
    step: Step = Step.ENTER_PHASE,
    **fields: Any,
) -> Decision:
    """The next phase, and what it must know, into the restore's status."""
    return note(observed.now_s, restore, phase, step=step, **fields)


def note(
    now_s: float,
    restore: ProconsulRestore,
    phase: RestorePhase,
    *,
    step: Step = Step.ENTER_PHASE,
    reason: str = "",
    event: str = "",
    **fields: Any,
) -> Decision:
    """A phase, what it must know, and what people hear: `reason` stands in the conditions.

    An Event on the restore tells of its end, or of `event`.
    """
    status = msgspec.structs.replace(
        restore.status,
        phase=phase.value,
        observed_generation=restore.metadata.generation,
        **fields,
    )
    return Decision(
        step=step,
        action=RecordRestore(
            name=restore.metadata.name,
            uid=restore.metadata.uid,
            status=_with_conditions(now_s, restore, status, reason),
            event=_ENDS.get(phase, event),
        ),
        target=restore.metadata.name,
        why=status.message or f"{phase.value} begins",
    )


def finish(
    observed: Observed,
    restore: ProconsulRestore,
    *,
    failed: str = "",
    message: str = "",
    **fields: Any,
) -> Decision:
    """The end, good or bad; the lock goes in the next cycle."""
    return enter(
        observed,
        restore,
        _P.FAILED if failed else _P.SUCCEEDED,
        step=Step.REFUSE_RESTORE if failed else Step.FINISH_RESTORE,
        completed_at=time_text(observed.now_s),
        message=f"{failed}. A new ProconsulRestore is a new try" if failed else message,
        **fields,
    )


def _with_conditions(
    now_s: float, restore: ProconsulRestore, status: RestoreStatus, reason: str
) -> RestoreStatus:
    found = [
        Finding(
            type=kind,
            status=Truth.TRUE if status.phase == phase else Truth.FALSE,
            reason=reason or status.phase,
            message=status.message,
        )
        for kind, phase in (
            (RestoreCondition.COMPLETE, _P.SUCCEEDED),
            (RestoreCondition.FAILED, _P.FAILED),
        )
    ]
    conditions = settle(
        restore.status.conditions,
        found,
        types=RestoreCondition,
        generation=restore.metadata.generation,
        now_s=now_s,
    )
    return msgspec.structs.replace(status, conditions=conditions)


def job_name(restore: ProconsulRestore, what: str) -> str:
    """One for each act of one restore."""
    return f"{head(restore.metadata.name)}-{what}-{restore.metadata.uid[:8]}"


def source_of(restore: ProconsulRestore) -> dict[str, Any]:
    """The archive, as SnapshotSource says it."""
    spec = restore.spec
    source = {"snapshotRef": plain(spec.snapshot_ref), "location": plain(spec.location)}
    return {key: held for key, held in source.items() if held is not None}
