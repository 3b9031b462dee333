"""Rotations: each function may touch the secrets that are named for it and nothing else, and is watched."""

import json
from typing import Any

import pytest

from gantry_runtime import postgres
from ops.assembly import Resource
from rotation import cache, proxy
from tests.infrastructure.synthesis import Synthesised, Synthesiser, as_list

ROTATIONS = {"DatabaseRotation": "database", "ValkeyRotation": "valkey", "SigningKeyRotation": "signing-key"}
WRITE = {
    "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
}  # fmt: skip
# Besides the secrets: every action that a function's own code has, without those on its log and its network.
COMMON = {
    "ecs:DescribeServices", "ecs:DescribeTasks", "ecs:ListTasks", "ecs:UpdateService",
    "kms:Decrypt", "kms:GenerateDataKey", "sqs:SendMessage",
    "xray:PutTelemetryRecords", "xray:PutTraceSegments",
}  # fmt: skip
OWN = {
    "DatabaseRotation": {"rds:DescribeDBClusters"},
    "ValkeyRotation": {
        "elasticache:DescribeUsers",
        "elasticache:ModifyUser",
        "elasticache:DescribeUserGroups",
        "elasticache:ModifyUserGroup",
    },
    "SigningKeyRotation": set[str](),
}

each_rotation = pytest.mark.parametrize("rotation", ROTATIONS)


def allowed(platform: Synthesised, rotation: str) -> list[tuple[Resource, dict[str, Any]]]:
    return [
        (policy, statement)
        for policy, statement in platform.statements()
        if policy.type == "AWS::IAM::Policy"
        and policy.path.startswith(f"{rotation}/")
        and statement["Effect"] == "Allow"
    ]


def secret_names(platform: Synthesised, resource: Resource, value: Any) -> set[str]:  # noqa: ANN401 - JSON
    secrets = platform.assembly.referents(resource, value)
    return {secret.get("Name").removeprefix(f"{platform.settings.prefix}/") for secret in secrets}


@each_rotation
def test_limits_of_lock_statement_step_and_function_are_in_order(
    platform: Synthesised, rotation: str
) -> None:
    settings = postgres._PRIVILEGED
    lock, statement = (
        float(text.removesuffix("s")) for text in (postgres.LOCK_TIMEOUT, settings["statement_timeout"])
    )
    waits = {
        "DatabaseRotation": proxy._PATIENCE_SECONDS,
        "ValkeyRotation": cache.ANNOUNCEMENT_DELAY.total_seconds()
        + cache.CHANGE_SECONDS
        + cache._EFFECT_SECONDS,
        "SigningKeyRotation": 0.0,
    }
    function = platform.only("AWS::Lambda::Function", path=rotation)
    schedule = platform.only("AWS::SecretsManager::RotationSchedule", path=rotation)
    window = int(schedule.get("RotationRules", "Duration").removesuffix("h")) * 3600
    assert lock < statement < postgres._TIMEOUT_SECONDS
    # What a step does except waiting for AWS: two log-ins to a database that resumes, and calls.
    assert waits[rotation] + 2 * postgres._TIMEOUT_SECONDS + 60 < function.get("Timeout") < window


@each_rotation
def test_function_touches_only_the_secrets_named_for_it(platform: Synthesised, rotation: str) -> None:
    touched: dict[str, set[str]] = {}
    for policy, statement in allowed(platform, rotation):
        actions = {action for action in as_list(statement["Action"]) if action.startswith("secretsmanager:")}
        for name in secret_names(platform, policy, statement["Resource"]) if actions else ():
            touched[name] = touched.get(name, set()) | actions
    expected = {ROTATIONS[rotation]: WRITE}
    if rotation == "DatabaseRotation":
        expected["database-rotator"] = {"secretsmanager:GetSecretValue"}
    assert touched == expected


@each_rotation
def test_function_may_do_nothing_else(platform: Synthesised, rotation: str) -> None:
    actions = {
        action
        for _, statement in allowed(platform, rotation)
        for action in as_list(statement["Action"])
        if action.partition(":")[0] not in {"secretsmanager", "logs", "ec2"}
    }
    assert actions == COMMON | OWN[rotation]


@each_rotation
def test_function_stops_deployments_of_this_service_where_they_move_traffic(
    synthesise: Synthesiser, rotation: str
) -> None:
    platform = synthesise("prod", {"deployment.alternate_target_group": True, "ecs.start_seconds": 120})
    resources = {
        action: json.dumps(statement["Resource"])
        for _, statement in allowed(platform, rotation)
        for action in as_list(statement["Action"])
        if "ServiceDeployment" in action
    }
    assert set(resources) == {
        "ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments", "ecs:StopServiceDeployment"
    }  # fmt: skip
    assert ":service-deployment/gantry-prod/gantry-prod/*" in resources["ecs:StopServiceDeployment"]
    function = platform.only("AWS::Lambda::Function", path=f"{rotation}/Function")
    assert function.get("Environment", "Variables")["RELEASE_SECONDS"] == str(3 * 120 + 15 * 60)


