"""What is found after a deployment, of an account whose answers are written down."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from contract import dashboard
from contract.stack_policy import POLICY
from ops import healthz, task_health
from ops.checks import running
from ops.checks.post_deploy import POST_DEPLOY
from ops.checks.results import Outcome, Result, overall
from ops.checks.signals import allowance
from tests.unit.ops.checks.account import ACCOUNT, CALLER, NOW, Account, Answer, stacks

MAIL = "ada@example.com"
GRAPHS = {
    dashboard.TRAFFIC: [["AWS/ApplicationELB", "RequestCount", {"period": 60, "stat": "Sum"}]],
    dashboard.ERRORS: [["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", {"period": 60, "stat": "Sum"}]],
    dashboard.LATENCY: [
        [
            "AWS/ApplicationELB",
            "TargetResponseTime",
            "LoadBalancer",
            "app/x",
            {"period": 60, "stat": "p99", "label": "p99"},
        ]
    ],
    dashboard.SATURATION: [["AWS/ECS", "CPUUtilization", {"period": 60, "label": "CPU"}]],
}
# By metric, a value a minute: in the hour before, and now.
USUAL = {
    "RequestCount": (100, 100),
    "HTTPCode_Target_5XX_Count": (0, 0),
    "TargetResponseTime": (0.1, 0.1),
    "CPUUtilization": (20, 25),
}


def board(graphs: Mapping[str, Any]) -> Answer:
    widgets = [
        {"type": "metric", "properties": {"title": title, "metrics": metrics}}
        for title, metrics in graphs.items()
    ]
    return {"DashboardBody": json.dumps({"widgets": [{"type": "text", "properties": {}}, *widgets]})}


def measured(**values: tuple[float | None, float | None]) -> Answer:
    """Return an answer to GetMetricData: a value in the hour before and one now; None is no data."""
    series = USUAL | values

    def answer(params: Mapping[str, Any]) -> dict[str, Any]:
        found = []
        for query in params["MetricDataQueries"]:
            pair = series[query["MetricStat"]["Metric"]["MetricName"]]
            points = [
                (NOW.replace(second=0) - timedelta(minutes=ago), value)
                for ago, value in zip((30, 5), pair, strict=True)
                if value is not None
            ]
            at, what = [point[0] for point in points], [point[1] for point in points]
            found.append({"Id": query["Id"], "Timestamps": at, "Values": what})
        return {"MetricDataResults": found}

    return answer


def service(**changes: object) -> Answer:
    found = {
        "desiredCount": 3,
        "runningCount": 3,
        "deployments": [{"status": "PRIMARY", "rolloutState": "COMPLETED"}],
        "loadBalancers": [{"targetGroupArn": "blue"}],
        "events": [{"message": "unable to place a task"}],
    }
    return {"services": [found | changes]}


def cluster(**changes: object) -> Answer:
    found = {
        "DBClusterIdentifier": "gantry-prod",
        "Status": "available",
        "Engine": "aurora-postgresql",
        "EngineVersion": "17.9",
        "DeletionProtection": True,
        "DBClusterMembers": [{"IsClusterWriter": True}],
    }
    return {"DBClusters": [found | changes]}


def targets(*states: str) -> Answer:
    return {"TargetHealthDescriptions": [{"TargetHealth": {"State": state}} for state in states]}


def alarm(state: str) -> Answer:
    return {"MetricAlarms": [{"AlarmName": "gantry-prod-errors", "StateValue": state}]}


OUTPUTS = {
    "state": {"LedgerTableName": "ledger"},
    "data": {"ClusterIdentifier": "gantry-prod"},
    "compute": {"ServiceUrl": "https://service", "ClusterName": "c", "ServiceName": "s"},
    "observability": {"DashboardName": "gantry-prod"},
}
WELL: dict[str, Answer] = CALLER | {
    "cloudformation.DescribeStacks": stacks(**OUTPUTS),
    "cloudformation.GetStackPolicy": {"StackPolicyBody": json.dumps(POLICY)},
    "cloudformation.ListStackResources": {
        "StackResourceSummaries": [{"ResourceType": "AWS::SNS::Topic", "PhysicalResourceId": "topic"}]
    },
    "cloudwatch.DescribeAlarms": alarm("OK"),
    "cloudwatch.GetDashboard": board(GRAPHS),
    "cloudwatch.GetMetricData": measured(),
    "cloudwatch.GetMetricStatistics": {"Datapoints": [{"Timestamp": NOW, "Maximum": 12.0}]},
    "dynamodb.DescribeTable": {"Table": {"DeletionProtectionEnabled": True}},
    "ecs.DescribeServices": service(),
    "elbv2.DescribeTargetHealth": targets("healthy", "healthy", "draining"),
    "rds.DescribeDBClusters": cluster(),
    "rds.DescribeDBInstances": {
        "DBInstances": [{"DBInstanceIdentifier": "writer", "DBInstanceStatus": "available"}]
    },
    "sns.ListSubscriptionsByTopic": {"Subscriptions": [{"Endpoint": MAIL, "SubscriptionArn": "arn"}]},
}


@pytest.fixture(autouse=True)
def _answering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthz, "answer", lambda *_, **__: "HTTP 200")
    monkeypatch.setattr(task_health, "asked", lambda *_: "unreachable: timed out")


def found(answers: dict[str, Answer] | None = None, **settings: object) -> dict[str, Result]:
    context = Account(WELL | (answers or {})).context(alerts__emails=[MAIL], **settings)
    return {result.name: result for line in running.run(POST_DEPLOY, context) for result in line.results}


def test_everything_is_well() -> None:
    results = found()
    assert {name: str(each) for name, each in results.items() if each.outcome is not Outcome.OK} == {}
    assert len(results) == 14


@pytest.mark.parametrize(
    ("name", "operation", "answer", "said"),
    [
        ("tasks", "ecs.DescribeServices", service(runningCount=2), "2 of 3 tasks run"),
        ("tasks", "ecs.DescribeServices", service(desiredCount=0, runningCount=0), "0 of 0"),
        (
            "tasks",
            "ecs.DescribeServices",
            service(deployments=[{"status": "PRIMARY", "rolloutState": "IN_PROGRESS"}]),
            "the last deployment is IN_PROGRESS",
        ),
        (
            "targets",
            "elbv2.DescribeTargetHealth",
            targets("healthy", "unhealthy"),
            "1 of 2 targets",
        ),
        ("targets", "elbv2.DescribeTargetHealth", targets("draining"), "0 of 0 targets"),
        ("database", "rds.DescribeDBClusters", cluster(Status="failing-over"), "is failing-over"),
        ("database", "rds.DescribeDBClusters", cluster(DBClusterMembers=[]), "no instance is the writer"),
        (
            "database",
            "rds.DescribeDBInstances",
            {"DBInstances": [{"DBInstanceIdentifier": "reader", "DBInstanceStatus": "rebooting"}]},
            "reader is rebooting",
        ),
        (
            "connections",
            "cloudwatch.GetMetricStatistics",
            {"Datapoints": [{"Timestamp": NOW, "Maximum": 0.0}]},
            "no connection",
        ),
        ("alarms", "cloudwatch.DescribeAlarms", alarm("ALARM"), "In ALARM: gantry-prod-errors"),
        (
            "errors",
            "cloudwatch.GetMetricData",
            measured(HTTPCode_Target_5XX_Count=(0, 2)),
            "2 % in the last 15 minutes, 0 % in the hour before",
        ),
        ("latency p99", "cloudwatch.GetMetricData", measured(TargetResponseTime=(0.2, 0.5)), "0.5 s"),
        ("latency p99", "cloudwatch.GetMetricData", measured(TargetResponseTime=(None, 1.2)), "no data in"),
        ("CPU of the tasks", "cloudwatch.GetMetricData", measured(CPUUtilization=(20, 60)), "60 %"),
        ("stacks' updates", "cloudformation.GetStackPolicy", {}, "have no stack policy of Gantry"),
        ("data's deletion", "rds.DescribeDBClusters", cluster(DeletionProtection=False), "gantry-prod"),
        ("data's deletion", "dynamodb.DescribeTable", {"Table": {}}, "the table ledger"),
        (
            "subscriptions",
            "sns.ListSubscriptionsByTopic",
            {"Subscriptions": [{"Endpoint": MAIL, "SubscriptionArn": "PendingConfirmation"}]},
            f"{MAIL} is not confirmed",
        ),
        (
            "subscriptions",
            "sns.ListSubscriptionsByTopic",
            {"Subscriptions": []},
            f"{MAIL} is not subscribed",
        ),
    ],
)
def test_what_is_wrong_fails_alone_and_names_the_value(
    name: str, operation: str, answer: Answer, said: str
) -> None:
    results = found({operation: answer})
    assert {each for each, result in results.items() if result.outcome is not Outcome.OK} == {name}
    assert results[name].outcome is Outcome.FAILED
    assert said in results[name].evidence
    assert results[name].remedy


def test_stack_without_termination_protection_is_named() -> None:
    def open_stacks(params: Mapping[str, Any]) -> Answer:
        answer = stacks(**OUTPUTS)(params)
        answer["Stacks"][0]["EnableTerminationProtection"] = not params["StackName"].endswith("data")
        return answer

    result = found({"cloudformation.DescribeStacks": open_stacks})["stacks' deletion"]
    assert (result.outcome, "gantry-prod-data have" in result.evidence) == (Outcome.FAILED, True)


def test_service_that_does_not_answer_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthz, "answer", lambda *_, **__: "HTTP 503")
    result = found()["/healthz"]
    assert (result.outcome, result.evidence) == (Outcome.FAILED, "https://service/healthz: HTTP 503.")


def test_task_that_can_be_asked_says_how_its_connections_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_health, "asked", lambda *_: "HTTP 503, failed: database")
    assert found()["connections"].outcome is Outcome.FAILED
    monkeypatch.setattr(task_health, "asked", lambda *_: task_health.WELL)
    assert found({"cloudwatch.GetMetricStatistics": {"Datapoints": []}})["connections"].outcome is Outcome.OK


@pytest.mark.parametrize(
    ("names", "operation", "answer"),
    [
        (
            {"errors", "latency p99"},
            "cloudwatch.GetMetricData",
            measured(RequestCount=(9, None), TargetResponseTime=(None, None)),
        ),
        ({"CPU of the tasks"}, "cloudwatch.GetMetricData", measured(CPUUtilization=(9, None))),
        ({"golden signals"}, "cloudwatch.GetDashboard", board({})),
        ({"connections"}, "cloudwatch.GetMetricStatistics", {"Datapoints": []}),
        ({"alarms"}, "cloudwatch.DescribeAlarms", alarm("INSUFFICIENT_DATA")),
        ({"alarms"}, "cloudwatch.DescribeAlarms", {"MetricAlarms": []}),
    ],
)
def test_what_no_one_measured_is_never_well(names: set[str], operation: str, answer: Answer) -> None:
    results = found({operation: answer})
    assert {each for each, result in results.items() if result.outcome is Outcome.UNKNOWN} == names
    assert overall(results.values()) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", "AWS denies access"),
        ("Throttling", "AWS throttles requests"),
        ("ExpiredToken", "The credentials for AWS have expired"),
        ("ClusterNotFoundException", "AWS refuses a request"),
    ],
)
def test_refused_request_is_unknown_with_its_reason_and_ends_no_other_check(code: str, said: str) -> None:
    results = found({"ecs.DescribeServices": code})
    assert {each for each, result in results.items() if result.outcome is Outcome.UNKNOWN} == {
        "tasks",
        "targets",
    }
    assert said in results["tasks"].evidence
    assert results["database"].outcome is Outcome.OK


def test_environment_that_is_not_deployed_is_said_to_be_so() -> None:
    account = Account(CALLER | {"cloudformation.DescribeStacks": missing})
    results = [each for line in running.run(POST_DEPLOY, account.context()) for each in line.results]
    evidence = {each.name: each.evidence for each in results}
    assert evidence["tasks"] == "The stack gantry-prod-compute is not deployed."
    assert overall(results) is Outcome.UNKNOWN


def missing(params: Mapping[str, Any]) -> str:
    return f"ValidationError: Stack with id {params['StackName']} does not exist"


@pytest.mark.parametrize("answer", ["ExpiredToken", {"Account": "123456789012", "Arn": "someone"}])
def test_without_the_accounts_credentials_nothing_else_is_asked(answer: Answer) -> None:
    account = Account(WELL | {"sts.GetCallerIdentity": answer})
    results = [each for line in running.run(POST_DEPLOY, account.context()) for each in line.results]
    assert account.asked == ["sts.GetCallerIdentity"]
    assert Outcome.OK not in {each.outcome for each in results}
    assert results[0].name == "credentials"
    if not isinstance(answer, str):
        assert ACCOUNT in results[0].evidence


def test_cheap_environment_protects_nothing() -> None:
    assert found(state__retention="destroy")["protection"].outcome is Outcome.OK


@pytest.mark.parametrize(("before", "allowed"), [(None, 1.0), (0.0, 0.1), (0.2, 0.4), (0.8, 1.0), (1.5, 3.0)])
def test_twice_the_hour_before_is_allowed_up_to_the_alarm(before: float | None, allowed: float) -> None:
    assert allowance(before, 1.0) == allowed
