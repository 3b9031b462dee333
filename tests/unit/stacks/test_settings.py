"""Settings: what is accepted, and what a person reads when something is not."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.settings import CONFIG_DIR, SettingsError, is_settings_key, keys, load_settings

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = sorted(path.stem for path in CONFIG_DIR.glob("*.toml"))


@pytest.fixture(autouse=True)
def _no_region_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)


def failure(environment: str = "prod", **overrides: object) -> str:
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    with pytest.raises(SettingsError) as raised:
        load_settings(environment, overrides=dotted)
    return str(raised.value)


def refusal(overrides: dict[str, object]) -> str | None:
    try:
        load_settings("prod", overrides=overrides)
    except SettingsError as error:
        return str(error)
    return None


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_shipped_environment_is_valid(environment: str) -> None:
    assert load_settings(environment).environment == environment


def test_unknown_environment_names_the_ones_there_are() -> None:
    assert failure("produktion").endswith("there are: dev, prod, sandbox, staging")


def test_unknown_key_is_named_with_the_nearest_one() -> None:
    message = failure(ecs__max_capcity="8")
    assert "config/prod.toml" in message
    assert "ecs.max_capcity = 8: there is no such setting (did you mean ecs.max_capacity?)" in message


def test_all_mistakes_are_told_at_once() -> None:
    message = failure(ecs__cpu_target_utilization="200", aurora__min_capacity="99", nothing="1")
    assert "ecs.cpu_target_utilization = 200: " in message
    assert "min_capacity must not exceed max_capacity" in message
    assert "nothing = 1: there is no such setting" in message


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"ecs.min_capacity": "9", "ecs.max_capacity": "8"}, "min_capacity must not exceed max_capacity"),
        ({"load_balancer.allow_http": "true"}, "allow_http must be false in prod"),
        ({"ecs.cpu": "300"}, "cpu must be one of 256, 512, 1024, 2048, 4096"),
        ({"ecs.cpu": "256", "ecs.memory_mib": "4096"}, "must be one of 512, 1024, 2048"),
        ({"aurora.min_capacity": "0"}, "database_pool_min must be 0"),
        ({"aurora.min_capacity": "0.7"}, "multiple of 0.5"),
        ({"network.zones": '["a"]'}, "at least 2"),
        ({"network.zones": '["a", "a"]'}, "zones must differ"),
        ({"network.nat_gateways": "3", "network.zones": '["a", "b"]'}, "must not exceed the number of zones"),
        ({"state.log_retention_days": "100"}, "log_retention_days must be one of"),
        ({"ecs.max_capacity": "many"}, "should be a valid integer"),
    ],
)
def test_impossible_values_are_refused_with_the_reason(overrides: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        load_settings("prod", overrides=overrides)


def test_https_is_needed_unless_http_is_allowed() -> None:
    with pytest.raises(SettingsError, match=r"load_balancer\.certificate_arn is needed"):
        load_settings("sandbox", overrides={"load_balancer.allow_http": "false"})


def test_override_replaces_the_files_value() -> None:
    settings = load_settings("prod", overrides={"ecs.max_capacity": "20", "container_image": "repo:v2"})
    assert settings.ecs.max_capacity == 20
    assert settings.container_image == "repo:v2"
    assert settings.service_version == "v2"


def test_region_comes_from_the_argument_then_the_variable_then_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings("prod").region == "us-east-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert load_settings("prod").availability_zones == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    assert load_settings("prod", region="eu-north-1").region == "eu-north-1"


def test_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text("account = ")
    with pytest.raises(SettingsError, match=r"odd\.toml is not TOML"):
        load_settings("odd", config_dir=tmp_path)


@pytest.mark.parametrize(
    "key", ["@aws-cdk/core:newStyleStackSynthesis", "aws:cdk:bundling-stacks", "environment"]
)
def test_context_of_the_cdk_itself_is_not_taken_for_settings(key: str) -> None:
    assert not is_settings_key(key)


def test_every_setting_is_read_somewhere() -> None:
    """A setting that nothing reads is a promise that nothing keeps."""
    read = {
        node.attr
        for file in (ROOT / "stacks").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    }
    unread = [key for key in keys() if key.rpartition(".")[2] not in read]
    assert not unread


@given(low=st.integers(-5, 1100), high=st.integers(-5, 1100))
def test_capacities_are_accepted_exactly_when_they_are_ordered_and_possible(low: int, high: int) -> None:
    message = refusal({"ecs.min_capacity": low, "ecs.max_capacity": high})
    assert (message is None) == (1 <= low <= high <= 1000)
    assert message is None or "capacity" in message


@given(key=st.from_regex(r"[a-z_]{1,12}(\.[a-z_]{1,12})?", fullmatch=True), value=st.text(max_size=12))
def test_any_override_is_either_used_or_refused_in_words(key: str, value: str) -> None:
    message = refusal({key: value})
    assert message is None or key.split(".", maxsplit=1)[0] in message
