"""Who may set the policies of stacks."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from gantry.nag import acknowledge


def allow_stack_policies(role: iam.Role, stacks: Sequence[str], *, comparing: bool = False) -> None:
    """Let a role set the policies of stacks: the roles of the CDK's bootstrap may not.

    Parameters
    ----------
    role
        The role.
    stacks
        ARNs of the stacks, with a wildcard for the id that CloudFormation gives each.
    comparing
        Whether it also compares the stacks with what it is about to deploy.
    """
    compares = ["cloudformation:DescribeStacks", "cloudformation:GetTemplate"] if comparing else []
    role.add_to_policy(
        iam.PolicyStatement(actions=[*compares, "cloudformation:SetStackPolicy"], resources=list(stacks))
    )
    acknowledge(
        role,
        "CloudFormation gives each stack an id, which is part of its ARN and unknown before it exists.",
        *(f"AwsSolutions-IAM5[Resource::{arn}]" for arn in stacks),
    )


class StackPolicyRole(iam.Role):
    """A role that another account's role assumes to set the policies of stacks, and nothing else.

    Parameters
    ----------
    name
        Name of the role.
    account, assumed_by
        The account and the name of the role that assumes it. The trust is by name, so that the other role can
        be deleted and created again.
    stacks
        ARNs of the stacks, as `allow_stack_policies` takes them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        account: str,
        assumed_by: str,
        stacks: Sequence[str],
    ) -> None:
        other = Stack.of(scope).format_arn(
            service="iam", region="", account=account, resource="role", resource_name=assumed_by
        )
        super().__init__(
            scope,
            construct_id,
            role_name=name,
            description="Sets the policies of the environment's stacks after a deployment",
            assumed_by=iam.AccountPrincipal(account).with_conditions(
                {"ArnEquals": {"aws:PrincipalArn": other}}
            ),
        )
        allow_stack_policies(self, stacks)
