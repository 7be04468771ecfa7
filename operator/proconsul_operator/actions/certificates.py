"""The operator's own CA, and the certificates of members signed by it.

The CA lives ten years in a Secret that outlives the cluster; a leaf lives ninety days and is made
anew before `renewBefore`. A member needs the leaf, its key, and the CA to verify its peers; the
CA's key is in the CA's Secret alone. Times and serial numbers come from outside of plans: here.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from proconsul_operator.actions.reading import Body, secret_text
from proconsul_operator.specs.certificate import ADDRESSES, dns_names
from proconsul_operator.specs.labels import kept_metadata, metadata
from proconsul_operator.specs.wanted import Manifest, Wanted

AUTHORITY_DAYS: Final = 3650
LEAF_DAYS: Final = 90
BACKDATED: Final = timedelta(minutes=5)  # clocks differ

_Key = ec.EllipticCurvePrivateKey


def authority_secret(wanted: Wanted, name: str, now_s: float) -> Manifest:
    """A Secret with a new CA: `tls.crt` and `tls.key`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{wanted.name} CA")])
    made = (
        _builder(subject, subject, key, now_s, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate = _pem(made)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": kept_metadata(wanted, name),
        "type": "kubernetes.io/tls",
        "stringData": {
            "tls.crt": certificate, "tls.key": _key_pem(key), "ca.crt": certificate
        },
    }  # fmt: skip


def leaf_secret(wanted: Wanted, name: str, authority: Body, now_s: float) -> Manifest:
    """A Secret with a new certificate for the members, signed by the CA of another Secret."""
    (issuer, *_) = x509.load_pem_x509_certificates(secret_text(authority, "tls.crt").encode())
    signer = serialization.load_pem_private_key(
        secret_text(authority, "tls.key").encode(), password=None
    )
    assert isinstance(signer, _Key), "made above"
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
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(wanted, name),
        "type": "kubernetes.io/tls",
        "stringData": {
            "tls.crt": _pem(made),
            "tls.key": _key_pem(key),
            "ca.crt": secret_text(authority, "ca.crt") or _pem(issuer),
        },
    }


def data_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """`stringData` as `data`: what a replaced Secret holds, and nothing of before."""
    held: Mapping[str, str] = manifest["stringData"]
    return {key: base64.b64encode(value.encode()).decode() for key, value in held.items()}


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
