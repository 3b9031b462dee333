"""Custom resources whose function answers CloudFormation in time."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CustomResource, Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from gantry.functions.python_function import FunctionDefaults, PythonFunction
from gantry.nag import HIPAA, NIST, acknowledge, shared

# The longest that Lambda runs a function: what these wait for takes AWS minutes. The function itself stops
# `gantry_runtime.custom_resource.ANSWER_SECONDS` earlier, and CloudFormation waits longer than it can run.
_FUNCTION_LIMIT = Duration.minutes(15)
# A function in a VPC that was idle for weeks is inactive; until it has a network interface again, which may
# take a minute and a half, Lambda tries again after longer and longer pauses ("Lambda function states").
_STARTING = Duration.minutes(10)


class FunctionResource(Construct):
    """Custom resources of one type that a Python function makes, changes and deletes.

    Parameters
    ----------
    functions
        What the function has in common with others.
    asset
        Name of the function's package; it answers with `gantry_runtime.custom_resource.answer`.
    description
        What the function does.
    security_group
        What the function may reach.
    statements
        What the function may do.
    resource_type
        Type of the resource, ``Custom::<name>``.
    properties
        Properties that CloudFormation sends to the function.
    environment
        Variables of the function, for what else calls it.
    removal_policy
        What becomes of them when their stack is deleted.

    Attributes
    ----------
    function
        The function.
    resource
        The custom resource that the properties describe.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: FunctionDefaults,
        asset: str,
        description: str,
        security_group: ec2.ISecurityGroup,
        statements: Sequence[iam.PolicyStatement],
        resource_type: str,
        properties: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
    ) -> None:
        super().__init__(scope, construct_id)
        function = PythonFunction(
            self,
            "Function",
            defaults=functions,
            asset=asset,
            description=description,
            security_group=security_group,
            statements=statements,
            environment=environment,
            timeout=_FUNCTION_LIMIT,
        )
        # A request that was not answered, or not begun, is CloudFormation's to give up: run later, it would
        # make again what has been deleted meanwhile.
        function.function.configure_async_invoke(retry_attempts=0, max_event_age=_STARTING)
        acknowledge(
            function,
            "CloudFormation fails the deployment that gets no answer, and there is an alarm for what else "
            "invokes it: no failure is lost.",
            *shared("LambdaDLQ", (NIST, HIPAA)),
        )
        self._type, self._removal_policy = resource_type, removal_policy
        self._python, self.function = function, function.function
        self.resource = self._add("Resource", properties)

    def _add(self, construct_id: str, properties: Mapping[str, Any]) -> CustomResource:
        resource = CustomResource(
            self,
            construct_id,
            resource_type=self._type,
            service_token=self.function.function_arn,
            service_timeout=_FUNCTION_LIMIT.plus(_STARTING),
            properties=dict(properties),
            removal_policy=self._removal_policy,
        )
        # With the function's policy, and with what keeps it from being run later.
        resource.node.add_dependency(self._python)
        return resource
