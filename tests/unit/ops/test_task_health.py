"""What the operator's commands learn of the database and the cache, and from whom."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest

from ops import task_health
from ops.aws import Environment
from tests.unit.ops.web_server import Silent, serving

OUTPUTS = {"ClusterName": "cluster", "ServiceName": "service"}


class Task(Silent, BaseHTTPRequestHandler):
    """Answers with its details to requests without a load balancer."""

    failed: tuple[str, ...] = ()

    def do_GET(self) -> None:
        assert self.path == "/healthz?detailed=true"
        assert "x-forwarded-for" not in self.headers
        self.send_response(503 if self.failed else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"failed": self.failed}).encode())


@pytest.fixture
def port() -> Iterator[int]:
    with serving(Task) as port:
        yield port


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
