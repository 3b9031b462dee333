"""What `./gantry clean-up` acts on, and what it refuses to touch."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops import clean_up, failed_creations
from ops.console import CliError
from ops.failed_creations import StackHistory
from ops.leftovers import Region
from stacks.settings import load_settings

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
STACK, STACK_TYPE = "gantry-dev-data", "AWS::CloudFormation::Stack"
FAILED = ("REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE")
CREATED = ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
CLUSTER, SECRET, GROUP = "AWS::RDS::DBCluster", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"
SECRET_ARN = "arn:aws:secretsmanager:us-east-1:111111111111:secret:gantry/dev/database-AbCdEf"
CLUSTER_EVENTS = (
    (CLUSTER, "gantry-dev", "CREATE_IN_PROGRESS"),
    (CLUSTER, "gantry-dev", "CREATE_COMPLETE"),
    (CLUSTER, "gantry-dev", "DELETE_SKIPPED"),
)
Stack = tuple[str, str, Sequence[str]]
"""Name, status, and the statuses that it went through."""


class Aws:
    """Answers of AWS: one client a service, each with its answers in order."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._stubs: dict[str, Stubber] = {}

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3's classes
        if service not in self._clients:
            options = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            client = boto3.client(service, region_name="us-east-1", **options)  # type: ignore[call-overload]
            self._clients[service], self._stubs[service] = client, Stubber(client)
            self._stubs[service].activate()
        return self._clients[service]

    def answers(self, service: str, operation: str, answer: Mapping[str, Any]) -> None:
        self.client(service)
        self._stubs[service].add_response(operation, dict(answer))

    def refuses(self, service: str, operation: str, code: str) -> None:
        self.client(service)
        self._stubs[service].add_client_error(operation, code)

    def lists(self, *stacks: Stack) -> None:
        """List stacks, the newest first."""
        summaries = [
            {"StackName": name, "StackId": f"{name}/{number}", "StackStatus": status,
             "CreationTime": BEGAN - timedelta(days=number)}
            for number, (name, status, _) in enumerate(stacks)
        ]  # fmt: skip
        self.answers("cloudformation", "list_stacks", {"StackSummaries": summaries})

    def has(self, *stacks: Stack) -> None:
        """List stacks, the newest first, and return the history of those that are asked for."""
        self.lists(*stacks)
        for name, _, history in stacks:
            events = [event(STACK_TYPE, name, status, logical_id=name) for status in history]
            self.answers("cloudformation", "describe_stack_events", {"StackEvents": events[::-1]})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()
    monkeypatch.setattr(Region, "client", lambda _region, service: made.client(service))
    return made


def event(
    resource_type: str, physical_id: str, status: str, *, minute: int = 0, logical_id: str = "Resource"
) -> dict[str, Any]:
    return {
        "StackId": "id", "StackName": STACK, "EventId": "id", "ResourceType": resource_type,
        "LogicalResourceId": logical_id, "PhysicalResourceId": physical_id, "ResourceStatus": status,
        "Timestamp": BEGAN + timedelta(minutes=minute),
    }  # fmt: skip


def environment() -> Any:  # noqa: ANN401 - as far as it is used
    return SimpleNamespace(settings=load_settings("dev", environ={}), session=None, endpoint_url=None)


def found() -> list[str]:
    return [each.stack_id for each in failed_creations.find(environment())]


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"])
def test_stack_that_never_was_created_is_found(aws: Aws, status: str) -> None:
    aws.has((STACK, status, (*FAILED[:-1], status)))
    assert found() == [f"{STACK}/0"]


@pytest.mark.parametrize(
    ("status", "history"),
    [
        ("CREATE_COMPLETE", CREATED),
        ("UPDATE_ROLLBACK_COMPLETE", (*CREATED, "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")),
        ("DELETE_FAILED", (*CREATED, "DELETE_IN_PROGRESS", "DELETE_FAILED")),
        ("DELETE_FAILED", ("IMPORT_IN_PROGRESS", "IMPORT_COMPLETE", "DELETE_FAILED")),
        # CloudFormation has forgotten how it was created.
        ("DELETE_FAILED", ("DELETE_IN_PROGRESS", "DELETE_FAILED")),
        ("ROLLBACK_COMPLETE", ()),
    ],
)
def test_stack_that_was_created_is_refused(aws: Aws, status: str, history: Sequence[str]) -> None:
    aws.has((STACK, status, history))
    assert found() == []


