"""Resource types that the sandbox records and does nothing with: one line each.

A type belongs here when nothing on this machine behaves differently without it. Every other type that
ministack lacks needs handlers of its own; one that is neither stops the stack with a message that names it.
"""

from sandbox.plugin.resource_types import AllExcept, Recorded

RECORDED: dict[str, Recorded] = {
    # The sandbox has no network of its own: addresses, gateways and rules mean nothing on the loopback.
    "AWS::EC2::EIP": Recorded(
        "192.0.2.1",
        {"PublicIp": "{ref}", "AllocationId": "eipalloc-{hex}"},
        replaces=("Address", "IpamPoolId", "NetworkBorderGroup", "TransferAddress"),
    ),
    "AWS::EC2::FlowLog": Recorded("fl-{hex}", {"Id": "{ref}"}, replaces=AllExcept("Tags")),
    "AWS::EC2::NatGateway": Recorded(
        "nat-{hex}",
        {"NatGatewayId": "{ref}", "EniId": "eni-{hex}", "RouteTableId": "rtb-{hex}"},
        replaces=(
            "AllocationId",
            "AvailabilityMode",
            "ConnectivityType",
            "PrivateIpAddress",
            "SubnetId",
            "VpcId",
        ),
    ),
    "AWS::EC2::SecurityGroupEgress": Recorded(
        "sgr-{hex}", {"Id": "{ref}"}, replaces=AllExcept("Description")
    ),
    "AWS::EC2::SecurityGroupIngress": Recorded(
        "sgr-{hex}", {"Id": "{ref}"}, replaces=AllExcept("Description")
    ),
    # The CDK's own function needs the AWS SDK for JavaScript, which only Lambda's Node.js runtimes have.
    "Custom::VpcRestrictDefaultSG": Recorded("default-security-group-{hex}"),
    # A restore test takes an AWS that restores by itself.
    "AWS::Backup::RestoreTestingPlan": Recorded(
        "{RestoreTestingPlanName}",
        {"RestoreTestingPlanArn": "arn:aws:backup:{region}:{account}:restore-testing-plan:{ref}-{uuid}"},
        replaces=("RestoreTestingPlanName",),
    ),
    "AWS::Backup::RestoreTestingSelection": Recorded(
        "{RestoreTestingPlanName}|{RestoreTestingSelectionName}",
        replaces=("ProtectedResourceType", "RestoreTestingPlanName", "RestoreTestingSelectionName"),
    ),
    # Nobody attacks, and nothing scales, on a laptop.
    "AWS::ApplicationAutoScaling::ScalableTarget": Recorded(
        "{ResourceId}|{ScalableDimension}|{ServiceNamespace}",
        {"Id": "{ref}"},
        replaces=("ResourceId", "ScalableDimension", "ServiceNamespace"),
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": Recorded(
        "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{uuid}:policyName/{name}",
        {"Arn": "{ref}"},
        replaces=("PolicyName", "ResourceId", "ScalableDimension", "ScalingTargetId", "ServiceNamespace"),
        named_by="PolicyName",
    ),
    "AWS::WAFv2::LoggingConfiguration": Recorded(
        "{ResourceArn}", {"ManagedByFirewallManager": False}, replaces=("ResourceArn",)
    ),
    "AWS::WAFv2::WebACLAssociation": Recorded(
        "{ResourceArn}|{WebACLArn}", replaces=("ResourceArn", "WebACLArn")
    ),
    # There are no intruders, nothing is open to others than this machine, and nobody deploys from elsewhere.
    "AWS::AccessAnalyzer::Analyzer": Recorded(
        "arn:aws:access-analyzer:{region}:{account}:analyzer/{name}",
        {"Arn": "{ref}"},
        replaces=("AnalyzerName", "Type"),
        named_by="AnalyzerName",
    ),
    "AWS::GuardDuty::Detector": Recorded("{hex}", {"Id": "{ref}"}),
    "AWS::IAM::OIDCProvider": Recorded(
        "arn:aws:iam::{account}:oidc-provider/{name}", {"Arn": "{ref}"}, replaces=("Url",)
    ),
    # Costs, looks from outside and records of API calls are for people who operate an account.
    "AWS::Budgets::Budget": Recorded(
        "{name}", {"Id": "{ref}"}, replaces=("Budget", "NotificationsWithSubscribers")
    ),
    "AWS::CE::AnomalyMonitor": Recorded(
        "arn:aws:ce::{account}:anomalymonitor/{uuid}",
        {"MonitorArn": "{ref}"},
        replaces=("MonitorType", "MonitorDimension", "MonitorSpecification", "ResourceTags"),
    ),
    "AWS::CE::AnomalySubscription": Recorded(
        "arn:aws:ce::{account}:anomalysubscription/{uuid}",
        {"SubscriptionArn": "{ref}"},
        replaces=("ResourceTags",),
    ),
    "AWS::Synthetics::Canary": Recorded(
        "{name}", {"Id": "{uuid}", "State": "RUNNING"}, replaces=("Name",), named_by="Name"
    ),
    "AWS::CloudTrail::Trail": Recorded(
        "{name}",
        {"Arn": "arn:aws:cloudtrail:{region}:{account}:trail/{name}", "SnsTopicArn": ""},
        replaces=("TrailName",),
        named_by="TrailName",
    ),
    "AWS::CloudWatch::CompositeAlarm": Recorded(
        "{name}",
        {"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"},
        replaces=("AlarmName",),
        named_by="AlarmName",
    ),
    "AWS::Logs::QueryDefinition": Recorded("{uuid}", {"QueryDefinitionId": "{ref}"}),
    "AWS::SecretsManager::ResourcePolicy": Recorded("{SecretId}", {"Id": "{ref}"}, replaces=("SecretId",)),
}


def install() -> None:
    """Teach CloudFormation every recorded type."""
    for resource_type, recorded in RECORDED.items():
        recorded.register(resource_type)