@each_rotation
def test_function_changes_this_service_and_sees_the_tasks_of_this_cluster(
    platform: Synthesised, rotation: str
) -> None:
    for policy, statement in allowed(platform, rotation):
        actions = as_list(statement["Action"])
        if "ecs:UpdateService" in actions:
            (service,) = platform.assembly.referents(policy, statement["Resource"])
            assert service.type == "AWS::ECS::Service"
        if {"ecs:ListTasks", "ecs:DescribeTasks"} & set(actions):
            (cluster,) = platform.assembly.referents(policy, statement["Condition"]["ArnEquals"])
            assert cluster.type == "AWS::ECS::Cluster"


def test_function_of_the_cache_changes_the_two_users_alone(platform: Synthesised) -> None:
    ((policy, statement),) = (
        (policy, statement)
        for policy, statement in allowed(platform, "ValkeyRotation")
        if "elasticache:ModifyUser" in as_list(statement["Action"])
    )
    users = list(platform.assembly.referents(policy, statement["Resource"]))
    assert users == platform.of_type("Custom::CacheUser")
    function = platform.only("AWS::Lambda::Function", path="ValkeyRotation/Function")
    variables = function.get("Environment", "Variables")
    assert list(platform.assembly.referents(function, variables["CACHE_USER_IDS"])) == users
    (group,) = platform.of_type("AWS::ElastiCache::UserGroup")
    assert variables["CACHE_USER_GROUP"] == group.get("UserGroupId")
    assert variables["CACHE_USER_NAMES"].split(",") == [user.get("UserName") for user in users]
    assert {variables["CACHE_ACCESS_STRING"]} == {user.get("AccessString") for user in users}


@each_rotation
def test_secret_rotates_on_schedule_and_not_while_it_is_deployed(
    platform: Synthesised, rotation: str
) -> None:
    schedule = platform.only("AWS::SecretsManager::RotationSchedule", path=f"{rotation}/")
    assert secret_names(platform, schedule, schedule.get("SecretId")) == {ROTATIONS[rotation]}
    assert schedule.get("RotateImmediatelyOnUpdate") is False
    assert schedule.get("RotationRules", "ScheduleExpression").startswith("cron(")
    (function,) = platform.assembly.referents(schedule, schedule.get("RotationLambdaARN"))
    assert function.path.startswith(f"{rotation}/")


def test_secret_is_overdue_a_fifth_after_its_schedules_longest_pause(synthesise: Synthesiser) -> None:
    """Days that contradict the schedule would report a yearly one every month, and a weekly one too late."""
    weekly = synthesise.having("prod", {"rotation.database_schedule": "cron(0 3 ? * SUN *)"})
    alarms = {each.path: each.get("Threshold") for each in weekly.of_type("AWS::CloudWatch::Alarm")}
    overdue = {path.split("/")[0]: days for path, days in alarms.items() if "OverdueAlarm" in path}
    assert {name: round(overdue[name] / 1.2) for name in ROTATIONS} == {
        "DatabaseRotation": 7,
        "ValkeyRotation": 31,
        "SigningKeyRotation": 92,
    }


def test_secrets_do_not_rotate_at_once(platform: Synthesised) -> None:
    schedules = platform.of_type("AWS::SecretsManager::RotationSchedule")
    expressions = {each.get("RotationRules", "ScheduleExpression") for each in schedules}
    assert len(expressions) == len(schedules) == 3


def test_log_that_says_the_rotator_is_refused_has_its_password_changed(platform: Synthesised) -> None:
    (subscription,) = platform.of_type("AWS::Logs::SubscriptionFilter")
    (log_group,) = platform.assembly.referents(subscription, subscription.get("LogGroupName"))
    assert log_group.path.startswith("DatabaseRotation/")
    assert subscription.get("FilterPattern") == '"gantry_rotator is refused"'
    (function,) = platform.assembly.referents(subscription, subscription.get("DestinationArn"))
    assert function.path.startswith("DatabaseRoles/")
    # CloudWatch Logs tries the function while it makes the filter.
    awaited = [
        each
        for each in platform.of_type("AWS::Lambda::Permission")
        if each.logical_id in subscription.depends_on and each.stack == subscription.stack
    ]
    assert [each.get("Principal") for each in awaited] == ["logs.amazonaws.com"]


