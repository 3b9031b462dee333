"""Images that something needs stay, and the others go when the person says so."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.console import CliError
from ops.deployments import images, in_progress
from ops.deployments.ledger import Entry, Outcome, Start

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OLD = datetime.now(UTC) - timedelta(days=90)


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def entry(number: int, image: str = "", ran: str = "") -> Entry:
    identity = f"20260301T1200{number:02d}Z-0000"
    start = Start(id=identity, run="r", by="arn", kind="deploy", image=image)
    ended = datetime(2026, 3, 1, 13, tzinfo=UTC).isoformat()
    return Entry(start=start, outcome=Outcome(id=identity, result="succeeded", ended=ended, digest=ran))


class Account:
    """An environment with images, entries and a task."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ecr = boto3.client("ecr", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
        self.entries: list[Entry] = []
        self.task_image, self.service_image = "", ""
        ledger = SimpleNamespace(entries=lambda: self.entries)
        ecs = SimpleNamespace(
            describe_task_definition=lambda **_: {
                "taskDefinition": {"containerDefinitions": [{"image": self.service_image}]}
            }
        )
        environment = SimpleNamespace(
            ecr=self.ecr, ecs=ecs, outputs=lambda _: {"RepositoryUri": f"{REGISTRY}/gantry/prod"}
        )
        monkeypatch.setattr(images, "connect", lambda _: environment)
        monkeypatch.setattr(images, "Record", lambda _: SimpleNamespace(ledger=ledger))
        monkeypatch.setattr(in_progress, "service", lambda _: {"taskDefinition": "arn"})
        monkeypatch.setattr(in_progress, "tasks", lambda _: [self.task()])

    def task(self) -> dict[str, Any]:
        return {"taskArn": "arn/task-1", "containers": [{"image": self.task_image}]}

    def has(self, stub: Stubber, *tags: str, pushed: datetime = OLD) -> None:
        details = [
            {
                "imageDigest": digest(number),
                "imageTags": [tag],
                "imagePushedAt": pushed,
                "imageSizeInBytes": 1,
            }
            for number, tag in enumerate(tags)
        ]
        stub.add_response("describe_images", {"imageDetails": details})


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


def removed(
    account: Account, tags: tuple[str, ...], expected: list[int], answer: dict[str, Any] | None = None
) -> None:
    with Stubber(account.ecr) as stub:
        account.has(stub, *tags)
        if expected:
            ids = [{"imageDigest": digest(number)} for number in expected]
            parameters = {"repositoryName": "gantry/prod", "imageIds": ids}
            stub.add_response("batch_delete_image", answer or {}, parameters)
        images.prune("prod", keep=2, yes=True)
        stub.assert_no_pending_responses()


def test_image_that_nothing_needs_goes(account: Account) -> None:
    removed(account, ("v1", "v2"), [0, 1])


def test_image_of_a_task_stays(account: Account) -> None:
    account.task_image = f"{REGISTRY}/gantry/prod:v2"
    removed(account, ("v1", "v2"), [0])


def test_image_of_the_service_stays_though_no_task_runs(account: Account) -> None:
    account.service_image = f"{REGISTRY}/gantry/prod@{digest(1)}"
    removed(account, ("v1", "v2"), [0])


def test_images_of_the_last_deployments_stay(account: Account) -> None:
    tags = [f"{REGISTRY}/gantry/prod:v{number}" for number in (4, 3, 2, 1)]
    account.entries = [entry(number, image) for number, image in zip((4, 3, 2, 1), tags, strict=True)]
    removed(account, ("v1", "v2", "v3", "v4"), [0, 1])


def test_image_that_a_deployment_ran_stays_whatever_its_tag_is_now(account: Account) -> None:
    account.entries = [entry(1, "registry.example/app:latest", ran=digest(0))]
    removed(account, ("v1", "v2"), [1])


def test_new_image_stays_for_the_deployment_that_is_about_to_use_it(account: Account) -> None:
    with Stubber(account.ecr) as stub:
        account.has(stub, "v1", pushed=datetime.now(UTC))
        images.prune("prod", keep=2, yes=True)


def test_image_that_another_one_is_made_of_is_no_failure(account: Account) -> None:
    failure = {"imageId": {"imageDigest": digest(0)}, "failureCode": "ImageReferencedByManifestList"}
    removed(account, ("v1",), [0], answer={"failures": [failure]})


def test_image_that_cannot_be_removed_is_named(account: Account) -> None:
    failure = {"imageId": {"imageDigest": digest(0)}, "failureCode": "KmsError", "failureReason": "no key"}
    with pytest.raises(CliError, match="no key"):
        removed(account, ("v1",), [0], answer={"failures": [failure]})
