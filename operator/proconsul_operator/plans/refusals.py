"""What of a spec is not done, and why: the old state is kept, and the status says it.

A wrong spec never breaks a running cluster. The schema cannot see whether a jump of versions is
allowed, what is in the servers' configuration, or how a StatefulSet was made that somebody else, an
older operator or an earlier cluster of the same name left behind; that is judged here, anew in
every cycle.
"""

import re
from dataclasses import dataclass
from typing import Final

from proconsul_operator.api.group import ALLOW_VERSION
from proconsul_operator.api.values import size_bytes
from proconsul_operator.plans.drift import differences
from proconsul_operator.plans.observe import Observed, Ref
from proconsul_operator.specs.config_check import CONFIG_BYTES_MAX, checked_text
from proconsul_operator.specs.server_config import refused_keys
from proconsul_operator.specs.statefulset import stateful_set
from proconsul_operator.specs.wanted import Manifest

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")
SKEW_MAX: Final = 1  # minor versions
_FIXED: Final = ("serviceName", "podManagementPolicy", "selector", "volumeClaimTemplates")
"""Of a StatefulSet's spec, what we set and Kubernetes never changes."""

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


def refusal(observed: Observed) -> Refusal | None:
    """By the spec, and by what there is; told from the beginning, before there is a set."""
    return _config(observed) or _skew(observed) or _immutable(observed)


def _config(observed: Observed) -> Refusal | None:
    keys = refused_keys(observed.spec.config)
    if keys:
        return Refusal(
            "ConfigInvalid",
            f"spec.config may not have {', '.join(keys)}: the operator sets them. Take them out",
        )
    size = len(checked_text(observed.wanted).encode())
    if size > CONFIG_BYTES_MAX:
        return Refusal(
            "ConfigInvalid",
            f"the configuration has {size} bytes, and {CONFIG_BYTES_MAX} can be checked: put some "
            "of it into spec.extraConfigSecretRef",
        )
    return None


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


def _immutable(observed: Observed) -> Refusal | None:
    fields = immutable_fields(observed)
    if not fields:
        return None
    name, space = observed.wanted.name, observed.wanted.namespace
    return Refusal(
        "ImmutableField",
        f"StatefulSet {name} was made otherwise, and Kubernetes never changes "
        f"{', '.join(fields)} of one. Take the spec back, or have the set made again around its "
        "running pods; volumes that are there stay as they are:\n"
        f"kubectl -n {space} get statefulset {name} -o yaml > {name}-statefulset.yaml\n"
        f"kubectl -n {space} delete statefulset {name} --cascade=orphan\n"
        f"kubectl -n {space} wait proconsulcluster/{name} --for=condition=Ready --timeout=30m",
    )


def immutable_fields(observed: Observed) -> tuple[str, ...]:
    """Of the StatefulSet, those that the spec asks for otherwise than they are."""
    child = observed.children.get(Ref("StatefulSet", observed.wanted.name))
    if observed.stateful_set is None or child is None:
        return ()
    wanted = stateful_set(observed.wanted, observed.size)["spec"]
    live = child.manifest["spec"]
    claims, held = wanted.get("volumeClaimTemplates", []), live.get("volumeClaimTemplates", [])
    if len(claims) != len(held):
        return ("volumeClaimTemplates",)
    fields = [] if not claims or _size(claims[0]) >= _size(held[0]) else ["storage size (smaller)"]
    for claim, other in zip(claims, held, strict=True):
        # A bigger one has a plan of its own (volumes.py).
        claim["spec"]["resources"] = other["spec"]["resources"]
    for name in _FIXED:
        fields += differences(wanted.get(name), live.get(name), name)
    return tuple(fields)


def _size(claim: Manifest) -> int:
    return size_bytes(claim["spec"]["resources"]["requests"]["storage"])
