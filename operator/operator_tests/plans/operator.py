"""The operator in the small world: observe, plan, act, report; and it can be killed in between.

What it holds in its memory is what a real one may hold: what it applied last, and since when a
server is silent. A killed one has neither, and reported nothing of its last cycle.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import replace

from operator_tests.plans.acts import ConflictError, carry_out, run_jobs
from operator_tests.plans.world import NAME, Disk, Objects, PodState, World, bytes_of, revision_of
from proconsul_operator.plans import actions as a
from proconsul_operator.plans.cluster import plan
from proconsul_operator.plans.drift import digest, ref_of
from proconsul_operator.plans.events import Event
from proconsul_operator.plans.observe import (
    Child,
    Configuration,
    Fresh,
    GossipSecret,
    Health,
    Keyring,
    Leader,
    Local,
    Observed,
    Pod,
    Ref,
    StatefulSet,
    Unknown,
    Volume,
)
from proconsul_operator.plans.status import report
from proconsul_operator.plans.steps import STEPS, Step
from proconsul_operator.specs.labels import CLUSTER

VERSION = "1.0.0"
APPLIED_AGAIN = {Step.APPLY_CHILDREN, Step.APPLY_TEMPLATE}


class Operator:
    """One process after the other."""

    def __init__(self, world: World) -> None:
        """It knows nothing at first."""
        self.world = world
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self.last: a.Decision | None = None
        self._views: deque[Objects] = deque(maxlen=4)
        self._start()

    def _start(self) -> None:
        self._applied: dict[Ref, tuple[str, int]] = {}
        self._silent: dict[str, float] = {}

    def cycle(self, *, stale: int = 0, kill_after: Collection[Step] = ()) -> a.Decision:
        """One cycle on a view that is `stale` cycles old; killed once it acted at such a step."""
        self._views.append(self.world.objects.copied())
        view = self._views[max(len(self._views) - 1 - stale, 0)]
        observed = self.observe(view)
        decision = plan(observed)
        self.last = decision
        try:
            carry_out(self.world, decision.step, decision.action)
        except ConflictError:
            return decision
        if decision.acts:
            self.steps.append(decision.step)
        if decision.step in kill_after:
            self._start()
            self._views.clear()
            return decision
        self._remember(decision.action)
        told = report(observed, decision)
        self.events.extend(told.events)
        self.world.set_status(told.status)
        return decision

    def kill(self) -> None:
        """Between two cycles."""
        self._start()

    def settle(self, *, cycles_max: int = 400, kill_after: Step | None = None) -> None:
        """Until nothing is left to do; killed once, the first time that it acts at this step."""
        quiet = 0
        for _ in range(cycles_max):
            decision = self.cycle(kill_after=() if kill_after is None else (kill_after,))
            if decision.step is kill_after:
                kill_after = None
            self.pass_time()
            quiet = quiet + 1 if self._is_done(decision) else 0
            if quiet >= 3:
                return
        raise AssertionError(f"not settled: {self.last}")

    def settle_killed_each_time(self) -> None:
        """It dies after each act, unreported. What it applies again after each start, it may."""
        deadly = {step for step, row in STEPS.items() if row.acts} - APPLIED_AGAIN
        for _ in range(800):
            decision = self.cycle(kill_after=deadly)
            self.pass_time()
            if self._is_done(decision):
                self.settle()
                return
        raise AssertionError(f"not settled: {self.last}")

    def run(self, *, cycles: int) -> None:
        """So many cycles, whatever comes of it."""
        for _ in range(cycles):
            self.cycle()
            self.pass_time()

    def pass_time(self) -> None:
        """One tick of the world."""
        self.world.tick()
        run_jobs(self.world)
        self.world.install_keys()

    def _is_done(self, decision: a.Decision) -> bool:
        meta = self.world.cluster.metadata
        if meta.deletion_timestamp is not None:
            return not meta.finalizers
        return decision.step in (Step.IDLE, Step.HIBERNATED)

    def _remember(self, action: a.Action) -> None:
        if isinstance(action, a.Apply):
            for manifest in action.manifests:
                thing = self.world.objects.things.get(ref_of(manifest))
                if thing is not None:
                    self._applied[ref_of(manifest)] = (digest(manifest), thing.version)

    def observe(self, view: Objects) -> Observed:
        """The world as it answers: objects from `view`, servers as they are."""
        world = self.world
        pods = tuple(self._pod(pod) for pod in view.pods.values())
        return Observed(
            now_s=world.now_s,
            cluster=world.cluster,
            operator_version=VERSION,
            fresh=Fresh(
                cluster_id=world.serial("cluster"),
                gossip_key=world.serial("key"),
                token=world.serial("token"),
            ),
            leader=self._leader(),
            stateful_set=_set(view),
            pods=tuple(sorted(pods, key=lambda pod: pod.ordinal)),
            volumes=tuple(
                self._volume(disk) for _, disk in sorted(view.disks.items()) if disk.requested
            ),
            children={ref: self._child(ref, view) for ref in view.things} | _kept(view, world),
            guard=view.guard,
            recovery=view.recovery,
            gossip=_keys(world),
            tls=world.certificates.secret(),
            authority=world.certificates.authority_secret(),
            acl_token_stored=world.token,
            acl_bootstrapped=world.acl,
            jobs=tuple(view.jobs.values()),
            snapshots=tuple(world.snapshots.values()),
            schedules=world.schedules,
            restore=world.restore,
        )

    def _child(self, ref: Ref, view: Objects) -> Child:
        thing = view.things[ref]
        applied, version = self._applied.get(ref, ("", 0))
        return Child(
            uid=thing.uid,
            resource_version=str(thing.version),
            manifest=thing.manifest,
            controller_uid=thing.controller_uid,
            applied=applied,
            untouched=version == thing.version,
        )

    def _pod(self, pod: PodState) -> Pod:
        real = self.world.objects.pods.get(pod.name)
        disk = self.world.objects.disks.get(pod.ordinal)
        local: Local | Unknown
        if real is None or disk is None or not real.running or real.silent:
            since = self._silent.setdefault(pod.name, self.world.now_s)
            local = Unknown(why="no answer", since_s=since)
        else:
            self._silent.pop(pod.name, None)
            local = self._local(disk, real)
        leaf = None if real is None else self.world.certificates.loaded.get(real.uid)
        certificate: str | Unknown = "" if leaf is None else leaf.name
        trusts: tuple[str, ...] | Unknown = () if leaf is None else leaf.trusts
        if isinstance(local, Unknown):
            certificate = trusts = local
        return Pod(
            name=pod.name,
            uid=pod.uid,
            resource_version=str(pod.version),
            ordinal=pod.ordinal,
            revision=pod.revision,
            local=local,
            created_s=pod.created_s,
            ready=pod.ready_since_s is not None,
            ready_since_s=pod.ready_since_s,
            terminating=pod.terminating,
            stopped="" if pod.running or not _is_broken(pod) else "CrashLoopBackOff",
            annotations=pod.annotations,
            certificate=certificate,
            trusts=trusts,
        )

    def _local(self, disk: Disk, pod: PodState) -> Local:
        world = self.world
        state = "Leader" if disk.id == world.leader_id else "Follower"
        return Local(
            id=disk.id,
            state="Idle" if disk.decommissioned else state,
            cluster_id=disk.cluster_id,
            restore_uid=disk.restore_uid,
            version=pod.tag,
            term=world.term,
            last_term=world.term,
            last_index=disk.last_index,
            applied_index=disk.last_index,
            leader_commit_index=world.commit_index,
            leader_id="" if disk.decommissioned else world.leader_id,
            configuration=self._with_known_names(disk.configuration),
            recovery_epoch=disk.epoch,
            decommissioned=disk.decommissioned,
        )

    def _with_known_names(self, held: Configuration) -> Configuration:
        """A server's own configuration has IDs; names are known of servers that answer."""
        objects = self.world.objects
        names = {
            disk.id: pod.name
            for pod in objects.pods.values()
            if pod.running and not pod.silent
            for disk in [objects.disks.get(pod.ordinal)]
            if disk is not None
        }
        servers = tuple(replace(each, name=names.get(each.id, "")) for each in held.servers)
        return replace(held, servers=servers)

    def _leader(self) -> Leader | Unknown:
        world = self.world
        server = world.configuration.by_id(world.leader_id)
        if server is None or not world.has_quorum():
            return Unknown(why="no leader", since_s=world.now_s)
        active = world.active()
        return Leader(
            id=server.id,
            name=server.name,
            term=world.term,
            configuration=world.configuration,
            healths=tuple(
                Health(id=each.id, healthy=each.id in active, last_index=world.commit_index)
                for each in world.configuration.servers
            ),
            commit_index=world.commit_index,
            keyring=_ring(world),
        )

    def _volume(self, disk: Disk) -> Volume:
        size = bytes_of(disk.requested)
        return Volume(
            name=f"data-{NAME}-{disk.ordinal}",
            uid=disk.uid,
            resource_version=str(disk.version),
            ordinal=disk.ordinal,
            requested_bytes=size,
            capacity_bytes=size,
            expandable=self.world.expandable,
            left=disk.left,
            terminating=disk.terminating,
        )


