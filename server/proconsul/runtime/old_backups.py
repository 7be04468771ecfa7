"""What recoveries put aside, removed when nobody can need it any more.

The folders `raft.epoch-<n>.bak` and `raft.left-<ID>.bak` (runtime/recovery_file.py and
left_marker.py) are for people. The two youngest of each kind stay for ever. Older ones go once
this server has the cluster's data again by another way: it is a voter, knows a leader and is not
far behind. Until then nothing is removed, so a recovery that went wrong costs no copy.

Of an epoch's folders the higher number is the younger. Of the others the system says when they
got their name. A folder is renamed before it is emptied: a crash leaves no half of a copy under
a name that promises a whole one, and what such a crash left is removed by the next pass. The same
goes for copies that were never finished.
"""

import asyncio
import os.path
import re
from collections.abc import Callable, Iterable
from typing import Final

from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.disk import Disk
from proconsul.runtime.logs import logger
from proconsul.runtime.own_files import remove_tree

KEPT: Final = 2  # of each kind
LOOK_S: Final = 10.0
RETRY_S: Final = 60.0

_EPOCH: Final = re.compile(r"raft\.epoch-(\d{1,19})\.bak(?:\.(\d{1,9}))?")
_LEFT: Final = re.compile(r"raft\.left-[0-9a-f-]{36}\.bak(?:\.\d{1,9})?")
_GOING: Final = ".tmp"  # the ending of copies that are being made, and of those that are removed

log = logger("storage")


class OldBackups:
    """Of one data directory."""

    def __init__(self, data: DataDir, disk: Disk, born_ns: Callable[[str], int]) -> None:
        """`born_ns` says when a folder got its name. Raises OSError."""
        self._data = data
        self._disk = disk
        self._born_ns = born_ns

    def due(self) -> list[str]:
        """The names of the folders that may go, once that is allowed. Blocks; OSError."""
        names = self._disk.names(self._data.root)
        going = [name for name in names if _is_backup(name.removesuffix(_GOING))]
        epochs = sorted((name for name in names if _EPOCH.fullmatch(name)), key=_place)
        left = sorted((name for name in names if _LEFT.fullmatch(name)), key=self._age)
        unfinished = [name for name in going if name.endswith(_GOING)]
        return [*unfinished, *epochs[:-KEPT], *left[:-KEPT]]

    def _age(self, name: str) -> int:
        return self._born_ns(os.path.join(self._data.root, name))

    def remove(self, names: Iterable[str]) -> None:
        """Remove these. Blocks; OSError. A crash in its middle leaves folders that are due."""
        for name in names:
            path = os.path.join(self._data.root, name)
            going = path if name.endswith(_GOING) else path + _GOING
            if going != path:
                self._disk.rename(path, going)
                self._disk.fsync_dir(self._data.root)
            remove_tree(self._disk, going)
            log.info("an old copy of this server's data is removed: %s", path)

    async def run(self, has_recovered: Callable[[], bool]) -> None:
        """Wait until this server has, remove what is due, and end: more is made only at a start."""
        while not has_recovered():  # noqa: ASYNC110 - looked at now and then, no event says it
            await asyncio.sleep(LOOK_S)
        while True:
            try:
                await asyncio.to_thread(self._remove_due)
            except OSError as failure:
                log.warning("old copies of this server's data are not removed: %s", failure)
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _remove_due(self) -> None:
        self.remove(self.due())


def _is_backup(name: str) -> bool:
    return bool(_EPOCH.fullmatch(name) or _LEFT.fullmatch(name))


def _place(name: str) -> tuple[int, int]:
    found = _EPOCH.fullmatch(name)
    assert found is not None, "it was asked for by this pattern"
    return int(found[1]), int(found[2] or 1)


def born_ns(path: str) -> int:
    """When a folder got its name, or was changed after that. Raises OSError."""
    return os.stat(path).st_ctime_ns
