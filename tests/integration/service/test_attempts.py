"""How many wrong passwords an account takes, and from whom."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from uuid import uuid4

import pytest

from taskboard.attempts import FAMILIAR_LIMIT, MAX_FAMILIAR, STRANGERS_LIMIT, Attempts
from taskboard.errors import ApiError
from tests.integration.service.conftest import WithCache
from tests.integration.service.support import RunningService, ServiceFactory
from tests.integration.service.test_api import PASSWORD

Run = Callable[[Callable[[Attempts], Awaitable[None]]], None]


@pytest.fixture
def run(with_cache: WithCache) -> Run:
    return lambda test: with_cache(lambda cache: test(Attempts(cache)))


async def failures_until_refused(attempts: Attempts, email: str, client: str | None = None) -> int:
    """Count wrong passwords, each from an address of its own if none is given."""
    for count in range(1000):  # noqa: B007 - how many went before
        try:
            await attempts.begin(email, client or str(uuid4()))
        except ApiError as error:
            refused = error
            break
    assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert refused.headers is not None
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    return count


def test_an_account_takes_a_hundred_failures_an_hour_from_everywhere_together(run: Run) -> None:
    async def test(attempts: Attempts) -> None:
        email = f"{uuid4()}@example.com"
        places = [str(uuid4()) for _ in range(MAX_FAMILIAR + 2)]
        for place in places:
            await attempts.succeed(await attempts.begin(email, place))
        failures = [await failures_until_refused(attempts, email)]
        failures += [await failures_until_refused(attempts, email, place) for place in places]
        # The oldest places are forgotten: they are strangers again.
        assert failures == [STRANGERS_LIMIT, 0, 0] + [FAMILIAR_LIMIT] * MAX_FAMILIAR
        assert sum(failures) == 100

    run(test)


def test_many_attempts_at_once_are_no_way_around_the_limit(run: Run) -> None:
    async def test(attempts: Attempts) -> None:
        email = f"{uuid4()}@example.com"
        begun = await asyncio.gather(
            *(attempts.begin(email, str(uuid4())) for _ in range(70)), return_exceptions=True
        )
        assert sum(not isinstance(each, ApiError) for each in begun) == STRANGERS_LIMIT

    run(test)


def test_success_is_no_failure_however_often(run: Run) -> None:
    async def test(attempts: Attempts) -> None:
        email = f"{uuid4()}@example.com"
        for _ in range(FAMILIAR_LIMIT * 3):
            await attempts.succeed(await attempts.begin(email, "here"))
        assert await failures_until_refused(attempts, email, "here") == FAMILIAR_LIMIT

    run(test)


def test_strangers_do_not_lock_the_owner_out_and_cannot_distinguish_an_account_from_none(
    service: RunningService, run: Run
) -> None:
    accounts = [f"{uuid4()}@example.com", f"{uuid4()}@example.com"]
    with service.client() as owner, service.client() as stranger:
        owner.headers["x-forwarded-for"] = "203.0.113.7"
        right = {"email": accounts[0], "password": PASSWORD}
        assert owner.post("/api/v1/sign-up", json=right).status_code == 201

        async def attack(attempts: Attempts) -> None:
            for account in accounts:
                assert await failures_until_refused(attempts, account) == STRANGERS_LIMIT - 1

        wrong = [{"email": account.upper(), "password": "wrong"} for account in accounts]
        assert [stranger.post("/api/v1/sign-in", json=each).status_code for each in wrong] == [401, 401]
        run(attack)
        for number, credentials in enumerate([*wrong, right]):
            stranger.headers["x-forwarded-for"] = f"198.51.100.{number}"
            refused = stranger.post("/api/v1/sign-in", json=credentials)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_wrong_passwords")
        assert owner.post("/api/v1/sign-in", json=right).status_code == 200


def test_sign_ups_and_sign_ins_from_an_address_are_counted_apart(
    services: ServiceFactory, database: str
) -> None:
    with services.run(database, SIGN_IN_RATE_LIMIT_PER_MINUTE="1") as service, service.client() as client:
        client.headers["x-forwarded-for"] = str(uuid4())
        wrong = {"email": f"{uuid4()}@example.com", "password": "wrong"}
        # A minute may end in between, but not twice.
        assert 429 in [client.post("/api/v1/sign-in", json=wrong).status_code for _ in range(3)]
        assert client.post("/api/v1/sign-up", json=wrong).status_code == 422