def test_stack_that_was_created_hides_failed_ones_before_it(aws: Aws) -> None:
    aws.has((STACK, "CREATE_COMPLETE", CREATED), (STACK, "DELETE_COMPLETE", FAILED))
    assert found() == []


def test_failed_attempts_are_found_back_to_what_was_in_use(aws: Aws) -> None:
    used = (*CREATED, "DELETE_IN_PROGRESS", "DELETE_COMPLETE")
    aws.has(
        (STACK, "ROLLBACK_COMPLETE", FAILED),
        (STACK, "DELETE_COMPLETE", FAILED),
        (STACK, "DELETE_COMPLETE", used),
        (STACK, "DELETE_COMPLETE", FAILED),
    )
    assert sorted(found()) == [f"{STACK}/0", f"{STACK}/1"]


def test_stack_of_an_environment_whose_name_goes_on_is_refused(aws: Aws) -> None:
    aws.has(("gantry-dev-standby-data", "ROLLBACK_COMPLETE", FAILED))
    assert found() == []


def test_stack_that_changes_is_waited_for(aws: Aws) -> None:
    aws.has((STACK, "ROLLBACK_IN_PROGRESS", FAILED[:-1]))
    with pytest.raises(CliError, match=rf"at work on {STACK} \(ROLLBACK_IN_PROGRESS\)"):
        clean_up._clean_up(environment(), yes=True)


def left(*events: tuple[str, str, str]) -> list[tuple[str, str]]:
    """Return what a creation left behind that took nine minutes."""
    history = [event(STACK_TYPE, STACK, "CREATE_IN_PROGRESS", logical_id=STACK)]
    history += [event(*each, minute=1) for each in events]
    history.append(event(STACK_TYPE, STACK, "ROLLBACK_COMPLETE", minute=9, logical_id=STACK))
    region = Region("us-east-1", boto3.Session(), None)
    creation: Any = StackHistory(region, STACK, STACK, "ROLLBACK_COMPLETE", history)  # type: ignore[arg-type]
    return [(each.resource_type, each.physical_id) for each in creation.leftovers()]


def has_cluster(aws: Aws, created: datetime) -> None:
    aws.answers("logs", "describe_log_groups", {"logGroups": []})
    aws.answers("logs", "describe_log_groups", {"logGroups": []})
    aws.answers("rds", "describe_db_clusters", {"DBClusters": [{"ClusterCreateTime": created}]})


def test_what_the_creation_made_is_left(aws: Aws) -> None:
    has_cluster(aws, BEGAN + timedelta(minutes=2))
    assert left(*CLUSTER_EVENTS) == [(CLUSTER, "gantry-dev")]


@pytest.mark.parametrize("minutes", [-2, 11])
def test_resource_that_another_one_made_under_the_same_name_is_refused(aws: Aws, minutes: int) -> None:
    has_cluster(aws, BEGAN + timedelta(minutes=minutes))
    assert left(*CLUSTER_EVENTS) == []


def test_resource_that_stopped_the_creation_by_being_there_is_refused(aws: Aws) -> None:
    assert left((CLUSTER, "gantry-dev", "CREATE_FAILED")) == []
    assert "rds" not in aws._clients


def test_secret_that_is_scheduled_for_deletion_is_left(aws: Aws) -> None:
    made = {"ARN": SECRET_ARN, "CreatedDate": BEGAN, "DeletedDate": BEGAN}
    aws.answers("secretsmanager", "describe_secret", made)
    events = [(SECRET, SECRET_ARN, status) for status in ("CREATE_COMPLETE", "DELETE_COMPLETE")]
    assert left(*events) == [(SECRET, SECRET_ARN)]


