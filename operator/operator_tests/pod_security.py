"""The Pod Security Standard `restricted`, as far as a manifest shows it, and a little more.

The little more is ours: no writable root, no service links, no image without a version.
Source: Kubernetes documentation, Pod Security Standards.
"""

from collections.abc import Iterator
from typing import Any

Manifest = dict[str, Any]

VOLUME_TYPES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")


def pods_of(manifest: Manifest) -> Iterator[Manifest]:
    """The pod specs in an object of any kind."""
    match manifest["kind"]:
        case "Pod":
            yield manifest["spec"]
        case "StatefulSet" | "Deployment" | "DaemonSet" | "Job" | "ReplicaSet":
            yield manifest["spec"]["template"]["spec"]
        case "CronJob":
            yield manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        case _:
            pass


def containers_of(pod: Manifest) -> list[Manifest]:
    """All of them."""
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in pod.get(kind, ())]


def violations(pod: Manifest) -> list[str]:
    """What `restricted`, or our own rules, have against a pod."""
    found = [f"{field} is on" for field in HOST_FIELDS if pod.get(field)]
    found += [
        f"volume {volume['name']} is a {kind}"
        for volume in pod.get("volumes", ())
        for kind in volume.keys() - {"name"} - VOLUME_TYPES
    ]
    if pod.get("enableServiceLinks") is not False:
        found.append("service links are on")
    around = pod.get("securityContext", {})
    if around.get("sysctls"):
        found.append("sysctls are set")
    for container in containers_of(pod):
        own = container.get("securityContext", {})
        found += [f"{container['name']}: {what}" for what in _violations(container, own, around)]
    return found


def _violations(container: Manifest, own: Manifest, around: Manifest) -> Iterator[str]:
    both = {**around, **own}
    capabilities = own.get("capabilities", {})
    profile = both.get("seccompProfile", {}).get("type")
    forbidden = {
        "is privileged": bool(own.get("privileged")),
        "may gain privileges": own.get("allowPrivilegeEscalation") is not False,
        "keeps capabilities": capabilities.get("drop") != ["ALL"],
        "adds capabilities": bool(set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}),
        "may run as root": both.get("runAsNonRoot") is not True,
        "runs as root": both.get("runAsUser") == 0,
        "has no seccomp profile": profile not in ("RuntimeDefault", "Localhost"),
        "has another /proc": own.get("procMount", "Default") != "Default",
        "takes a port of the host": any(
            port.get("hostPort") for port in container.get("ports", ())
        ),
        "may write to its root": own.get("readOnlyRootFilesystem") is not True,
    }
    yield from (what for what, holds in forbidden.items() if holds)
    yield from _image_violations(container["image"])


def _image_violations(image: str) -> Iterator[str]:
    name, at, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if at and digest.startswith("sha256:"):
        return
    if not tag or tag == "latest":
        yield f"image {image} has no version"
