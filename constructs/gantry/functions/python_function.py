"""Lambda functions in Python, in the VPC and allowed nothing but what is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from contract import log_groups
from gantry.functions.python_asset import PYTHON_VERSION, PythonSource
from gantry.monitoring.log_groups import LogDefaults
from gantry.nag import acknowledge

_RUNTIME = lambda_.Runtime(f"python{PYTHON_VERSION}", lambda_.RuntimeFamily.PYTHON)
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
_NETWORK_INTERFACE = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]


@dataclass(frozen=True, kw_only=True)
class FunctionDefaults:
    """What the functions of a stack have in common.

    Attributes
    ----------
    source
        Where their code is.
    vpc
        Where they run, in private subnets.
    log_defaults
        Of their log groups.
    """

    source: PythonSource
    vpc: ec2.IVpc
    log_defaults: LogDefaults


class PythonFunction(Construct):
    """A function whose handler is ``handler`` in ``<asset>/handler.py``.

    Parameters
    ----------
    defaults
        What it has in common with other functions.
    asset
        Name of its package.
    name
        What its log group is named after; the asset's name by default.
    description
        What it does.
    security_group
        What it may reach.
    statements
        What it may do, besides writing its log.
    environment
        Its variables.
    timeout, memory_mib
        Limits of one invocation.
    traced
        Whether X-Ray follows its invocations.
    dead_letter_queue
        Gets events that it failed to handle.

    Attributes
    ----------
    function
        The function.
    role
        Its execution role.
    log_group
        Its log group.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        defaults: FunctionDefaults,
        asset: str,
        name: str | None = None,
        description: str,
        security_group: ec2.ISecurityGroup,
        environment: Mapping[str, str] | None = None,
        timeout: Duration,
        statements: Sequence[iam.PolicyStatement] = (),
        memory_mib: int = 256,
        traced: bool = False,
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        log_name = log_groups.function(name or asset.replace("_", "-"))
        self.log_group = defaults.log_defaults.group(self, name=log_name)
        self.role = self._role(statements)
        zipped = defaults.source.build(asset)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=_RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(zipped.path), asset_hash=zipped.content_hash),
            handler=f"{asset}.handler.handler",
            description=description,
            role=self.role,
            vpc=defaults.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[security_group],
            environment=dict(environment or {}),
            timeout=timeout,
            memory_size=memory_mib,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            tracing=lambda_.Tracing.ACTIVE if traced else lambda_.Tracing.DISABLED,
            dead_letter_queue=dead_letter_queue,
        )

    def _role(self, statements: Sequence[iam.PolicyStatement]) -> iam.Role:
        """Return a role of its own: AWS's managed policies allow writing to every log group."""
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.log_group.grant_write(role)
        role.add_to_policy(iam.PolicyStatement(actions=_NETWORK_INTERFACE, resources=["*"]))
        # Lambda attaches the function to the network; the function's own code has no business there.
        role.add_to_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=_NETWORK_INTERFACE,
                resources=["*"],
                conditions={"Null": {"lambda:SourceFunctionArn": "false"}},
            )
        )
        for statement in statements:
            role.add_to_policy(statement)
        acknowledge(
            role,
            "Lambda attaches functions to a VPC with actions on network interfaces that do not exist yet; it "
            "refuses a role that has them on less than every resource. X-Ray's actions, ecs:ListTasks and "
            "those on restore jobs, which some functions have besides, know no resource.",
            "AwsSolutions-IAM5[Resource::*]",
        )
        return role
