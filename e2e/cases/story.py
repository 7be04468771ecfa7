"""What every case has: a namespace under Pod Security `restricted`, servers, a load, a watcher.

A case is a test with `@case(...)` that takes `story`. At its end what was promised at every moment
is judged, whatever the case itself asserts; then the namespace goes.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from e2e import faults, helm, operator
from e2e.images import REGISTRY, TAG
from e2e.kubectl import AnswerError, Kubectl, Proxy, run
from e2e.load import checker
from e2e.load.ledger import Ledger
from e2e.load.pod import LoadPod, Rates
from e2e.operator import Custom, Operator
from e2e.servers import Servers
from e2e.store import Store
from e2e.waits import limit, until
from e2e.watcher import Watcher

RELEASE = "consul"
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
IMAGE = f"{REGISTRY}/proconsul:{TAG}"
VALUES: Mapping[str, Any] = {
    "fullnameOverride": RELEASE,
    "image": operator.image("proconsul"),
    "storage": {"size": "1Gi"},
    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
    "config": {"performance": {"raft_multiplier": 1}},
}


@dataclass(kw_only=True)
class Story:
    """One run of one case."""

    name: str
    kubectl: Kubectl
    seed: int
    folder: Path  # for what it leaves behind
    short: bool = False  # of the short choice: fewer rounds, where there are rounds
    figures: dict[str, Any] = field(default_factory=dict)
    timeline: list[tuple[float, str]] = field(default_factory=list)
    replicas: int = 3  # what the case asks for at the time

    @property
    def servers(self) -> Servers:
        """Those of the release."""
        return Servers(kubectl=self.kubectl, name=RELEASE, replicas=self.replicas)

    @property
    def nodes(self) -> faults.Nodes:
        """The machines below; skips the case where they cannot be reached."""
        found = faults.of(os.environ)
        if found is None:
            pytest.skip("nodes of a given cluster are out of reach: E2E_NODES names no command")
        return found

    @property
    def operator(self) -> Operator:
        """The one that `install_operated` installs."""
        return Operator(kubectl=self.kubectl)

    @property
    def store(self) -> Store:
        """An object store, once it is installed."""
        return Store(kubectl=self.kubectl, image=IMAGE)

    @property
    def cluster(self) -> Custom:
        """The ProconsulCluster of the release, in mode operator."""
        return self.custom("ProconsulCluster", RELEASE)

    def custom(self, kind: str, name: str) -> Custom:
        """Another object that the operator takes care of."""
        return Custom(kubectl=self.kubectl, kind=kind, name=name)

    def now_s(self) -> float:
        """Wall clock, as the timeline and the ledger count."""
        return time.time()

    def rest_until(self, end_s: float, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Until that wall clock; `meanwhile` is called at each look, and may fail the case."""

        def left() -> str:
            meanwhile()
            left_s = end_s - self.now_s()
            return "" if left_s <= 0 else f"{left_s:.0f} s are left"

        until(left, "time passes", 2 * max(end_s - self.now_s(), 1.0))

    def note(self, what: str) -> float:
        """Something that the case does, for the timeline: when, wall clock."""
        at_s = time.time()
        self.timeline.append((at_s, what))
        return at_s

    def install(self, **values: Any) -> float:
        """The chart in mode standalone: seconds until all is well."""
        began_s = self.note("install")
        helm.install(self.kubectl.namespace, RELEASE, {**VALUES, **values}, "ready")
        self.servers.wait_until_well("ready")
        return round(time.time() - began_s, 1)

    def install_operated(self, operator: Mapping[str, Any] | None = None, **values: Any) -> float:
        """The operator, and the chart in mode operator: seconds until all is well.

        The operator's own installation is not counted; `operator` are values of its chart.
        """
        self.note("install the operator")
        self.operator.install(**(operator or {}))
        began_s = self.note("install")
        chosen = {**VALUES, "mode": "operator", **values}
        helm.install(self.kubectl.namespace, RELEASE, chosen, "ready")
        self.cluster.wait_for("Ready", "True", limit_name="operated_ready")
        self.servers.wait_until_well("operated_ready")
        return round(time.time() - began_s, 1)

    @contextmanager
    def watched(self, members: int = 0) -> Iterator[Watcher]:
        """What must hold at every moment, held; with `members` of more servers than there are."""
        servers = self.servers
        watcher = Watcher(self.kubectl, servers.name, members or servers.replicas, servers.port)
        watcher.seen.floor = servers.replicas - 1
        try:
            with watcher:
                yield watcher
        finally:
            self._tell(watcher)
        assert not watcher.seen.complaints, "; ".join(watcher.seen.complaints)

    def _tell(self, watcher: Watcher) -> None:
        for term, (_, who, at_s) in sorted(watcher.seen.leaders.items()):
            self.timeline.append((at_s, f"{who} leads term {term}"))
        self.timeline += [(at_s, f"{count} pods ready") for at_s, count in watcher.seen.ready]

    @contextmanager
    def load(self, rates: Rates = Rates()) -> Iterator["Loaded"]:  # noqa: B008 - a frozen value
        """A load through all that happens in the `with`; after it, it is judged."""
        pod = LoadPod(self.kubectl, IMAGE, RELEASE, self.servers.names)
        pod.start(rates, self.seed)
        loaded = Loaded(self, pod)
        try:
            yield loaded
        finally:
            self._keep("ledger.jsonl", pod)
        loaded.ledger = pod.stop()
        self._keep("ledger.jsonl", pod)
        states = self.servers.states_once_quiet()
        complaints = checker.check(loaded.ledger, self.servers.values_below("e2e"))
        complaints += checker.same_state(states)
        self.figures.update(checker.counts(loaded.ledger))
        pod.remove()
        assert not complaints, "; ".join(complaints)

    def _keep(self, name: str, pod: LoadPod) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(pod.text(), encoding="utf-8")

    def write_timeline(self) -> None:
        """Sorted, into the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{time.strftime('%H:%M:%S', time.gmtime(at_s))}.{int(at_s % 1 * 1000):03} {what}"
            for at_s, what in sorted(self.timeline)
        ]
        text = "\n".join([f"seed {self.seed}", *lines, json.dumps(self.figures, indent=2)])
        (self.folder / "timeline.txt").write_text(text + "\n", encoding="utf-8")


class Loaded:
    """A load that runs, or ran."""

    def __init__(self, story: Story, pod: LoadPod) -> None:
        self.story = story
        self.pod = pod
        self.ledger: Ledger | None = None

    def gap_s(self, from_s: float, to_s: float) -> float:
        """The longest time without an acknowledged write that touches these wall-clock times."""
        ledger = self.ledger or self.pod.ledger()
        gap_s = checker.write_gap_s(ledger, ledger.at_ns(from_s), ledger.at_ns(to_s))
        return round(gap_s, 2)


def middle(values: list[float]) -> float:
    """The median, as a figure."""
    return round(statistics.median(values), 2)


def make_namespace(name: str) -> None:
    """With Pod Security enforced, anew."""
    remove_namespace(name)
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": RESTRICTED},
    }
    run("kubectl", "apply", "-f", "-", given=json.dumps(manifest))


def _remove_operated(name: str) -> None:
    """The operator first, then our objects without what only it would take off them."""
    # Without its hook, which keeps it for as long as there are objects of ours.
    flags = ("--ignore-not-found", "--no-hooks")
    run(helm.PROGRAM, "-n", name, "uninstall", operator.RELEASE, *flags, check=False)
    for kind in operator.KINDS.values():
        listing = ("get", kind, "-o", "name", "--ignore-not-found")
        # Where the operator never was, there are no such kinds.
        for each in run("kubectl", "-n", name, *listing, check=False).split():
            bare = '{"metadata": {"finalizers": null}}'
            run("kubectl", "-n", name, "delete", each, "--wait=false", check=False)
            run("kubectl", "-n", name, "patch", each, "--type=merge", "-p", bare, check=False)


def remove_namespace(name: str) -> None:
    """Until nothing of it is left."""
    # Kubernetes waits for as long as its pods may take to end: these need no order.
    everything = ("--all", "--ignore-not-found", "--wait=false")
    _remove_operated(name)
    run("kubectl", "-n", name, "delete", "statefulsets", "--cascade=orphan", *everything)
    run("kubectl", "-n", name, "delete", "pods", "--grace-period=0", "--force", *everything)
    run("kubectl", "delete", "namespace", name, "--ignore-not-found", "--wait=false")
    with Proxy() as proxy:

        def there() -> str:
            try:
                found = proxy.json(f"/api/v1/namespaces/{name}")
            except AnswerError as failure:
                return "" if failure.status == 404 else f"{failure}"
            return str(found["status"])

        until(there, f"namespace {name} is gone", limit("namespace_gone"))
