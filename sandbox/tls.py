"""The sandbox's certificate authority, which signs the certificates of its servers."""

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509

from sandbox.files import write_atomically

_LIFETIME = datetime.timedelta(days=365)
# Renewed well before its end, so that a sandbox that runs for days keeps a valid one.
_RENEWAL = datetime.timedelta(days=30)
_HOSTS = ("localhost", "127.0.0.1")


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


def authority_in(folder: Path) -> Authority:
    """Return the authority that a folder has, or will have."""
    return Authority(
        certificate=folder / "ca.pem",
        server_certificate=folder / "server.pem",
        server_key=folder / "server.key",
    )


def ensure_authority(folder: Path) -> Authority:
    """Return the authority in a folder; make it when it is missing, incomplete or about to expire."""
    authority = authority_in(folder)
    if not _is_usable(authority):
        _make(authority)
    return authority


def _is_usable(authority: Authority) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(authority.server_certificate.read_bytes())
        authority.server_context()
        authority.client_context()
    except (OSError, ValueError):
        return False
    return certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > _RENEWAL


def _make(authority: Authority) -> None:
    # The authority's own key is kept nowhere: a new server certificate comes with a new authority.
    ca = trustme.CA(organization_name="Gantry sandbox")
    server = ca.issue_cert(*_HOSTS, not_after=datetime.datetime.now(datetime.UTC) + _LIFETIME)
    write_atomically(authority.server_key, server.private_key_pem.bytes())
    write_atomically(authority.server_certificate, server.cert_chain_pems[0].bytes(), mode=0o644)
    write_atomically(authority.certificate, ca.cert_pem.bytes(), mode=0o644)
