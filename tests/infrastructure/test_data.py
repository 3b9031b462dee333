"""Database and cache: encrypted, reachable over TLS alone, sized as set, entered by the users made for it."""

import json
import re
from pathlib import Path

import pytest

from gantry.monitoring.data_alarms import max_connections
from tests.infrastructure.synthesis import Synthesised, Synthesiser


def test_database_forces_tls(platform: Synthesised) -> None:
    parameters = platform.only("AWS::RDS::DBClusterParameterGroup").get("Parameters")
    assert parameters["rds.force_ssl"] == "1"


def test_database_is_encrypted_and_watched(platform: Synthesised) -> None:
    cluster = platform.only("AWS::RDS::DBCluster")
    (key,) = platform.assembly.referents(cluster, cluster.get("KmsKeyId"))
    assert key.construct == "Keys/Data"
    assert cluster.get("StorageEncrypted") is True
    assert cluster.get("EnableIAMDatabaseAuthentication") is True
    assert cluster.get("PerformanceInsightsEnabled") is True
    assert cluster.get("MonitoringInterval") == 60


def test_capacity_follows_the_guides_variables(synthesise: Synthesiser) -> None:
    platform = synthesise.having(
        "prod", {"aurora.min_capacity": 2.5, "aurora.max_capacity": 64, "aurora.readers": 2}
    )
    scaling = platform.only("AWS::RDS::DBCluster").get("ServerlessV2ScalingConfiguration")
    assert (scaling["MinCapacity"], scaling["MaxCapacity"]) == (2.5, 64)
    assert len(platform.of_type("AWS::RDS::DBInstance")) == 3


def test_first_reader_takes_over_from_the_writer(prod: Synthesised) -> None:
    tiers = {each.name: each.get("PromotionTier") for each in prod.of_type("AWS::RDS::DBInstance")}
    assert tiers == {"Writer": 0, "Reader1": 1}


def test_pause_begins_when_the_settings_say(synthesise: Synthesiser) -> None:
    slow = synthesise.having("dev", {"aurora.auto_pause_seconds": 1800})
    pauses = [
        platform.only("AWS::RDS::DBCluster")
        .get("ServerlessV2ScalingConfiguration")
        .get("SecondsUntilAutoPause")
        for platform in (synthesise("dev"), slow)
    ]
    assert pauses == [None, 1800]


@pytest.mark.parametrize(("insights", "days"), [("standard", 7), ("advanced", 465)])
def test_load_is_recorded_as_long_as_the_mode_demands(
    synthesise: Synthesiser, insights: str, days: int
) -> None:
    platform = synthesise.having("prod", {"aurora.database_insights": insights})
    cluster = platform.only("AWS::RDS::DBCluster")
    assert cluster.get("DatabaseInsightsMode") == insights
    for resource in (cluster, *platform.of_type("AWS::RDS::DBInstance")):
        assert resource.get("PerformanceInsightsRetentionPeriod") == days


def test_every_instance_takes_its_parameters_from_the_cluster(platform: Synthesised) -> None:
    """A group of an instance's own could say otherwise of that instance."""
    assert platform.of_type("AWS::RDS::DBParameterGroup") == []
    cluster = platform.only("AWS::RDS::DBCluster")
    (group,) = platform.assembly.referents(cluster, cluster.get("DBClusterParameterGroupName"))
    assert group.get("Family") == "aurora-postgresql17"


def test_database_is_version_17_and_writes_its_log_to_an_encrypted_group(platform: Synthesised) -> None:
    cluster = platform.only("AWS::RDS::DBCluster")
    assert cluster.get("EngineVersion") == platform.settings.aurora.engine_version
    assert cluster.get("EngineVersion").startswith("17.")
    assert cluster.get("EnableCloudwatchLogsExports") == ["postgresql"]
    name = f"/aws/rds/cluster/{platform.settings.full_name}/postgresql"
    (group,) = [each for each in platform.of_type("AWS::Logs::LogGroup") if each.get("LogGroupName") == name]
    assert group.get("KmsKeyId") is not None
    assert group.get("RetentionInDays") == platform.settings.state.log_retention_days
    assert group.logical_id in platform.template("data")["Resources"][cluster.logical_id]["DependsOn"]


def test_cache_is_kept_in_snapshots_for_as_long_as_set(synthesise: Synthesiser) -> None:
    kept = {
        days: synthesise.having("prod", {"valkey.snapshot_retention_days": days}).only(
            "AWS::ElastiCache::ServerlessCache"
        )
        for days in (0, 14)
    }
    assert {days: cache.get("SnapshotRetentionLimit") for days, cache in kept.items()} == {0: 0, 14: 14}
    assert {days: cache.get("DailySnapshotTime") for days, cache in kept.items()} == {0: None, 14: "04:00"}


def test_dev_pauses_when_no_one_is_connected(synthesise: Synthesiser) -> None:
    scaling = synthesise("dev").only("AWS::RDS::DBCluster").get("ServerlessV2ScalingConfiguration")
    assert scaling["MinCapacity"] == 0


