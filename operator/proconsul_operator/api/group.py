"""What the API is called: group, version, kinds, and the annotations that people and we set.

A name here is a promise: it is never renamed, only added to.
"""

from typing import Final

GROUP: Final = "proconsul.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

FINALIZER: Final = "proconsul.io/operator"

# Set by people.
PAUSED: Final = "proconsul.io/paused"
ROLL_NOW: Final = "proconsul.io/roll-now"
ROTATE_GOSSIP: Final = "proconsul.io/rotate-gossip"
ROTATE_CA: Final = "proconsul.io/rotate-ca"
ALLOW_VERSION: Final = "proconsul.io/allow-version"
FORCE_DELETE: Final = "proconsul.io/force-delete"
SKIP_SNAPSHOT: Final = "proconsul.io/skip-snapshot"  # before a sleep and before an upgrade
REPLACE_MEMBER: Final = "proconsul.io/replace-member"  # on a pod: the ID of the member to give up

# Set by the operator or by a server.
RESTORE_LOCK: Final = (
    "proconsul.io/restore"  # the UID of the ProconsulRestore that owns the cluster
)
RESTART_HASH: Final = "proconsul.io/restart-hash"
ROLE: Final = "proconsul.io/role"
KEPT: Final = "proconsul.io/kept"
LEFT: Final = "proconsul.io/left"
MADE_BY_RESTORE: Final = "proconsul.io/made-by-restore"  # the UID of the ProconsulRestore
CONFIG: Final = "proconsul.io/config"  # on the pod of a check: the configuration itself
