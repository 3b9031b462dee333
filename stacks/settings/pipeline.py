"""Settings of a pipeline: an environment of its own that names which environments it deploys."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from stacks.settings.model import Problem, SettingsModel
from stacks.settings.regions import LACKING, commercial_region
from stacks.settings.state import LogRetentionDays
from stacks.settings.values import ACCOUNT, NAME, NAME_LIMIT, REGION

_Environment = Annotated[str, Field(pattern=NAME, examples=["staging"])]


class PipelineSettings(SettingsModel):
    """Where a pipeline lives, what it builds, and where it deploys that in which order."""

    name: str = Field(
        "gantry", pattern=NAME, max_length=20, description="Begins every name.", examples=["gantry"]
    )
    environment: str = Field(
        pattern=NAME, max_length=20, description="Names the file.", examples=["pipeline"]
    )
    account: str = Field(
        pattern=ACCOUNT, description="Id of the account that the pipeline runs in.", examples=["123456789012"]
    )
    region: Annotated[str, AfterValidator(commercial_region)] = Field(
        pattern=REGION, description="Region that the pipeline runs in.", examples=["us-east-1"]
    )
    connection_arn: str = Field(
        pattern=r"^arn:aws[a-z-]*:(codeconnections|codestar-connections):[a-z0-9-]+:\d{12}:connection/[0-9a-f-]{36}$",
        description="Connection to the repository's host, made and confirmed in the console.",
        examples=[
            "arn:aws:codeconnections:us-east-1:123456789012:connection/01234567-89ab-cdef-0123-456789abcdef"
        ],
    )
    repository: str = Field(
        pattern=r"^[\w.-]+(/[\w.-]+)+$", description="Owner and name.", examples=["your-team/gantry"]
    )
    branch: str = Field("main", min_length=1, description="A push to it starts the pipeline.")
    stages: tuple[_Environment, ...] = Field(
        min_length=1, max_length=10, strict=False, description="Environments, in the order of deployment."
    )
    confirm_permissions_broadening: tuple[_Environment, ...] = Field(
        (),
        strict=False,
        description="Stages that a person must release when their change broadens permissions.",
    )
    artifact_retention_days: LogRetentionDays = Field(
        30, description="Days that sources, assemblies and the logs of builds are kept."
    )

    def _problems(self) -> Iterator[Problem]:
        if len(self.full_name) > NAME_LIMIT:
            yield Problem(
                "name", self.name, f"and environment make {self.full_name}, over {NAME_LIMIT} characters"
            )
        if (builds := "AWS::CodeBuild::Project") in LACKING[self.region]:
            allowed = f"must be one where CloudFormation has {builds}, in which a pipeline builds"
            yield Problem("region", self.region, allowed)
        if len(set(self.stages)) < len(self.stages):
            yield Problem("stages", self.stages, "must differ from each other")
        if self.environment in self.stages:
            yield Problem("stages", self.stages, "must not name the pipeline itself")
        for stage in self.confirm_permissions_broadening:
            if stage not in self.stages:
                allowed = f"must be among stages ({', '.join(self.stages)})"
                yield Problem("confirm_permissions_broadening", stage, allowed)

    @property
    def full_name(self) -> str:
        """Name of what there is one of."""
        return f"{self.name}-{self.environment}"
