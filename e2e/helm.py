"""helm, as a user calls it: HELM names the program."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from e2e.images import ROOT
from e2e.kubectl import run
from e2e.waits import limit

PROGRAM = os.environ.get("HELM", "helm")
SERVERS = ROOT / "helm" / "proconsul"
OPERATOR = ROOT / "helm" / "proconsul-operator"
SLACK_S = 30.0  # that helm itself gives up first, and says why


def install(
    namespace: str,
    release: str,
    values: Mapping[str, Any],
    limit_name: str,
    *,
    chart: Path = SERVERS,
    flags: Sequence[str] = (),
) -> None:
    """Until it is ready, as `helm install --wait` sees it."""
    _with_values(("install", release, str(chart), *flags), namespace, values, limit(limit_name))


def upgrade(
    namespace: str,
    release: str,
    values: Mapping[str, Any],
    limit_name: str,
    *,
    chart: Path = SERVERS,
) -> None:
    """Until it is ready, as `helm upgrade --wait` sees it."""
    _with_values(("upgrade", release, str(chart)), namespace, values, limit(limit_name))


def _with_values(
    words: Sequence[str], namespace: str, values: Mapping[str, Any], limit_s: float
) -> None:
    flags = ("--wait", f"--timeout={limit_s:.0f}s", "--values=-")
    command = (PROGRAM, "-n", namespace, *words, *flags)
    run(*command, given=json.dumps(values), limit_s=limit_s + SLACK_S)


def test(namespace: str, release: str) -> str:
    """What `helm test` prints. Raises CommandError."""
    return run(PROGRAM, "-n", namespace, "test", release, "--timeout=120s", limit_s=150.0)


def uninstall(namespace: str, release: str) -> None:
    """Until its objects are gone."""
    run(PROGRAM, "-n", namespace, "uninstall", release, "--wait", "--timeout=120s", limit_s=150.0)
