"""The API, as clients use it."""

import http.client
import json
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.integration.service.support import Backends, RunningService, ServiceFactory

PASSWORD = "correct horse battery staple"


def sign_up(client: httpx.Client, email: str | None = None) -> httpx.Response:
    address = email or f"{uuid4()}@example.com"
    response = client.post("/api/v1/sign-up", json={"email": address, "password": PASSWORD})
    assert response.status_code == 201, response.text
    return response


def create_project(client: httpx.Client, name: str = "A project") -> str:
    response = client.post("/api/v1/projects", json={"name": name})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


@pytest.fixture
def signed_in(client: httpx.Client) -> httpx.Client:
    sign_up(client)
    return client


@pytest.fixture
def stranger(service: RunningService) -> Iterator[httpx.Client]:
    with service.client() as client:
        sign_up(client)
        yield client


def test_sign_up_in_and_out(client: httpx.Client) -> None:
    email = f"{uuid4()}@example.com"
    account = sign_up(client, email).json()
    assert client.get("/api/v1/account").json() == account
    assert client.post("/api/v1/sign-out").status_code == 204
    assert client.get("/api/v1/account").status_code == 401
    response = client.post("/api/v1/sign-in", json={"email": email.upper(), "password": PASSWORD})
    assert response.json() == account
    assert client.get("/api/v1/account").status_code == 200


def test_signing_out_ends_the_session_and_not_only_the_cookie(signed_in: httpx.Client) -> None:
    kept = dict(signed_in.cookies)
    signed_in.post("/api/v1/sign-out")
    signed_in.cookies.update(kept)
    assert signed_in.get("/api/v1/account").status_code == 401


def test_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client: httpx.Client) -> None:
    cookie = sign_up(client).headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/"} <= {part.strip() for part in cookie.split(";")}


def test_wrong_password_and_unknown_address_look_the_same(client: httpx.Client) -> None:
    email = f"{uuid4()}@example.com"
    sign_up(client, email)
    answers = [
        client.post("/api/v1/sign-in", json={"email": email, "password": "wrong"}),
        client.post("/api/v1/sign-in", json={"email": "unknown@example.com", "password": "wrong"}),
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    errors = [answer.json()["error"] | {"request_id": None} for answer in answers]
    assert errors[0] == errors[1]


def test_an_address_has_one_account_however_it_is_written(client: httpx.Client) -> None:
    email = f"{uuid4()}@example.com"
    sign_up(client, email)
    response = client.post("/api/v1/sign-up", json={"email": email.title(), "password": PASSWORD})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "email_taken")


@pytest.mark.parametrize(
    "fields", [{"email": "no address"}, {"password": "fourteen chars"}, {"password": "Taskboard 1234567"}]
)
def test_unusable_credentials_are_named_and_not_repeated(
    client: httpx.Client, fields: dict[str, str]
) -> None:
    response = client.post("/api/v1/sign-up", json={"email": "a@example.com", "password": PASSWORD} | fields)
    assert response.status_code == 422
    assert [detail["field"] for detail in response.json()["error"]["details"]] == list(fields)
    assert next(iter(fields.values())) not in response.text


def test_a_password_is_the_same_however_its_characters_are_composed(client: httpx.Client) -> None:
    credentials = {"email": f"{uuid4()}@example.com", "password": "caf\u00e9 au lait s'il vous pla\u00eet"}
    assert client.post("/api/v1/sign-up", json=credentials).status_code == 201
    credentials["password"] = unicodedata.normalize("NFD", credentials["password"])
    assert client.post("/api/v1/sign-in", json=credentials).status_code == 200


def test_forged_cookie_is_refused(signed_in: httpx.Client) -> None:
    session_id, _, signature = signed_in.cookies["session"].partition(".")
    signed_in.cookies.set("session", f"{session_id}.{signature[::-1]}", domain="127.0.0.1")
    assert signed_in.get("/api/v1/account").status_code == 401


