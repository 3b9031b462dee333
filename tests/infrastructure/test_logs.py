"""What is recorded, for how long, and that AWS may write it."""

import fnmatch
from typing import Any

from contract import log_groups
from ops.assembly import Resource
from tests.infrastructure.synthesis import Synthesised, Synthesiser, as_list


def group_name(group: Resource) -> str:
    """Return the name of a log group, with a word for what AWS makes up."""
    name = group.get("LogGroupName")
    parts = [name] if isinstance(name, str) else name["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else "generated" for part in parts)


def bucket_statements(platform: Synthesised, name: str, service: str) -> list[dict[str, Any]]:
    policy = platform.only("AWS::S3::BucketPolicy", path=f"{name}/Policy")
    return [
        statement
        for statement in policy.get("PolicyDocument", "Statement")
        if statement["Principal"] == {"Service": service}
    ]


def test_log_groups_are_encrypted_and_forget_in_time(platform: Synthesised) -> None:
    groups = platform.of_type("AWS::Logs::LogGroup")
    assert len(groups) >= 6
    for group in groups:
        assert group.get("RetentionInDays") == platform.settings.state.log_retention_days, group.path
        (key,) = platform.assembly.referents(group, group.get("KmsKeyId"))
        assert key.construct == "Keys/Logs", group.path


def test_key_of_the_logs_may_be_used_for_every_log_group(platform: Synthesised) -> None:
    """CloudWatch Logs refuses to make a group whose name the key's policy does not cover."""
    key = platform.only("AWS::KMS::Key", path="Keys/Logs")
    (statement,) = [s for s in key.get("KeyPolicy", "Statement") if s.get("Sid") == "EncryptLogGroups"]
    patterns = as_list(statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"])
    where = f"arn:aws:logs:{platform.settings.region}:{platform.settings.account}:log-group:"
    for group in platform.of_type("AWS::Logs::LogGroup"):
        arn = where + group_name(group)
        assert any(fnmatch.fnmatchcase(arn, pattern) for pattern in patterns), arn


def test_load_balancer_may_deliver_to_its_bucket(platform: Synthesised) -> None:
    balancer = platform.only("AWS::ElasticLoadBalancingV2::LoadBalancer")
    attributes = {each["Key"]: each["Value"] for each in balancer.get("LoadBalancerAttributes")}
    assert attributes["access_logs.s3.enabled"] == "true"
    (statement,) = bucket_statements(
        platform, "DeliveryBucket", "logdelivery.elasticloadbalancing.amazonaws.com"
    )
    account = platform.settings.account
    allowed = statement["Resource"]["Fn::Join"][1][1]
    assert allowed == f"/{attributes['access_logs.s3.prefix']}/AWSLogs/{account}/*"
    (bucket,) = platform.assembly.referents(balancer, attributes["access_logs.s3.bucket"])
    assert bucket.name == "DeliveryBucket"


def test_delivery_bucket_is_one_that_aws_delivers_to(platform: Synthesised) -> None:
    """Encrypted by S3 and without Object Lock, or the logs are dropped."""
    bucket = platform.only("AWS::S3::Bucket", path="DeliveryBucket")
    (rule,) = bucket.get("BucketEncryption", "ServerSideEncryptionConfiguration")
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert bucket.get("ObjectLockEnabled") is None


def test_trail_alone_may_write_its_bucket(platform: Synthesised) -> None:
    # Also where another environment makes the trail: the bucket waits for the day on which it is this one's.
    trail = f"arn:aws:cloudtrail:{platform.settings.region}:{platform.settings.account}:trail/"
    trail += platform.settings.full_name
    statements = bucket_statements(platform, "TrailBucket", "cloudtrail.amazonaws.com")
    assert {s["Action"] for s in statements} == {"s3:GetBucketAcl", "s3:PutObject"}
    assert {s["Condition"]["StringEquals"]["aws:SourceArn"] for s in statements} == {trail}
    key = platform.only("AWS::KMS::Key", path="Keys/Logs")
    encrypting = [s for s in key.get("KeyPolicy", "Statement") if s.get("Sid") == "EncryptTrail"]
    assert [s["Condition"]["StringEquals"]["aws:SourceArn"] for s in encrypting] == [trail]


def test_record_of_the_account_cannot_be_changed_in_prod(prod: Synthesised) -> None:
    trail = prod.only("AWS::CloudTrail::Trail")
    assert trail.get("TrailName") == prod.settings.full_name
    assert trail.get("EnableLogFileValidation") is True
    assert trail.get("IsMultiRegionTrail") is True
    bucket = prod.only("AWS::S3::Bucket", path="TrailBucket")
    retention = bucket.get("ObjectLockConfiguration", "Rule", "DefaultRetention")
    assert retention == {"Mode": "GOVERNANCE", "Days": prod.settings.state.log_retention_days}


def test_buckets_log_who_reads_them(platform: Synthesised) -> None:
    for bucket in platform.of_type("AWS::S3::Bucket"):
        if bucket.name != "DeliveryBucket":
            destination = bucket.get("LoggingConfiguration", "DestinationBucketName")
            (target,) = platform.assembly.referents(bucket, destination)
            assert target.name == "DeliveryBucket"


def test_without_the_trail_nothing_of_it_is_left_in_the_security_layer(synthesise: Synthesiser) -> None:
    off = synthesise.having("prod", {"security.trail": "off"})
    assert not off.of_type("AWS::CloudTrail::Trail")
    assert not [each for each in off.of_type("AWS::Logs::LogGroup") if "trail" in group_name(each)]


def test_firewall_logs_what_it_refuses_without_credentials(platform: Synthesised) -> None:
    logging = platform.only("AWS::WAFv2::LoggingConfiguration")
    (destination,) = logging.get("LogDestinationConfigs")
    (group,) = platform.assembly.referents(logging, destination)
    assert group.get("LogGroupName").startswith("aws-waf-logs-")
    redacted = {field["SingleHeader"]["Name"] for field in logging.get("RedactedFields")}
    assert redacted == {"authorization", "cookie"}
    assert logging.get("LoggingFilter")["DefaultBehavior"] == "DROP"


def test_traffic_of_the_network_is_recorded(platform: Synthesised) -> None:
    flow_log = platform.only("AWS::EC2::FlowLog")
    assert flow_log.get("TrafficType") == "ALL"
    (group,) = platform.assembly.referents(flow_log, flow_log.get("LogGroupName"))
    assert group.get("LogGroupName") == f"/{platform.settings.prefix}/vpc-flow-logs"


def test_role_of_flow_logs_is_of_use_to_flow_logs_of_this_account_alone(platform: Synthesised) -> None:
    flow_log = platform.only("AWS::EC2::FlowLog")
    (role,) = platform.assembly.referents(flow_log, flow_log.get("DeliverLogsPermissionArn"))
    (trust,) = role.get("AssumeRolePolicyDocument", "Statement")
    account, region = platform.settings.account, platform.settings.region
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ec2:{region}:{account}:vpc-flow-log/*"},
    }
    written = {
        resource.name
        for policy, statement in platform.statements()
        if policy.path.startswith("Network/FlowLogRole/DefaultPolicy")
        for resource in platform.assembly.referents(policy, statement["Resource"])
    }
    assert written == {"FlowLogGroup"}


def test_database_log_is_kept_where_rds_writes_it(platform: Synthesised) -> None:
    cluster = platform.only("AWS::RDS::DBCluster")
    names = {group_name(group) for group in platform.of_type("AWS::Logs::LogGroup")}
    for export in cluster.get("EnableCloudwatchLogsExports"):
        assert f"/aws/rds/cluster/{cluster.get('DBClusterIdentifier')}/{export}" in names


def test_every_log_group_has_a_name_for_operators_and_every_name_a_log_group(synthesise: Synthesiser) -> None:
    """`./gantry logs` finds them by it."""
    used = set()
    for platform in (
        synthesise.having("prod", {"aurora.proxy": True, "canary.enabled": True}),
        synthesise.having("sandbox", {"ecs.execute_command": True}),
    ):
        known = log_groups.sources(platform.settings.log_group_prefix, platform.settings.full_name)
        for group in platform.of_type("AWS::Logs::LogGroup"):
            name = group_name(group)
            of = {source for source, pattern in known.items() if fnmatch.fnmatchcase(name, pattern)}
            assert len(of) == 1, name
            used |= of
    assert used == set(known)
