"""The application's own behaviour: it needs neither database nor cache for any of this."""

import asyncio
import base64
import hashlib
import re

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from taskboard import health, middleware
from taskboard.errors import ApiError
from tests.unit.service.conftest import Ask


def error_of(response: httpx.Response) -> dict[str, object]:
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, object] = body["error"]
    assert set(error) == {"code", "message", "request_id", "part", "details"}
    assert error["request_id"] == response.headers["x-request-id"]
    return error


def test_liveness_depends_on_nothing(ask: Ask) -> None:
    response = ask("GET", "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "version": "1.2.3"})


def test_detailed_health_names_what_failed(ask: Ask) -> None:
    response = ask("GET", "/healthz?detailed=true")
    report = response.json()
    assert response.status_code == 503
    assert (report["status"], report["failed"]) == ("unavailable", ["database", "cache"])
    assert report["error"]["code"] == "database_unavailable"
    assert report["error"]["request_id"] == response.headers["x-request-id"]
    assert report["signing_keys"] == {
        "current": hashlib.sha256(b"c" * 64).hexdigest()[:8],
        "previous": hashlib.sha256(b"d" * 64).hexdigest()[:8],
    }


@pytest.mark.parametrize(
    "query",
    [
        "detailed=true", "detailed=1", "detailed=yes", "detailed=ON", "detailed=t", "%64etailed=true",
        "detailed=%74rue", "detailed=false&detailed=true", "x=1&detailed=true", "detailed=true&detailed=1",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 503), ({"x-forwarded-for": "203.0.113.9"}, 404), ({"x-forwarded-for": ""}, 404)],
)
def test_details_of_health_are_not_for_those_outside(
    ask: Ask, query: str, headers: dict[str, str], status: int
) -> None:
    response = ask("GET", f"/healthz?{query}", headers=headers)
    assert response.status_code == status
    assert ("database" in response.json()) is (status == 503)


def test_details_of_health_are_found_out_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    async def report(_services: object) -> object:
        nonlocal made
        made += 1
        await asyncio.sleep(0.01)
        return made

    async def ask_often() -> list[object]:
        reports = health.Reports(services=None)  # type: ignore[arg-type]  # which only the report needs
        at_once = await asyncio.gather(*(reports.newest() for _ in range(20)))
        soon = await reports.newest()
        await asyncio.sleep(0.2)
        return [*at_once, soon, await reports.newest()]

    monkeypatch.setattr(health, "_KEPT", 0.1)
    monkeypatch.setattr(health, "_report", report)
    assert asyncio.run(ask_often()) == [1] * 21 + [2]


@pytest.mark.parametrize(
    ("request_line", "options", "status", "code"),
    [
        ("GET /nowhere", {}, 404, "not_found"),
        ("PUT /healthz", {}, 405, "method_not_allowed"),
        ("GET /healthz?detailed=perhaps", {}, 422, "invalid_request"),
        ("GET /api/v1/projects", {}, 401, "not_signed_in"),
        ("GET /api/v1/projects", {"headers": {"cookie": "__Host-session=a.b-c"}}, 401, "not_signed_in"),
        ("POST /api/v1/sign-up", {"headers": {"origin": "https://evil.example"}}, 403, "cross_site"),
        ("POST /api/v1/sign-up", {"content": b"x" * 70_000}, 413, "too_large"),
        ("POST /api/v1/sign-up", {"json": {}}, 503, "cache_unavailable"),
    ],
)
def test_every_error_has_the_same_shape(
    ask: Ask, request_line: str, options: dict[str, object], status: int, code: str
) -> None:
    response = ask(*request_line.split(" "), **options)
    assert (response.status_code, error_of(response)["code"]) == (status, code)


def test_failure_of_the_code_shows_the_client_nothing_else(
    app: FastAPI, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a detail that is no one's business")

    response = ask("GET", "/broken")
    assert (response.status_code, error_of(response)["code"]) == (500, "internal_error")
    assert "no one's business" not in response.text
    assert "no one's business" in caplog.text


def access_line(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    (record,) = [record for record in caplog.records if record.name == "taskboard.access"]
    return vars(record)


@pytest.mark.parametrize(
    ("headers", "logged"),
    [
        ({"x-request-id": "abcdef-123456"}, {"client_request_id": "abcdef-123456"}),
        ({"x-amzn-trace-id": "Self=1-67a;Root=1-67b"}, {"trace_id": "Self=1-67a;Root=1-67b"}),
        ({"x-request-id": 'forged"} {"level": "INFO'}, {}),
        ({}, {}),
    ],
)
def test_request_has_an_id_of_ours_and_the_clients_is_logged_if_it_is_harmless(
    ask: Ask, caplog: pytest.LogCaptureFixture, headers: dict[str, str], logged: dict[str, str]
) -> None:
    caplog.set_level("INFO")
    assert re.fullmatch("[0-9a-f]{32}", ask("GET", "/", headers=headers).headers["x-request-id"])
    line = access_line(caplog)
    assert {name: line[name] for name in ("client_request_id", "trace_id") if name in line} == logged


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], "192.0.2.1"),
        (["203.0.113.9"], "203.0.113.9"),
        (["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
        (["198.51.100.7", "203.0.113.9"], "203.0.113.9"),
        (["198.51.100.7, 198.51.100.8", "198.51.100.9, 203.0.113.9"], "203.0.113.9"),
    ],
)
def test_client_is_whom_the_load_balancer_saw(
    ask: Ask, caplog: pytest.LogCaptureFixture, forwarded: list[str], client: str
) -> None:
    caplog.set_level("INFO")
    ask("GET", "/", headers=[("x-forwarded-for", each) for each in forwarded])
    assert access_line(caplog)["client"] == client