@pytest.mark.parametrize(("hours", "owned"), [(-1, False), (5, True)])
def test_log_group_that_a_service_made_by_itself_is_left(aws: Aws, hours: int, *, owned: bool) -> None:
    created = int((BEGAN + timedelta(hours=hours)).timestamp() * 1000)
    group = {"logGroupName": "/aws/ecs/containerinsights/gantry-dev/performance", "creationTime": created}
    aws.answers("logs", "describe_log_groups", {"logGroups": [group]})
    aws.answers("logs", "describe_log_groups", {"logGroups": [group]})
    expected = [(GROUP, group["logGroupName"])] if owned else []
    assert left(("AWS::ECS::Cluster", "gantry-dev", "CREATE_COMPLETE")) == expected


def test_log_group_whose_name_only_begins_like_a_functions_is_refused(aws: Aws) -> None:
    group = {"logGroupName": "/aws/lambda/gantry-dev-fn-of-someone-else", "creationTime": 0}
    aws.answers("logs", "describe_log_groups", {"logGroups": [group]})
    assert left(("AWS::Lambda::Function", "gantry-dev-fn", "CREATE_COMPLETE")) == []


def test_nothing_is_removed_where_no_one_can_be_asked(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    aws.has((STACK, "ROLLBACK_COMPLETE", FAILED))
    with pytest.raises(CliError, match="no terminal to ask") as raised:
        clean_up._clean_up(environment(), yes=False)
    assert raised.value.remedy == "Run it with --yes."


def test_leftovers_of_an_environment_that_has_a_stack_are_refused(aws: Aws) -> None:
    aws.has((STACK, "DELETE_COMPLETE", CREATED), ("gantry-dev-state", "UPDATE_COMPLETE", CREATED))
    with pytest.raises(CliError, match="gantry-dev-state is UPDATE_COMPLETE"):
        clean_up._remove_leftovers(environment(), yes=True)


def test_leftovers_are_removed_as_far_as_aws_lets_them_go(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.lists((STACK, "DELETE_COMPLETE", ()))
    events = [
        event(STACK_TYPE, STACK, "CREATE_IN_PROGRESS", logical_id=STACK),
        event(SECRET, SECRET_ARN, "CREATE_COMPLETE", minute=1),
        event(GROUP, "/gantry/dev/service", "CREATE_COMPLETE", minute=2),
        event("AWS::KMS::Key", "key", "CREATE_COMPLETE", minute=2),
        event(SECRET, SECRET_ARN, "DELETE_SKIPPED", minute=8),
        event(GROUP, "/gantry/dev/service", "DELETE_SKIPPED", minute=8),
        event("AWS::KMS::Key", "key", "DELETE_SKIPPED", minute=8),
        event(STACK_TYPE, STACK, "DELETE_COMPLETE", minute=9, logical_id=STACK),
    ]
    aws.answers("cloudformation", "describe_stack_events", {"StackEvents": events[::-1]})
    made = {"ARN": SECRET_ARN, "CreatedDate": BEGAN + timedelta(minutes=1)}
    created = int((BEGAN + timedelta(minutes=2)).timestamp() * 1000)
    group = {"logGroups": [{"logGroupName": "/gantry/dev/service", "creationTime": created}]}
    key = {"KeyId": "key", "KeyState": "Enabled", "CreationDate": BEGAN + timedelta(minutes=2)}
    aws.answers("kms", "describe_key", {"KeyMetadata": key})  # and it is not deleted
    for _ in ("listed", "removed"):
        aws.answers("secretsmanager", "describe_secret", made)
        aws.answers("logs", "describe_log_groups", group)
    aws.refuses("logs", "delete_log_group", "AccessDeniedException")
    aws.answers("secretsmanager", "delete_secret", {})
    aws.refuses("secretsmanager", "describe_secret", "ResourceNotFoundException")
    with pytest.raises(CliError, match="refuses to delete some of it; the keys stay") as raised:
        clean_up._remove_leftovers(environment(), yes=True)
    assert "/gantry/dev/service" in str(raised.value.detail)
    assert SECRET_ARN not in str(raised.value.detail)
    assert "1 of 2 removed" in capsys.readouterr().err
