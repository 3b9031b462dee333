"""The reasons for which findings of cdk-nag are accepted, held against the templates."""

import json
from collections.abc import Callable, Mapping

import pytest

from ops.assembly import Resource
from ops.security.findings import Finding
from tests.infrastructure.checking import Checker
from tests.infrastructure.synthesis import (
    ENVIRONMENTS,
    ENVIRONMENTS_IN_TURN,
    Synthesised,
    Synthesiser,
    as_list,
)

Check = Callable[[Synthesised, Resource], bool]


def open_to_the_world_only_where_it_listens(platform: Synthesised, group: Resource) -> bool:
    from_anywhere = {
        rule["FromPort"] for rule in group.get("SecurityGroupIngress") if rule.get("CidrIp") == "0.0.0.0/0"
    }
    listeners = {each.get("Port") for each in platform.of_type("AWS::ElasticLoadBalancingV2::Listener")}
    return from_anywhere == listeners


def variables_hold_no_secret(_: Synthesised, task_definition: Resource) -> bool:
    """What is secret is fetched from Secrets Manager by the agent, and resolved by no template."""
    (container,) = task_definition.get("ContainerDefinitions")
    secret = {each["Name"] for each in container["Secrets"]}
    plain = {each["Name"]: json.dumps(each["Value"]) for each in container["Environment"]}
    resolved = any("resolve:" in value or "SecretString" in value for value in plain.values())
    return bool(secret) and not resolved and not secret & plain.keys()


def wildcards_stay_in_one_account_and_service(platform: Synthesised, policy: Resource) -> bool:
    """What is allowed on every resource is listed in test_permissions.py."""
    for statement in policy.get("PolicyDocument", "Statement"):
        for arn in as_list(statement["Resource"]):
            if isinstance(arn, str) and "*" in arn and arn != "*":
                *_, service, _, account, rest = arn.split(":", 5)
                if "*" in service or account != platform.settings.account or rest.startswith("*"):
                    return False
    return True


def rotates_or_is_read_by_functions_alone(platform: Synthesised, secret: Resource) -> bool:
    users = platform.assembly.referrers(secret)
    if any(user.type == "AWS::SecretsManager::RotationSchedule" for user in users):
        return True
    return all("Function" in user.path for user in users if user.type == "AWS::IAM::Policy")


def data_may_be_lost(platform: Synthesised, _: Resource) -> bool:
    return not platform.settings.keeps_data


def stack_is_protected_where_data_is_kept(platform: Synthesised, _: Resource) -> bool:
    return platform.protected("compute") or not platform.settings.keeps_data


def deployments_are_rolled_back_by_it(platform: Synthesised, alarm: Resource) -> bool:
    configuration = platform.only("AWS::ECS::Service").get("DeploymentConfiguration", "Alarms")
    names = json.dumps(configuration["AlarmNames"])
    watched = alarm.get("AlarmName") in names or alarm.logical_id in names
    return bool(watched and configuration["Rollback"])


def can_be_restored_to_any_second(_: Synthesised, table: Resource) -> bool:
    recovery = table.get("PointInTimeRecoverySpecification")
    return (recovery["PointInTimeRecoveryEnabled"], recovery.get("RecoveryPeriodInDays", 35)) == (True, 35)


def only_redirects_to_https(_: Synthesised, listener: Resource) -> bool:
    (action,) = listener.get("DefaultActions")
    return (action["Type"], action.get("RedirectConfig", {}).get("Protocol")) == ("redirect", "HTTPS")


def no_event_is_lost(platform: Synthesised, function: Resource) -> bool:
    """CloudFormation waits for it; or it runs again on a schedule, and an alarm watches it."""
    settings = "AWS::Lambda::EventInvokeConfig"
    users = [user for user in platform.assembly.referrers(function) if user.type != settings]
    if all(user.type.startswith("Custom::") for user in users):
        return bool(users)
    rules = [user for user in users if user.type == "AWS::Events::Rule"]
    alarms = [user for user in users if user.type == "AWS::CloudWatch::Alarm"]
    return all(rule.get("ScheduleExpression") for rule in rules) and any(
        alarm.get("MetricName") == "Errors" and alarm.get("AlarmActions") for alarm in alarms
    )


def cluster_is_monitored(platform: Synthesised, instance: Resource) -> bool:
    (cluster,) = platform.assembly.referents(instance, instance.get("DBClusterIdentifier"))
    return bool(cluster.get("MonitoringInterval", default=0))