@pytest.mark.parametrize(
    ("request_line", "methods"),
    [
        ("PUT /healthz", {"GET", "HEAD"}),
        ("OPTIONS /", {"GET", "HEAD"}),
        ("PUT /api/v1/projects", {"GET", "POST"}),
        ("PROPFIND /api/v1/projects/x", {"GET", "PATCH", "DELETE"}),
        ("OPTIONS /api/v1/projects/x/tasks/y", {"GET", "PATCH", "DELETE"}),
        ("GET /api/v1/sign-in", {"POST"}),
        ("POST /api/docs", {"GET"}),
        ("POST /api/docs/assets/swagger-ui.css", {"GET", "HEAD"}),
    ],
)
def test_refused_method_is_answered_with_all_that_the_path_has(
    ask: Ask, request_line: str, methods: set[str]
) -> None:
    response = ask(*request_line.split(" "))
    assert (response.status_code, error_of(response)["code"]) == (405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == methods


def test_body_without_an_end_is_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_MAX_DISCARDED", 300_000)
    monkeypatch.setattr(middleware, "_DISCARD_TIMEOUT", 0.1)

    async def read(*, pause: float) -> int:
        received = 0

        async def receive() -> dict[str, object]:
            nonlocal received
            await asyncio.sleep(pause if received == 100_000 else 0)
            received += 50_000
            return {"type": "http.request", "body": b"x" * 50_000, "more_body": True}

        with pytest.raises(ApiError, match="more than 65536 bytes"):
            await middleware._body(receive)
        return received

    assert asyncio.run(read(pause=0)) == 400_000
    assert asyncio.run(read(pause=60)) == 100_000


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_monitors_may_ask_for_the_head_alone(ask: Ask, path: str) -> None:
    assert ask("HEAD", path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/docs"])
def test_pages_allow_their_own_scripts_and_styles_alone(ask: Ask, path: str) -> None:
    response = ask("GET", path)
    policy = dict(
        part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    for kind, content in re.findall(r"<(script|style)>(.*?)</", response.text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[f"{kind}-src"]
    assert "unsafe" not in response.headers["content-security-policy"]
    assert not re.search(r"(src|href)=[\"'](https?:)?//", response.text)


@pytest.mark.parametrize("host", ["service.example", "evil.example", "[", "", "a b"])
def test_no_answer_sends_a_client_to_another_place(app: FastAPI, host: str) -> None:
    """A redirect to http:// has clients repeat a body, such as a password, in clear text."""
    headers = {"host": host, "x-forwarded-proto": "https", "x-forwarded-host": "evil.example"}

    async def locations() -> list[str | None]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, headers=headers) as client:
            answers = [
                await client.request(method, f"https://service.example{path}")
                for context in iter_route_contexts(app.routes)
                for method in context.methods or {"GET"}
                for path in (f"{context.path}/", f"/{context.path}", f"//evil.example{context.path}")
            ]
        return [answer.headers.get("location") for answer in answers]

    assert set(asyncio.run(locations())) == {None}


def test_responses_are_not_stored_sniffed_or_downgraded(ask: Ask) -> None:
    headers = ask("GET", "/healthz").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "max-age" in headers["strict-transport-security"]


def test_description_of_the_api_knows_its_errors_and_its_cookie(ask: Ask) -> None:
    document = ask("GET", "/api/openapi.json").json()
    operations = [
        operation
        for path, methods in document["paths"].items()
        if path.startswith("/api/v1/")
        for operation in methods.values()
    ]
    assert len(operations) >= 14
    envelope = {"$ref": "#/components/schemas/ErrorEnvelope"}
    for operation in operations:
        for status in ("400", "401", "405", "413", "422", "429", "500", "503"):
            assert operation["responses"][status]["content"]["application/json"]["schema"] == envelope
    health = document["paths"]["/healthz"]["get"]["responses"]
    for status in ("404", "405", "422", "500"):
        assert health[status]["content"]["application/json"]["schema"] == envelope
    open_to_all = {operation["summary"] for operation in operations if "security" not in operation}
    assert open_to_all == {"Sign Up", "Sign In"}
    assert document["components"]["securitySchemes"]["session"]["in"] == "cookie"
