"""The operator's own CA, and the certificates of members signed by it.

The CA lives ten years in a Secret that outlives the cluster; a leaf lives ninety days and is made
anew before `renewBefore`. A member needs the leaf, its key, and the CA to verify its peers; the
CA's key is in the CA's Secret alone, and while the CA changes, that of the one before, too. Times
and serial numbers come from outside of plans: here.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from proconsul_operator.actions.reading import (
    PREVIOUS_CERTIFICATE,
    PREVIOUS_KEY,
    Body,
    certificates_in,
    fingerprint,
    secret_text,
)
from proconsul_operator.specs.certificate import ADDRESSES, LEAF_DAYS, dns_names
from proconsul_operator.specs.labels import kept_metadata, metadata
from proconsul_operator.specs.wanted import Manifest, Wanted

AUTHORITY_DAYS: Final = 3650
BACKDATED: Final = timedelta(minutes=5)  # clocks differ

_NAME_MAX: Final = 64  # of a common name (RFC 5280, ub-common-name)

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """A CA with its key."""

    certificate: x509.Certificate
    key: _Key


def authority_secret(wanted: Wanted, name: str, now_s: float) -> Manifest:
    """A Secret with a new CA: `tls.crt` and `tls.key`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": kept_metadata(wanted, name),
        "type": "kubernetes.io/tls",
        "stringData": _new_authority(wanted, now_s),
    }


def _new_authority(wanted: Wanted, now_s: float) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial number tells CAs of one cluster apart, for people; programs go by the key.
    serial = x509.random_serial_number()
    named = f"{wanted.name} CA {serial:x}"[:_NAME_MAX]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, named)])
    made = (
        _builder(subject, subject, key, now_s, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate = _pem(made)
    return {"tls.crt": certificate, "tls.key": _key_pem(key), "ca.crt": certificate}


def next_authority(wanted: Wanted, authority: Body, now_s: float) -> dict[str, str]:
    """What the CA's Secret shall hold: a new CA, and the one that it has as the one before."""
    return {
        **_new_authority(wanted, now_s),
        PREVIOUS_CERTIFICATE: secret_text(authority, "tls.crt"),
        PREVIOUS_KEY: secret_text(authority, "tls.key"),
    }


def signer_of(authority: Body, named: str) -> Signer | None:
    """The CA of this SHA-256 in a CA's Secret, the newest or the one before; None for neither."""
    for certificate, key in (("tls.crt", "tls.key"), (PREVIOUS_CERTIFICATE, PREVIOUS_KEY)):
        (held, *_) = certificates_in(secret_text(authority, certificate)) or (None,)
        if held is None or fingerprint(held) != named:
            continue
        loaded = serialization.load_pem_private_key(secret_text(authority, key).encode(), None)
        # A person may have put a CA of RSA there.
        if isinstance(loaded, _Key):
            return Signer(held, loaded)
    return None


def trusted_text(named: Sequence[str], *secrets: Body) -> str | None:
    """These CAs, by SHA-256, as PEM in this order; None if one is in none of the Secrets."""
    places = ("ca.crt", "tls.crt", PREVIOUS_CERTIFICATE)
    texts = [secret_text(body, place) for body in secrets for place in places]
    held = {fingerprint(each): each for text in texts for each in certificates_in(text)}
    if not held.keys() >= set(named):
        return None
    return "".join(_pem(held[each]) for each in named)


def leaf_secret(wanted: Wanted, name: str, signer: Signer, trusted: str, now_s: float) -> Manifest:
    """A Secret with a new certificate for the members; `trusted` are the CAs that they trust."""
    issuer = signer.certificate
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.server_name)])
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in dns_names(wanted)]
    names += [x509.IPAddress(ip_address(each)) for each in ADDRESSES]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    made = (
        _builder(subject, issuer.subject, key, now_s, LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
        .sign(signer.key, hashes.SHA256())
    )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(wanted, name),
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": _pem(made), "tls.key": _key_pem(key), "ca.crt": trusted},
    }


def data_of(texts: Mapping[str, str]) -> dict[str, str]:
    """`stringData` as `data`."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in texts.items()}


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _Key, now_s: float, days: int
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(now_s, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: _Key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
