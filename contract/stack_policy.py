"""What no update of a stack may replace or remove, as a stack policy.

"Prevent updates to stack resources" (AWS CloudFormation User Guide): a policy protects what no statement
allows, a Deny counts more than an Allow, and the deletion of the stack itself is not its business.
"""

from collections.abc import Collection, Mapping
from typing import Any

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
