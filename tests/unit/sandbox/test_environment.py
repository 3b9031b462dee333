"""The sandbox's processes and clients obey nothing of the user's environment."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import environment
from sandbox.clients import session
from sandbox.layout import Layout
from sandbox.tls import ensure_authority

# What a developer's shell may hold, each with a value that would break or divert the sandbox.
HOSTILE = {
    "AWS_PROFILE": "no-such-profile", "AWS_DEFAULT_PROFILE": "no-such-profile", "AWS_REGION": "eu-north-1",
    "AWS_CONFIG_FILE": "/nonexistent", "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_CLOUDFORMATION": "http://127.0.0.1:9", "AWS_CA_BUNDLE": "/nonexistent.pem",
    "AWS_SESSION_TOKEN": "stale", "AWS_USE_FIPS_ENDPOINT": "true", "AWS_DATA_PATH": "/nonexistent",
    "AWS_MAX_ATTEMPTS": "none", "BOTOCORE_TCP_KEEPALIVE": "maybe",
    "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9",
    "all_proxy": "http://127.0.0.1:9", "REQUESTS_CA_BUNDLE": "/nonexistent.pem",
    "PGHOST": "192.0.2.1", "PGSSLMODE": "disable", "PGDATA": "/nonexistent", "PGOPTIONS": "-c nonsense=1",
    "VALKEY_URL": "valkey://192.0.2.1", "REDIS_URL": "redis://192.0.2.1",
    "PYTHONPATH": "/nonexistent", "PYTHONHOME": "/nonexistent", "PYTHONSTARTUP": "/nonexistent",
    "LD_PRELOAD": "/nonexistent.so", "LD_LIBRARY_PATH": "/nonexistent", "NODE_OPTIONS": "--nonsense",
    "SSL_CERT_FILE": "/nonexistent.pem", "SERVICES": "s3", "STATE_DIR": "/nonexistent", "ENVIRONMENT": "prod",
}  # fmt: skip


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("hostile")
def test_no_process_gets_a_variable_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for_server = environment.for_control_plane(Layout(tmp_path), 20000, ensure_authority(tmp_path))
    for variables in (environment.clean_environment(), for_server):
        assert not set(variables.items()) & set(HOSTILE.items())
        assert variables["LC_ALL"] == "C.UTF-8"
    assert for_server["HOME"] != environment.clean_environment()["HOME"]


def test_further_names_are_allowed_where_they_are_asked_for() -> None:
    given = {"JSII_NODE": "node", "JSII_DEBUG": "1", "CI": "true", "PATH": "/bin", "AWS_PROFILE": "mine"}
    kept = environment.clean_environment("JSII_*", "CI", variables=given)
    assert kept == {"JSII_NODE": "node", "JSII_DEBUG": "1", "CI": "true", "PATH": "/bin"}


@pytest.fixture
def endpoint() -> Iterator[str]:
    """An AWS that answers any request with an empty list of stacks."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            result = b"<DescribeStacksResult><Stacks/></DescribeStacksResult>"
            body = b"<DescribeStacksResponse>" + result + b"</DescribeStacksResponse>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("hostile")
def test_a_client_reaches_the_sandbox_whatever_the_user_has_set(tmp_path: Path, endpoint: str) -> None:
    variables = environment.for_clients(Layout(tmp_path), 20000)
    client = session(variables).client("cloudformation", endpoint_url=endpoint)
    assert client.describe_stacks()["Stacks"] == []
    assert client.meta.region_name == environment.REGION
