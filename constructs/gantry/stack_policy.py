"""What no update of a stack may replace or remove, as a stack policy, and who may set one.

"Prevent updates to stack resources" (AWS CloudFormation User Guide): a policy protects what no statement
allows, a Deny counts more than an Allow, and the deletion of the stack itself is not its business.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from gantry.nag import acknowledge

# What holds data.
STATEFUL = frozenset(
    {
        "AWS::Backup::BackupVault",
        "AWS::DynamoDB::Table",
        "AWS::ECR::Repository",
        "AWS::ElastiCache::ServerlessCache",
        "AWS::KMS::Key",
        "AWS::RDS::DBCluster",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
    }
)
# What holds no data, but is more than its properties: what replaces it has other addresses or subscribers,
# takes the database along, sends requests to a target group that may be empty (a listener rule, whose weights
# ECS moves), or (custom resources) is undone by the function behind it.
IRREPLACEABLE = frozenset(
    {
        "AWS::EC2::EIP",
        "AWS::EC2::Subnet",
        "AWS::EC2::VPC",
        "AWS::ElastiCache::UserGroup",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "AWS::GlobalAccelerator::Accelerator",
        "AWS::RDS::DBInstance",
        "AWS::RDS::DBSubnetGroup",
        "AWS::SNS::Topic",
    }
)
# Instances, addresses of NAT gateways and the rule of a second target group: settings say how many there are.
COUNTED = frozenset({"AWS::EC2::EIP", "AWS::ElasticLoadBalancingV2::ListenerRule", "AWS::RDS::DBInstance"})


def _deny(action: str, types: Collection[str]) -> dict[str, Any]:
    condition = {"StringEquals": {"ResourceType": sorted(types)}}
    return {"Effect": "Deny", "Action": action, "Principal": "*", "Resource": "*", "Condition": condition}


ALLOW_ALL: Mapping[str, Any] = {
    "Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]
}
POLICY: Mapping[str, Any] = {
    "Statement": [
        *ALLOW_ALL["Statement"],
        _deny("Update:Replace", STATEFUL | IRREPLACEABLE),
        _deny("Update:Delete", (STATEFUL | IRREPLACEABLE) - COUNTED),
    ]
}


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
