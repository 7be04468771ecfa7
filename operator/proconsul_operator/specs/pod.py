"""The server's pod, the same one that the chart renders (helm/proconsul/templates/_pod.tpl).

It passes Pod Security `restricted`, needs no shell, and writes to its volume and /tmp only.
Liveness never asks about a leader or a quorum: who restarts survivors makes a loss of quorum worse.
"""

from typing import Any, Final

from proconsul_operator.api.cluster_parts import Toleration
from proconsul_operator.api.group import RESTART_HASH
from proconsul_operator.api.values import plain
from proconsul_operator.specs import gossip_key
from proconsul_operator.specs.configmaps import CONFIG_FILE
from proconsul_operator.specs.labels import pod_labels, selector
from proconsul_operator.specs.server_config import HOME, restart_hash
from proconsul_operator.specs.wanted import Manifest, Wanted

USER: Final = 65532
TERMINATION_GRACE_S: Final = 90  # leadership 2, drain 5, requests, disk; and room for a slow disk
START_FAILURES_MAX: Final = 240  # of 5 s: 20 minutes to replay a long log

POD_SECURITY: Final[Manifest] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Final[Manifest] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod_template(wanted: Wanted) -> Manifest:
    """Metadata and spec of a member's pod."""
    annotations = {**wanted.spec.pod_template.annotations, RESTART_HASH: restart_hash(wanted)}
    return {
        "metadata": {"labels": pod_labels(wanted), "annotations": annotations},
        "spec": _pod_spec(wanted),
    }


def scheduling(wanted: Wanted) -> Manifest:
    """What it takes to get the image and a node of those that the servers may be on."""
    asked = wanted.spec.pod_template
    optional: Manifest = {
        "imagePullSecrets": plain(wanted.spec.image.pull_secrets),
        "priorityClassName": asked.priority_class_name,
        "nodeSelector": dict(asked.node_selector),
        "tolerations": [_toleration(each) for each in asked.tolerations],
    }
    return {key: value for key, value in optional.items() if value}


def _pod_spec(wanted: Wanted) -> Manifest:
    optional: Manifest = {
        "affinity": wanted.spec.pod_template.affinity,
        "topologySpreadConstraints": _spread(wanted),
    }
    return {
        "serviceAccountName": wanted.name,
        "automountServiceAccountToken": True,  # for its own label and the guard, nothing else
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": TERMINATION_GRACE_S,
        "securityContext": POD_SECURITY,
        **scheduling(wanted),
        **{key: value for key, value in optional.items() if value},
        "containers": [_container(wanted)],
        "volumes": _volumes(wanted),
    }


def _toleration(asked: Toleration) -> Manifest:
    return {key: value for key, value in plain(asked).items() if value not in ("", None)}


def _spread(wanted: Wanted) -> list[Any]:
    asked = wanted.spec.pod_template.topology_spread_constraints
    if asked is not None:
        return list(asked)
    return [
        _constraint(wanted, "kubernetes.io/hostname", "DoNotSchedule"),
        _constraint(wanted, "topology.kubernetes.io/zone", "ScheduleAnyway"),
    ]


def _constraint(wanted: Wanted, key: str, otherwise: str) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": otherwise,
        # Without it a control plane on which no server may run counts as an empty node.
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": selector(wanted)},
    }


def _container(wanted: Wanted) -> Manifest:
    made: Manifest = {
        "name": "server",
        "image": wanted.image,
        "imagePullPolicy": wanted.spec.image.pull_policy,
        "args": _arguments(wanted),
        "env": _environment(wanted),
        "ports": _ports(wanted),
        "startupProbe": _probe("startz", period_s=5, timeout_s=3, failures_max=START_FAILURES_MAX),
        "readinessProbe": _probe("readyz", period_s=3, timeout_s=3, failures_max=2),
        "livenessProbe": _probe("livez", period_s=10, timeout_s=5, failures_max=6),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": _mounts(wanted),
    }
    resources = {key: value for key, value in plain(wanted.spec.resources).items() if value}
    if resources:
        made["resources"] = resources
    return made


def _arguments(wanted: Wanted) -> list[str]:
    words = ["agent", f"-config-file={HOME}/config/{CONFIG_FILE}"]
    extra = wanted.spec.extra_config_secret_ref
    if extra is not None:
        words.append(f"-config-file={HOME}/extra-config/{extra.key}")
    words += ["-node=$(POD_NAME)", "-bind=$(POD_IP)"]
    if wanted.gossip_secret:
        words.append("-encrypt=$(GOSSIP_KEY)")
    return words


def _environment(wanted: Wanted) -> list[Any]:
    made: list[Any] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in (
            ("POD_NAME", "metadata.name"),
            ("POD_NAMESPACE", "metadata.namespace"),
            ("POD_IP", "status.podIP"),
        )
    ]
    if wanted.gossip_secret:
        key = {"name": wanted.gossip_secret, "key": gossip_key.PRIMARY}
        made.append({"name": "GOSSIP_KEY", "valueFrom": {"secretKeyRef": key}})
    return [*made, *wanted.spec.pod_template.extra_env]


def _ports(wanted: Wanted) -> list[Manifest]:
    ports = wanted.spec.ports
    rows = []
    if wanted.has_plain_http:
        rows.append(("http", ports.http, "TCP"))
    if wanted.has_tls:
        rows.append(("https", ports.https, "TCP"))
    rows += [
        ("server", ports.server, "TCP"),
        ("serf-lan-tcp", ports.serf_lan, "TCP"),
        ("serf-lan-udp", ports.serf_lan, "UDP"),
        ("dns-tcp", ports.dns, "TCP"),
        ("dns-udp", ports.dns, "UDP"),
        ("probe", ports.probe, "TCP"),
    ]
    return [
        {"name": name, "containerPort": number, "protocol": protocol}
        for name, number, protocol in rows
    ]


def _probe(path: str, *, period_s: int, timeout_s: int, failures_max: int) -> Manifest:
    return {
        "httpGet": {"path": f"/v1/proconsul/{path}", "port": "probe"},
        "periodSeconds": period_s,
        "timeoutSeconds": timeout_s,
        "failureThreshold": failures_max,
    }


def _mounts(wanted: Wanted) -> list[Any]:
    made: list[Any] = [
        {"name": "data", "mountPath": f"{HOME}/data"},
        _read_only("config"),
        _read_only("recovery"),
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    if wanted.gossip_secret:
        made.append(_read_only("gossip"))
    if wanted.has_tls:
        made.append(_read_only("tls"))
    if wanted.spec.extra_config_secret_ref is not None:
        made.append(_read_only("extra-config"))
    return [*made, *wanted.spec.pod_template.extra_volume_mounts]


def _read_only(name: str) -> Manifest:
    return {"name": name, "mountPath": f"{HOME}/{name}", "readOnly": True}


def _volumes(wanted: Wanted) -> list[Any]:
    made: list[Any] = []
    if wanted.spec.storage is None:
        made.append({"name": "data", "emptyDir": {}})
    made += [
        {"name": "config", "configMap": {"name": wanted.config}},
        # Made when a cluster is recovered.
        {"name": "recovery", "configMap": {"name": wanted.recovery, "optional": True}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if wanted.gossip_secret:
        made.append(_secret("gossip", wanted.gossip_secret))
    if wanted.has_tls:
        made.append(_secret("tls", wanted.tls_secret))
    extra = wanted.spec.extra_config_secret_ref
    if extra is not None:
        made.append(_secret("extra-config", extra.name))
    return [*made, *wanted.spec.pod_template.extra_volumes]


def _secret(name: str, secret: str) -> Manifest:
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}
