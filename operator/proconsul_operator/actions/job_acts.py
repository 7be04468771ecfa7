"""Starting a Job: from what a plan asks for to an order, a manifest, and one that is there once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proconsul_operator.actions.job_orders import RestoreOrder, SnapshotOrder
from proconsul_operator.actions.job_pods import Images, JobPod, job, job_rights
from proconsul_operator.actions.kube import KubeError, KubeGateway
from proconsul_operator.actions.stores import location_of
from proconsul_operator.api.places import Destination, Location, SnapshotSource
from proconsul_operator.api.schedule import Retention, SnapshotTemplate
from proconsul_operator.api.snapshot import ProconsulSnapshot, SnapshotSpec
from proconsul_operator.api.values import plain, read
from proconsul_operator.plans import actions as a
from proconsul_operator.plans.observe import Observed
from proconsul_operator.specs.labels import CLUSTER
from proconsul_operator.specs.wanted import Wanted


class NoArchiveError(KubeError):
    """The record that a restore names is not there, or has no archive."""


class ForeignError(KubeError):
    """Somebody else's object stands where ours should. It is never written over."""


def api_url(wanted: Wanted, service: str = "") -> str:
    """Of a Service before the servers; the client Service by default."""
    ports = wanted.spec.ports
    scheme, port = ("https", ports.https) if wanted.has_tls else ("http", ports.http)
    return f"{scheme}://{service or wanted.name}.{wanted.namespace}.svc:{port}"


def snapshot_pod(
    wanted: Wanted,
    template: SnapshotTemplate | SnapshotSpec,
    *,
    run: str,
    record: str = "",
    schedule: str = "",
    retention: Retention | None = None,
) -> JobPod:
    """The pod that takes one."""
    stale = template.consistency == "Stale" and wanted.spec.service.stale_service
    order = SnapshotOrder(
        cluster=wanted.name,
        namespace=wanted.namespace,
        url=api_url(wanted, wanted.stale if stale else ""),
        destination=template.destination,
        consistency=template.consistency,
        verify=template.verify,
        retention=retention,
        record=record,
        schedule=schedule,
    )
    return JobPod(
        program="snapshot",
        order=plain(order),
        place=template.destination,
        run=run,
        has_server_beside=template.verify == "Restore",
        makes_record=bool(schedule),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobActs:
    """Starts Jobs."""

    gateway: KubeGateway
    images: Images

    async def start(self, wanted: Wanted, action: a.StartJob) -> None:
        """A Job by its name, if it is not there."""
        given = action.parameters
        match action.kind:
            case "Snapshot":
                spec = read(SnapshotSpec, given["spec"])
                pod = snapshot_pod(wanted, spec, run=given["uid"], record=given["snapshot"])
            case "Verify":
                await self._verify(wanted, action)
                return
            case "Validate":
                location = await self.location(wanted, given["source"])
                pod = _restore_pod(RestoreOrder(act="Validate", location=location))
            case "Delete":
                destination = read(Destination, given["destination"])
                location = location_of(destination, given["location"])
                pod = _restore_pod(RestoreOrder(act="Delete", location=location))
            case kind:
                raise AssertionError(f"no Job is of kind {kind}")
        await self.make(wanted, action.name, pod)

    async def _verify(self, wanted: Wanted, action: a.StartJob) -> None:
        given = action.parameters
        order = RestoreOrder(
            act="Verify",
            location=location_of(read(Destination, given["destination"]), given["location"]),
            sha256=given["sha256"],
            size_bytes=given["sizeBytes"],
        )
        await self.make(wanted, action.name, _restore_pod(order), verifies=given["uid"])

    async def put(self, observed: Observed, action: a.PutSnapshot) -> None:
        """A Job that puts an archive to the leader."""
        order = RestoreOrder(
            act="Restore",
            location=await self.location(observed.wanted, action.source),
            url=api_url(observed.wanted),
            restore_uid=action.restore_uid,
        )
        await self.make(observed.wanted, action.name, _restore_pod(order))

    async def make(
        self, wanted: Wanted, name: str, pod: JobPod, *, schedule: str = "", verifies: str = ""
    ) -> None:
        """The Job, and before it the account that it runs as."""
        await self.rights(wanted)
        made = job(wanted, name, pod, self.images, schedule=schedule, verifies=verifies)
        await self.gateway.create_if_absent(made)

    async def rights(self, wanted: Wanted) -> None:
        """The account of Jobs, and what it may do. Raises ForeignError for what is not ours."""
        for manifest in job_rights(wanted):
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            held = await self.gateway.get(kind, wanted.namespace, name)
            labels = {} if held is None else held["metadata"].get("labels", {})
            if held is not None and labels.get(CLUSTER) != wanted.name:
                raise ForeignError(f"{kind} {name} belongs to somebody else: remove or rename it")
            await self.gateway.apply(manifest)

    async def location(self, wanted: Wanted, source: Mapping[str, Any]) -> Location:
        """Where an archive lies that is named by its place or by its record."""
        named = read(SnapshotSource, source)
        if named.location is not None:
            return named.location
        assert named.snapshot_ref is not None, "a rule of the schema"
        name = named.snapshot_ref.name
        body = await self.gateway.get("ProconsulSnapshot", wanted.namespace, name)
        if body is None:
            raise NoArchiveError(f"ProconsulSnapshot {name} is not there")
        record = read(ProconsulSnapshot, body)
        if not record.status.location:
            raise NoArchiveError(f"ProconsulSnapshot {name} has no archive")
        return location_of(record.spec.destination, record.status.location)


def _restore_pod(order: RestoreOrder) -> JobPod:
    return JobPod(program="restore", order=plain(order), place=order.location, run="restore")
