"""Takes files that change, without anybody's signal: `auto_reload_config`, in Consul since 1.12.

What is mounted into a container changes under a running agent, and nobody sends it SIGHUP. One loop
looks at all that it was told of:

- The configuration, by what the file system says of its files: an editor writes or renames, a
  kubelet moves a link to others, and each shows. A change of it is a reload, as by SIGHUP.
- Certificate, key and authorities, by their bytes, not by a time or a number that a file system may
  not have. They are taken together or not at all, and with the configuration that holds: one that
  nobody can read must not let a certificate run out.

What is refused is told once and changes nothing. A configuration may have been refused for want of
its certificates: it is tried again when others have been taken.

`encrypt_keys_file` is not looked at: its keys are those of a start (`gossip_keys`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from proconsul.runtime.logs import logger
from proconsul.runtime.tls import TlsError
from proconsul.runtime.tls_files import TlsFiles

LOOK_S = 5.0  # between two looks: a kubelet brings a change after up to a minute

Seen = tuple[tuple[str, int, int, int], ...]
"""Of each file: its path, inode, time of change in ns, and size."""

Take = Callable[[], Awaitable[None]]
"""Puts contexts that are made in the place of those in use."""

log = logger("")


class AutoReload:
    """The loop of one agent."""

    def __init__(
        self,
        config: "ConfigFiles",
        reload: Callable[[], Awaitable[bool]],
        take_certificates: Callable[[], Awaitable[bool]],
    ) -> None:
        """`reload` tells a failure and returns whether there was none; for `take_certificates` see
        `CertificateFiles.look`."""
        self._config = config
        self._reload = reload
        self._take_certificates = take_certificates
        self._is_refused = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception:
                # Whoever stops looking lets certificates run out.
                log.exception("taking changed files failed")

    async def look(self) -> None:
        """Once, at all of them."""
        if await asyncio.to_thread(self._config.have_changed):
            log.info("the configuration's files have changed")
            self._is_refused = not await self._reload()
        if await self._take_certificates() and self._is_refused:
            self._is_refused = not await self._reload()


class ConfigFiles:
    """The files and folders that the command line names."""

    def __init__(self, paths: Sequence[str]) -> None:
        """To be made before they are read: what changes in between is seen as a change."""
        self._paths = tuple(paths)
        self._seen = seen(self._paths)

    def have_changed(self) -> bool:
        """Since it was asked before. What was half written by then has another time afterwards."""
        before, self._seen = self._seen, seen(self._paths)
        return before != self._seen


def seen(paths: Sequence[str]) -> Seen:
    """The files that these paths lead to; what is not there is left out."""
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


class CertificateFiles:
    """Those of one agent; `loaded` is what is in use."""

    def __init__(self, read: Callable[[], TlsFiles], prepare: Callable[[], Take]) -> None:
        """`read` blocks. `prepare` makes contexts of the files as they are; it raises TlsError."""
        self._read = read
        self._prepare = prepare
        self._refused = ""
        self.loaded = TlsFiles()

    async def look(self) -> bool:
        """Whether there were new certificates, and they are in use."""
        found = await asyncio.to_thread(self._read)
        if found.digest in (self.loaded.digest, self._refused):
            return False
        try:
            take = self._prepare()
        except TlsError as failure:
            log.error("new certificates are not taken, the old ones stay in use: %s", failure)
            self._refused = found.digest
            return False
        if await asyncio.to_thread(self._read) != found:
            return False  # they are being written
        await take()
        self.loaded, self._refused = found, ""
        log.info("certificates reloaded: certificate=%s", found.certificate)
        return True
