"""Settings of a pipeline: what is accepted, and that nothing but its file decides where it deploys."""

from pathlib import Path

import pytest

from stacks.settings import (
    CONFIG_DIR,
    SettingsError,
    is_pipeline,
    load_pipeline,
    load_settings,
    platforms,
)


def test_pipeline_is_an_environment_but_no_platform() -> None:
    assert is_pipeline("pipeline")
    assert not is_pipeline("prod")
    assert "pipeline" not in platforms()


def test_commands_on_a_platform_name_the_stages_instead() -> None:
    with pytest.raises(SettingsError, match="choose one of its stages, staging, prod"):
        load_settings("pipeline")


def test_every_stage_is_a_platform() -> None:
    assert set(load_pipeline("pipeline").stages) <= set(platforms())


def test_file_names_its_schema() -> None:
    assert (CONFIG_DIR / "pipeline.toml").read_text().startswith("#:schema pipeline.schema.json\n")


def test_variables_of_the_builder_change_neither_pipeline_nor_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """CodeBuild sets AWS_REGION to the pipeline's own region."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert load_pipeline("pipeline").region == "us-east-1"
    assert load_settings("prod", environ={}).region == "us-east-1"


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"stages": '["prod", "prod"]'}, "must differ from each other"),
        ({"stages": "[]"}, "must be a list of 1 to 10"),
        ({"stages": '["pipeline"]'}, "must not name the pipeline itself"),
        ({"confirm_permissions_broadening": '["dev"]'}, r"must be among stages .staging, prod."),
        ({"repository": "gantry"}, 'repository = "gantry" .* such as "your-team/gantry"'),
        ({"connection_arn": "github"}, "must be text such as"),
        ({"artifact_retention_days": "100"}, "must be one of 1, 3, 5"),
        ({"container_image": "team/app:7"}, "there is no such setting"),
    ],
)
def test_impossible_values_are_refused_with_the_reason(overrides: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        load_pipeline("pipeline", overrides=overrides)


def test_mistake_in_a_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "pipeline.toml").write_text('stages = ["prod"]\nregio = "us-east-1"\n')
    with pytest.raises(SettingsError, match=r"pipeline\.toml cannot be used:") as raised:
        load_pipeline("pipeline", config_dir=tmp_path)
    assert 'regio = "us-east-1": there is no such setting (did you mean region?)' in str(raised.value)
    assert "connection_arn: is missing" in str(raised.value)
