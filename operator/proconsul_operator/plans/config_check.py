"""A changed configuration is checked by the server that is to run with it, before it goes anywhere.

A Job of the target image says what a pod would say; until it has said yes, configuration and
template stay as they are, while everything else goes on. What is applied already is not asked
about again, and a size alone is no change. Whether servers run makes no difference: a view may be
from before they were made.
"""

import json
from typing import Any, Final

from proconsul_operator.plans.actions import LOOK_AGAIN_S, CreateIfAbsent, Decision, wait
from proconsul_operator.plans.drift import digest
from proconsul_operator.plans.observe import Observed, Ref
from proconsul_operator.plans.refusals import Refusal
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.config_check import config_check, job_name
from proconsul_operator.specs.configmaps import CONFIG_FILE, config_map

SIZE_KEY: Final = "bootstrap_expect"  # it means nothing to a founded cluster


def is_changed(observed: Observed) -> bool:
    """The spec asks for another configuration than the one that stands."""
    manifest = config_map(observed.wanted)
    child = observed.children.get(Ref("ConfigMap", observed.wanted.config))
    if child is None or child.applied == digest(manifest):
        return False
    return _lasting(manifest) != _lasting(child.manifest)


def _lasting(manifest: Any) -> object:
    try:
        config = json.loads(manifest.get("data", {}).get(CONFIG_FILE, ""))
    except ValueError:
        config = None
    if not isinstance(config, dict):
        return None  # somebody wrote into it
    return {key: held for key, held in config.items() if key != SIZE_KEY}


def is_awaited(observed: Observed) -> bool:
    """Nobody has said yes or no yet."""
    if not is_changed(observed):
        return False
    job = observed.job(job_name(observed.wanted))
    return job is None or job.succeeded is None


def refusal(observed: Observed) -> Refusal | None:
    """Why it is not taken, in the server's own words."""
    job = observed.job(job_name(observed.wanted))
    if job is None or job.succeeded is not False or not is_changed(observed):
        return None
    if job.said:
        return Refusal("ConfigInvalid", f"the server refuses spec.config: {job.said}")
    return Refusal(
        "ConfigInvalid",
        f"spec.config could not be checked: {job.message or 'its Job failed'}. Mend what is in "
        f"the way, then: kubectl -n {observed.wanted.namespace} delete job {job.name}",
    )


def check(observed: Observed) -> Decision | None:
    """Ask, if nobody was asked yet."""
    name = job_name(observed.wanted)
    if not is_changed(observed) or observed.job(name) is not None:
        return None
    return Decision(
        step=Step.CHECK_CONFIG,
        action=CreateIfAbsent(manifests=(config_check(observed.wanted),)),
        target=name,
        why="the configuration changes: the server is asked whether it would start with it",
    )


def await_verdict(observed: Observed) -> Decision | None:
    """The answer, for which nothing else has waited."""
    if not is_awaited(observed):
        return None
    name = job_name(observed.wanted)
    return wait(
        Step.AWAIT_CONFIG_CHECK,
        f"Job {name} checks the configuration",
        target=name,
        seconds=LOOK_AGAIN_S,
    )
