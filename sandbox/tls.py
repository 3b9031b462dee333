"""The sandbox's certificate authority, which signs the certificates of its servers."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.files import write_atomically

_LIFETIME = datetime.timedelta(days=365)
# Renewed well before its end, so that a sandbox that runs for days keeps a valid one.
_RENEWAL = datetime.timedelta(days=30)
_HOSTS = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")))


@dataclass(frozen=True)
class Authority:
    """Files of a certificate authority and of the one server certificate that it signed.

    Attributes
    ----------
    certificate
        What clients trust.
    server_certificate, server_key
        What every server of the sandbox presents, valid for ``localhost`` and ``127.0.0.1``.
    """

    certificate: Path
    server_certificate: Path
    server_key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return the context with which a server accepts connections."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.server_certificate, self.server_key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return the context with which a client verifies the sandbox's servers and their names."""
        return ssl.create_default_context(cafile=str(self.certificate))


def ensure_authority(folder: Path) -> Authority:
    """Return the authority in a folder; make it when it is missing, incomplete or about to expire."""
    authority = Authority(
        certificate=folder / "ca.pem",
        server_certificate=folder / "server.pem",
        server_key=folder / "server.key",
    )
    if not _is_usable(authority):
        _make(authority)
    return authority


def _is_usable(authority: Authority) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
        authority.server_context()
    except (OSError, ValueError):
        return False
    return certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > _RENEWAL


def _make(authority: Authority) -> None:
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gantry sandbox")])
    certificate_signing = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    ca_identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca_certificate = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(certificate_signing, critical=True)
        .add_extension(ca_identifier, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    server_certificate = (
        _builder(server_name, ca_name, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_HOSTS), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_identifier), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    # The authority's own key is kept nowhere: a new server certificate comes with a new authority.
    write_atomically(
        authority.server_key,
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    for path, certificate in (
        (authority.server_certificate, server_certificate),
        (authority.certificate, ca_certificate),
    ):
        write_atomically(path, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )
