"""One cycle for one object: look, plan, one act, report; and how long until the next look.

A cycle ends early and quietly where the world moved under it: the next one looks again. Every other
failure is the caller's to count, to tell, and to wait for. A cycle never waits inside.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proconsul_operator.actions.acting import Actor, Done, StaleError, status_manifest
from proconsul_operator.actions.kube import AbsentError, ConflictError, Identity, KubeGateway
from proconsul_operator.actions.memory import Key, Memory
from proconsul_operator.actions.observing import Observer, View
from proconsul_operator.api.values import plain, time_text
from proconsul_operator.plans.actions import LOOK_AGAIN_S, LOOK_LATER_S, Decision, Wait
from proconsul_operator.plans.cluster import plan
from proconsul_operator.plans.events import Event
from proconsul_operator.plans.status import is_due, report
from proconsul_operator.plans.steps import FAILPOINTS, STEPS, Operation, Step
from proconsul_operator.specs.wanted import Manifest

AT_ONCE_S: Final = 0.2
KILLED: Final = 86
log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failpoints:
    """Where the process ends at once, for tests: after an act and before anything is told.

    With a folder of marks, which outlives the process, each ends it once; without one, each time.
    Where it is to halt, the folder's later processes end at their start, too.
    """

    names: frozenset[str]
    halts: frozenset[str] = frozenset()
    end: Callable[[int], object] = os._exit
    marks: Path | None = None

    @classmethod
    def of(cls, text: str, marks: str = "") -> "Failpoints":
        """`after-RollPod=exit,after-AddKey=halt,…`.

        Raises ValueError for a name that no plan has, and for a halt without marks.
        """
        named: dict[str, str] = {}
        for part in filter(None, (each.strip() for each in text.split(","))):
            name, _, what = part.partition("=")
            if name not in FAILPOINTS or what not in ("exit", "halt"):
                raise ValueError(f"{part!r} is no failpoint: write after-<Step>=exit, or =halt")
            named[name] = what
        halts = frozenset(name for name, what in named.items() if what == "halt")
        if halts and not marks:
            raise ValueError("a failpoint halts by PROCONSUL_FAILPOINT_MARKS: name a folder there")
        return cls(names=frozenset(named), halts=halts, marks=Path(marks) if marks else None)

    def start(self) -> None:
        """A process starts: not if one before it was to halt."""
        for name in sorted(self.halts):
            if self.marks is not None and (self.marks / name).exists():
                self._end(name)

    def passed(self, step: Step) -> None:
        """The act of this step is done."""
        name = f"after-{step}"
        if name in self.names and self._first_time(name):
            self._end(name)

    def _end(self, name: str) -> None:
        log.warning("failpoint %s", name)
        self.end(KILLED)

    def _first_time(self, name: str) -> bool:
        if self.marks is None:
            return True
        self.marks.mkdir(parents=True, exist_ok=True)
        try:
            (self.marks / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a cycle did, for logs and metrics. `delay_s` is None when the object is gone."""

    delay_s: float | None
    decision: Decision | None = None
    view: View | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterCycle:
    """For a ProconsulCluster."""

    observer: Observer
    actor: Actor
    gateway: KubeGateway
    memory: Memory
    failpoints: Failpoints

    async def __call__(self, key: Key) -> Told:
        """Raises KubeError, ConsulError, and what an object that cannot be read raises."""
        view = await self.observer.look(key)
        if view is None:
            self.memory.forget(key)
            return Told(delay_s=None)
        decision = plan(view.observed)
        self.memory.rolls(key, _rolls(decision))
        try:
            done = await self.actor.carry_out(view, decision.action)
        except (StaleError, ConflictError) as error:
            log.info("%s/%s: %s: not done: %s", *key, decision.step, error)
            return Told(delay_s=LOOK_AGAIN_S, decision=decision, view=view)
        if decision.acts:
            log.info("%s/%s: %s %s: %s", *key, decision.step, decision.target, decision.why)
            self.failpoints.passed(decision.step)
        await self._report(key, view, decision, done)
        return Told(delay_s=_delay_s(decision), decision=decision, view=view)

    async def _report(self, key: Key, view: View, decision: Decision, done: Done) -> None:
        told = report(view.observed, decision)
        now = time_text(view.observed.now_s)
        # Events first: who dies in between tells them twice, which is better than never.
        for event in (*told.events, *_drift(told.events, done)):
            await self.gateway.event(
                view.body, reason=event.reason, note=event.message, warning=event.warning, now=now
            )
        age_s = view.observed.now_s - self.memory.told.get(key, 0.0)
        if is_due(view.observed.status, told.status, age_s) and differs(told.status, view.body):
            self.memory.told[key] = view.observed.now_s
            identity = Identity(uid=view.observed.cluster.metadata.uid)
            manifest = status_manifest("ProconsulCluster", key, told.status, identity)
            with contextlib.suppress(AbsentError):  # deleted since we looked
                await self.gateway.apply_status(manifest)


def _rolls(decision: Decision) -> bool:
    rolling = STEPS[decision.step].operation is Operation.ROLLING_UPDATE
    return rolling and decision.step not in (Step.AWAIT_TURN, Step.MEND_POD)


def _drift(told: tuple[Event, ...], done: Done) -> tuple[Event, ...]:
    """What the API server says that others had changed, if the plan did not see it."""
    if any(event.reason == "DriftCorrected" for event in told):
        return ()
    return tuple(
        Event(reason="DriftCorrected", message=f"{ref.kind} {ref.name}: {', '.join(fields)}")
        for ref, fields in done.taken
    )


def _delay_s(decision: Decision) -> float:
    if decision.acts:
        return AT_ONCE_S
    return decision.action.seconds if isinstance(decision.action, Wait) else LOOK_LATER_S


def differs(status: object, body: Manifest) -> bool:
    """There is something to write."""
    held: Mapping[str, object] = body.get("status", {})
    return bool(plain(status) != held)
