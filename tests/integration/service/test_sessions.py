"""How long a session lives, and what ends it."""

import re
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from taskboard.cache import Cache
from taskboard.keyring import KeyRing
from taskboard.sessions import LIFETIME, MAX_LIFETIME, Sessions
from tests.integration.service.conftest import WithCache
from tests.integration.service.support import RunningService
from tests.integration.service.test_api import PASSWORD, sign_up

DAY = timedelta(days=1)
RING = KeyRing("k" * 64)


@pytest.fixture
def run(with_cache: WithCache) -> Callable[[Callable[[Cache, Sessions], Awaitable[None]]], None]:
    return lambda test: with_cache(lambda cache: test(cache, Sessions(cache, RING, secure=False)))


Run = Callable[[Callable[[Cache, Sessions], Awaitable[None]]], None]


async def make(cache: Cache, *, age: timedelta | None, left: timedelta) -> tuple[str, str]:
    """Put a session into Valkey as if it had begun before; return its key and its cookie."""
    began = "" if age is None else f"~{int(time.time() - age.total_seconds()):x}"
    session_id = f"{uuid4().hex}{began}"
    async with cache.client() as client:
        await client.set(f"session:{session_id}", str(uuid4()), ex=left)
    return f"session:{session_id}", RING.sign(session_id)


@pytest.mark.parametrize(
    ("age", "left", "afterwards", "renewed"),
    [
        (DAY / 2, LIFETIME - DAY / 2, LIFETIME - DAY / 2, False),
        (DAY * 2, LIFETIME - DAY * 2, LIFETIME, True),
        (MAX_LIFETIME - DAY * 3, DAY, DAY * 3, True),
        (MAX_LIFETIME - DAY / 2, DAY / 2, DAY / 2, False),
        # As the version before made them: they are not prolonged.
        (None, DAY * 2, DAY * 2, False),
    ],
)
def test_a_session_in_use_is_prolonged_up_to_its_end(
    run: Run, age: timedelta | None, left: timedelta, afterwards: timedelta, renewed: bool
) -> None:
    async def test(cache: Cache, sessions: Sessions) -> None:
        key, cookie = await make(cache, age=age, left=left)
        session = await sessions.find(cookie, 1000)
        assert session is not None
        async with cache.client() as client:
            seconds = await client.ttl(key)
        assert abs(seconds - afterwards.total_seconds()) < 60
        assert (session.renewed_cookie is not None) is renewed
        if session.renewed_cookie:
            (age_of_cookie,) = re.findall(r"Max-Age=(\d+)", session.renewed_cookie)
            assert abs(int(age_of_cookie) - seconds) <= 1

    run(test)


def test_a_session_ends_after_thirty_days_however_much_it_is_used(run: Run) -> None:
    async def test(cache: Cache, sessions: Sessions) -> None:
        _, cookie = await make(cache, age=MAX_LIFETIME + DAY, left=LIFETIME)
        assert await sessions.find(cookie, 1000) is None

    run(test)


def test_a_cookie_whose_session_is_over_uses_up_nothing_of_its_account(run: Run) -> None:
    async def test(_cache: Cache, sessions: Sessions) -> None:
        account_id = uuid4()
        headers = [await sessions.start(account_id, replaces=None) for _ in range(2)]
        over, good = (header.partition(";")[0].partition("=")[2] for header in headers)
        await sessions.end(over.split(".")[0])
        for _ in range(3):
            assert await sessions.find(over, 10) is None
        session = await sessions.find(good, 10)
        assert session is not None
        assert (session.account_id, session.quota.used) == (account_id, 1)

    run(test)


@pytest.mark.parametrize("path", ["sign-in", "sign-up"])
def test_signing_in_ends_the_session_that_the_request_has(client: httpx.Client, path: str) -> None:
    email = sign_up(client).json()["email"]
    before = dict(client.cookies)
    other = email if path == "sign-in" else f"{uuid4()}@example.com"
    assert client.post(f"/api/v1/{path}", json={"email": other, "password": PASSWORD}).is_success
    assert client.get("/api/v1/account").json()["email"] == other
    client.cookies.clear()
    client.cookies.update(before)
    assert client.get("/api/v1/account").status_code == 401


def test_signing_out_everywhere_ends_all_sessions_of_the_account_and_no_other(
    service: RunningService,
) -> None:
    with service.client() as here, service.client() as elsewhere, service.client() as stranger:
        credentials = {"email": sign_up(here).json()["email"], "password": PASSWORD}
        assert elsewhere.post("/api/v1/sign-in", json=credentials).status_code == 200
        sign_up(stranger)
        kept = dict(here.cookies)
        assert here.post("/api/v1/sign-out-everywhere").status_code == 204
        assert "session" not in here.cookies
        here.cookies.update(kept)
        statuses = [each.get("/api/v1/account").status_code for each in (here, elsewhere, stranger)]
        assert statuses == [401, 401, 200]
        assert here.post("/api/v1/sign-out-everywhere").status_code == 401
        assert here.post("/api/v1/sign-in", json=credentials).status_code == 200
