"""What stands before a change of configuration or image reaches the servers.

The spec alone may be refused (refusals.py); a configuration is checked by the server itself
(config_check.py); a snapshot is taken (upgrade.py). Until then configuration and template are
withheld, both, so no pod ever starts with half of a change. All the rest of the plan goes on.
"""

from proconsul_operator.plans import config_check, refusals, upgrade
from proconsul_operator.plans.actions import LOOK_LATER_S, Decision, wait
from proconsul_operator.plans.observe import Observed
from proconsul_operator.plans.refusals import Refusal
from proconsul_operator.plans.steps import Step


def refusal(observed: Observed) -> Refusal | None:
    """What of the spec is not done, and why."""
    return (
        refusals.refusal(observed) or config_check.refusal(observed) or _without_snapshot(observed)
    )


def _without_snapshot(observed: Observed) -> Refusal | None:
    # Only what is known to be good is worth a snapshot.
    return None if config_check.is_awaited(observed) else upgrade.refusal(observed)


def is_withheld(observed: Observed) -> bool:
    """Configuration and template stay as they are.

    Without servers only what is no good for any keeps them so: they begin with what is asked for.
    """
    if config_check.is_awaited(observed) or config_check.refusal(observed) is not None:
        return True
    return observed.has_servers and (
        refusal(observed) is not None or upgrade.taken(observed).decision is not None
    )


def before_founding(observed: Observed) -> Decision | None:
    """What the first servers wait for, where their configuration was changed before they start.

    Servers of a cluster that was founded wait for nothing: the configuration that stands is theirs.
    """
    if observed.was_founded or not config_check.is_changed(observed):
        return None
    refused = refusal(observed)
    if refused is not None:
        return wait(Step.CONFIG_REFUSED, refused.message, seconds=LOOK_LATER_S)
    return config_check.check(observed) or config_check.await_verdict(observed)


def prepare(observed: Observed) -> Decision | None:
    """The next act that a change needs before it."""
    if observed.stateful_set is None or refusal(observed) is not None:
        return None
    if config_check.is_awaited(observed):
        return config_check.check(observed)
    return upgrade.act(observed)


def await_prepared(observed: Observed) -> Decision | None:
    """What the change waits for, once there is nothing else to do."""
    if observed.stateful_set is None or refusal(observed) is not None:
        return None
    return config_check.await_verdict(observed) or upgrade.await_end(observed)
