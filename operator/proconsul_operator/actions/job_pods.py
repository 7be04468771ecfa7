"""The Jobs of snapshots and restores, and the CronJob of a schedule: manifests, and nothing else.

A Job's pod is the operator's image with an order in its environment (job_orders.py). It passes Pod
Security `restricted`, writes to its own empty folder and to the claim that it is given, and has a
token for the API server only where it makes a record. For `verify: Restore` a throw-away server
runs beside it, an init container that goes on, and that ends with the first.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proconsul_operator.actions import job_orders, stores
from proconsul_operator.api.group import GROUP
from proconsul_operator.api.places import Destination, Location, S3Destination, S3Location
from proconsul_operator.api.values import plain
from proconsul_operator.plans.create import acl_secret
from proconsul_operator.specs.labels import CLUSTER, SCHEDULE, VERIFIES, metadata
from proconsul_operator.specs.pod import CONTAINER_SECURITY, POD_SECURITY
from proconsul_operator.specs.wanted import Manifest, Wanted

DEADLINE_S: Final = 1800
TTL_S: Final = 86400
VERIFY_TTL_S: Final = 3600  # what it found stands in the record; one a minute would be 60 Jobs
TRIES_MAX: Final = 2
COMPONENT: Final = "app.kubernetes.io/component"
_SERVER_CA: Final = "/proconsul/server-ca"
_STORE_CA: Final = "/proconsul/store-ca"


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Of the Job's own program, and of a server beside it."""

    operator: str
    server: str
    pull_policy: str = "IfNotPresent"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPod:
    """What differs between the Jobs: `program` is the word for the operator's command line."""

    program: str
    order: Mapping[str, Any]
    place: Destination | Location
    run: str  # "" for the Job's own UID
    has_server_beside: bool = False
    makes_record: bool = False


def service_account_name(wanted: Wanted) -> str:
    """Of snapshot Jobs; an own one carries the workload identity."""
    return wanted.spec.snapshot_service_account_name or f"{wanted.name}-snapshot"


def job_rights(wanted: Wanted) -> tuple[Manifest, ...]:
    """The account of snapshot Jobs, if it is ours, and the right to make a record."""
    name, account = f"{wanted.name}-snapshot", service_account_name(wanted)
    rbac = "rbac.authorization.k8s.io"
    made: list[Manifest] = []
    if not wanted.spec.snapshot_service_account_name:
        made.append(
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": metadata(wanted, name),
                "automountServiceAccountToken": False,
            }
        )
    rules = [
        {"apiGroups": [GROUP], "resources": ["proconsulsnapshots"], "verbs": ["create"]},
        {"apiGroups": [GROUP], "resources": ["proconsulsnapshots/status"], "verbs": ["patch"]},
    ]
    subject = {"kind": "ServiceAccount", "name": account, "namespace": wanted.namespace}
    return (
        *made,
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": metadata(wanted, name),
            "rules": rules,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata(wanted, name),
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    )


def job(
    wanted: Wanted,
    name: str,
    pod: JobPod,
    images: Images,
    *,
    schedule: str = "",
    verifies: str = "",
) -> Manifest:
    """A Job that is made once; it goes with the cluster, or a day after its end.

    `verifies` is the UID of a record that it looks at again: then it goes after an hour.
    """
    made: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(wanted, name, schedule),
        "spec": _job_spec(wanted, pod, images, schedule),
    }
    if verifies:
        made["metadata"]["labels"][VERIFIES] = verifies
        made["spec"]["ttlSecondsAfterFinished"] = VERIFY_TTL_S
    return made


def cron_job(
    wanted: Wanted, name: str, pod: JobPod, images: Images, *, timing: Mapping[str, Any]
) -> Manifest:
    """What a schedule becomes. `timing` are the CronJob's own fields."""
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _metadata(wanted, name, name),
        "spec": {
            **timing,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "metadata": {"labels": _labels(wanted, name)},
                "spec": _job_spec(wanted, pod, images, name),
            },
        },
    }


def _labels(wanted: Wanted, schedule: str) -> dict[str, str]:
    made = {
        "app.kubernetes.io/name": "proconsul",
        "app.kubernetes.io/instance": wanted.name,
        COMPONENT: "snapshot",
        CLUSTER: wanted.name,
    }
    return {**made, SCHEDULE: schedule} if schedule else made


def _metadata(wanted: Wanted, name: str, schedule: str) -> Manifest:
    made = metadata(wanted, name)
    made["labels"] = {**made["labels"], **_labels(wanted, schedule)}
    return made


def _job_spec(wanted: Wanted, pod: JobPod, images: Images, schedule: str) -> Manifest:
    return {
        "backoffLimit": TRIES_MAX,
        "activeDeadlineSeconds": DEADLINE_S,
        "ttlSecondsAfterFinished": TTL_S,
        "template": {
            "metadata": {"labels": _labels(wanted, schedule)},
            "spec": _pod_spec(wanted, pod, images),
        },
    }


