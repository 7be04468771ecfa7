"""helm, as a user calls it: HELM names the program."""

import json
import os
from collections.abc import Mapping
from typing import Any

from e2e.images import ROOT
from e2e.kubectl import run
from e2e.waits import limit

PROGRAM = os.environ.get("HELM", "helm")
SERVERS = ROOT / "helm" / "proconsul"
OPERATOR = ROOT / "helm" / "proconsul-operator"
SLACK_S = 30.0  # that helm itself gives up first, and says why


def install(namespace: str, release: str, values: Mapping[str, Any], limit_name: str) -> None:
    """Until it is ready, as `helm install --wait` sees it."""
    _with_values("install", namespace, release, values, limit(limit_name))


def upgrade(namespace: str, release: str, values: Mapping[str, Any], limit_name: str) -> None:
    """Until it is ready, as `helm upgrade --wait` sees it."""
    _with_values("upgrade", namespace, release, values, limit(limit_name))


def _with_values(
    verb: str, namespace: str, release: str, values: Mapping[str, Any], limit_s: float
) -> None:
    command = (PROGRAM, "-n", namespace, verb, release, str(SERVERS), "--wait")
    flags = (f"--timeout={limit_s:.0f}s", "--values=-")
    run(*command, *flags, given=json.dumps(values), limit_s=limit_s + SLACK_S)


def test(namespace: str, release: str) -> str:
    """What `helm test` prints. Raises CommandError."""
    return run(PROGRAM, "-n", namespace, "test", release, "--timeout=120s", limit_s=150.0)


def uninstall(namespace: str, release: str) -> None:
    """Until its objects are gone."""
    run(PROGRAM, "-n", namespace, "uninstall", release, "--wait", "--timeout=120s", limit_s=150.0)
