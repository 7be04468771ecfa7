"""What the files of certificates hold, told apart by their bytes.

`GET /v1/proconsul/tls` shows what is in use, so that whoever changes files in several moves knows
when all servers have made the last one; `auto_reload` sees by it that there are others.
"""

import hashlib
import ssl
from pathlib import Path

from msgspec import Struct

from proconsul.config.schema import Tls
from proconsul.runtime.tls import FILE_BYTES_MAX, TlsError, authorities_of


class TlsFiles(Struct, frozen=True, kw_only=True):
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