def _pod_spec(wanted: Wanted, pod: JobPod, images: Images) -> Manifest:
    made: Manifest = {
        "restartPolicy": "Never",
        "serviceAccountName": service_account_name(wanted),
        # Workload identity mounts a token of its own.
        "automountServiceAccountToken": pod.makes_record,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": [_container(wanted, pod, images)],
        "volumes": _volumes(wanted, pod),
    }
    secrets = plain(wanted.spec.image.pull_secrets)
    if secrets:
        made["imagePullSecrets"] = secrets
    if pod.has_server_beside:
        made["initContainers"] = [_server_beside(images)]
        made["volumes"].append({"name": "throw-away", "emptyDir": {}})
    return made


def _container(wanted: Wanted, pod: JobPod, images: Images) -> Manifest:
    return {
        "name": "job",
        "image": images.operator,
        "imagePullPolicy": images.pull_policy,
        "args": [pod.program],
        "env": _environment(wanted, pod),
        "securityContext": CONTAINER_SECURITY,
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
        "volumeMounts": _mounts(wanted, pod),
    }


def _server_beside(images: Images) -> Manifest:
    words = ["agent", "-server", "-bootstrap-expect=1", "-node=throw-away", "-bind=127.0.0.1"]
    words += ["-client=127.0.0.1", "-data-dir=/proconsul/data"]
    return {
        "name": "throw-away",
        "image": images.server,
        "imagePullPolicy": images.pull_policy,
        "restartPolicy": "Always",
        "args": words,
        "securityContext": CONTAINER_SECURITY,
        "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}},
        "volumeMounts": [
            {"name": "throw-away", "mountPath": "/proconsul/data"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _environment(wanted: Wanted, pod: JobPod) -> list[Manifest]:
    order = json.dumps(pod.order, sort_keys=True, separators=(",", ":"))
    own = "metadata.labels['batch.kubernetes.io/controller-uid']"
    run: Manifest = {"value": pod.run} if pod.run else _field(own)
    made: list[Manifest] = [
        {"name": job_orders.ORDER, "value": order},
        {"name": job_orders.RUN, **run},
        {"name": "HOME", "value": "/tmp"},
        {"name": "PYTHONUNBUFFERED", "value": "1"},
    ]
    if wanted.spec.acl.enabled:
        made.append(_secret(job_orders.TOKEN, acl_secret(wanted), "token"))
    s3, http = pod.place.s3, pod.place.http
    if s3 is not None and s3.credentials_secret_ref is not None:
        name = s3.credentials_secret_ref.name
        made += [_secret(key, name, key) for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
        made.append(_secret("AWS_SESSION_TOKEN", name, "AWS_SESSION_TOKEN", optional=True))
    if http is not None and http.authorization_secret_ref is not None:
        ref = http.authorization_secret_ref
        made.append(_secret(stores.AUTHORIZATION, ref.name, ref.key))
    return made


def _field(path: str) -> Manifest:
    return {"valueFrom": {"fieldRef": {"fieldPath": path}}}


def _secret(name: str, secret: str, key: str, *, optional: bool = False) -> Manifest:
    ref: Manifest = {"name": secret, "key": key}
    if optional:
        ref["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": ref}}


def _store_ca(place: Destination | Location) -> tuple[str, str] | None:
    held: S3Destination | S3Location | Any = place.s3 or place.http
    ref = None if held is None else held.ca_secret_ref
    return None if ref is None else (ref.name, ref.key)


def _mounts(wanted: Wanted, pod: JobPod) -> list[Manifest]:
    made: list[Manifest] = [
        {"name": "work", "mountPath": str(stores.WORK)},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    if wanted.has_tls:
        made.append({"name": "server-ca", "mountPath": _SERVER_CA, "readOnly": True})
    if _store_ca(pod.place) is not None:
        made.append({"name": "store-ca", "mountPath": _STORE_CA, "readOnly": True})
    if pod.place.pvc is not None:
        made.append({"name": "store", "mountPath": str(stores.VOLUME)})
    return made


def _volumes(wanted: Wanted, pod: JobPod) -> list[Manifest]:
    made: list[Manifest] = [{"name": "work", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    if wanted.has_tls:
        made.append(_ca_volume("server-ca", wanted.tls_secret, "ca.crt"))
    ca = _store_ca(pod.place)
    if ca is not None:
        made.append(_ca_volume("store-ca", *ca))
    if pod.place.pvc is not None:
        claim = {"claimName": pod.place.pvc.claim_name}
        made.append({"name": "store", "persistentVolumeClaim": claim})
    return made


def _ca_volume(name: str, secret: str, key: str) -> Manifest:
    items = [{"key": key, "path": "ca.crt"}]
    return {"name": name, "secret": {"secretName": secret, "items": items, "defaultMode": 0o440}}