def test_projects_and_tasks(signed_in: httpx.Client) -> None:
    project = create_project(signed_in, "  Harbour ")
    assert signed_in.get(f"/api/v1/projects/{project}").json()["name"] == "Harbour"
    renamed = signed_in.patch(f"/api/v1/projects/{project}", json={"name": "Pier"})
    assert renamed.json()["name"] == "Pier"

    tasks = f"/api/v1/projects/{project}/tasks"
    task = signed_in.post(tasks, json={"title": "Lift containers"}).json()
    assert (task["title"], task["done"]) == ("Lift containers", False)
    done = signed_in.patch(f"{tasks}/{task['id']}", json={"done": True}).json()
    assert done == task | {"done": True}
    assert signed_in.get(f"{tasks}/{task['id']}").json() == done
    assert signed_in.get(tasks).json() == {"items": [done], "next_cursor": None}
    assert signed_in.delete(f"{tasks}/{task['id']}").status_code == 204
    assert signed_in.get(f"{tasks}/{task['id']}").status_code == 404

    assert signed_in.delete(f"/api/v1/projects/{project}").status_code == 204
    assert signed_in.get(f"/api/v1/projects/{project}").status_code == 404
    assert signed_in.get(tasks).status_code == 404


def test_pages_hold_every_item_once_while_others_are_added(signed_in: httpx.Client) -> None:
    tasks = f"/api/v1/projects/{create_project(signed_in)}/tasks"
    titles = [f"Task {number}" for number in range(7)]
    for title in titles:
        signed_in.post(tasks, json={"title": title})
    seen: list[str] = []
    cursor = None
    while True:
        page = signed_in.get(tasks, params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["title"] for item in page["items"]]
        if len(titles) == 7:
            titles.append("Added meanwhile")
            signed_in.post(tasks, json={"title": titles[-1]})
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == titles


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"cursor": "é"}])
def test_malformed_page_requests_are_refused(signed_in: httpx.Client, query: dict[str, str]) -> None:
    response = signed_in.get("/api/v1/projects", params=query)
    assert response.status_code == 422
    assert [detail["field"] for detail in response.json()["error"]["details"]] == list(query)


def test_what_belongs_to_others_does_not_exist(signed_in: httpx.Client, stranger: httpx.Client) -> None:
    project = f"/api/v1/projects/{create_project(signed_in)}"
    task = f"{project}/tasks/{signed_in.post(f'{project}/tasks', json={'title': 'Mine'}).json()['id']}"
    own = f"/api/v1/projects/{create_project(stranger)}"
    task_by_detour = f"{own}/tasks/{task.rpartition('/')[2]}"
    attempts = [
        stranger.get(project),
        stranger.patch(project, json={"name": "Taken"}),
        stranger.delete(project),
        stranger.get(f"{project}/tasks"),
        stranger.post(f"{project}/tasks", json={"title": "Planted"}),
        *(stranger.get(path) for path in (task, task_by_detour)),
        *(stranger.patch(path, json={"done": True}) for path in (task, task_by_detour)),
        *(stranger.delete(path) for path in (task, task_by_detour)),
    ]
    assert {attempt.status_code for attempt in attempts} == {404}
    assert stranger.get("/api/v1/projects").json()["items"][0]["id"] == own.rpartition("/")[2]
    assert signed_in.get(f"{project}/tasks").json()["items"][0]["done"] is False


@pytest.mark.parametrize("name", ["", "   ", "a\u0000b", "x" * 201, None, 7, "\ud800", "\u200b", "a\u202eb"])
def test_unusable_names_are_refused(signed_in: httpx.Client, name: object) -> None:
    body = json.dumps({"name": name})  # in ASCII: half a surrogate pair can be written no other way
    headers = {"content-type": "application/json"}
    response = signed_in.post("/api/v1/projects", content=body, headers=headers)
    assert response.status_code == 422
    assert response.json()["error"]["details"][0]["field"] in {"name", "body"}


def test_a_name_is_kept_in_composed_characters(signed_in: httpx.Client) -> None:
    response = signed_in.post("/api/v1/projects", json={"name": "cafe\u0301"})
    assert response.json()["name"] == "caf\u00e9"


