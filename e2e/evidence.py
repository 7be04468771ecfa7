"""What a failed case leaves behind: enough to understand it when the cluster is gone."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from e2e import operator
from e2e.kubectl import Kubectl
from e2e.servers import Servers

COMMANDS = {
    "objects.txt": ("get", "all,pvc,configmaps,endpointslices", "-o", "wide"),
    "events.txt": ("get", "events", "--sort-by=.lastTimestamp", "-o", "wide"),
    "pods.txt": ("describe", "pods"),
    "statefulset.yaml": ("get", "statefulsets", "-o", "yaml"),
    "custom.yaml": ("get", ",".join(operator.KINDS.values()), "-o", "yaml"),
    "jobs.txt": ("describe", "jobs,cronjobs"),
}


def gather(kubectl: Kubectl, servers: Servers, folder: Path) -> None:
    """Write it all; what cannot be had is said in its place."""
    folder.mkdir(parents=True, exist_ok=True)

    def keep(name: str, have: Callable[[], str]) -> None:
        try:
            text = have()
        except (AssertionError, OSError, ValueError, LookupError) as failure:
            text = f"not to be had: {failure}"
        (folder / name).write_text(text, encoding="utf-8")

    for name, command in COMMANDS.items():
        keep(name, partial(kubectl, *command))
    names = {pod["metadata"]["name"] for pod in kubectl.list("pods")}
    for pod in sorted(names | set(servers.names)):
        keep(f"{pod}.log", partial(kubectl, "logs", pod, "--all-containers"))
        keep(f"{pod}.previous.log", partial(kubectl, "logs", pod, "--previous", check=False))
    keep("raft.json", lambda: json.dumps(servers.rafts(), indent=2))
