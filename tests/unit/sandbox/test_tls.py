"""The sandbox's certificates: whole, for this machine alone, and made again before they end."""

import datetime
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

from sandbox import tls


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_strict_client_trusts_a_server_of_this_machine(tmp_path: Path, host: str) -> None:
    authority = tls.ensure_authority(tmp_path)
    context = authority.client_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python's default from 3.13 on
    with ThreadPoolExecutor() as pool, socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> bytes:
            connection, _ = listener.accept()
            with authority.server_context().wrap_socket(connection, server_side=True) as secured:
                return secured.recv(5)

        served = pool.submit(serve)
        with (
            socket.create_connection(listener.getsockname()) as connection,
            context.wrap_socket(connection, server_hostname=host) as secured,
        ):
            secured.send(b"hello")
            assert served.result(timeout=10) == b"hello"


def test_authority_stays_until_its_certificate_is_about_to_end(tmp_path: Path) -> None:
    first = tls.ensure_authority(tmp_path).certificate.read_bytes()
    assert tls.ensure_authority(tmp_path).certificate.read_bytes() == first
    with mock.patch.object(tls, "_RENEWAL", datetime.timedelta(days=366)):
        assert tls.ensure_authority(tmp_path).certificate.read_bytes() != first


@pytest.mark.parametrize("name", ["ca.pem", "server.pem", "server.key"])
def test_authority_of_which_a_file_is_missing_is_made_again(tmp_path: Path, name: str) -> None:
    tls.ensure_authority(tmp_path)
    (tmp_path / name).unlink()
    authority = tls.ensure_authority(tmp_path)
    authority.client_context()
    authority.server_context()
