"""The CDK app's own part: which environment, which settings, and one line when something is wrong."""

import pytest
from aws_cdk import App

import app as gantry_app
from stacks.settings import PipelineSettings, Settings, SettingsError


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("ENVIRONMENT", raising=False)


def test_environment_comes_from_the_command_line_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "dev")
    assert gantry_app.settings_of(App()).environment == "dev"
    assert gantry_app.settings_of(App(context={"environment": "prod"})).environment == "prod"


def test_without_an_environment_the_remedy_is_named() -> None:
    with pytest.raises(SettingsError, match="-c environment=prod"):
        gantry_app.settings_of(App())


def test_context_overrides_any_setting() -> None:
    app = App(context={"environment": "dev", "ecs.max_capacity": "8", "container_image": "team/app:7"})
    settings = gantry_app.settings_of(app)
    assert isinstance(settings, Settings)
    assert (settings.ecs.max_capacity, settings.container_image) == (8, "team/app:7")


def test_misspelt_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"did you mean ecs\.max_capacity"):
        gantry_app.settings_of(App(context={"environment": "dev", "ecs.max-capacity": "8"}))


def test_environment_that_names_stages_is_a_pipeline() -> None:
    settings = gantry_app.settings_of(App(context={"environment": "pipeline", "branch": "release"}))
    assert isinstance(settings, PipelineSettings)
    assert settings.branch == "release"


def test_app_ends_with_one_line_and_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "nowhere")
    with pytest.raises(SystemExit) as ended:
        gantry_app.main()
    assert str(ended.value).startswith("gantry: environment 'nowhere' has no file config/nowhere.toml")


def test_placeholders_stop_the_app_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gantry_app, "App", lambda **_: App(context={"environment": "pipeline"}))
    with pytest.raises(SystemExit) as ended:
        gantry_app.main()
    message = str(ended.value)
    assert message.startswith("gantry: these settings are placeholders:")
    for file in ("pipeline", "staging", "prod"):
        assert f"config/{file}.toml: account = " in message


def test_placeholders_may_be_shown_and_nothing_else() -> None:
    assert not gantry_app.shows_placeholders(App())
    assert gantry_app.shows_placeholders(App(context={"placeholders": "shown"}))
    with pytest.raises(SettingsError, match="placeholders = 'deployed': may only be shown"):
        gantry_app.shows_placeholders(App(context={"placeholders": "deployed"}))
