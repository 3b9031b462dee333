"""What an environment lets its pipeline do, beyond what the roles of the CDK's bootstrap may."""

from aws_cdk import Environment, Stack
from constructs import Construct

from gantry.delivery.stack_policy import StackPolicyRole
from stacks.layer import stack_arns, tag
from stacks.never_deployed import refuse_when_shown
from stacks.settings import PipelineSettings, Settings


class PipelineAccessStack(Stack):
    """A stack next to the environment's layers, which only a pipeline makes."""

    def __init__(self, scope: Construct, *, settings: Settings, pipeline: PipelineSettings) -> None:
        super().__init__(
            scope,
            "PipelineAccess",
            stack_name=settings.stack_name("pipeline-access"),
            env=Environment(account=settings.account, region=settings.region),
            description="Gantry: what the pipeline may do in this environment",
        )
        tag(self, settings)
        refuse_when_shown(self)
        name = f"{settings.full_name}-stack-policies"
        StackPolicyRole(
            self,
            "StackPolicyRole",
            name=name,
            account=pipeline.account,
            assumed_by=stack_policy_setter(pipeline, settings),
            stacks=stack_arns(self, settings),
        )
        self.role_arn = self.format_arn(service="iam", region="", resource="role", resource_name=name)


def stack_policy_setter(pipeline: PipelineSettings, settings: Settings) -> str:
    """Return the name of the role of the pipeline's step that sets an environment's stack policies.

    With the longest of names that settings allow it still is the name of a role: 64 characters.
    """
    return f"{pipeline.full_name}-{settings.environment}"
