"""Client agents in the cluster: the chart's own, one a node, and a real Consul's as a pod.

A real Consul comes as the program that CONSUL_REAL names: it is copied into a pod of the servers'
image, which waits for it and then becomes it. So no image of it is needed, on any cluster.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e.kubectl import PROGRAM, AnswerError, CommandError, Kubectl, Manifest
from e2e.load.pod import POD_SECURE, SECURE
from e2e.waits import limit, until
from e2e.watcher import is_ready

PORT: Final = 8500
REAL: Final = "real-consul"
FOLDER: Final = "/consul"  # of the real one's pod, a volume
CLIENTS: Final = "app.kubernetes.io/component=client"
TAKE: Final = (
    "import os, shutil, sys\n"
    f"with open('{FOLDER}/consul.part', 'wb') as file: shutil.copyfileobj(sys.stdin.buffer, file)\n"
    f"os.chmod('{FOLDER}/consul.part', 0o755)\n"
    f"os.rename('{FOLDER}/consul.part', '{FOLDER}/consul')\n"
)
BECOME: Final = (
    "import os, sys, time\n"
    f"while not os.path.exists('{FOLDER}/consul'): time.sleep(0.2)\n"
    f"os.execv('{FOLDER}/consul', ['consul', *sys.argv[1:]])\n"
)


def real_program() -> Path | None:
    """The Consul that CONSUL_REAL names."""
    named = os.environ.get("CONSUL_REAL")
    return Path(named) if named else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A pod that is one."""

    kubectl: Kubectl
    pod: str

    def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        """What it answers. Raises OSError."""
        return self.kubectl.ask(self.pod, PORT, path, method, body)[0]

    def register(self, service: str, port: int) -> None:
        """A service beside it, which is healthy while that port of the agent's answers."""
        check = {"TCP": f"127.0.0.1:{port}", "Interval": "2s"}
        body = {"Name": service, "ID": service, "Port": port, "Check": check}
        self.ask("/v1/agent/service/register", "PUT", json.dumps(body).encode())


def chart_agents(kubectl: Kubectl) -> dict[str, Manifest]:
    """The pods of the chart's DaemonSet that are ready, by name."""
    pods = kubectl.list("pods", CLIENTS)
    return {pod["metadata"]["name"]: pod for pod in pods if is_ready(pod)}


def start_real(kubectl: Kubectl, program: Path, image: str, cluster: str, secret: str) -> Agent:
    """A real Consul client as a pod, until it answers with a leader. Raises TooLateError."""
    kubectl.apply(_pod(image, cluster, secret))
    agent = Agent(kubectl=kubectl, pod=REAL)
    until(lambda: _not_running(kubectl), f"{REAL} runs", limit("pod_gone"))
    command = (PROGRAM, "-n", kubectl.namespace, "exec", "-i", REAL, "--", "python", "-c", TAKE)
    with program.open("rb") as file:
        done = subprocess.run(
            command, stdin=file, capture_output=True, check=False, timeout=limit("program_copied")
        )
    if done.returncode:
        raise CommandError(command, done.returncode, done.stderr.decode(errors="replace"))
    until(lambda: _knows_no_leader(agent), f"{REAL} knows a leader", limit("agents_joined"))
    return agent


def _pod(image: str, cluster: str, secret: str) -> Manifest:
    words = [
        "agent",
        f"-node={REAL}",
        "-bind=$(POD_IP)",
        "-client=0.0.0.0",
        f"-data-dir={FOLDER}/data",
        f"-retry-join={cluster}-headless",
        "-retry-interval=1s",
        "-encrypt=$(KEY)",
    ]
    key = {"secretKeyRef": {"name": secret, "key": "key"}}
    container: dict[str, Any] = {
        "name": "consul",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", BECOME, *words],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "KEY", "valueFrom": key},
        ],
        "securityContext": SECURE,
        "volumeMounts": [{"name": "consul", "mountPath": FOLDER}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": REAL, "labels": {"app.kubernetes.io/name": REAL}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 10,
            "securityContext": POD_SECURE,
            "containers": [container],
            "volumes": [{"name": "consul", "emptyDir": {}}],
        },
    }


def _not_running(kubectl: Kubectl) -> str:
    phase = kubectl.get("pods", REAL)["status"].get("phase")
    return "" if phase == "Running" else f"it is {phase}"


def _knows_no_leader(agent: Agent) -> str:
    try:
        leader = agent.ask("/v1/status/leader")
    except AnswerError as failure:
        return f"{failure}"
    return "" if leader.strip() not in (b'""', b"") else "it knows none"