def _is_broken(pod: PodState) -> bool:
    return pod.tag == "9.9.9" or pod.crashed


def _set(view: Objects) -> StatefulSet | None:
    thing = view.things.get(Ref("StatefulSet", NAME))
    if thing is None:
        return None
    claims = thing.manifest["spec"].get("volumeClaimTemplates", [])
    size = claims[0]["spec"]["resources"]["requests"]["storage"] if claims else ""
    return StatefulSet(
        uid=thing.uid,
        resource_version=str(thing.version),
        replicas=thing.manifest["spec"]["replicas"],
        update_revision=revision_of(thing.manifest),
        volume_size=size,
    )


def _kept(view: Objects, world: World) -> dict[Ref, Child]:
    """What outlives the cluster."""
    manifest = {"metadata": {"labels": {CLUSTER: NAME}}}
    child = Child(uid="kept", resource_version="1", manifest=manifest)
    there = {
        Ref("ConfigMap", f"{NAME}-bootstrap"): view.guard is not None,
        Ref("Secret", f"{NAME}-gossip"): bool(world.keys),
    }
    return {ref: child for ref, present in there.items() if present}


def _keys(world: World) -> GossipSecret | None:
    if not world.keys:
        return None
    return GossipSecret(keys=world.keys, resource_version=str(world.keys_version))


def _ring(world: World) -> Keyring | None:
    if not world.keys:
        return None
    active = world.active()
    rings = [held for server_id, held in world.ring.items() if server_id in active]
    primary = [key for server_id, key in world.primary.items() if server_id in active]
    every = {key for held in rings for key in held}
    return Keyring(
        keys={key: sum(key in held for held in rings) for key in every},
        primary={key: primary.count(key) for key in primary},
        nodes=len(active),
        failed=sum(1 for pod in world.objects.pods.values() if not pod.running),
    )