@each_rotation
def test_only_secrets_manager_for_this_secret_and_the_reconcile_rules_invoke_the_function(
    platform: Synthesised, rotation: str
) -> None:
    invokers = set()
    for permission in platform.of_type("AWS::Lambda::Permission"):
        (function,) = platform.assembly.referents(permission, permission.get("FunctionName"))
        if not function.path.startswith(f"{rotation}/"):
            continue
        (source,) = platform.assembly.referents(permission, permission.get("SourceArn"))
        invokers.add((permission.get("Principal"), source.name))
        if permission.get("Principal") == "secretsmanager.amazonaws.com":
            assert permission.get("SourceAccount") == platform.settings.account
            assert secret_names(platform, permission, permission.get("SourceArn")) == {ROTATIONS[rotation]}
    assert {principal for principal, _ in invokers} == {
        "secretsmanager.amazonaws.com",
        "events.amazonaws.com",
    }
    assert len(invokers) == 3


@each_rotation
def test_function_is_configured_for_its_secret(platform: Synthesised, rotation: str) -> None:
    function = platform.only("AWS::Lambda::Function", path=f"{rotation}/")
    variables = function.get("Environment", "Variables")
    assert variables["STRATEGY"] == ROTATIONS[rotation]
    assert secret_names(platform, function, variables["SECRET_ARN"]) == {ROTATIONS[rotation]}
    assert {"CLUSTER", "SERVICE"} <= set(variables)
    assert function.get("DeadLetterConfig", "TargetArn")
    # What waits in it, at the longest: for others to notice, for a change, and for its effect, twice.
    assert function.get("Timeout") >= 150


@each_rotation
def test_failures_and_delays_raise_alarms(platform: Synthesised, rotation: str) -> None:
    alarms = {
        alarm.get("MetricName"): alarm
        for alarm in platform.of_type("AWS::CloudWatch::Alarm")
        if alarm.path.startswith(f"{rotation}/")
    }
    assert set(alarms) == {
        "Errors", "DaysSinceRotation", "HoursPreviousCredentialActive", "ApproximateNumberOfMessagesVisible",
    }  # fmt: skip
    days = 92 if rotation == "SigningKeyRotation" else 31
    assert alarms["DaysSinceRotation"].get("Threshold") == pytest.approx(days * 1.2)
    for name in ("DaysSinceRotation", "HoursPreviousCredentialActive"):
        assert alarms[name].get("Namespace") == "Gantry"
        dimensions = {each["Name"]: each["Value"] for each in alarms[name].get("Dimensions")}
        assert dimensions == {
            "service": "rotation",
            "Secret": f"{platform.settings.prefix}/{ROTATIONS[rotation]}",
        }
    for alarm in alarms.values():
        (topic,) = platform.assembly.referents(alarm, alarm.get("AlarmActions"))
        assert topic.type == "AWS::SNS::Topic"
        assert "docs/rotation.md" in alarm.get("AlarmDescription")


def test_rotators_password_that_nothing_changes_any_more_is_noticed(platform: Synthesised) -> None:
    """Its schedule cannot say; the function that logs in with it publishes its age."""
    alarm = platform.only("AWS::CloudWatch::Alarm", path="DatabaseRoles/OverdueAlarm")
    secret = platform.only("AWS::SecretsManager::Secret", path="RotatorSecret")
    dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions")}
    assert (alarm.get("MetricName"), dimensions["Secret"]) == ("DaysSinceRotation", secret.get("Name"))
    assert alarm.get("Threshold") == pytest.approx(7 * 1.2)
    rule = platform.only("AWS::Events::Rule", path="DatabaseRoles/Weekly")
    assert rule.get("ScheduleExpression").endswith(" ? * WED *)")


@each_rotation
def test_function_that_nothing_calls_any_more_is_noticed(platform: Synthesised, rotation: str) -> None:
    (alarm,) = (
        each
        for each in platform.of_type("AWS::CloudWatch::Alarm")
        if each.path.startswith(f"{rotation}/") and each.get("MetricName") == "DaysSinceRotation"
    )
    assert alarm.get("TreatMissingData") == "missing"
    assert alarm.get("InsufficientDataActions") == alarm.get("AlarmActions")


def test_functions_reconcile_their_secrets_every_few_minutes_and_when_a_task_has_stopped(
    platform: Synthesised,
) -> None:
    functions = set()
    kinds = set()
    for rule in platform.of_type("AWS::Events::Rule"):
        targets = {
            function.path.partition("/")[0]
            for target in rule.get("Targets", default=())
            for function in platform.assembly.referents(rule, target["Arn"])
        }
        if targets & set(ROTATIONS):
            functions |= targets
            kinds.add(rule.get("ScheduleExpression") or rule.get("EventPattern", "detail-type")[0])
            assert targets == set(ROTATIONS)
    assert functions == set(ROTATIONS)
    assert kinds == {"rate(5 minutes)", "ECS Task State Change"}


def test_roles_are_looked_at_where_that_resumes_no_database(synthesise: Synthesiser) -> None:
    pausing = {
        name: synthesise(name)
        .only("AWS::Lambda::Function", path="DatabaseRotation/Function")
        .get("Environment", "Variables")
        .get("DATABASE_PAUSES")
        for name in ("prod", "dev")
    }
    assert pausing == {"prod": None, "dev": "true"}
