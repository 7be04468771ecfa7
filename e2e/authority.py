"""A CA of the tests' own, and the Secrets of servers by it, as somebody else would keep them."""

import datetime
import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from e2e.kubectl import Manifest

LIFE: Final = datetime.timedelta(days=200)
BACKDATED: Final = datetime.timedelta(hours=1)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of its DER form, in hex, as a server tells it."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def certificates_in(text: str) -> list[x509.Certificate]:
    """Of a PEM text."""
    return x509.load_pem_x509_certificates(text.encode())


def issuer_of(leaf: x509.Certificate, authorities: Sequence[x509.Certificate]) -> str:
    """The SHA-256 of the one that signed it; "" for none of them."""
    for each in authorities:
        try:
            leaf.verify_directly_issued_by(each)
        except Exception:  # it raises whatever its key type raises
            continue
        return fingerprint(each)
    return ""


class Authority:
    """A CA, with its key."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    def leaf(self, *names: str) -> tuple[str, str]:
        """(certificate, key) for these DNS names and loopback, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        called: list[x509.GeneralName] = [x509.DNSName(each) for each in (*names, "localhost")]
        called.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        made = (
            self._builder(x509.Name([]), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectAlternativeName(called), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return _pem(made), private.decode()

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + LIFE)
        )


def secret(name: str, leaf: tuple[str, str], *trusted: Authority) -> Manifest:
    """The Secret of servers that show this and trust these."""
    certificate, key = leaf
    texts = {
        "tls.crt": certificate,
        "tls.key": key,
        "ca.crt": "".join(_pem(each.certificate) for each in trusted),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "stringData": texts,
    }


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
