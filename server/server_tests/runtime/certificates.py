"""A certificate authority for tests, and what it signs, in files as an operator has them."""

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from proconsul.config.schema import Tls
from proconsul.runtime.tls import client_context

SERVER = "server.dc1.consul"
"""What verify_server_hostname wants in the certificate of a server of dc1."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass
class Pair:
    """A certificate and its key, in files."""

    cert_file: str
    key_file: str


class Authority:
    """A CA with its certificate in `ca_file`; with a `parent` it is an intermediate one."""

    def __init__(
        self, folder: Path, name: str, *, parent: "Authority | None" = None, address: str = ""
    ) -> None:
        """What it signs is valid for `address`, too."""
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _named(name)
        self._addresses = [x509.IPAddress(ipaddress.ip_address(address))] if address else []
        signer = parent or self
        certificate = signer._sign(self.name, self.key.public_key(), is_ca=True)
        above = b"" if parent is None else parent.chain
        self.chain: bytes = _pem(certificate) + above
        self.ca_file = str(folder / f"{name}.pem")
        Path(self.ca_file).write_bytes(_pem(certificate))

    def pair(
        self,
        name: str,
        *dns_names: str,
        is_expired: bool = False,
        usages: Sequence[x509.ObjectIdentifier] = (),
        with_chain: bool = False,
        is_rsa: bool = False,
        lasts_s: int = 3600,
    ) -> Pair:
        """A new certificate, over an old one of the same name; without `usages` it is for all."""
        key: PrivateKey = (
            rsa.generate_private_key(65537, 2048)
            if is_rsa
            else ec.generate_private_key(ec.SECP256R1())
        )
        certificate = self._sign(
            _named(name),
            key.public_key(),
            is_ca=False,
            dns_names=dns_names,
            is_expired=is_expired,
            usages=usages,
            lasts_s=lasts_s,
        )
        pair = Pair(str(self.folder / f"{name}.crt"), str(self.folder / f"{name}.key"))
        chain = self.chain if with_chain else b""
        Path(pair.cert_file).write_bytes(_pem(certificate) + chain)
        Path(pair.key_file).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair

    def lock(self, key_file: str, locked_file: str) -> None:
        """Write a key again, behind a password."""
        key = serialization.load_pem_private_key(Path(key_file).read_bytes(), None)
        locked = serialization.BestAvailableEncryption(b"secret")
        Path(locked_file).write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        )

    def trusted(self, pair: Pair | None = None) -> ssl.SSLContext:
        """A client that trusts this CA, and checks no name."""
        context = client_context(self.ca_file)
        context.check_hostname = False
        if pair is not None:
            context.load_cert_chain(pair.cert_file, pair.key_file)
        return context

    def client_context(self, pair: Pair | None = None) -> ssl.SSLContext:
        """The same as a browser: with names, and with protocols to choose from."""
        context = self.trusted(pair)
        context.check_hostname = True
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        *,
        is_ca: bool,
        dns_names: Sequence[str] = (),
        is_expired: bool = False,
        usages: Sequence[x509.ObjectIdentifier] = (),
        lasts_s: int = 3600,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        hours = datetime.timedelta(hours=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * hours)
            .not_valid_after(
                now - hours if is_expired else now + datetime.timedelta(seconds=lasts_s)
            )
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        names = [*(x509.DNSName(name) for name in dns_names), *self._addresses]
        if names and not is_ca:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self.key, hashes.SHA256())


CLIENT_ONLY = (ExtendedKeyUsageOID.CLIENT_AUTH,)
SERVER_ONLY = (ExtendedKeyUsageOID.SERVER_AUTH,)


_UNSET = Tls(
    ca_file="",
    ca_path="",
    cert_file="",
    key_file="",
    server_name="",
    verify_incoming=False,
    verify_incoming_rpc=False,
    verify_incoming_https=False,
    verify_outgoing=False,
    verify_server_hostname=False,
    min_version="tls12",
    cipher_suites=(),
    prefer_server_cipher_suites=False,
)


def tls_keys(pair: Pair | None = None, ca_file: str = "", **keys: object) -> Tls:
    """What a configuration says, with Consul's defaults for the rest."""
    files = {} if pair is None else {"cert_file": pair.cert_file, "key_file": pair.key_file}
    return msgspec.structs.replace(_UNSET, ca_file=ca_file, **files, **keys)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
