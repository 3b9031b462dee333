"""An environment in an account in which all is well, as AWS describes it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from contract.secrets import RotatingSecret
from ops.deployments.lock import Holder, LockState
from ops.deployments.lock import _item as lock_item
from stacks.settings import Settings, load_settings
from tests.aws.answers import Answers
from tests.aws.transport import AwsError

NOW = datetime.now(UTC)
ARN = "arn:aws:{}:us-east-1:111122223333:{}"
GROUP = ARN.format("elasticloadbalancing", "targetgroup/gantry-prod/0123456789abcdef")
OUTPUTS = {
    "state": {"LedgerTableName": "ledger"},
    "data": {
        "ClusterIdentifier": "gantry-prod",
        "DatabaseSecretArn": "database",
        "ValkeySecretArn": "valkey",
    },
    "compute": {
        "ServiceUrl": "https://tasks.example.com",
        "ClusterName": "gantry-prod",
        "ServiceName": "gantry-prod",
        "SigningKeySecretArn": "signing-key",
    },
}
ALARM = "gantry-prod-errors"
OTHERS_ALARM = "gantry-prod-standby-errors"


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def settings() -> Settings:
    return load_settings("prod")


def describe_stacks(stack_name: str) -> dict[str, Any]:
    outputs = OUTPUTS.get(stack_name.removeprefix("gantry-prod-"), {})
    pairs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    stack = {"StackName": stack_name, "CreationTime": ago(days=30), "StackStatus": "UPDATE_COMPLETE"}
    return {"Stacks": [stack | {"Outputs": pairs}]}


def not_deployed(stack_name: str) -> dict[str, Any]:
    raise AwsError("ValidationError", f"Stack with id {stack_name} does not exist")


def task(name: str, zone: str, **more: object) -> dict[str, Any]:
    container = {"name": "service", "image": "repository/gantry/prod:1.4.2"}
    return {
        "taskArn": ARN.format("ecs", f"task/gantry-prod/{name}"),
        "taskDefinitionArn": ARN.format("ecs", "task-definition/gantry-prod:41"),
        "availabilityZone": zone,
        "lastStatus": "RUNNING",
        "healthStatus": "HEALTHY",
        "startedAt": ago(hours=5),
        "containers": [container],
    } | more


STOPPED = task(
    "cccc3333",
    "us-east-1c",
    lastStatus="STOPPED",
    stoppedAt=ago(minutes=9),
    stoppedReason="Essential container in task exited",
    containers=[{"name": "service", "image": "x", "exitCode": 137}],
)
TASKS = {"RUNNING": [task("aaaa1111", "us-east-1a"), task("bbbb2222", "us-east-1b")], "STOPPED": [STOPPED]}


def list_tasks(desired_status: str, **_params: object) -> dict[str, Any]:
    return {"taskArns": [each["taskArn"] for each in TASKS[desired_status]]}


def describe_tasks(tasks: list[str], **_params: object) -> dict[str, Any]:
    return {"tasks": [each for each in (*TASKS["RUNNING"], STOPPED) if each["taskArn"] in tasks]}


def service(**more: object) -> dict[str, Any]:
    deployment = {
        "status": "PRIMARY",
        "taskDefinition": ARN.format("ecs", "task-definition/gantry-prod:41"),
        "createdAt": ago(hours=5),
        "rolloutState": "COMPLETED",
    }
    return {
        "clusterArn": ARN.format("ecs", "cluster/gantry-prod"),
        "serviceName": "gantry-prod",
        "desiredCount": 2,
        "runningCount": 2,
        "deployments": [deployment],
        "loadBalancers": [{"targetGroupArn": GROUP, "containerName": "service", "containerPort": 8080}],
    } | more


def targets(*states: str) -> dict[str, Any]:
    return {
        "TargetHealthDescriptions": [
            {
                "Target": {"Id": f"10.0.0.{number}", "Port": 8080},
                "TargetHealth": {"State": state, "Description": "Request timed out"},
            }
            for number, state in enumerate(states)
        ]
    }


def instance(name: str, zone: str, status: str = "available") -> dict[str, Any]:
    return {
        "DBInstanceIdentifier": name,
        "DBInstanceStatus": status,
        "AvailabilityZone": zone,
        "EngineVersion": "17.9",
    }


def cluster(**more: object) -> dict[str, Any]:
    members = [
        {"DBInstanceIdentifier": "one", "IsClusterWriter": False},
        {"DBInstanceIdentifier": "two", "IsClusterWriter": True},
    ]
    found = {"Status": "available", "Engine": "aurora-postgresql", "EngineVersion": "17.9"}
    return {"DBClusters": [found | {"DBClusterMembers": members} | more]}


def metric_data(metric_data_queries: list[dict[str, Any]], **_params: object) -> dict[str, Any]:
    values = {"ServerlessDatabaseCapacity": 3.5, "DatabaseConnections": 40.0, "BytesUsedForCache": 2.5e8}
    return {
        "MetricDataResults": [
            {
                "Id": query["Id"],
                "Timestamps": [ago(minutes=2), ago(minutes=1)],
                "Values": [1.0, values[query["MetricStat"]["Metric"]["MetricName"]]],
            }
            for query in metric_data_queries
        ]
    }


def versions(**labels: datetime) -> dict[str, Any]:
    return {
        "Versions": [
            {"VersionId": f"{label:x<32}", "VersionStages": [label], "CreatedDate": made}
            for label, made in labels.items()
        ]
    }


def stack_resources(stack_name: str) -> dict[str, Any]:
    alarm = {
        "LogicalResourceId": "Alarm",
        "PhysicalResourceId": ALARM,
        "ResourceType": "AWS::CloudWatch::Alarm",
        "LastUpdatedTimestamp": ago(days=30),
        "ResourceStatus": "CREATE_COMPLETE",
    }
    return {"StackResourceSummaries": [alarm] if stack_name.endswith("observability") else []}


def describe_alarms(state: str = "OK") -> Any:  # noqa: ANN401 - a function of the request
    alarms = [
        {
            "AlarmName": name,
            "StateValue": value,
            "StateUpdatedTimestamp": ago(minutes=4),
            "StateReason": "why",
        }
        for name, value in ((ALARM, state), (OTHERS_ALARM, "ALARM"))
    ]

    def describe(alarm_names: list[str], **_params: object) -> dict[str, Any]:
        return {"MetricAlarms": [each for each in alarms if each["AlarmName"] in alarm_names],
                "CompositeAlarms": []}  # fmt: skip

    return describe


def recovery_points(*made: datetime, status: str = "COMPLETED") -> dict[str, Any]:
    return {"RecoveryPoints": [{"CreationDate": each, "Status": status} for each in made]}


def restore_jobs(**more: object) -> dict[str, Any]:
    job = {"CreationDate": ago(days=3), "Status": "COMPLETED", "ValidationStatus": "SUCCESSFUL"}
    return {"RestoreJobs": [job | more]}


def answers() -> Answers:
    """Return what the services of the account answer."""
    plan = {
        "RestoreTestingPlanArn": ARN.format("backup", "restore-testing-plan:gantry_prod"),
        "RestoreTestingPlanName": "gantry_prod",
        "CreationTime": ago(days=30),
        "RecoveryPointSelection": {},
        "ScheduleExpression": "cron(0 10 ? * SUN *)",
    }
    secret = {"RotationEnabled": True, "NextRotationDate": NOW + timedelta(days=20)}
    cache = {"ServerlessCacheName": "gantry-prod", "Status": "available", "Engine": "valkey",
             "FullEngineVersion": "8.1"}  # fmt: skip
    lock = Holder(
        run="1",
        by=ARN.format("sts", "assumed-role/deployer/ada"),
        command="deploy -e prod",
        reason="hotfix",
        since="2026-11-27T11:00:00+00:00",
    )
    return {
        "dynamodb": {"get_item": {"Item": lock_item(LockState(fence=3, renewals=9, holder=lock))}},
        "cloudformation": {"describe_stacks": describe_stacks, "list_stack_resources": stack_resources},
        "ecs": {
            "describe_services": {"services": [service()]},
            "list_tasks": list_tasks,
            "describe_tasks": describe_tasks,
        },
        "elbv2": {"describe_target_health": targets("healthy", "healthy")},
        "rds": {
            "describe_db_clusters": cluster(),
            "describe_db_instances": {
                "DBInstances": [instance("one", "us-east-1a"), instance("two", "us-east-1b")]
            },
        },
        "elasticache": {"describe_serverless_caches": {"ServerlessCaches": [cache]}},
        "cloudwatch": {"get_metric_data": metric_data, "describe_alarms": describe_alarms()},
        "secretsmanager": {
            "describe_secret": secret,
            "list_secret_version_ids": versions(AWSCURRENT=ago(days=12)),
        },
        "backup": {
            "describe_backup_vault": {"CreationDate": ago(days=30)},
            "list_recovery_points_by_backup_vault": recovery_points(ago(hours=6), ago(hours=30)),
            "get_restore_testing_plan": {"RestoreTestingPlan": plan},
            "list_restore_jobs": restore_jobs(),
        },
    }


SECRETS = len(RotatingSecret)
