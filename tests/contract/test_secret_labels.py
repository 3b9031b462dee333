"""Labels of a secret's versions ("Secrets Manager secret versions" in the AWS Secrets Manager User Guide)."""

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.conftest import Service

Subject = tuple[Service, str]


def labels(subject: Subject) -> dict[str, str]:
    service, arn = subject
    versions = service.client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    return {label: version for version, held in versions.items() for label in held}


def put(subject: Subject, *stages: str, token: str | None = None, value: str = "2") -> str:
    service, arn = subject
    token = token or str(uuid.uuid4())
    service.client.put_secret_value(
        SecretId=arn, SecretString=f'{{"key": "{value}"}}', ClientRequestToken=token, VersionStages=[*stages]
    )
    return token


def move(subject: Subject, label: str, **versions: str) -> None:
    service, arn = subject
    service.client.update_secret_version_stage(SecretId=arn, VersionStage=label, **versions)


def refusal(error: pytest.ExceptionInfo[ClientError]) -> Any:  # noqa: ANN401 - a text of boto3's
    return error.value.response["Error"]["Code"]


def test_pending_version_leaves_the_current_one(secrets_manager: Subject) -> None:
    current = labels(secrets_manager)["AWSCURRENT"]
    pending = put(secrets_manager, "AWSPENDING")
    assert labels(secrets_manager) == {"AWSCURRENT": current, "AWSPENDING": pending}


def test_version_that_was_current_becomes_the_previous_one(secrets_manager: Subject) -> None:
    first = labels(secrets_manager)["AWSCURRENT"]
    second = put(secrets_manager, "AWSPENDING")
    move(secrets_manager, "AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=first)
    found = labels(secrets_manager)
    assert (found["AWSCURRENT"], found["AWSPREVIOUS"], found["AWSPENDING"]) == (second, first, second)


def test_label_is_not_taken_from_a_version_that_is_not_named(secrets_manager: Subject) -> None:
    second = put(secrets_manager, "AWSPENDING")
    with pytest.raises(ClientError) as error:
        move(secrets_manager, "AWSCURRENT", MoveToVersionId=second)
    assert refusal(error) == "InvalidParameterException"
    with pytest.raises(ClientError) as error:
        move(secrets_manager, "AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=second)
    assert refusal(error) == "InvalidParameterException"


def test_version_keeps_what_it_was_given_first(secrets_manager: Subject) -> None:
    pending = put(secrets_manager, "AWSPENDING")
    put(secrets_manager, "AWSPENDING", token=pending)
    with pytest.raises(ClientError) as error:
        put(secrets_manager, "AWSPENDING", token=pending, value="3")
    assert refusal(error) == "ResourceExistsException"


def test_label_of_our_own_is_attached_moved_and_taken_off(secrets_manager: Subject) -> None:
    first = labels(secrets_manager)["AWSCURRENT"]
    second = put(secrets_manager, "AWSPENDING")
    move(secrets_manager, "RECONCILED", MoveToVersionId=first)
    move(secrets_manager, "RECONCILED", MoveToVersionId=second, RemoveFromVersionId=first)
    assert labels(secrets_manager)["RECONCILED"] == second
    move(secrets_manager, "RECONCILED", RemoveFromVersionId=second)
    assert "RECONCILED" not in labels(secrets_manager)


def test_label_that_no_version_has_has_no_value(secrets_manager: Subject) -> None:
    service, arn = secrets_manager
    with pytest.raises(ClientError) as error:
        service.client.get_secret_value(SecretId=arn, VersionStage="AWSPENDING")
    assert refusal(error) == "ResourceNotFoundException"
