"""What the operator's commands learn of the database and the cache, and from whom."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from ops import task_health
from ops.aws import Environment

OUTPUTS = {"ClusterName": "cluster", "ServiceName": "service"}


class Task(BaseHTTPRequestHandler):
    """Tells its details to those who come without a load balancer."""

    failed: tuple[str, ...] = ()

    def do_GET(self) -> None:
        assert self.path == "/healthz?detailed=true"
        assert "x-forwarded-for" not in self.headers
        self.send_response(503 if self.failed else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"failed": self.failed}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        del format, args


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Task)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def environment(
    port: int, state: str = "healthy", endpoint_url: str | None = "http://sandbox"
) -> Environment:
    balancer = {"targetGroupArn": "blue", "advancedConfiguration": {"alternateTargetGroupArn": "green"}}
    groups: dict[str, list[dict[str, Any]]] = {
        "blue": [{"Target": {"Id": "127.0.0.1", "Port": 1}, "TargetHealth": {"State": "draining"}}],
        "green": [{"Target": {"Id": "127.0.0.1", "Port": port}, "TargetHealth": {"State": state}}],
    }
    fake: Any = SimpleNamespace(
        endpoint_url=endpoint_url,
        ecs=SimpleNamespace(describe_services=lambda **_: {"services": [{"loadBalancers": [balancer]}]}),
        load_balancing=SimpleNamespace(
            describe_target_health=lambda TargetGroupArn: {"TargetHealthDescriptions": groups[TargetGroupArn]}  # noqa: N803
        ),
    )
    return fake  # type: ignore[no-any-return]


@pytest.mark.parametrize(("failed", "said"), [((), "ok"), (("cache",), "HTTP 503, failed: cache")])
def test_a_healthy_task_is_asked_at_its_own_port(
    port: int, failed: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Task, "failed", failed)
    assert task_health.dependencies(environment(port), OUTPUTS) == said


def test_what_cannot_be_asked_is_said(port: int) -> None:
    assert "no task" in task_health.dependencies(environment(port, "unhealthy"), OUTPUTS)
    assert "inside the VPC" in task_health.dependencies(environment(port, endpoint_url=None), OUTPUTS)