def test_changes_asked_for_by_another_site_are_refused(signed_in: httpx.Client) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        response = signed_in.post("/api/v1/projects", json={"name": "Planted"}, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (403, "cross_site")
    own_origin = {"origin": str(signed_in.base_url).rstrip("/")}
    response = signed_in.post("/api/v1/projects", json={"name": "Mine"}, headers=own_origin)
    assert response.status_code == 201


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1_000_000, 5_000_000])
def test_client_that_sends_too_much_before_it_listens_gets_the_answer(
    service: RunningService, size: int
) -> None:
    for _ in range(5):
        connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=20)
        connection.request("POST", "/api/v1/sign-in", body=b"x" * size)
        response = connection.getresponse()
        assert (response.status, json.load(response)["error"]["code"]) == (413, "too_large")
        connection.close()


def test_responses_say_the_rate_limit(signed_in: httpx.Client) -> None:
    first, second = (signed_in.get("/api/v1/projects").headers for _ in range(2))
    assert first["x-ratelimit-limit"] == "1200"
    assert 0 <= int(first["x-ratelimit-reset"]) <= 60
    counted = int(first["x-ratelimit-remaining"]) - int(second["x-ratelimit-remaining"])
    assert counted == 1 or int(second["x-ratelimit-reset"]) > int(first["x-ratelimit-reset"])


def test_requests_over_the_limit_are_refused_by_account_and_by_address(
    services: ServiceFactory, database: str
) -> None:
    limits = {"RATE_LIMIT_PER_MINUTE": "3", "SIGN_IN_RATE_LIMIT_PER_MINUTE": "4"}
    with services.run(database, **limits) as service, service.client() as client:
        # As a load balancer appends it; what a client writes before that must not matter.
        address = str(uuid4())
        client.headers["x-forwarded-for"] = f"10.0.0.1, {address}"
        sign_up(client)
        # A window may end in between, but not twice.
        statuses = [client.get("/api/v1/projects").status_code for _ in range(8)]
        assert 429 in statuses
        refused = next(answer for _ in range(8) if (answer := client.get("/api/v1/projects")).is_error)
        assert refused.json()["error"]["code"] == "rate_limited"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        statuses = []
        for number in range(10):
            client.headers["x-forwarded-for"] = f"10.0.0.{number}, {address}"
            wrong = {"email": "unknown@example.com", "password": "wrong"}
            statuses.append(client.post("/api/v1/sign-in", json=wrong).status_code)
        assert set(statuses) == {401, 429}


def test_what_migrations_make_belongs_to_the_owner_whichever_role_logged_in(
    client: httpx.Client, backends: Backends, database: str
) -> None:
    assert client.get("/healthz").status_code == 200
    with backends.administrator(database) as connection:
        rows = connection.execute(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
    assert rows == [("app_owner",)]


def test_log_lines_belong_to_requests_and_hold_no_secrets(
    service: RunningService, client: httpx.Client
) -> None:
    sign_up(client)
    response = client.get("/api/v1/account?token=in-the-query", headers={"x-request-id": "my-request-1"})
    line = service.line_of(response.headers["x-request-id"])
    assert line["client_request_id"] == "my-request-1"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/account", 200)
    assert line["account_id"] == response.json()["id"]
    log = service.log.read_text()
    for secret in (PASSWORD, "in-the-query", client.cookies["session"], "first-of-a", "k" * 64):
        assert secret not in log


def test_detailed_health_shows_what_the_process_is_and_depends_on(client: httpx.Client) -> None:
    report = client.get("/healthz", params={"detailed": "true"}).json()
    assert report["status"] == "ok"
    assert (report["version"], report["environment"], report["failed"]) == ("1.2.3", "test", [])
    assert (report["database"]["session_user"], report["database"]["current_user"]) == ("app_a", "app_owner")
    assert report["database"]["latency_ms"] > 0
    assert report["cache"]["latency_ms"] > 0
    assert set(report["signing_keys"]) == {"current", "previous"}
