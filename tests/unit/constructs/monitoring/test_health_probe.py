"""What the canary runs: well is a 200 and nothing else."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import HTTPError, URLError

import pytest

from gantry.monitoring.health_probe import handler


class Service(BaseHTTPRequestHandler):
    """Answers with the status that its path names."""

    agents: list[str | None]

    def do_GET(self) -> None:
        self.agents.append(self.headers["User-Agent"])
        self.send_response(int(self.path.removeprefix("/")))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        del format, args


@pytest.fixture
def service() -> Iterator[str]:
    Service.agents = []
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_well_is_a_200(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", f"{service}/200")
    assert handler({}, None) == f"{service}/200 answered 200"
    assert Service.agents == ["gantry-health-probe"]


@pytest.mark.parametrize("status", [204, 403, 503])
def test_any_other_answer_fails_the_run(service: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", f"{service}/{status}")
    with pytest.raises((RuntimeError, HTTPError), match=str(status)):
        handler({}, None)


def test_no_answer_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", "http://127.0.0.1:1/200")
    with pytest.raises(URLError):
        handler({}, None)
