"""TLS contexts from the files that the configuration names: HTTPS, the RPC port, and dialling.

A context is never changed once it is in use: a reload builds others from the files as they are
then, and only if that succeeds do they take the place of the old ones. Connections that are open
keep theirs. What Go takes for granted is said to OpenSSL here: any certificate of `ca_file` is an
anchor, a root or not; a name is looked for in the SANs only; nobody renegotiates; a CA need not
say what its key is for.
Source: tlsutil/config.go. Texts of errors begin as Consul's.
"""

import re
import ssl
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from proconsul.config.schema import Tls
from proconsul.errors import ProconsulError
from proconsul.rpc.first_byte import PROTOCOLS, TlsPolicy

HTTP_PROTOCOL = "http/1.1"  # what we offer by ALPN: HTTP/2 is not spoken
FILE_BYTES_MAX = 8 << 20  # of a file; what comes behind is not looked at

_VERSIONS = {
    "": ssl.TLSVersion.TLSv1,
    "tls10": ssl.TLSVersion.TLSv1,
    "tls11": ssl.TLSVersion.TLSv1_1,
    "tls12": ssl.TLSVersion.TLSv1_2,
    "tls13": ssl.TLSVersion.TLSv1_3,
}
# Their SHA-1 is below OpenSSL's own minimum: who asks for them lowers it.
_WEAK_VERSIONS = ("", "tls10", "tls11")
_WEAK_CIPHERS = "DEFAULT:@SECLEVEL=0"

_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
}
"""OpenSSL's names for what `tls_cipher_suites` may hold."""

_PEM = b"-----BEGIN "
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class TlsError(ProconsulError):
    """The files do not make a working context; str() names the file and what is wrong."""


class ClientTls(Struct, frozen=True):
    """`verify_outgoing`: how connections are encrypted; "" checks no name."""

    context: ssl.SSLContext
    server_hostname: str


class RpcTls(Struct, frozen=True, kw_only=True):
    """What the RPC port encrypts with, by how a connection begins; None: not that way."""

    context: ssl.SSLContext | None = None  # byte 3
    insecure: ssl.SSLContext | None = None  # byte 7: nobody is asked for a certificate
    native: ssl.SSLContext | None = None  # no byte: everybody is, and ALPN says what for
    verify_incoming: bool = False  # nothing but TLS
    raft_name: str = ""  # that a certificate must have to speak raft; "": any will do

    @property
    def policy(self) -> TlsPolicy:
        """The same for who only sees a first byte."""
        return TlsPolicy(
            has_certificate=self.context is not None,
            has_authority=self.native is not None,
            is_wanted=self.verify_incoming,
        )


NO_TLS = RpcTls()


def https_context(tls: Tls) -> ssl.SSLContext:
    """For HTTPS listeners. TlsError if a file is missing, broken or mismatched."""
    for key, path in (("cert_file", tls.cert_file), ("key_file", tls.key_file)):
        if not path:
            raise TlsError(f"{key} is not set: an HTTPS listener needs cert_file and key_file")
    context = _server_context(tls, authorities_of(tls))
    context.set_alpn_protocols([HTTP_PROTOCOL])
    if tls.verify_incoming or tls.verify_incoming_https:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def rpc_incoming(tls: Tls, *, datacenter: str, domain: str) -> RpcTls:
    """For the RPC port. TlsError if a file is missing, broken or mismatched."""
    authorities = authorities_of(tls)
    verify = tls.verify_incoming or tls.verify_incoming_rpc
    if not _has_certificate(tls):
        return RpcTls(verify_incoming=verify)
    context = _server_context(tls, authorities)
    native: ssl.SSLContext | None = None
    if authorities:
        # From any datacenter, through mesh gateways: no way around certificates on both sides.
        native = _server_context(tls, authorities)
        native.verify_mode = ssl.CERT_REQUIRED
        native.set_alpn_protocols(list(PROTOCOLS))
    if verify:
        context.verify_mode = ssl.CERT_REQUIRED
    # As Consul does since 1.8.15 (CVE-2021-37219): 1.8.7 takes raft from any certificate of the CA.
    names_raft = verify and tls.verify_server_hostname
    return RpcTls(
        context=context,
        insecure=_server_context(tls, authorities),
        native=native,
        verify_incoming=verify,
        raft_name=server_name(datacenter, domain) if names_raft else "",
    )


def rpc_outgoing(tls: Tls, *, datacenter: str, domain: str) -> ClientTls | None:
    """For dialling servers of a datacenter; None: in the clear. TlsError as above."""
    authorities = authorities_of(tls)
    if not tls.verify_outgoing:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.verify_server_hostname
    context.hostname_checks_common_name = False
    _prepare(context, tls, authorities)
    named = tls.verify_server_hostname
    return ClientTls(context, server_name(datacenter, domain) if named else "")


def certificate_end_unix_s(tls: Tls) -> float | None:
    """When the certificate of `cert_file` ends; None without one, or if it cannot be read."""
    if not _has_certificate(tls):
        return None
    from cryptography import x509  # here: a tenth of the memory of a server that has no TLS

    try:
        certificate = x509.load_pem_x509_certificate(_read(Path(tls.cert_file)))
    except (OSError, ValueError):
        return None
    return certificate.not_valid_after_utc.timestamp()


