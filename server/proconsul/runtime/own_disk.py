"""This server's disk at the start: what is to be done to it before raft, in the right order.

0. It is locked: what follows moves folders that another process may be using, one of a pod that
   was force-deleted and has not ended, for example.
1. A recovery of a new epoch moves the data aside, or keeps a copy of them.
2. A server that was decommissioned and may join again becomes another one.
3. Its ID is read, or made.
4. Log and state are opened; peers.json, and a recovery of which this server is the survivor,
   give the log other members.
"""

import os.path
import time
from typing import Final

from proconsul.config.schema import Config
from proconsul.raft.messages import Peer, Server
from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.disk import RealDisk
from proconsul.runtime.left_marker import LeftMarker
from proconsul.runtime.old_backups import OldBackups, born_ns
from proconsul.runtime.peers_recovery import recover_from_peers_file
from proconsul.runtime.recovery_file import (
    applied_epoch,
    begin_recovery,
    objection_to_founding,
    reform,
)
from proconsul.runtime.storage import Storage, open_storage

LOCK_NAME: Final = "LOCK"


class OwnDisk:
    """The data directory of one server process."""

    def __init__(self, data: DataDir, config: Config) -> None:
        """Do what comes before the ID. Raises ProconsulError, OSError."""
        self._data = data
        self._disk = RealDisk()
        data.prepare()
        self._lock = self._disk.lock(os.path.join(data.root, LOCK_NAME))  # to the process's end
        self._recovery = begin_recovery(data, self._disk, config)
        self.marker = LeftMarker(data, self._disk)
        self.old_backups = OldBackups(data, self._disk, born_ns)
        self.idle = self.marker.begin(config.node_id)  # why this server takes no part
        self.node_id = data.load_node_id(config.node_id)
        self.objection = objection_to_founding(data, self._disk)  # "": it may found a cluster

    @property
    def recovery_epoch(self) -> int:
        """The last epoch that it has seen, 0 for none."""
        return applied_epoch(self._data, self._disk)

    def open(self, me: Peer) -> Storage:
        """Everything that lasts, ready to go on from. Raises ProconsulError, OSError."""
        now_ms = time.time_ns() // 1_000_000
        storage = open_storage(self._data, self._disk)
        try:
            storage = recover_from_peers_file(self._data, self._disk, storage, now_ms)
            if self._recovery is not None:
                own = Server(me.id, me.address)
                storage = reform(self._data, self._disk, self._recovery, storage, own, now_ms)
        except BaseException:
            storage.close()
            raise
        return storage
