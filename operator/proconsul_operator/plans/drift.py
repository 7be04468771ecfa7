"""Is an object as we want it? Only our fields count; what others added stays.

The API server fills in defaults, writes quantities its own way and drops what is empty, so wanted
and found are compared by meaning. An object is applied again if what we want is not what this
process last applied (that also takes back fields that we want no more), or if somebody changed our
fields since. An apply that changed nothing is not repeated, whatever the comparison says.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from proconsul_operator.plans.observe import Child, Observed, Ref
from proconsul_operator.specs.labels import CLUSTER
from proconsul_operator.specs.wanted import Manifest

FIELDS_MAX: Final = 8  # of one object, in an Event
_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_SCALE: Final = {
    "": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
_EMPTY: Final = (None, "", 0, False)


def ref_of(manifest: Mapping[str, Any]) -> Ref:
    """Its kind and name."""
    return Ref(manifest["kind"], manifest["metadata"]["name"])


def digest(manifest: Mapping[str, Any]) -> str:
    """Of what is wanted, precondition and size apart: the same value has the same one."""
    meta = {key: held for key, held in manifest["metadata"].items() if key != "resourceVersion"}
    wanted = {**manifest, "metadata": meta}
    if manifest.get("kind") == "StatefulSet":
        # Its size has plans of its own: a step of it is no other wish.
        spec = {key: held for key, held in manifest["spec"].items() if key != "replicas"}
        wanted["spec"] = spec
    text = json.dumps(wanted, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def is_foreign(observed: Observed, ref: Ref) -> bool:
    """It is there and somebody else's: never adopted."""
    child = observed.children.get(ref)
    if child is None:
        return False
    if child.controller_uid:
        return child.controller_uid != observed.cluster.metadata.uid
    labels = child.manifest.get("metadata", {}).get("labels", {})
    return bool(labels.get(CLUSTER) != observed.cluster.metadata.name)


def needs_apply(observed: Observed, manifest: Manifest) -> bool:
    """It is missing, wanted otherwise than it was applied, or changed by somebody."""
    child = observed.children.get(ref_of(manifest))
    if child is None or child.applied != digest(manifest):
        return True
    return not child.untouched and any(differences(manifest, child.manifest))


def drifted_fields(manifest: Manifest, child: Child) -> tuple[str, ...]:
    """What somebody changed in an object that we had applied as it is wanted; () if nobody did."""
    if child.applied != digest(manifest) or child.untouched:
        return ()
    return tuple(islice(differences(manifest, child.manifest), FIELDS_MAX))


def differences(wanted: object, found: object, path: str = "") -> Iterator[str]:
    """Paths of wanted fields that are otherwise."""
    if isinstance(wanted, Mapping):
        there = found if isinstance(found, Mapping) else {}
        if wanted and found is None:
            yield path
            return
        for key, value in wanted.items():
            yield from differences(value, there.get(key), f"{path}.{key}" if path else key)
    elif isinstance(wanted, list):
        listed = found if isinstance(found, list) else []
        if len(listed) != len(wanted):
            yield path
            return
        for number, (value, other) in enumerate(zip(wanted, listed, strict=True)):
            yield from differences(value, other, f"{path}[{number}]")
    elif not _same(wanted, found):
        yield path


def _same(wanted: object, found: object) -> bool:
    if wanted == found or (wanted in _EMPTY and found in _EMPTY):
        return True
    return _amount(wanted) is not None and _amount(wanted) == _amount(found)


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _QUANTITY.fullmatch(str(value))
    return None if match is None else float(match[1]) * _SCALE[match[2] or ""]
