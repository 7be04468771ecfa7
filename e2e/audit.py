"""Calls made = rights granted: an API server's audit log beside the RBAC rules.

A call without a right is a bug that waits for its moment; a right without a call is one that a
thief of the token has for nothing. What the log does not say is reckoned in: a server-side apply
that made its object needs `create` beside `patch`, and whoever writes a Role must hold all that is
in it (`passed_on`).

`python -m e2e.audit AUDIT_LOG RBAC.json` compares for each ServiceAccount that a role of ours is
bound to; RBAC.json is `kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A -o json`.
Calls without rights make it fail; rights without calls only if `--whole` says that all was done.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

OURS: Final = ("app.kubernetes.io/part-of", "proconsul")
# Asked where the operator's rights end at namespaces, too: then it goes on without the answer.
_IN_VAIN: Final = ("get nodes", "get storageclasses.storage.k8s.io")
_CREATED: Final = 201
_FORBIDDEN: Final = 403
_NAMELESS: Final = ("create", "list", "watch", "deletecollection")


class Right(NamedTuple):
    """A verb on a resource: `pods/status` for a subresource, "" for the core group."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        """As people say it."""
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


@dataclass(slots=True)
class Calls:
    """What one account did: names by right, "" for all of a kind; and what it was refused."""

    made: dict[Right, set[str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Calls that no rule allows, and rights that no call needed."""

    missing: tuple[str, ...]
    spare: tuple[str, ...]


Rights = dict[Right, frozenset[str] | None]
"""What is granted, and for which names; None for all."""


def events(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Of an audit log. Its last line may be half written."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def calls_by(account: str, found: Iterable[Mapping[str, Any]]) -> Calls:
    """Of `system:serviceaccount:NAMESPACE:NAME`; what is no resource (discovery) is left out."""
    calls = Calls()
    for event in found:
        target = event.get("objectRef")
        if event.get("user", {}).get("username") != account or not target:
            continue
        resource = target["resource"]
        if target.get("subresource"):
            resource += f"/{target['subresource']}"
        right = Right(target.get("apiGroup", ""), resource, event["verb"])
        name = "" if right.verb in _NAMELESS else target.get("name", "")
        calls.made.setdefault(right, set()).add(name)
        status = event.get("responseStatus", {})
        if right.verb == "patch" and status.get("code") == _CREATED:
            calls.made.setdefault(right._replace(verb="create"), set()).add("")
        if status.get("code") == _FORBIDDEN:
            calls.refused.append(f"{right} {target.get('name', '')}: {status.get('message', '')}")
    return calls


def rights_of(rules: Iterable[Mapping[str, Any]]) -> Rights:
    """What these rules grant."""
    made: Rights = {}
    for rule in rules:
        names = frozenset(rule["resourceNames"]) if rule.get("resourceNames") else None
        for group in rule.get("apiGroups", ()):
            for resource in rule.get("resources", ()):
                for verb in rule["verbs"]:
                    right = Right(group, resource, verb)
                    held = made.get(right, frozenset())
                    made[right] = None if names is None or held is None else held | names
    return made


def compare(calls: Calls, granted: Rights, *, passed_on: Set[Right] = frozenset()) -> Comparison:
    """`passed_on`: rights that are held because others are given them, or an admission asks."""
    missing = [f"refused: {each}" for each in calls.refused if not each.startswith(_IN_VAIN)]
    for right, names in calls.made.items():
        if right not in granted and str(right) in _IN_VAIN:
            continue
        if right not in granted:
            missing.append(str(right))
            continue
        allowed = granted[right]
        if allowed is not None:
            missing += [f"{right} {name}" for name in names - allowed]
    spare = granted.keys() - calls.made.keys() - passed_on
    return Comparison(missing=tuple(sorted(missing)), spare=tuple(sorted(map(str, spare))))


@dataclass(frozen=True, slots=True)
class Roles:
    """All roles and bindings of a cluster."""

    items: tuple[Mapping[str, Any], ...]

    def accounts(self) -> dict[str, Rights]:
        """What the ServiceAccounts may do to which a role of ours is bound."""
        rules = {
            (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
            for each in self.items
            if each["kind"] in ("Role", "ClusterRole")
        }
        made: dict[str, Rights] = {}
        for binding in self.items:
            if not binding["kind"].endswith("Binding") or not _is_ours(binding):
                continue
            ref, space = binding["roleRef"], binding["metadata"].get("namespace", "")
            where = "" if ref["kind"] == "ClusterRole" else space
            role = rules.get((ref["kind"], where, ref["name"]), {})
            for subject in binding.get("subjects", ()):
                account = f"system:serviceaccount:{subject.get('namespace', '')}:{subject['name']}"
                for right, names in rights_of(role.get("rules") or ()).items():
                    rights = made.setdefault(account, {})
                    held = rights.get(right, frozenset())
                    rights[right] = None if names is None or held is None else held | names
        return made

    def passed_on(self) -> frozenset[Right]:
        """All that roles of clusters grant: the operator that writes them must hold it."""
        owned = [each for each in self.items if each["metadata"].get("ownerReferences")]
        rules = [rule for each in owned for rule in each.get("rules") or ()]
        return frozenset(rights_of(rules))


def _is_ours(body: Mapping[str, Any]) -> bool:
    labels = body["metadata"].get("labels") or {}
    key, value = OURS
    return bool(labels.get(key) == value or labels.get("app.kubernetes.io/name") == "proconsul")


def main(words: list[str] | None = None) -> int:
    """Print a comparison for each account; 1 if a right is missing, or spare with `--whole`."""
    parser = argparse.ArgumentParser(prog="e2e.audit", description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("roles", type=Path)
    parser.add_argument("--whole", action="store_true", help="every feature was used")
    given = parser.parse_args(words)
    found = list(events(given.log.read_text().splitlines()))
    roles = Roles(tuple(json.loads(given.roles.read_text())["items"]))
    bad = False
    for account, rights in sorted(roles.accounts().items()):
        calls = calls_by(account, found)
        told = compare(calls, rights, passed_on=roles.passed_on())
        print(f"{account}: {len(calls.made)} kinds of calls, {len(rights)} rights")  # noqa: T201
        for what, names in (("MISSING", told.missing), ("spare", told.spare)):
            for name in names:
                print(f"  {what}: {name}")  # noqa: T201
        bad = bad or bool(told.missing) or bool(given.whole and told.spare)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
