"""From Kubernetes' objects, as JSON has them, to what plans know. Values in, values out.

What is missing in an object has Kubernetes' own default. An object that cannot be read is our
mistake or another's, and an exception either way: the cycle fails and is seen, nothing is guessed.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from proconsul_operator.actions.job_orders import result_of
from proconsul_operator.api.group import LEFT
from proconsul_operator.api.values import size_bytes, unix_s
from proconsul_operator.plans.observe import (
    Authority,
    GossipSecret,
    Guard,
    Job,
    Local,
    Pod,
    Recovery,
    StatefulSet,
    TlsSecret,
    Unknown,
    Volume,
)
from proconsul_operator.specs import gossip_key
from proconsul_operator.specs.configmaps import RECOVERY_FILE

Body = Mapping[str, Any]

ZONE: Final = "topology.kubernetes.io/zone"
REVISION: Final = "controller-revision-hash"
PREVIOUS_CERTIFICATE: Final = "previous.crt"  # in the CA's Secret, while it changes
PREVIOUS_KEY: Final = "previous.key"


def ordinal_of(name: str) -> int:
    """The number at the end of a name; -1 without one."""
    number = name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def condition(body: Body, kind: str) -> Body:
    """A condition of an object; {} if it has none of this type."""
    held = body.get("status", {}).get("conditions", ())
    return next((each for each in held if each.get("type") == kind), {})


def moment_s(text: str | None) -> float | None:
    """A time of Kubernetes in seconds since 1970."""
    return None if text is None else unix_s(text)


def stateful_set_of(body: Body | None) -> StatefulSet | None:
    """None if there is none."""
    if body is None:
        return None
    meta, spec, status = body["metadata"], body["spec"], body.get("status", {})
    claims = spec.get("volumeClaimTemplates", ())
    size = claims[0]["spec"]["resources"]["requests"]["storage"] if claims else ""
    return StatefulSet(
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        replicas=spec.get("replicas", 1),
        update_revision=status.get("updateRevision", ""),
        observed=status.get("observedGeneration", 0) >= meta.get("generation", 0),
        terminating="deletionTimestamp" in meta,
        volume_size=size,
    )


def pod_of(
    body: Body,
    local: Local | Unknown,
    *,
    zone: str,
    certificate: str | Unknown,
    trusts: tuple[str, ...] | Unknown,
) -> Pod:
    """A member's pod, and what its server said."""
    meta, status = body["metadata"], body.get("status", {})
    ready, scheduled = condition(body, "Ready"), condition(body, "PodScheduled")
    is_ready = ready.get("status") == "True"
    unscheduled = scheduled.get("status") == "False"
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        ordinal=ordinal_of(meta["name"]),
        revision=meta.get("labels", {}).get(REVISION, ""),
        local=local,
        created_s=unix_s(meta["creationTimestamp"]),
        ready=is_ready,
        ready_since_s=moment_s(ready.get("lastTransitionTime")) if is_ready else None,
        terminating="deletionTimestamp" in meta,
        pending=status.get("phase", "Pending") == "Pending",
        unschedulable=scheduled.get("message", "") if unscheduled else "",
        stopped=_stopped(status),
        node=body["spec"].get("nodeName", ""),
        zone=zone,
        annotations=meta.get("annotations", {}),
        certificate=certificate,
        trusts=trusts,
    )


def _stopped(status: Body) -> str:
    """Why a container does not run. One that is only being made is not stopped."""
    for each in status.get("containerStatuses", ()):
        state = each.get("state", {})
        waiting = state.get("waiting", {}).get("reason", "")
        if waiting and waiting not in ("ContainerCreating", "PodInitializing"):
            return str(waiting)
        if "terminated" in state:
            return str(state["terminated"].get("reason", "Terminated"))
    return ""


def volume_of(body: Body, *, expandable: bool | None, node_gone: str) -> Volume:
    """A member's claim."""
    meta, status = body["metadata"], body.get("status", {})
    requested = body["spec"]["resources"]["requests"]["storage"]
    failed = condition(body, "ControllerResizeError") or condition(body, "NodeResizeError")
    return Volume(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        ordinal=ordinal_of(meta["name"]),
        bound=status.get("phase") == "Bound",
        requested_bytes=size_bytes(requested),
        capacity_bytes=size_bytes(status.get("capacity", {}).get("storage", "0")),
        expandable=expandable,
        resize_error=failed.get("message", "") if failed.get("status") == "True" else "",
        node_gone=node_gone,
        left=meta.get("labels", {}).get(LEFT, ""),
        terminating="deletionTimestamp" in meta,
    )


def guard_of(body: Body | None) -> Guard | None:
    """None if there is none."""
    if body is None:
        return None
    data = body.get("data", {})
    return Guard(
        cluster_id=data.get("clusterID", ""),
        bootstrapped=data.get("bootstrapped", "false") == "true",
        resource_version=body["metadata"]["resourceVersion"],
    )


