"""The three ConfigMaps of a cluster: configuration, bootstrap guard, recovery.

The guard and the recovery are what a StatefulSet cannot know: that there was a cluster before all
disks went, and which of its members goes on alone.
"""

import json
from typing import Any, Final, Literal

from proconsul_operator.specs.labels import kept_metadata, metadata
from proconsul_operator.specs.server_config import server_config, text_of
from proconsul_operator.specs.wanted import Manifest, Wanted

CONFIG_FILE: Final = "server.json"
RECOVERY_FILE: Final = "recovery.json"

RecoveryMode = Literal["Reform", "Rebootstrap"]


def config_map(wanted: Wanted) -> Manifest:
    """What the servers read at their start."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(wanted, wanted.config),
        "data": {CONFIG_FILE: text_of(server_config(wanted))},
    }


def guard(wanted: Wanted, cluster_id: str) -> Manifest:
    """The guard of a cluster that is to be founded as `cluster_id`.

    Made once and never applied over one that is there: the first leader writes into it.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": kept_metadata(wanted, wanted.guard),
        "data": {
            "clusterID": cluster_id,
            "bootstrapped": "false",
            "expect": str(wanted.spec.replicas),
        },
    }


def recovery(
    wanted: Wanted, *, epoch: int, mode: RecoveryMode, voter: str = "", restore_uid: str = ""
) -> Manifest:
    """The order to recover; each server carries an epoch out once, and never an older one.

    `voter` is the ID of the server that goes on alone, for Reform only.
    """
    assert epoch > 0, "epoch 0 is what a disk has that was never recovered"
    assert bool(voter) == (mode == "Reform"), "Reform, and only it, goes on with one voter"
    order: dict[str, Any] = {"epoch": epoch, "mode": mode}
    if voter:
        order["voter"] = voter
    if restore_uid:
        order["restoreUID"] = restore_uid
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(wanted, wanted.recovery),
        "data": {RECOVERY_FILE: json.dumps(order, indent=2, sort_keys=True) + "\n"},
    }
