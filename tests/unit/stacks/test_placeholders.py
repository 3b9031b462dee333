"""Placeholders: every one of the shipped files is named, and nothing that is real is taken for one."""

import tomllib

import pytest

from stacks.settings import (
    CONFIG_DIR,
    SettingsError,
    load_pipeline,
    load_settings,
    platforms,
    refuse_placeholders,
)
from stacks.settings.placeholders import placeholders

CERTIFICATE = "arn:aws:acm:us-east-1:482915370264:certificate/{}"
REAL = {
    "account": "482915370264",
    "load_balancer.certificate_arn": CERTIFICATE.format("0a1b2c3d-1111-4111-8111-111111111111"),
}


@pytest.fixture(autouse=True)
def _no_region_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)


def found(overrides: dict[str, object]) -> set[str]:
    return {each.key for each in placeholders(load_settings("prod", overrides=REAL | overrides))}


def test_files_hold_placeholders_and_the_sandbox_none() -> None:
    held = {name: {each.key for each in placeholders(load_settings(name))} for name in platforms()}
    assert held.pop("sandbox") == set()
    assert held.pop("dev") == {"account"}
    assert set().union(*held.values()) == {"account", "load_balancer.certificate_arn"}
    assert {each.key for each in placeholders(load_pipeline("pipeline"))} == {
        "account", "connection_arn", "repository"
    }  # fmt: skip


def test_real_values_are_none() -> None:
    assert found({}) == set()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alerts.emails", ["us@team.io", "team@example.com"]),
        ("alerts.webhooks", ["https://chat.example.org/hook"]),
        ("canary.url", "https://www.example.com/healthz"),
        ("container_image", "registry.example.com/app:1"),
        ("container_image", "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1"),
        ("load_balancer.certificate_arn", CERTIFICATE.format("00000000-0000-0000-0000-000000000000")),
        ("load_balancer.certificate_arn", CERTIFICATE.format("…")),
        ("observability.runbooks", "https://git.example.net/docs/"),
    ],
)
def test_example_is_found_wherever_it_is(key: str, value: object) -> None:
    assert found({key: value}) == {key}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("canary.url", "https://example.company/healthz"),
        ("canary.url", "https://my-example.com/healthz"),
        ("container_image", "team/app@sha256:" + "1" * 64),
        ("ecs.environment.ADMIN", "admin@example.com"),
    ],
)
def test_what_only_looks_like_one_is_none(key: str, value: object) -> None:
    assert found({key: value}) == set()


def test_any_environment_in_the_sandboxs_account_may_be_deployed_there() -> None:
    arn = "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-0000-0000-000000000000"
    overrides = {"account": "000000000000", "load_balancer.certificate_arn": arn}
    refuse_placeholders(load_settings("prod", overrides=overrides))


def test_one_message_names_file_key_value_and_what_to_put() -> None:
    pipeline = load_pipeline("pipeline")
    with pytest.raises(SettingsError) as raised:
        refuse_placeholders(pipeline, *(load_settings(stage) for stage in pipeline.stages))
    message = str(raised.value)
    account = tomllib.loads((CONFIG_DIR / "staging.toml").read_text())["account"]
    assert f'config/staging.toml: account = "{account}": put your own: Id of the AWS account.' in message
    assert 'config/pipeline.toml: repository = "your-team/gantry": put your own: Owner and name.' in message
    assert "config/prod.toml: load_balancer.certificate_arn = " in message
    assert "-c placeholders=shown" in message