def recovery_of(body: Body | None) -> Recovery | None:
    """None if there is none, or if it is not one of ours."""
    if body is None or RECOVERY_FILE not in body.get("data", {}):
        return None
    try:
        order = msgspec.json.decode(body["data"][RECOVERY_FILE], type=_Order)
    except msgspec.DecodeError:
        return None  # somebody wrote there: the epoch is known from the status and from the disks
    return Recovery(
        epoch=order.epoch, mode=order.mode, voter=order.voter, restore_uid=order.restore_uid
    )


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    epoch: int
    mode: str
    voter: str = ""
    restore_uid: str = msgspec.field(name="restoreUID", default="")


def secret_text(body: Body, key: str) -> str:
    """A value of a Secret as text; "" if it is not there."""
    return base64.b64decode(body.get("data", {}).get(key, "")).decode(errors="replace")


def gossip_of(body: Body | None) -> GossipSecret | None:
    """The primary one first. A Secret that somebody else made may have `key` alone."""
    if body is None:
        return None
    primary = secret_text(body, gossip_key.PRIMARY).strip()
    others = [key for key in secret_text(body, gossip_key.ALL).split() if key != primary]
    if not primary:
        return None
    return GossipSecret(
        keys=(primary, *others), resource_version=body["metadata"]["resourceVersion"]
    )


def certificates_in(text: str) -> list[x509.Certificate]:
    """Of a PEM text; [] for none."""
    return x509.load_pem_x509_certificates(text.encode()) if "BEGIN CERT" in text else []


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of its DER form, in hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def tls_of(body: Body | None) -> TlsSecret | None:
    """A Secret with a certificate; None if there is none in it, as before cert-manager is done."""
    if body is None:
        return None
    shown = certificates_in(secret_text(body, "tls.crt"))
    if not shown:
        return None
    leaf, authorities = shown[0], certificates_in(secret_text(body, "ca.crt"))
    return TlsSecret(
        fingerprint=fingerprint(leaf),
        not_after_s=leaf.not_valid_after_utc.timestamp(),
        authorities=tuple(fingerprint(each) for each in authorities),
        issuer=next((fingerprint(each) for each in authorities if _signed(each, leaf)), ""),
        resource_version=body["metadata"]["resourceVersion"],
        changed_s=_changed_s(body),
    )


def authority_of(body: Body | None) -> Authority | None:
    """The CA's Secret; None if there is no CA in it."""
    if body is None:
        return None
    shown = certificates_in(secret_text(body, "tls.crt"))
    if not shown:
        return None
    before = certificates_in(secret_text(body, PREVIOUS_CERTIFICATE))
    return Authority(
        fingerprint=fingerprint(shown[0]),
        not_after_s=shown[0].not_valid_after_utc.timestamp(),
        previous=fingerprint(before[0]) if before else "",
        resource_version=body["metadata"]["resourceVersion"],
    )


def _signed(authority: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001, RUF100 - it raises whatever its key type raises
        return False
    return True


def _changed_s(body: Body) -> float:
    times = [each.get("time") for each in body["metadata"].get("managedFields", ())]
    return max((unix_s(each) for each in times if each), default=0.0)


def job_of(body: Body, pods: tuple[Body, ...]) -> Job:
    """A Job, and what its pods left behind: that of the newest that said something."""
    meta, status = body["metadata"], body.get("status", {})
    done, failed = condition(body, "Complete"), condition(body, "Failed")
    succeeded: bool | None = None
    if done.get("status") == "True":
        succeeded = True
    elif failed.get("status") == "True":
        succeeded = False
    ended = status.get("completionTime") or failed.get("lastTransitionTime")
    result = _result(pods)
    error = (result or {}).get("error", {})
    return Job(
        name=meta["name"],
        uid=meta["uid"],
        succeeded=succeeded,
        started_s=moment_s(status.get("startTime")),
        ended_s=None if succeeded is None else moment_s(ended),
        attempts=status.get("failed", 0) + status.get("succeeded", 0) + status.get("active", 0),
        result=result,
        message=error.get("message", "") or failed.get("message", ""),
        said=next((each for each in _left_behind(pods) if result_of(each) is None), ""),
    )


def _result(pods: tuple[Body, ...]) -> Mapping[str, Any] | None:
    found = (result_of(message) for message in _left_behind(pods))
    return next((each for each in found if each is not None), None)


def _left_behind(pods: tuple[Body, ...]) -> Iterator[str]:
    """What containers said at their end, the newest pod's first."""
    newest = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    for pod in newest:
        for each in pod.get("status", {}).get("containerStatuses", ()):
            message = each.get("state", {}).get("terminated", {}).get("message", "").strip()
            if message:
                yield str(message)
