"""A Job that asks the server itself whether it would start with a configuration.

It is the target image with `validate`, so what it says is what a pod would say. The configuration
goes along as an annotation of the pod, mounted as a file: one object, made once and gone as a
whole. An exit code of 1 is a verdict; everything else (no node, no image) is not, and is tried
again until the deadline. The name comes from what is checked: the same question has one Job.
"""

import hashlib
from typing import Any, Final

from proconsul_operator.api.group import CONFIG
from proconsul_operator.api.values import plain
from proconsul_operator.specs.configmaps import CONFIG_FILE
from proconsul_operator.specs.labels import CLUSTER, metadata
from proconsul_operator.specs.pod import CONTAINER_SECURITY, POD_SECURITY, scheduling
from proconsul_operator.specs.server_config import HOME, server_config, text_of
from proconsul_operator.specs.wanted import Manifest, Wanted

COMPONENT: Final = "config-check"
DEADLINE_S: Final = 300  # to pull an image; a check itself takes a second
TTL_S: Final = 86400
TRIES_MAX: Final = 2
INVALID: Final = 1  # the exit code of `validate`
CONFIG_BYTES_MAX: Final = 200 * 1024  # all annotations of a pod have 256 KiB


def checked_text(wanted: Wanted) -> str:
    """server.json as a pod takes it: its name and address are not the file's there, either."""
    own = {"bind_addr": "127.0.0.1", "node_name": wanted.pod(0)}
    # How many found a cluster is no question of form: a step in size asks for no check.
    return text_of({**server_config(wanted), **own, "bootstrap_expect": 1})


def job_name(wanted: Wanted) -> str:
    """The same for the same configuration, files and image."""
    extra = plain(wanted.spec.extra_config_secret_ref)
    asked = f"{checked_text(wanted)}\n{wanted.image}\n{extra}"
    return f"{wanted.name}-config-{hashlib.sha256(asked.encode()).hexdigest()[:10]}"


def config_check(wanted: Wanted) -> Manifest:
    """The Job; it goes with the cluster, or a day after its end."""
    meta = metadata(wanted, job_name(wanted))
    meta["labels"] = {**meta["labels"], **_labels(wanted)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {
            "backoffLimit": TRIES_MAX,
            "activeDeadlineSeconds": DEADLINE_S,
            "ttlSecondsAfterFinished": TTL_S,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": "validate",
                            "operator": "In",
                            "values": [INVALID],
                        },
                    }
                ]
            },
            "template": {
                "metadata": {
                    "labels": _labels(wanted),
                    "annotations": {CONFIG: checked_text(wanted)},
                },
                "spec": _pod_spec(wanted),
            },
        },
    }


def _labels(wanted: Wanted) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "proconsul",
        "app.kubernetes.io/instance": wanted.name,
        "app.kubernetes.io/component": COMPONENT,
        CLUSTER: wanted.name,
    }


def _pod_spec(wanted: Wanted) -> Manifest:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": wanted.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        **scheduling(wanted),
        "containers": [_container(wanted)],
        "volumes": _volumes(wanted),
    }


def _container(wanted: Wanted) -> Manifest:
    words = ["validate", f"{HOME}/config/{CONFIG_FILE}"]
    mounts = [{"name": "config", "mountPath": f"{HOME}/config", "readOnly": True}]
    extra = wanted.spec.extra_config_secret_ref
    if extra is not None:
        words.append(f"{HOME}/extra-config/{extra.key}")
        mounts.append({"name": "extra", "mountPath": f"{HOME}/extra-config", "readOnly": True})
    return {
        "name": "validate",
        "image": wanted.image,
        "imagePullPolicy": wanted.spec.image.pull_policy,
        "args": words,
        "env": list(wanted.spec.pod_template.extra_env),
        "terminationMessagePolicy": "FallbackToLogsOnError",  # its words are its log
        "securityContext": CONTAINER_SECURITY,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "volumeMounts": mounts,
    }


def _volumes(wanted: Wanted) -> list[Any]:
    field = {"fieldPath": f"metadata.annotations['{CONFIG}']"}
    items = [{"path": CONFIG_FILE, "fieldRef": field}]
    made: list[Any] = [{"name": "config", "downwardAPI": {"items": items}}]
    extra = wanted.spec.extra_config_secret_ref
    if extra is not None:
        secret = {"secretName": extra.name, "defaultMode": 0o440}
        made.append({"name": "extra", "secret": secret})
    return made