def cluster_is_backed_up(platform: Synthesised, instance: Resource) -> bool:
    (cluster,) = platform.assembly.referents(instance, instance.get("DBClusterIdentifier"))
    selected = platform.only("AWS::Backup::BackupSelection").get("BackupSelection", "Resources")
    return cluster in platform.assembly.referents(platform.only("AWS::Backup::BackupSelection"), selected)


def load_balancer_delivers_to_it(platform: Synthesised, bucket: Resource) -> bool:
    balancer = platform.only("AWS::ElasticLoadBalancingV2::LoadBalancer")
    return bucket in platform.assembly.referents(balancer, balancer.get("LoadBalancerAttributes"))


CHECKS: Mapping[str, Check] = {
    "EC23": open_to_the_world_only_where_it_listens,
    "ECS2": variables_hold_no_secret,
    "IAM5": wildcards_stay_in_one_account_and_service,
    "SMG4": rotates_or_is_read_by_functions_alone,
    "SecretsManagerRotationEnabled": rotates_or_is_read_by_functions_alone,
    "RDS10": data_may_be_lost,
    "CloudWatchAlarmAction": deployments_are_rolled_back_by_it,
    "DynamoDBInBackupPlan": can_be_restored_to_any_second,
    "ELBDeletionProtectionEnabled": stack_is_protected_where_data_is_kept,
    "ELBv2ACMCertificateRequired": only_redirects_to_https,
    "LambdaDLQ": no_event_is_lost,
    "RDSEnhancedMonitoringEnabled": cluster_is_monitored,
    "RDSInBackupPlan": cluster_is_backed_up,
    "S3DefaultEncryptionKMS": load_balancer_delivers_to_it,
}
# What no template can show.
LEFT_TO_REVIEW = {
    "S3BucketReplicationEnabled": "whether a bucket is worth a copy is a judgement",
}


def accepted(checked: Checker, environment: str) -> list[Finding]:
    return [
        finding
        for outcome in checked(environment).outcomes
        for finding in outcome.acknowledged
        if not finding.exempt
    ]


def suffix(finding: Finding) -> str:
    return finding.rule.partition("-")[2]


@pytest.mark.parametrize("environment", ENVIRONMENTS_IN_TURN)
def test_reasons_of_acknowledgements_are_true(
    environment: str, checked: Checker, synthesise: Synthesiser
) -> None:
    platform = synthesise(environment)
    resources = {f"{each.stack}/{each.path}": each for each in platform.assembly.resources}
    untrue = {
        f"{finding.id} on {finding.resource}: {finding.reason}"
        for finding in accepted(checked, environment)
        if suffix(finding) not in LEFT_TO_REVIEW
        and not CHECKS[suffix(finding)](platform, resources[finding.resource])
    }
    assert untrue == set()


@pytest.mark.long
def test_every_acknowledged_rule_has_its_check(checked: Checker) -> None:
    rules = {suffix(finding) for environment in ENVIRONMENTS for finding in accepted(checked, environment)}
    assert rules == CHECKS.keys() | LEFT_TO_REVIEW.keys()


def test_compensating_control_of_reserving_concurrency_holds(prod: Synthesised) -> None:
    """No function has an address of its own, and AWS services alone may invoke one."""
    assert not prod.of_type("AWS::Lambda::Url")
    permissions = prod.of_type("AWS::Lambda::Permission")
    assert permissions
    for permission in permissions:
        assert permission.get("Principal").endswith(".amazonaws.com")
        assert permission.get("SourceArn"), permission.path


def test_compensating_control_of_separate_policies_holds(prod: Synthesised) -> None:
    """No role shares its policy with another, and there is no one but roles."""
    assert not prod.of_type("AWS::IAM::User", "AWS::IAM::Group")
    for policy in prod.of_type("AWS::IAM::Policy"):
        assert len(policy.get("Roles")) == 1, policy.path


def test_compensating_control_of_closing_public_subnets_holds(prod: Synthesised) -> None:
    """Public subnets have nothing of ours but the load balancer and the NAT gateways."""
    public = {each.logical_id for each in prod.of_type("AWS::EC2::Subnet") if "public" in each.path}
    allowed = {
        "AWS::EC2::NatGateway",
        "AWS::EC2::Route",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
    }
    subnets = [each for each in prod.of_type("AWS::EC2::Subnet") if each.logical_id in public]
    assert subnets
    users = {user.type for subnet in subnets for user in prod.assembly.referrers(subnet)}
    assert users <= allowed
    assert all(subnet.get("MapPublicIpOnLaunch") is not True for subnet in subnets)
