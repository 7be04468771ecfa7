"""Whether a server may take part, and found, by what outlives all disks of its cluster.

`bootstrap_expect` alone makes a new, empty, healthy-looking cluster after a loss of all disks. A
guard is kept apart from the disks and says which cluster there is, and whether it was founded:
an empty server founds only while it was not; a server with the data of another cluster takes no
part at all.

Pure: reading and writing it is runtime/bootstrap_guard.py.
"""

from collections.abc import Mapping

from msgspec import Struct

from proconsul.store.cluster_marks import NAME

CLUSTER_ID = "clusterID"
BOOTSTRAPPED = "bootstrapped"


class GuardError(ValueError):
    """The guard says something that is not known: nobody may found on that."""


class Guard(Struct, frozen=True):
    """`cluster_id` is "" where none was chosen: then the first leader chooses."""

    cluster_id: str
    bootstrapped: bool


def guard_of(entries: object) -> Guard:
    """The guard in these entries; one that says nothing is of a cluster that is yet to be founded.

    Raises GuardError.
    """
    if not isinstance(entries, Mapping):
        raise GuardError("its entries are none")
    word = entries.get(BOOTSTRAPPED, "false")
    if word not in ("true", "false"):
        raise GuardError(f"{BOOTSTRAPPED} is {word!r}: it must be true or false")
    cluster_id = entries.get(CLUSTER_ID, "")
    if not isinstance(cluster_id, str) or (cluster_id and NAME.fullmatch(cluster_id) is None):
        raise GuardError(f"{CLUSTER_ID} must be 1 to 64 letters, digits and hyphens")
    return Guard(cluster_id, word == "true")


def entries_of(guard: Guard) -> dict[str, str]:
    """The way back."""
    return {CLUSTER_ID: guard.cluster_id, BOOTSTRAPPED: "true" if guard.bootstrapped else "false"}


def is_foreign(guard: Guard, own_cluster_id: str) -> bool:
    """Whether data with this cluster ID belong to another cluster than the guard's."""
    return bool(own_cluster_id and guard.cluster_id) and own_cluster_id != guard.cluster_id


def objection_to_founding(guard: Guard | None) -> str:
    """Why a server without data may not found a cluster, "" if it may; None: not read yet."""
    if guard is None:
        return "the bootstrap guard could not be read yet"
    if guard.bootstrapped:
        return (
            f"the bootstrap guard says that there is a cluster ({guard.cluster_id or 'no ID'}) "
            "already: this server waits to be taken in by it. If all its disks are lost, restore "
            "a snapshot, or recover the quorum"
        )
    return ""
