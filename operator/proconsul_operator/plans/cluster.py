"""One plan for a cluster: the first that has something to do decides.

The order is the order of care. Deletion and a pause go before everything; a restore that owns the
cluster works alone; what is missing is made before anything is judged; without a quorum nothing is
stopped; what is half done is finished before something new begins.
"""

from collections.abc import Callable

from proconsul_operator.api.group import PAUSED
from proconsul_operator.plans import (
    certificates,
    change,
    create,
    deletion,
    hibernate,
    replace,
    restore,
    rollout,
    rotation,
    scale,
    volumes,
)
from proconsul_operator.plans.actions import LOOK_LATER_S, Decision, Nothing, wait
from proconsul_operator.plans.observe import Observed
from proconsul_operator.plans.quorum import judge
from proconsul_operator.plans.steps import Step

Rule = Callable[[Observed], Decision | None]


def paused_by(observed: Observed) -> str:
    """By whom the operator is held back: `BySpec`, `ByAnnotation`, or ""."""
    if observed.spec.paused:
        return "BySpec"
    return "ByAnnotation" if observed.annotations.get(PAUSED, "false") != "false" else ""


def _pause(observed: Observed) -> Decision | None:
    by = paused_by(observed)
    if not by:
        return None
    return wait(Step.PAUSED, "reconciliation is paused", seconds=LOOK_LATER_S)


def _without_quorum(observed: Observed) -> Decision | None:
    verdict = judge(observed)
    if verdict.quorate:
        return None
    return (
        rollout.mend(observed)
        or create.await_first_quorum(observed)
        or wait(Step.NO_QUORUM, verdict.message)
    )


RULES: tuple[Rule, ...] = (
    deletion.plan,
    _pause,
    restore.plan,
    deletion.note_finalizer,
    create.foreign_objects,
    create.secrets,
    certificates.renew,
    create.make_guard,
    create.make_config,
    create.apply_children,
    create.drop_children,
    create.make_set,
    change.prepare,
    rollout.apply_template,
    hibernate.asleep,
    _without_quorum,
    create.bootstrap_acl,
    create.seed,
    replace.replace_member,
    scale.finish,
    hibernate.fall_asleep,
    rollout.roll,
    scale.start,
    rollout.await_members,
    change.await_prepared,
    volumes.grow,
    rotation.gossip,
    certificates.change_authority,
)
"""By precedence."""


def plan(observed: Observed) -> Decision:
    """What to do next: one act, or what is waited for."""
    for rule in RULES:
        decision = rule(observed)
        if decision is not None:
            return decision
    return Decision(step=Step.IDLE, action=Nothing(), why="all is as the spec asks")
