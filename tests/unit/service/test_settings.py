"""Configuration from the environment."""

import json
from pathlib import Path

import pytest

import contract.service
from taskboard import middleware
from taskboard.database import connection_parameters
from taskboard.settings import Settings, SettingsError


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.read(environ)
    return caught.value.problems


def test_documented_variables_are_all_that_is_needed(environ: dict[str, str]) -> None:
    settings = Settings.read(environ | {"UNRELATED": "x"})
    assert settings.port == 8080
    assert settings.host == "0.0.0.0"
    assert settings.database_secret.username == "app_a"
    assert settings.secret_key_base.previous is not None


def test_empty_environment_names_every_required_variable(environ: dict[str, str]) -> None:
    assert sorted(problems({})) == sorted(f"{name} is not set" for name in environ)


def test_all_problems_are_named_at_once(environ: dict[str, str]) -> None:
    wrong = {
        "PORT": "70000",
        "LOG_LEVEL": "verbose",
        "STOP_TIMEOUT_SECONDS": "1",
        "COOKIE_SECURE": "maybe",
        "DATABASE_HOST": "",
        "DATABASE_POOL_MAX": "none",
        "VALKEY_SECRET": json.dumps({"username": "app"}),
    }
    found = problems(environ | wrong)
    assert len(found) == len(wrong)
    assert all(any(problem.startswith(name) for problem in found) for name in wrong)
    assert any(problem.startswith("PORT='70000'") and "65535" in problem for problem in found)
    assert any(problem.startswith("VALKEY_SECRET, key password") for problem in found)


def test_pool_maximum_below_its_minimum_is_refused(environ: dict[str, str]) -> None:
    (problem,) = problems(environ | {"DATABASE_POOL_MIN": "5"})
    assert problem.startswith("DATABASE_POOL_MAX='2'")
    assert "DATABASE_POOL_MIN" in problem


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_SECRET", '{"username": "u", "password": "sesame-sesame"'),
        ("DATABASE_SECRET", '{"username": 7, "password": "sesame-sesame"}'),
        ("VALKEY_SECRET", "sesame-sesame"),
        ("SECRET_KEY_BASE", '{"current": "sesame-sesame"}'),
    ],
)
def test_no_message_shows_a_secret(environ: dict[str, str], variable: str, value: str) -> None:
    (problem,) = problems(environ | {variable: value})
    assert problem.startswith(variable)
    assert "sesame" not in problem


def test_settings_can_be_printed_without_their_secrets(environ: dict[str, str]) -> None:
    shown = f"{Settings.read(environ)!r} {Settings.read(environ)}"
    assert not any(secret in shown for secret in ("p" * 32, "v" * 32, "c" * 64, "d" * 64))


def test_connections_to_the_database_are_encrypted_and_verified(environ: dict[str, str]) -> None:
    parameters = connection_parameters(Settings.read(environ))
    assert (parameters["sslmode"], parameters["host"]) == ("verify-full", environ["DATABASE_HOST"])
    assert "sslrootcert" not in parameters  # PGSSLROOTCERT decides


@pytest.mark.parametrize(
    ("said", "prepared"), [({}, True), ({"DATABASE_PREPARED_STATEMENTS": "false"}, False)]
)
def test_statements_are_prepared_unless_that_would_pin_a_proxys_connection(
    environ: dict[str, str], said: dict[str, str], prepared: bool
) -> None:
    threshold = connection_parameters(Settings.read(environ | said))["prepare_threshold"]
    assert (threshold is not None) is prepared


def test_workers_are_as_many_as_the_environment_says(environ: dict[str, str]) -> None:
    assert Settings.read(environ | {"WEB_CONCURRENCY": "2"}).workers == 2
    with pytest.raises(SettingsError, match="WEB_CONCURRENCY='0'"):
        Settings.read(environ | {"WEB_CONCURRENCY": "0"})


@pytest.mark.parametrize(
    ("limit", "workers"), [("25000 100000", 1), ("150000 100000", 1), ("400000 100000", 4), ("max 100000", 8)]
)
def test_workers_are_otherwise_as_many_as_the_container_has_processors(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, workers: int
) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(limit)
    monkeypatch.setattr("taskboard.settings._QUOTA", quota)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert Settings.read(environ | {"DATABASE_POOL_MAX": "9"}).workers == workers


def test_workers_share_the_connections_of_the_task(environ: dict[str, str]) -> None:
    pool = {"DATABASE_POOL_MIN": "1", "DATABASE_POOL_MAX": "8", "WEB_CONCURRENCY": "3"}
    shares = [Settings.read(environ | pool).share(worker) for worker in range(3)]
    assert [share.database_pool_max for share in shares] == [3, 3, 2]
    assert [share.database_pool_min for share in shares] == [1, 0, 0]
    assert Settings.read(environ | pool | {"DATABASE_POOL_MAX": "2"}).workers == 2


def test_service_reads_what_the_platform_sets_and_answers_where_it_asks() -> None:
    fields = {name.upper() for name in Settings.model_fields}
    assert fields >= contract.service.VARIABLES
    assert middleware._HEALTH_PATH == contract.service.HEALTH_PATH
