"""What the commands make of the service's certificate."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ops.healthz import answer
from sandbox.tls import Authority, ensure_authority
from tests.unit.ops.web_server import Silent, serving


class Service(Silent, BaseHTTPRequestHandler):
    """Is healthy."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return ensure_authority(tmp_path)


@pytest.fixture
def port(authority: Authority) -> Iterator[int]:
    """The port of a server whose certificate is for ``localhost`` and ``127.0.0.1``."""
    with serving(Service, authority.server_context()) as port:
        yield port


@pytest.mark.parametrize(
    ("host", "named", "expected"),
    [
        ("127.0.0.1", True, "HTTP 200"),
        # As a load balancer's own name, for which no certificate can be.
        ("0.0.0.0", False, "HTTP 200"),
        ("0.0.0.0", True, "certificate is not valid for '0.0.0.0'"),
    ],
)
def test_name_of_a_certificate_counts_where_the_service_has_one(
    port: int, authority: Authority, host: str, named: bool, expected: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(authority.certificate))
        found = answer(f"https://{host}:{port}", named=named)
    assert expected in found


def test_untrusted_certificate_is_none_at_all(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    found = answer(f"https://127.0.0.1:{port}", named=False)
    assert found.startswith("unreachable")
    assert "CERTIFICATE_VERIFY_FAILED" in found
