"""The marker `left` in the data directory: this server was taken out of its cluster for good.

A supervisor starts again whatever ends. A server that was decommissioned must not come back by
that: with the marker it takes no part, until somebody clears it. Then it is another server: its
old ID has left, so the next start puts the raft folder away, and it joins with a new ID.

The file holds one line: `left`, or `rejoin <folder>` once it was cleared, until that was done.
"""

import os.path
from typing import Final

from proconsul.errors import ProconsulError
from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.disk import Disk
from proconsul.runtime.own_files import exists, remove_file, replace_file
from proconsul.runtime.own_server import DECOMMISSIONED, Idle
from proconsul.runtime.recovery_file import become_another

LEFT: Final = "left"
REJOIN: Final = "rejoin"


class LeftMarkerError(ProconsulError):
    """This server cannot join again as it is configured; the text says what to do."""


class LeftMarker:
    """Of one data directory. Calls block, and raise OSError."""

    def __init__(self, data: DataDir, disk: Disk) -> None:
        self._data = data
        self._disk = disk
        self._path = os.path.join(data.root, LEFT)

    def begin(self, fixed_id: str) -> Idle | None:
        """At each start, before anything is opened: rejoin if that was allowed.

        Why this server takes no part, if it does not. `fixed_id` is what the configuration wants,
        "" for nothing. Raises LeftMarkerError, OSError.
        """
        if not exists(self._disk, self._path):
            return None
        word, _, backup = (
            self._disk.read(self._path).decode("utf-8", "replace").strip().partition(" ")
        )
        if word != REJOIN or not backup:
            return Idle(
                DECOMMISSIONED,
                "this server was decommissioned: DELETE /v1/proconsul/decommission has it join "
                "again, as another one",
            )
        if fixed_id:
            # With its old ID and an empty log it could vote twice in a term: nobody has said that
            # the others took the old one out.
            raise LeftMarkerError(
                f"this server was decommissioned and may join again with a new ID, and its "
                f"configuration has a fixed one, {fixed_id}: take node_id out of it"
            )
        become_another(self._data, self._disk, backup)
        remove_file(self._disk, self._path)
        return None

    def put(self) -> None:
        """Take no part from the next start on."""
        replace_file(self._disk, self._path, f"{LEFT}\n".encode())

    def clear(self, node_id: str) -> bool:
        """Join with another ID at the next start; False if there is no marker."""
        if not exists(self._disk, self._path):
            return False
        replace_file(self._disk, self._path, f"{REJOIN} raft.left-{node_id}.bak\n".encode())
        return True
