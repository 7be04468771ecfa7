"""What of a spec is not done, and why: the old state is kept, and the status says it.

A wrong spec never breaks a running cluster. The schema cannot see whether a jump of versions is
allowed, or what is in the servers' configuration; that is judged here, anew in every cycle.
"""

import re
from dataclasses import dataclass
from typing import Final

from proconsul_operator.api.group import ALLOW_VERSION
from proconsul_operator.plans.observe import Observed
from proconsul_operator.specs.server_config import refused_keys

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")
SKEW_MAX: Final = 1  # minor versions

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason of the condition Degraded, and a sentence with the way out."""

    reason: str
    message: str


def parsed(text: str) -> Version | None:
    """`1.2.3`, or None for what is no version (a digest, `latest`)."""
    match = _VERSION.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def target_version(observed: Observed) -> str:
    """What the spec asks for; "" where a digest hides it."""
    image = observed.spec.image
    if image.digest and not image.tag:
        return ""
    return image.tag or observed.operator_version


def lowest_version(observed: Observed) -> str:
    """Of the servers that answer; else what was last reported."""
    told = [local.version for local in observed.locals() if parsed(local.version)]
    return min(told, key=lambda each: parsed(each) or (0, 0, 0), default=observed.status.version)


def held_back(observed: Observed) -> Refusal | None:
    """Why configuration and template stay as they are; never for a cluster that has no set."""
    if observed.stateful_set is None:
        return None
    return _config(observed) or _skew(observed)


def refusal(observed: Observed) -> Refusal | None:
    """The same for the status: what is wrong is told from the beginning."""
    return _config(observed) or _skew(observed)


def _config(observed: Observed) -> Refusal | None:
    keys = refused_keys(observed.spec.config)
    if not keys:
        return None
    return Refusal(
        "ConfigInvalid",
        f"spec.config may not have {', '.join(keys)}: the operator sets them. Take them out",
    )


def _skew(observed: Observed) -> Refusal | None:
    to_text, from_text = target_version(observed), lowest_version(observed)
    to, at = parsed(to_text), parsed(from_text)
    if to is None or at is None or observed.annotations.get(ALLOW_VERSION) == to_text:
        return None
    if to < at:
        what = f"{to_text} is older than {from_text}"
    elif to[0] != at[0] or to[1] - at[1] > SKEW_MAX:
        what = f"from {from_text} to {to_text} is more than one minor version"
    else:
        return None
    return Refusal(
        "VersionSkewRefused",
        f"{what}. Go step by step, or allow it with the annotation {ALLOW_VERSION}={to_text}",
    )
