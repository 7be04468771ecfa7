"""TLS contexts for the HTTPS listener, from the files that the configuration names.

A context is never changed once it is in use: a reload builds another one from the files as they
are then, and only if that succeeds does `HttpServer.reload_tls` put it in place.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from proconsul.errors import ProconsulError

HTTP_PROTOCOL = "http/1.1"  # what we offer by ALPN: HTTP/2 is not spoken

_VERSIONS = {
    "tls10": ssl.TLSVersion.TLSv1,
    "tls11": ssl.TLSVersion.TLSv1_1,
    "tls12": ssl.TLSVersion.TLSv1_2,
    "tls13": ssl.TLSVersion.TLSv1_3,
}


class TlsError(ProconsulError):
    """The files do not make a working context; str() names the file and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Consul's keys of the same names; "" is an unset one."""

    cert_file: str
    key_file: str
    ca_file: str = ""
    ca_path: str = ""  # a directory of CA certificates
    verify_incoming: bool = False  # only clients with a certificate of that CA
    tls_min_version: str = "tls12"


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """The context for incoming connections. TlsError if a file is missing, broken or mismatched."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    minimum = _VERSIONS.get(settings.tls_min_version)
    if minimum is None:
        raise TlsError(
            f"tls_min_version: value {settings.tls_min_version!r} not supported, "
            f"please specify one of [{','.join(_VERSIONS)}]"
        )
    context.minimum_version = minimum
    context.set_alpn_protocols([HTTP_PROTOCOL])
    _load_certificate(context, settings)
    if settings.ca_file or settings.ca_path:
        _load_authorities(context, settings)
    if settings.verify_incoming:
        if not (settings.ca_file or settings.ca_path):
            raise TlsError("VerifyIncoming set, and no CA certificate provided!")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    for key, path in (("cert_file", settings.cert_file), ("key_file", settings.key_file)):
        if not path:
            raise TlsError(f"{key} is not set: a TLS listener needs cert_file and key_file")
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file, _no_password)
    except (OSError, ValueError) as failure:  # SSLError is an OSError
        raise TlsError(
            f"failed to load cert/key pair {settings.cert_file}, {settings.key_file}: {failure}"
        ) from failure


def _no_password() -> str:
    # Without this OpenSSL would ask at the terminal.
    raise ValueError("the key is encrypted")


def _load_authorities(context: ssl.SSLContext, settings: TlsSettings) -> None:
    # Each file of the directory, as Consul does; OpenSSL itself would want hashed names.
    paths = [Path(settings.ca_file)] if settings.ca_file else []
    try:
        if settings.ca_path:
            paths += sorted(one for one in Path(settings.ca_path).iterdir() if one.is_file())
        for path in paths:
            context.load_verify_locations(cafile=path)
    except OSError as failure:
        where = settings.ca_file or settings.ca_path
        raise TlsError(f"failed to load CA certificates from {where}: {failure}") from failure
