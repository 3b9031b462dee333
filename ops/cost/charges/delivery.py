"""Charges of delivery: pipelines and builds."""

from collections.abc import Iterator
from decimal import Decimal

from ops.assembly import Resource
from ops.cost.usage import Charge, Context, Unknown, Usage

_BUILD_PRICES = {
    "BUILD_GENERAL1_SMALL": "build-small-minute",
    "BUILD_GENERAL1_MEDIUM": "build-medium-minute",
}


def _pipeline(pipeline: Resource, context: Context) -> Iterator[Usage | Unknown]:
    if pipeline.get("PipelineType", default="V1") != "V2":
        yield Unknown("V1 pipeline", "only V2 pipelines are priced")
        return
    minutes: Decimal = context.assumptions.pipeline_runs * context.assumptions.pipeline_minutes
    yield Usage("action minutes", "pipeline-action-minute", minutes)


def _build(project: Resource, context: Context) -> Iterator[Usage | Unknown]:
    size = project.get("Environment", "ComputeType", default="")
    container = str(project.get("Environment", "Type", default=""))
    if size not in _BUILD_PRICES or container != "LINUX_CONTAINER":
        yield Unknown(f"builds on {container} {size}", "no price recorded")
        return
    minutes: Decimal = context.assumptions.pipeline_runs * context.assumptions.build_minutes
    yield Usage("build minutes", _BUILD_PRICES[size], minutes)


CHARGES: dict[str, Charge] = {
    "AWS::CodeBuild::Project": _build,
    "AWS::CodePipeline::Pipeline": _pipeline,
}
