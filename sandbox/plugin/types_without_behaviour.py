"""Resource types that the sandbox records and does nothing with: one line each.

A type belongs here when nothing on this machine behaves differently without it. Every other type that
ministack lacks needs handlers of its own; one that is neither stops the stack with a message that names it.

What ``Ref`` and ``Fn::GetAtt`` return, and which properties replace a resource, is on the page of its type:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from sandbox.plugin.resource_types import AllExcept, TypeWithoutBehaviour
from sandbox.ports import HOST

TYPES_WITHOUT_BEHAVIOUR: dict[str, TypeWithoutBehaviour] = {
    # The sandbox has no network of its own: addresses, gateways and rules mean nothing on the loopback.
    "AWS::EC2::EIP": TypeWithoutBehaviour(
        "192.0.2.1",
        {"PublicIp": "{ref}", "AllocationId": "eipalloc-{hex}"},
        replaces=("Address", "IpamPoolId", "NetworkBorderGroup", "TransferAddress"),
    ),
    "AWS::EC2::FlowLog": TypeWithoutBehaviour("fl-{hex}", {"Id": "{ref}"}, replaces=AllExcept("Tags")),
    "AWS::EC2::NatGateway": TypeWithoutBehaviour(
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
    "AWS::EC2::SecurityGroupEgress": TypeWithoutBehaviour(
        "sgr-{hex}", {"Id": "{ref}"}, replaces=AllExcept("Description")
    ),
    "AWS::EC2::SecurityGroupIngress": TypeWithoutBehaviour(
        "sgr-{hex}", {"Id": "{ref}"}, replaces=AllExcept("Description")
    ),
    # The CDK's own function needs the AWS SDK for JavaScript, which only Lambda's Node.js runtimes have.
    "Custom::VpcRestrictDefaultSG": TypeWithoutBehaviour("default-security-group-{hex}"),
    # No one resolves names through Route 53 here, and zones exist before the platform does.
    "AWS::Route53::HealthCheck": TypeWithoutBehaviour("{uuid}", {"HealthCheckId": "{ref}"}),
    "AWS::Route53::RecordSet": TypeWithoutBehaviour("{Name}", replaces=("HostedZoneId", "HostedZoneName")),
    "AWS::GlobalAccelerator::Accelerator": TypeWithoutBehaviour(
        "arn:aws:globalaccelerator::{account}:accelerator/{uuid}",
        {
            "AcceleratorArn": "{ref}",
            "DnsName": "a{hex}.awsglobalaccelerator.com",
            "DualStackDnsName": "a{hex}.dualstack.awsglobalaccelerator.com",
            "Ipv4Addresses": ["192.0.2.2", "192.0.2.3"],
            "Ipv6Addresses": [],
        },
    ),
    "AWS::GlobalAccelerator::EndpointGroup": TypeWithoutBehaviour(
        "{ListenerArn}/endpoint-group/{hex}",
        {"EndpointGroupArn": "{ref}"},
        replaces=("EndpointGroupRegion", "ListenerArn"),
    ),
    "AWS::GlobalAccelerator::Listener": TypeWithoutBehaviour(
        "{AcceleratorArn}/listener/{hex}", {"ListenerArn": "{ref}"}, replaces=("AcceleratorArn",)
    ),
    # No one attacks, and nothing scales, on a laptop: tasks are processes wherever they should be placed.
    "AWS::ApplicationAutoScaling::ScalableTarget": TypeWithoutBehaviour(
        "{ResourceId}|{ScalableDimension}|{ServiceNamespace}",
        {"Id": "{ref}"},
        replaces=("ResourceId", "ScalableDimension", "ServiceNamespace"),
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": TypeWithoutBehaviour(
        "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{uuid}:policyName/{name}",
        {"Arn": "{ref}"},
        replaces=("PolicyName", "ResourceId", "ScalableDimension", "ScalingTargetId", "ServiceNamespace"),
        named_by="PolicyName",
    ),
    "AWS::ECS::ClusterCapacityProviderAssociations": TypeWithoutBehaviour("{Cluster}", replaces=("Cluster",)),
    "AWS::WAFv2::IPSet": TypeWithoutBehaviour(
        "{Name}|{uuid}|{Scope}",
        {"Arn": "arn:aws:wafv2:{region}:{account}:regional/ipset/{Name}/{uuid}"},
        replaces=("Name", "Scope"),
        named_by="Name",
    ),
    "AWS::WAFv2::LoggingConfiguration": TypeWithoutBehaviour(
        "{ResourceArn}", {"ManagedByFirewallManager": False}, replaces=("ResourceArn",)
    ),
    "AWS::WAFv2::WebACLAssociation": TypeWithoutBehaviour(
        "{ResourceArn}|{WebACLArn}", replaces=("ResourceArn", "WebACLArn")
    ),
    # Nothing is backed up or copied: databases are as safe as the folder that they lie in.
    "AWS::Backup::BackupSelection": TypeWithoutBehaviour(
        "{uuid}", {"Id": "{ref}", "SelectionId": "{ref}"}, replaces=("BackupPlanId", "BackupSelection")
    ),
    "AWS::Backup::RestoreTestingPlan": TypeWithoutBehaviour(
        "{name}",
        {"RestoreTestingPlanArn": "arn:aws:backup:{region}:{account}:restore-testing-plan:{name}-{uuid}"},
        replaces=("RestoreTestingPlanName",),
        named_by="RestoreTestingPlanName",
    ),
    "AWS::Backup::RestoreTestingSelection": TypeWithoutBehaviour(
        "{RestoreTestingPlanName}|{RestoreTestingSelectionName}",
        replaces=("ProtectedResourceType", "RestoreTestingPlanName", "RestoreTestingSelectionName"),
    ),
    "AWS::ECR::ReplicationConfiguration": TypeWithoutBehaviour("{account}", {"RegistryId": "{ref}"}),
    "AWS::ECR::RepositoryCreationTemplate": TypeWithoutBehaviour("{Prefix}", replaces=("Prefix",)),
    # Behind a proxy is the one server of all endpoints.
    "AWS::RDS::DBProxy": TypeWithoutBehaviour(
        "{name}",
        {
            "DBProxyArn": "arn:aws:rds:{region}:{account}:db-proxy:prx-{hex}",
            "Endpoint": HOST,
            "VpcId": "vpc-{hex}",
        },
        replaces=(
            "DBProxyName",
            "EndpointNetworkType",
            "EngineFamily",
            "TargetConnectionNetworkType",
            "VpcSubnetIds",
        ),
        named_by="DBProxyName",
    ),
    "AWS::RDS::DBProxyTargetGroup": TypeWithoutBehaviour(
        "arn:aws:rds:{region}:{account}:target-group:prx-tg-{hex}",
        {"TargetGroupArn": "{ref}"},
        replaces=("DBProxyName", "TargetGroupName"),
    ),
    # Records of API calls, combined alarms, threats and costs are for people who operate an account.
    "AWS::AccessAnalyzer::Analyzer": TypeWithoutBehaviour(
        "arn:aws:access-analyzer:{region}:{account}:analyzer/{name}",
        {"Arn": "{ref}"},
        replaces=("AnalyzerName", "Type"),
        named_by="AnalyzerName",
    ),
    "AWS::Budgets::Budget": TypeWithoutBehaviour(
        "{name}", replaces=("NotificationsWithSubscribers",), named_by="Budget.BudgetName"
    ),
    "AWS::CE::AnomalyMonitor": TypeWithoutBehaviour(
        "arn:aws:ce::{account}:anomalymonitor/{uuid}",
        {"MonitorArn": "{ref}"},
        replaces=("MonitorDimension", "MonitorSpecification", "MonitorType", "ResourceTags"),
    ),
    "AWS::CE::AnomalySubscription": TypeWithoutBehaviour(
        "arn:aws:ce::{account}:anomalysubscription/{uuid}",
        {"AccountId": "{account}", "SubscriptionArn": "{ref}"},
        replaces=("ResourceTags",),
    ),
    "AWS::CloudTrail::Trail": TypeWithoutBehaviour(
        "{name}",
        {"Arn": "arn:aws:cloudtrail:{region}:{account}:trail/{name}", "SnsTopicArn": ""},
        replaces=("TrailName",),
        named_by="TrailName",
    ),
    "AWS::CloudWatch::CompositeAlarm": TypeWithoutBehaviour(
        "{name}",
        {"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"},
        replaces=("AlarmName",),
        named_by="AlarmName",
    ),
    "AWS::GuardDuty::Detector": TypeWithoutBehaviour("{hex}", {"Id": "{ref}"}),
    "AWS::IAM::OIDCProvider": TypeWithoutBehaviour(
        "arn:aws:iam::{account}:oidc-provider/{name}", {"Arn": "{ref}"}, replaces=("Url",), named_by="Url"
    ),
    "AWS::Logs::QueryDefinition": TypeWithoutBehaviour("{uuid}", {"QueryDefinitionId": "{ref}"}),
    "AWS::SecretsManager::ResourcePolicy": TypeWithoutBehaviour(
        "{SecretId}", {"Id": "{ref}"}, replaces=("SecretId",)
    ),
    "AWS::Synthetics::Canary": TypeWithoutBehaviour(
        "{name}", {"Id": "{uuid}", "State": "RUNNING"}, replaces=("Name",), named_by="Name"
    ),
}


def install() -> None:
    """Teach CloudFormation every type without behaviour."""
    for resource_type, each in TYPES_WITHOUT_BEHAVIOUR.items():
        each.register(resource_type)
