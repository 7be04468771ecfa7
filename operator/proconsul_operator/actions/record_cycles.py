"""Cycles for the three other kinds: snapshots, schedules, and restores into a new cluster.

A restore in place is carried out by its cluster's own cycle, which it owns; here it only wakes it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from proconsul_operator.actions.acting import record_restore, set_finalizer, status_manifest
from proconsul_operator.actions.cron import next_s
from proconsul_operator.actions.cycles import AT_ONCE_S, Failpoints, Told, differs
from proconsul_operator.actions.job_acts import JobActs, snapshot_pod
from proconsul_operator.actions.job_pods import cron_job
from proconsul_operator.actions.kube import AbsentError, ConflictError, Identity, KubeGateway
from proconsul_operator.actions.memory import Key, Memory
from proconsul_operator.actions.observing import jobs_of, read_all, wanted_of
from proconsul_operator.actions.reading import moment_s
from proconsul_operator.actions.records import job_of_record, record
from proconsul_operator.api.cluster import ClusterSpec, ProconsulCluster
from proconsul_operator.api.group import API_VERSION
from proconsul_operator.api.restore import ProconsulRestore
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import Metadata, Part, read, time_text, unix_s
from proconsul_operator.plans import actions as a
from proconsul_operator.plans import new_cluster, schedule, snapshot, verification
from proconsul_operator.plans.drift import digest, ref_of
from proconsul_operator.plans.observe import Child, Job
from proconsul_operator.plans.restore import FINAL
from proconsul_operator.plans.restore_source import lack_of_cluster, settle
from proconsul_operator.plans.verification import is_superseded, is_verified
from proconsul_operator.specs.labels import CLUSTER, SCHEDULE, VERIFIES
from proconsul_operator.specs.wanted import Manifest, Wanted

log: Final = logging.getLogger(__name__)
JOB_NAME: Final = "batch.kubernetes.io/job-name"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordWorld:
    """What these cycles work with."""

    gateway: KubeGateway
    jobs: JobActs
    memory: Memory
    failpoints: Failpoints
    now_s: Callable[[], float]
    version: str

    async def wanted(self, namespace: str, name: str) -> Wanted:
        """A cluster; one without UID if it is gone."""
        body = await self.gateway.get("ProconsulCluster", namespace, name)
        if body is None:
            gone = Metadata(name=name, namespace=namespace)
            return wanted_of(ProconsulCluster(metadata=gone, spec=ClusterSpec()), self.version)
        return wanted_of(read(ProconsulCluster, body), self.version)

    async def job(self, namespace: str, name: str) -> Job | None:
        """A Job and what its pods left behind; none is asked for by ""."""
        if not name:
            return None
        body, pods = await asyncio.gather(
            self.gateway.get("Job", namespace, name),
            self.gateway.list("Pod", namespace, f"{JOB_NAME}={name}"),
        )
        return None if body is None else jobs_of([body], pods)[0]

    async def write(self, kind: str, key: Key, status: Part, body: Manifest) -> None:
        """The status, if it changed."""
        if differs(status, body):
            identity = Identity(uid=body["metadata"]["uid"])
            with contextlib.suppress(AbsentError):  # deleted since we looked
                await self.gateway.apply_status(status_manifest(kind, key, status, identity))

    def passed(self, key: Key, decision: a.Decision) -> None:
        """It is done, if there was something to do."""
        if decision.acts:
            log.info("%s/%s: %s %s: %s", *key, decision.step, decision.target, decision.why)
            self.failpoints.passed(decision.step)

    async def act(self, namespace: str, wanted: Wanted, action: a.Action) -> None:
        """What all of them may ask for."""
        match action:
            case a.SetFinalizer():
                await set_finalizer(self.gateway, namespace, action)
            case a.StartJob():
                await self.jobs.start(wanted, action)
            case a.DeleteObject():
                identity = Identity(uid=action.uid)
                await self.gateway.delete(action.kind, namespace, action.name, identity=identity)
            case a.CreateIfAbsent():
                for manifest in action.manifests:
                    await self.gateway.create_if_absent(manifest)
            case a.RecordRestore():
                await record_restore(self.gateway, namespace, action, self.now_s())
            case a.Wait() | a.Nothing():
                pass
            case _:
                raise AssertionError(f"no record asks for {type(action).__name__}")


def _told(decision: a.Decision) -> Told:
    waits = isinstance(decision.action, a.Wait)
    delay_s = decision.action.seconds if isinstance(decision.action, a.Wait) else AT_ONCE_S
    return Told(delay_s=delay_s if waits else AT_ONCE_S, decision=decision)


@dataclass(frozen=True, slots=True)
class SnapshotCycle:
    """For a ProconsulSnapshot."""

    world: RecordWorld

    async def __call__(self, key: Key) -> Told:
        """See cycles.ClusterCycle."""
        world = self.world
        body = await world.gateway.get("ProconsulSnapshot", *key)
        if body is None:
            return Told(delay_s=None)
        held = read(ProconsulSnapshot, body)
        name = snapshot.job_name(held)
        ended = held.status.phase in snapshot.FINAL
        deleted = held.metadata.deletion_timestamp is not None
        wanted, job, deletion, verifies = await asyncio.gather(
            world.wanted(key[0], held.spec.cluster_ref.name),
            world.job(key[0], "" if ended else name),
            world.job(key[0], f"{name}-rm" if deleted else ""),
            world.job(key[0], verification.job_name(held) if is_verified(held) else ""),
        )
        observed = snapshot.SnapshotObserved(
            now_s=world.now_s(),
            snapshot=held,
            cluster_exists=bool(wanted.uid),
            job=job or job_of_record(held),
            deletion_job=deletion,
            verification=verifies,
            superseded=verifies is not None and await self._is_superseded(held),
        )
        decision = snapshot.plan(observed)
        try:
            await world.act(key[0], wanted, decision.action)
        except ConflictError:
            return Told(delay_s=a.LOOK_AGAIN_S, decision=decision)
        world.passed(key, decision)
        status = snapshot.report(observed)
        for event in snapshot.events(held.status, status):
            await world.gateway.event(
                body,
                reason=event.reason,
                note=event.message,
                warning=event.warning,
                now=time_text(world.now_s()),
            )
        if not isinstance(decision.action, a.DeleteObject):
            await world.write("ProconsulSnapshot", key, status, body)
        return _told(decision)

    async def _is_superseded(self, held: ProconsulSnapshot) -> bool:
        others = await self.world.gateway.list("ProconsulSnapshot", held.metadata.namespace)
        return is_superseded(held, read_all(ProconsulSnapshot, others))


@dataclass(frozen=True, slots=True)
class ScheduleCycle:
    """For a ProconsulSnapshotSchedule."""

    world: RecordWorld

    async def __call__(self, key: Key) -> Told:
        """See cycles.ClusterCycle."""
        world = self.world
        body = await world.gateway.get("ProconsulSnapshotSchedule", *key)
        if body is None:
            return Told(delay_s=None)
        held = read(ProconsulSnapshotSchedule, body)
        wanted = await world.wanted(key[0], held.spec.cluster_ref.name)
        if not wanted.uid:
            return Told(delay_s=a.LOOK_LATER_S)
        observed = await self._look(key, held, wanted, body)
        decision = schedule.plan(observed)
        try:
            await self._act(key, held, wanted, decision.action)
        except ConflictError:
            return Told(delay_s=a.LOOK_AGAIN_S, decision=decision)
        world.passed(key, decision)
        await world.write("ProconsulSnapshotSchedule", key, schedule.report(observed), body)
        return _told(decision)

    async def _look(
        self, key: Key, held: ProconsulSnapshotSchedule, wanted: Wanted, body: Manifest
    ) -> schedule.ScheduleObserved:
        world, ours = self.world, f"{SCHEDULE}={key[1]}"
        cluster = held.spec.cluster_ref.name
        cron, jobs, pods, records, looks = await asyncio.gather(
            world.gateway.get("CronJob", *key),
            world.gateway.list("Job", key[0], ours),
            world.gateway.list("Pod", key[0], ours),
            world.gateway.list("ProconsulSnapshot", key[0]),
            world.gateway.list("Job", key[0], f"{CLUSTER}={cluster},{VERIFIES}"),
        )
        seen = jobs_of(jobs, pods)
        every = read_all(ProconsulSnapshot, records)
        known = tuple(each for each in every if each.metadata.labels.get(SCHEDULE) == key[1])
        last = None if cron is None else cron.get("status", {}).get("lastScheduleTime")
        return schedule.ScheduleObserved(
            now_s=world.now_s(),
            schedule=held,
            wanted=_owned(wanted_cron_job(wanted, held, world.jobs), held),
            cron_job=None if cron is None else self._child(key, cron),
            last_scheduled_s=moment_s(last),
            next_s=next_s(held.spec.schedule, held.spec.time_zone, world.now_s()),
            jobs=seen,
            records=known,
            unrecorded=_unrecorded(held, seen, known),
            siblings=tuple(each for each in every if each.spec.cluster_ref.name == cluster),
            verifications=jobs_of(looks, []),
        )

    def _child(self, key: Key, body: Manifest) -> Child:
        applied, version = self.world.memory.applied.get((key, ref_of(body)), ("", ""))
        meta = body["metadata"]
        owners = meta.get("ownerReferences", ())
        return Child(
            uid=meta["uid"],
            controller_uid=next((each["uid"] for each in owners if each.get("controller")), ""),
            resource_version=meta["resourceVersion"],
            manifest=body,
            applied=applied,
            # Its own controller writes to its status all the time; what counts is its spec.
            untouched=version == str(meta.get("generation", "")),
        )

    async def _act(
        self, key: Key, held: ProconsulSnapshotSchedule, wanted: Wanted, action: a.Action
    ) -> None:
        world = self.world
        if isinstance(action, a.Apply):
            await world.jobs.rights(wanted)
            for manifest in action.manifests:
                done = await world.gateway.apply(manifest)
                generation = str(done.object["metadata"].get("generation", ""))
                world.memory.applied[(key, ref_of(manifest))] = (digest(manifest), generation)
        elif isinstance(action, a.StartJob) and action.kind == "Scheduled":
            pod = _pod(wanted, held)
            await world.jobs.make(wanted, action.name, pod, schedule=key[1])
        else:
            await world.act(key[0], wanted, action)


def _pod(wanted: Wanted, held: ProconsulSnapshotSchedule) -> Any:
    return snapshot_pod(
        wanted,
        held.spec.template,
        run="",
        schedule=held.metadata.name,
        retention=held.spec.retention,
    )


def wanted_cron_job(wanted: Wanted, held: ProconsulSnapshotSchedule, jobs: JobActs) -> Manifest:
    """What a schedule becomes."""
    spec = held.spec
    timing = {
        "schedule": spec.schedule,
        "timeZone": spec.time_zone,
        "suspend": spec.suspend,
        "startingDeadlineSeconds": spec.starting_deadline_seconds,
        "concurrencyPolicy": spec.concurrency_policy,
    }
    name = held.metadata.name
    return cron_job(wanted, name, _pod(wanted, held), jobs.images, timing=timing)


def _owned(manifest: Manifest, held: ProconsulSnapshotSchedule) -> Manifest:
    owner = {
        "apiVersion": API_VERSION,
        "kind": "ProconsulSnapshotSchedule",
        "name": held.metadata.name,
        "uid": held.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}


def _unrecorded(
    held: ProconsulSnapshotSchedule, jobs: tuple[Job, ...], known: tuple[ProconsulSnapshot, ...]
) -> tuple[Manifest, ...]:
    """Ends of Jobs that no record tells of; older ones than the newest record were let go."""
    told = [unix_s(each.status.completed_at) for each in known if each.status.completed_at]
    newest_s = max(told, default=0.0)
    names = {each.metadata.name for each in known}
    made = []
    for job in jobs:
        if job.succeeded is None or job.result is None or (job.ended_s or 0.0) < newest_s:
            continue
        template = held.spec.template
        manifest = record(
            namespace=held.metadata.namespace,
            cluster=held.spec.cluster_ref.name,
            schedule=held.metadata.name,
            destination=template.destination,
            verify=template.verify,
            consistency=template.consistency,
            run=job.uid,
            result=job.result,
        )
        if manifest["metadata"]["name"] not in names:
            made.append(manifest)
    return tuple(made)


@dataclass(frozen=True, slots=True)
class RestoreCycle:
    """For a ProconsulRestore; `wake` has its cluster looked at."""

    world: RecordWorld
    wake: Callable[[Key], None]

    async def __call__(self, key: Key) -> Told:
        """See cycles.ClusterCycle."""
        world = self.world
        body = await world.gateway.get("ProconsulRestore", *key)
        if body is None:
            return Told(delay_s=None)
        held = read(ProconsulRestore, body)
        name = held.spec.cluster_ref.name
        cluster = await world.gateway.get("ProconsulCluster", key[0], name)
        if held.spec.mode != "NewCluster":
            return await self._in_place(key, held, there=cluster is not None)
        observed = new_cluster.NewClusterObserved(
            now_s=world.now_s(),
            restore=held,
            cluster=None if cluster is None else read(ProconsulCluster, cluster),
            snapshots=await self._named(key[0], held),
        )
        return await self._act(key, held, new_cluster.plan(observed))

    async def _in_place(self, key: Key, held: ProconsulRestore, *, there: bool) -> Told:
        """Its cluster's own cycle carries it out; without a cluster nobody would say so."""
        lack = lack_of_cluster(held, there=there)
        if lack is None or held.status.phase in FINAL:
            self.wake((key[0], held.spec.cluster_ref.name))
            return Told(delay_s=a.LOOK_LATER_S)
        return await self._act(key, held, settle(self.world.now_s(), held, lack))

    async def _act(self, key: Key, held: ProconsulRestore, decision: a.Decision) -> Told:
        world = self.world
        wanted = await world.wanted(key[0], held.spec.cluster_ref.name)
        try:
            await world.act(key[0], wanted, decision.action)
        except ConflictError:
            return Told(delay_s=a.LOOK_AGAIN_S, decision=decision)
        world.passed(key, decision)
        return _told(decision)

    async def _named(self, namespace: str, held: ProconsulRestore) -> tuple[ProconsulSnapshot, ...]:
        ref = held.spec.snapshot_ref
        if ref is None:
            return ()
        body = await self.world.gateway.get("ProconsulSnapshot", namespace, ref.name)
        return () if body is None else (read(ProconsulSnapshot, body),)
