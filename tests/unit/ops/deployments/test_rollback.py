"""To which deployment a rollback goes, and what keeps it from going there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from contract.service import OLDEST_SCHEMA_LABEL, SCHEMA_LABEL
from ops.aws import Environment
from ops.console import CliError
from ops.deployments import refusals
from ops.deployments.ledger import Entry, Kind, Outcome, Result, Start
from ops.deployments.rollback import last_good
from stacks.settings import load_settings

Templates = dict[str, dict[str, Any]]
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def entry(number: int, result: Result | None = "succeeded", *, of: int | None = None) -> Entry:
    kind: Kind = "deploy" if of is None else "rollback"
    began = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=number)
    start = Start(id=str(number), run="r", by="arn", kind=kind, of="" if of is None else str(of))
    outcome = Outcome(id=start.id, result=result, ended=began.isoformat()) if result else None
    return Entry(start=start, outcome=outcome)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], None),
        ([entry(1)], None),
        ([entry(1), entry(2)], "1"),
        # The one that failed was rolled back by CloudFormation: what ran before it runs.
        ([entry(1), entry(2), entry(3, "failed")], "2"),
        ([entry(1), entry(2), entry(3, "interrupted")], "2"),
        ([entry(1), entry(2), entry(3, None)], "2"),
        # After a rollback from 2 to 1, 2 is not good any more.
        ([entry(1), entry(2), entry(3, of=1)], None),
        ([entry(0), entry(1), entry(2), entry(3, of=1)], "0"),
        ([entry(1), entry(2), entry(3, of=1), entry(4)], "3"),
        ([entry(1), entry(2), entry(3, of=1), entry(4, "failed")], "3"),
        ([entry(1), entry(2), entry(3, "failed", of=1)], "2"),
    ],
)
def test_last_good_is_the_last_that_succeeded_and_was_not_gone_back_from(
    entries: list[Entry], expected: str | None
) -> None:
    found = last_good(entries[::-1])
    assert (found.id if found else None) == expected


def test_last_good_is_the_newest_where_something_else_was_deployed_since() -> None:
    entries = [entry(1), entry(2)][::-1]
    found = last_good(entries, lambda _: False)
    assert found is not None
    assert found.id == "2"


def compute(
    *, host: str = "First", image: str = "r.example/app:1", schema: tuple[int, int] | None = None
) -> Templates:
    container: dict[str, Any] = {
        "Name": "service",
        "Image": image,
        "Environment": [{"Name": "DATABASE_HOST", "Value": {"Fn::ImportValue": host}}],
    }
    if schema:
        container["DockerLabels"] = {SCHEMA_LABEL: str(schema[0]), OLDEST_SCHEMA_LABEL: str(schema[1])}
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}}
    return {"compute": {"Resources": {"Task": task}}}


def data(*exports: str) -> Templates:
    outputs = {name: {"Value": 1, "Export": {"Name": name}} for name in exports}
    return {"data": {"Resources": {}, "Outputs": outputs}}


class Account:
    """An environment whose clients are stubs."""

    def __init__(self) -> None:
        settings = load_settings("sandbox")
        session = boto3.Session("a", "b", region_name=settings.region)
        self.environment = Environment(settings, session, None)
        self.ecr, self.cloudformation = session.client("ecr"), session.client("cloudformation")
        self.regions: list[str | None] = []

    def client(self, service: str, region: str | None = None, **_: object) -> object:
        self.regions.append(region)
        return {"ecr": self.ecr, "cloudformation": self.cloudformation}[service]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account()
    monkeypatch.setattr(Environment, "client", lambda _, *given, **named: account.client(*given, **named))
    return account


def refused(account: Account, before: Templates, after: Templates) -> str:
    with pytest.raises(CliError) as error:
        refusals.refuse(account.environment, before, after)
    assert error.value.remedy
    return error.value.message


def test_what_harms_nothing_is_not_refused(account: Account) -> None:
    before = data("First") | compute(schema=(5, 4))
    older = data("First") | compute(image="r.example/app:0", schema=(4, 3))
    refusals.refuse(account.environment, before, older)
    refusals.refuse(account.environment, before, data("First") | compute())


def test_another_database_than_today_s_is_refused(account: Account) -> None:
    before = data("First", "Restored") | compute(host="Restored")
    assert "another database" in refused(account, before, data("First", "Restored") | compute())


def test_schema_that_the_older_version_cannot_live_with_is_refused(account: Account) -> None:
    before, after = data("First") | compute(schema=(7, 6)), data("First") | compute(schema=(5, 5))
    assert "made for schema 5, and the database has schema 7" in refused(account, before, after)


def test_import_that_no_stack_exports_is_refused(account: Account) -> None:
    with Stubber(account.cloudformation) as stub:
        stub.add_response("list_exports", {"Exports": [{"Name": "Other", "Value": "1"}]})
        message = refused(account, compute(), compute())
    assert "compute imports First, which no stack exports any more" in message


def test_import_of_a_stack_that_is_not_deployed_now_is_none(account: Account) -> None:
    with Stubber(account.cloudformation) as stub:
        stub.add_response("list_exports", {"Exports": [{"Name": "First", "Value": "1"}]})
        refusals.refuse(account.environment, compute(), compute())
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        (f"{ECR}/team/app:v1", ("123456789012", "team/app", {"imageTag": "v1"})),
        (
            "123456789012.dkr-ecr.eu-west-1.on.aws/team/app@sha256:ab",
            ("123456789012", "team/app", {"imageDigest": "sha256:ab"}),
        ),
        (
            "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/cdk-assets:ff",
            ("000000000000", "cdk-assets", {"imageTag": "ff"}),
        ),
    ],
)  # fmt: skip
def test_image_that_is_gone_is_refused(account: Account, image: str, asked: tuple[str, str, Any]) -> None:
    before, after = data("First") | compute(), data("First") | compute(image=image)
    with Stubber(account.ecr) as stub:
        registry, repository, identity = asked
        expected = {"registryId": registry, "repositoryName": repository, "imageIds": [identity]}
        stub.add_client_error("describe_images", "ImageNotFoundException", expected_params=expected)
        assert f"its image is gone: {repository}" in refused(account, before, after)
    assert account.regions == ["eu-west-1" if "eu-west-1" in image else None]


def test_image_that_may_not_be_looked_up_is_said_and_not_refused(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    after = data("First") | compute(image=f"{ECR}/team/app:v1")
    with Stubber(account.ecr) as stub:
        stub.add_client_error("describe_images", "AccessDeniedException")
        refusals.refuse(account.environment, data("First") | compute(), after)
    assert "Whether team/app has the image is not known" in " ".join(capsys.readouterr().err.split())