def client_context(ca_file: str = "") -> ssl.SSLContext:
    """For dialling others than servers: it trusts the system's authorities, or that file's only.

    Verifies what Go verifies. Python's default context does more since 3.13: it refuses a CA
    without the extension for key usage, which Consul's own and many home-made ones lack, and an
    intermediate one as an anchor unless told otherwise. Raises OSError.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def server_name(datacenter: str, domain: str) -> str:
    """What the certificate of each server of a datacenter is for (`verify_server_hostname`)."""
    return f"server.{datacenter}.{domain.removesuffix('.')}"


def is_for(certificate: Mapping[str, Any] | None, name: str) -> bool:
    """Whether a certificate, as `getpeercert` tells it, has a DNS name; `*` is a first label."""
    wanted = name.lower().split(".")
    for kind, value in (certificate or {}).get("subjectAltName", ()):
        labels = value.lower().removesuffix(".").split(".")
        is_wild = labels[0] == "*" and len(labels) > 1
        if kind == "DNS" and (labels == wanted or (is_wild and labels[1:] == wanted[1:])):
            return True
    return False


# ---------------------------------------------------------------- contexts


def _server_context(tls: Tls, authorities: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    if tls.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _prepare(context, tls, authorities)
    return context


def _prepare(context: ssl.SSLContext, tls: Tls, authorities: Sequence[str]) -> None:
    assert tls.min_version in _VERSIONS, "the configuration was checked"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the operator asked for it
        context.minimum_version = _VERSIONS[tls.min_version]
    is_weak = tls.min_version in _WEAK_VERSIONS
    if tls.cipher_suites:
        names = [_CIPHERS[suite] for suite in tls.cipher_suites]
        context.set_ciphers(":".join([*names, "@SECLEVEL=0"] if is_weak else names))
    elif is_weak:
        context.set_ciphers(_WEAK_CIPHERS)
    if _has_certificate(tls):
        _load_certificate(context, tls.cert_file, tls.key_file)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for certificate in authorities:
        context.load_verify_locations(cadata=certificate)


def _has_certificate(tls: Tls) -> bool:
    return bool(tls.cert_file and tls.key_file)


def _load_certificate(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    try:
        _require_pem(cert_file, "certificate")
        _require_pem(key_file, "key")
        context.load_cert_chain(cert_file, key_file, _no_password)
    except ssl.SSLError as failure:
        mismatch = failure.reason == "KEY_VALUES_MISMATCH"
        what = "tls: private key does not match public key" if mismatch else str(failure)
        raise TlsError(_pair_text(what, cert_file, key_file)) from failure
    except OSError as failure:
        raise TlsError(f"Failed to load cert/key pair: {_go_text(failure)}") from failure
    except ValueError as failure:
        raise TlsError(_pair_text(str(failure), cert_file, key_file)) from failure


def _require_pem(path: str, what: str) -> None:
    if _PEM not in _read(Path(path)):
        raise ValueError(f"tls: failed to find any PEM data in {what} input")


def _pair_text(what: str, cert_file: str, key_file: str) -> str:
    return f"Failed to load cert/key pair: {what} ({cert_file}, {key_file})"


def _no_password() -> str:
    # Without this OpenSSL would ask at the terminal.
    raise ValueError("the key is encrypted")


# ---------------------------------------------------------------- authorities


def authorities_of(tls: Tls) -> list[str]:
    """The certificates of `ca_file`, or else of all files under `ca_path`, in PEM. TlsError."""
    if tls.ca_file:
        return _certificates_in(Path(tls.ca_file))
    if not tls.ca_path:
        return []
    try:
        paths = list(_files_at(Path(tls.ca_path)))
    except OSError as failure:
        raise TlsError(_go_text(failure, "lstat")) from failure
    if not paths:
        raise TlsError("Error loading from CAPath: no CAs found")
    return [certificate for path in paths for certificate in _certificates_in(path)]


def _files_at(path: Path) -> Iterator[Path]:
    path.lstat()
    if not path.is_dir():
        yield path
        return
    for one in sorted(path.iterdir()):
        # A linked folder holds what is found without it, as in a mounted secret, or a circle.
        if not (one.is_symlink() and one.is_dir()):
            yield from _files_at(one)


def _certificates_in(path: Path) -> list[str]:
    try:
        text = _read(path).decode(errors="replace")
    except OSError as failure:
        raise TlsError(f"Error loading from {path}: {_go_text(failure)}") from failure
    scratch = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found = [block for block in _CERTIFICATE.findall(text) if _can_load(scratch, block)]
    if not found:
        raise TlsError(f"Couldn't parse PEM {path}: there is no certificate in it")
    return found


def _can_load(scratch: ssl.SSLContext, certificate: str) -> bool:
    try:
        scratch.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError, TypeError):  # TypeError: it is not ASCII
        return False
    return True


# ---------------------------------------------------------------- files


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_BYTES_MAX)


def _go_text(failure: OSError, call: str = "open") -> str:
    return f"{call} {failure.filename}: {(failure.strerror or str(failure)).lower()}"