def test_roles_are_made_once_the_writer_runs(platform: Synthesised) -> None:
    template = platform.template("data")["Resources"]
    (roles,) = [each for each in template.values() if each["Type"] == "Custom::DatabaseRoles"]
    writers = [
        logical_id
        for logical_id, each in template.items()
        if each["Type"] == "AWS::RDS::DBInstance" and "Writer" in logical_id
    ]
    assert writers
    assert set(writers) <= set(roles["DependsOn"])


def test_roles_are_made_in_the_services_database(platform: Synthesised) -> None:
    roles = platform.only("Custom::DatabaseRoles")
    assert roles.get("Database") == platform.only("AWS::RDS::DBCluster").get("DatabaseName") == "app"
    secrets = {
        key: [each.name for each in platform.assembly.referents(roles, roles.get(key))]
        for key in ("RotatorSecretArn", "ApplicationSecretArn")
    }
    assert secrets == {"RotatorSecretArn": ["RotatorSecret"], "ApplicationSecretArn": ["DatabaseSecret"]}


def test_cache_is_entered_by_its_two_users_alone(platform: Synthesised) -> None:
    cache = platform.only("AWS::ElastiCache::ServerlessCache")
    (group,) = platform.assembly.referents(cache, cache.get("UserGroupId"))
    users = list(platform.assembly.referents(group, group.get("UserIds")))
    assert [user.type for user in users] == ["Custom::CacheUser", "Custom::CacheUser"]
    assert all("-@admin" in user.get("AccessString") for user in users)


def test_first_user_of_the_cache_keeps_its_id_and_name(platform: Synthesised) -> None:
    """Another id would replace the user, and the secret's first version names it."""
    first, second = platform.of_type("Custom::CacheUser")
    name = platform.settings.full_name
    assert (first.logical_id, first.get("UserId"), first.get("UserName")) == (
        "CacheUserDE8F01C1",
        name,
        "app",
    )
    assert (second.get("UserId"), second.get("UserName")) == (f"{name}-b", "app_b")
    secret = platform.only("AWS::SecretsManager::Secret", path="ValkeySecret")
    template = secret.get("GenerateSecretString", "SecretStringTemplate")
    assert json.loads(template) == {"username": "app"}


def test_template_holds_no_password_of_the_cache(platform: Synthesised) -> None:
    """CloudFormation would send it again on any update, and undo a rotation."""
    assert platform.of_type("AWS::ElastiCache::User") == []
    assert all("Passwords" not in user.properties for user in platform.of_type("Custom::CacheUser"))


def test_function_may_administer_the_two_users_it_is_for(platform: Synthesised) -> None:
    users = [user.get("UserId") for user in platform.of_type("Custom::CacheUser")]
    (resources,) = [
        statement["Resource"]
        for policy, statement in platform.statements()
        if policy.path.startswith("CacheUser/") and "elasticache:ModifyUser" in statement["Action"]
    ]
    settings = platform.settings
    prefix = f"arn:aws:elasticache:{settings.region}:{settings.account}:user:"
    assert resources == [prefix + user for user in users]


def test_cache_costs_no_more_than_its_limits(synthesise: Synthesiser) -> None:
    platform = synthesise.having("prod", {"valkey.max_data_gb": 10, "valkey.max_ecpu_per_second": 9000})
    limits = platform.only("AWS::ElastiCache::ServerlessCache").get("CacheUsageLimits")
    assert limits == {"DataStorage": {"Maximum": 10, "Unit": "GB"}, "ECPUPerSecond": {"Maximum": 9000}}


def test_contract_names_the_connections_that_the_alarm_counts_with() -> None:
    contract = (Path(__file__).parents[2] / "docs" / "service-contract.md").read_text()
    named = re.findall(r"(\d+) units? ([\d,]+)", contract)
    assert len(named) == 6
    for units, connections in named:
        assert max_connections(1, float(units)) == int(connections.replace(",", ""))
    assert f"at most {max_connections(0.5, 256):,} while `aurora.min_capacity` is 0 or 0.5" in contract


def test_password_of_the_rotator_changes_every_week_and_a_failure_enters_alarm(
    platform: Synthesised,
) -> None:
    assembly = platform.assembly
    function = platform.only("AWS::Lambda::Function", path="DatabaseRoles/Function")
    rule = platform.only("AWS::Events::Rule", path="DatabaseRoles/Weekly")
    ((target,),) = [rule.get("Targets")]
    assert rule.get("ScheduleExpression") == "cron(0 12 ? * WED *)"
    assert list(assembly.referents(rule, target["Arn"])) == [function]
    alarm = platform.only("AWS::CloudWatch::Alarm", path="DatabaseRoles/FailedAlarm")
    ((dimension,),) = [alarm.get("Dimensions")]
    assert alarm.get("MetricName") == "Errors"
    assert list(assembly.referents(alarm, dimension["Value"])) == [function]
    assert alarm.get("AlarmActions")
    variables = function.get("Environment", "Variables")
    (secret,) = assembly.referents(function, variables["ROTATOR_SECRET_ARN"])
    assert secret.get("Name").endswith("/database-rotator")
    (cluster,) = assembly.referents(function, variables["DATABASE_CLUSTER"])
    assert cluster.type == "AWS::RDS::DBCluster"
