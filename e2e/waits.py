"""How long anything may take, in one table, and the one way to wait.

A limit is a promise of the case that uses it, or a guard against a hang. E2E_LIMITS, a JSON object,
changes some of them for a slow machine: `E2E_LIMITS='{"ready": 240}'`. E2E_SLOWNESS multiplies all.
A wait that ends in vain says what it saw last.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

LIMITS_S: Final[Mapping[str, float]] = {
    # promises, by the case that makes them
    "ready": 120.0,  # from `helm install` to all servers ready (1)
    "write_gap_after_kill": 10.0,  # between two acknowledged writes, the leader was killed (2)
    "write_gap_after_transfer": 2.0,  # the leader was asked to go (3)
    "back_as_voter": 60.0,  # a killed pod is a voter with the same ID (2)
    "leader_service_moves": 10.0,  # the leader Service leads to the new one (2)
    "quorum_after_full_restart": 60.0,  # all pods were killed at once (9)
    "member_replaced": 120.0,  # the volume of a follower was lost (10)
    "newer_leader": 10.0,  # the majority elects, the leader is cut off (4)
    "cut_off_leader_stops": 1.0,  # it acknowledges nothing and answers no read but a stale one (4)
    "unready_when_cut_off": 15.0,  # a follower that is cut off (5)
    "write_gap_follower_cut_off": 1.0,  # the others write on (5)
    "caught_up": 60.0,  # by a snapshot, after two minutes away (5)
    "write_gap_in_drain": 2.0,  # the leader's node is drained (6)
    "operated_ready": 120.0,  # from a ProconsulCluster to its condition Ready (1)
    "rolled": 300.0,  # three servers are of a new image, or of a changed configuration (7, 16)
    "stuck_told": 120.0,  # a pod that does not become ready stops the roll: a minute, and ours (8)
    "drift_corrected": 30.0,  # what somebody changed of our objects (16)
    "reloaded": 150.0,  # a kubelet brings a changed ConfigMap after up to 90 s (16)
    "certificates_taken": 180.0,  # a Secret was changed; the kubelet takes up to 90 of it (17)
    # guards
    "agents_joined": 120.0,  # client agents of a DaemonSet, or one pod, are members (21)
    "program_copied": 180.0,  # a hundred megabytes into a pod
    "rotated": 900.0,  # a CA, or the gossip key, with the operator killed at each step (17)
    "operator_ready": 120.0,  # `helm install` of the operator, or another number of them
    "store_ready": 60.0,
    "lease_moves": 20.0,  # the operator that works stands still (15)
    "settled": 300.0,  # an operation of the operator is over, and all is as the spec asks
    "noticed": 60.0,  # the operator's status tells of what happened
    "snapshot": 240.0,  # from a ProconsulSnapshot to its end
    "looked_at_again": 300.0,  # the newest snapshot, once a minute: a minute, its Job, and our look
    "restore": 420.0,  # from a ProconsulRestore to its end
    "last_snapshot_failed": 300.0,  # a cluster is deleted, and its store does not answer (18)
    "deleted": 120.0,  # a cluster that goes with its volumes (18)
    "drained": 180.0,  # one node, once nothing stands in the way
    "node_gone": 180.0,  # Kubernetes has noticed that a node has no power
    "node_back": 180.0,
    "command": 120.0,  # one call of kubectl or helm
    "request": 5.0,  # one request to a server through the API server
    "namespace_gone": 120.0,
    "pod_gone": 120.0,
    "load_starts": 90.0,
    "quiet": 30.0,  # all members have applied the same entries, once the load is over
    "cluster_created": 600.0,
    "images_loaded": 300.0,
}
LOOK_S: Final = 0.2  # between two looks


class TooLateError(AssertionError):
    """What was waited for did not come; the text says what was seen last."""


def limits(environ: Mapping[str, str]) -> dict[str, float]:
    """The table, with what the environment changes. Raises ValueError for an unknown name."""
    given: dict[str, float] = json.loads(environ.get("E2E_LIMITS", "{}"))
    if unknown := sorted(set(given) - set(LIMITS_S)):
        raise ValueError(f"E2E_LIMITS: no such limit: {', '.join(unknown)}")
    slowness = float(environ.get("E2E_SLOWNESS", "1"))
    return {name: slowness * limit_s for name, limit_s in {**LIMITS_S, **given}.items()}


def limit(name: str) -> float:
    """Seconds, for this run."""
    return limits(os.environ)[name]


def until(look: Callable[[], str], what: str, limit_s: float) -> float:
    """Look until nothing is missing: how long it took, in seconds. Raises TooLateError.

    `look` answers what is missing, "" for nothing; what it raises that the world may do (OSError,
    ValueError, LookupError) is missing, too.
    """
    began_s = time.monotonic()
    missing = "it was not looked at"
    while True:
        try:
            missing = look()
        except (OSError, ValueError, LookupError) as failure:
            missing = f"{type(failure).__name__}: {failure}"
        took_s = time.monotonic() - began_s
        if not missing:
            return took_s
        if took_s > limit_s:
            raise TooLateError(f"not within {limit_s:.0f} s: {what}; last seen: {missing}")
        time.sleep(LOOK_S)  # noqa: TID251 - other processes are waited for
