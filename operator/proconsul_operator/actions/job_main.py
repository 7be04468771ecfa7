"""What a Job's process does around its program: the order in, the result out, the exit code.

A result is written to the termination message whatever happens: a Job that says nothing is one that
was killed. Exit code 1 has Kubernetes try again, as often as the Job says.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from proconsul_operator.actions.job_orders import (
    ORDER,
    RUN,
    SERVER_CA,
    TERMINATION_LOG,
    THROW_AWAY,
    TOKEN,
    JobError,
    RestoreOrder,
    SnapshotOrder,
    failure,
    result_text,
)
from proconsul_operator.actions.job_server import JobServer
from proconsul_operator.actions.kube import KubeError, KubeGateway
from proconsul_operator.actions.records import job_of_record, record
from proconsul_operator.actions.restore_job import RestoreTools, carry_out
from proconsul_operator.actions.snapshot_job import Tools, take
from proconsul_operator.actions.stores import Places, open_destination, open_location
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import plain, read
from proconsul_operator.plans import snapshot

log: Final = logging.getLogger(__name__)
Environment = Mapping[str, str]


def snapshot_main(environment: Environment) -> int:
    """`proconsul-operator snapshot`; the exit code."""
    return _told(environment, _snapshot)


def restore_main(environment: Environment) -> int:
    """`proconsul-operator restore`; the exit code."""
    return _told(environment, _restore)


def _told(environment: Environment, program: Any) -> int:
    code = 1
    try:
        result = program(environment)
        code = 0
    except JobError as error:
        log.error("%s: %s", error.reason, error)
        result = failure(error)
    except Exception as error:
        log.exception("an error of ours")
        result = failure(JobError("InternalError", f"{type(error).__name__}: {error}"))
    target = Path(environment.get("PROCONSUL_TERMINATION_LOG", TERMINATION_LOG))
    target.write_text(result_text(result), encoding="utf-8")
    return code


def _order(environment: Environment, kind: Any) -> Any:
    try:
        return msgspec.json.decode(environment.get(ORDER, ""), type=kind)
    except msgspec.DecodeError as error:
        raise JobError("OrderBroken", f"{ORDER}: {error}") from error


def _server(url: str, environment: Environment) -> JobServer:
    ca_file = Path(environment.get("PROCONSUL_SERVER_CA", SERVER_CA))
    return JobServer(
        url=url, token=environment.get(TOKEN, ""), ca_file=ca_file if ca_file.exists() else None
    )


def _places(environment: Environment) -> Places:
    places = Places.of(environment)
    work = environment.get("PROCONSUL_WORK", str(places.work))
    volume = environment.get("PROCONSUL_VOLUME", str(places.volume))
    return Places(
        work=Path(work),
        volume=Path(volume),
        ca_file=places.ca_file,
        authorization=places.authorization,
    )


def _snapshot(environment: Environment) -> dict[str, Any]:
    order: SnapshotOrder = _order(environment, SnapshotOrder)
    places, run = _places(environment), environment.get(RUN, "")
    if not run:
        raise JobError("OrderBroken", f"{RUN} is empty")
    tools = Tools(
        server=_server(order.url, environment),
        store=open_destination(order.destination, places),
        throw_away=JobServer(url=environment.get("PROCONSUL_THROW_AWAY", THROW_AWAY)),
        work=places.work,
    )
    result = take(order, run, tools)
    if order.schedule:
        try:
            asyncio.run(_record(order, run, result, environment.get("KUBECONFIG", "")))
        except (KubeError, OSError) as error:
            log.warning("the record is left to the operator: %s", error)
    return result


async def _record(order: SnapshotOrder, run: str, result: dict[str, Any], kubeconfig: str) -> None:
    """With its status, so that it is complete without the operator."""
    made = record(
        namespace=order.namespace,
        cluster=order.cluster,
        schedule=order.schedule,
        destination=order.destination,
        verify=order.verify,
        consistency=order.consistency,
        run=run,
        result=result,
    )
    gateway = await KubeGateway.open(kubeconfig, lambda _: None)
    try:
        await gateway.create_if_absent(made, to_apply=False)  # a Job may create, and no more
        held = read(ProconsulSnapshot, made)
        observed = snapshot.SnapshotObserved(
            now_s=job_ended_s(held), snapshot=held, cluster_exists=True, job=job_of_record(held)
        )
        meta = {key: made["metadata"][key] for key in ("name", "namespace")}
        status = plain(snapshot.report(observed))
        await gateway.apply_status({**made, "metadata": meta, "status": status})
    finally:
        await gateway.close()


def job_ended_s(held: ProconsulSnapshot) -> float:
    """When the Job that took it ended, seconds since 1970."""
    job = job_of_record(held)
    assert job is not None
    assert job.ended_s is not None
    return job.ended_s


def _restore(environment: Environment) -> dict[str, Any]:
    order: RestoreOrder = _order(environment, RestoreOrder)
    places = _places(environment)
    store, name = open_location(order.location, places)
    tools = RestoreTools(
        server=_server(order.url, environment), store=store, name=name, work=places.work
    )
    return carry_out(order, tools)
