"""Have the configuration's files changed? For `auto_reload_config`, which Consul has since 1.12.

Looked at by what the file system says of them, not by content: an editor writes or renames, a
kubelet moves a link to new files, and each shows. What was half written is read again at the next
look, as its time is another by then.
"""

from collections.abc import Sequence
from pathlib import Path

LOOK_S = 5.0  # between two looks: a kubelet brings a change after up to a minute

Seen = tuple[tuple[str, int, int, int], ...]
"""Of each file: its path, inode, time of change in ns, and size."""


class ConfigWatch:
    """The files and folders that the command line names."""

    def __init__(self, paths: Sequence[str]) -> None:
        """To be made before they are read: what changes in between is seen as a change."""
        self._paths = tuple(paths)
        self._seen = look(self._paths)

    def has_changed(self) -> bool:
        """Since it was asked before."""
        before, self._seen = self._seen, look(self._paths)
        return before != self._seen


def look(paths: Sequence[str]) -> Seen:
    """At the files that these paths lead to; what is not there is left out."""
    found = []
    for path in map(Path, paths):
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
        except OSError:
            continue
        for file in files:
            try:
                state = file.stat()
            except OSError:
                continue
            found.append((str(file), state.st_ino, state.st_mtime_ns, state.st_size))
    return tuple(found)
