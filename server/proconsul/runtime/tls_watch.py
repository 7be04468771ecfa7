"""Takes new certificates when their files change, without anybody's signal (`tls_check_interval`).

A Secret that is mounted changes under a running server, and in a container nobody sends it SIGHUP.
So the files are compared by their bytes, not by a time or a number that a file system may not have.
Certificate, key and authorities are taken together or not at all: files that change while contexts
are made of them are looked at again, and a broken one is told once and changes nothing.
`GET /v1/proconsul/tls` shows what is in use, so that whoever changes files in several moves knows
when all servers have made the last one.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from proconsul.config.schema import Tls
from proconsul.runtime.logs import logger
from proconsul.runtime.tls import FILE_BYTES_MAX, TlsError, authorities_of

log = logger("")

Take = Callable[[], Awaitable[None]]
"""Puts contexts that are made in the place of those in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What the files hold: certificates by SHA-256 in hex, and all of it by a digest."""

    certificate: str = ""  # the first of cert_file; "" for none
    authorities: tuple[str, ...] = ()
    digest: str = ""


def tls_files(tls: Tls) -> TlsFiles:
    """As they are; it blocks. A file that cannot be read counts as empty: who uses it says why."""
    try:
        trusted = authorities_of(tls)
    except (TlsError, OSError):
        trusted = []
    cert, key = _bytes(tls.cert_file), _bytes(tls.key_file)
    digest = hashlib.sha256()
    for part in (cert, key, *(each.encode() for each in trusted)):
        digest.update(hashlib.sha256(part).digest())
    return TlsFiles(
        certificate=_fingerprint(cert.decode(errors="replace")),
        authorities=tuple(_fingerprint(each) for each in trusted),
        digest=digest.hexdigest(),
    )


def _bytes(path: str) -> bytes:
    if not path:
        return b""
    try:
        with Path(path).open("rb") as file:
            return file.read(FILE_BYTES_MAX)
    except OSError:
        return b""


def _fingerprint(text: str) -> str:
    _, begin, rest = text.partition("-----BEGIN CERTIFICATE-----")
    body, end, _ = rest.partition("-----END CERTIFICATE-----")
    try:
        der = ssl.PEM_cert_to_DER_cert(f"{begin}{body}{end}")
    except ValueError:
        return ""
    return hashlib.sha256(der).hexdigest() if der else ""


class TlsWatch:
    """Looks at the files of one agent."""

    def __init__(self, read: Callable[[], TlsFiles], prepare: Callable[[], Take]) -> None:
        """`read` blocks. `prepare` makes contexts of the files as they are; it raises TlsError."""
        self._read = read
        self._prepare = prepare
        self._refused = ""
        self.loaded = TlsFiles()

    async def run(self, interval_s: float) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            await self.look()

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
