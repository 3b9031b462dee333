"""The pipeline that deploys an environment, where there is one."""

from botocore.exceptions import ClientError

from ops.aws import Environment
from ops.console import err
from stacks.settings import CONFIG_DIR, PipelineSettings, SettingsError, is_pipeline, load_pipeline


def _pipeline_of(environment: str) -> PipelineSettings | None:
    for file in sorted(CONFIG_DIR.glob("*.toml")):
        name = file.stem
        try:
            if is_pipeline(name) and environment in (settings := load_pipeline(name)).stages:
                return settings
        except SettingsError:
            continue  # a file that is being written is no reason not to go back
    return None


def disable_transition(environment: Environment, *, reason: str) -> None:
    """Keep the pipeline from deploying over what is deployed now, and say how it goes on."""
    name = environment.settings.environment
    if (settings := _pipeline_of(name)) is None:
        return
    client = environment.codepipeline_in(settings.region)
    stage = name.capitalize()
    try:
        client.disable_stage_transition(
            pipelineName=settings.full_name, stageName=stage, transitionType="Inbound", reason=reason
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "PipelineNotFoundException":
            return
        err.print(
            f"The pipeline goes on: its transition into {stage} could not be disabled: {error}", markup=False
        )
        return
    err.print(
        f"The pipeline {settings.full_name} deploys nothing to {stage} until you enable it again:\n"
        f"  aws codepipeline enable-stage-transition --pipeline-name {settings.full_name} \\\n"
        f"    --stage-name {stage} --transition-type Inbound --region {settings.region}",
        markup=False,
    )
