"""Which file systems keep their word about room: what was allocated is there for each write."""

import os
from pathlib import Path
from typing import Final

# They write a block where it was allocated. Others write elsewhere: btrfs and zfs each time, xfs
# when a file has been copied by reference. What lies under an overlay or a network's is not known.
_IN_PLACE: Final = frozenset({"ext4", "tmpfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")


def writes_in_place(folder: Path) -> bool:
    """Whether a block of a file that was once allocated can be written as often as one likes.

    False where that is not known. Raises OSError if there is no such folder.
    """
    device = folder.stat().st_dev
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return False
    return kind_of(mounts, os.major(device), os.minor(device)) in _IN_PLACE


def kind_of(mounts: str, major: int, minor: int) -> str:
    """The kind of the file system on this device by the kernel's mountinfo, "" if it has none.

    Format: proc_pid_mountinfo(5).
    """
    for line in mounts.splitlines():
        before, separator, behind = line.partition(" - ")
        fields = before.split()
        if separator and len(fields) > 2 and fields[2] == f"{major}:{minor}":
            return behind.split()[0]
    return ""
