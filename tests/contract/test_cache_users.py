"""Users and user groups ("Role-Based Access Control" in the Amazon ElastiCache User Guide)."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.conftest import Service

Subject = tuple[Service, str, list[str]]


def user(subject: Subject) -> dict[str, Any]:
    service, _, users = subject
    (found,) = service.client.describe_users(UserId=users[0])["Users"]
    return dict(found)


def members(subject: Subject) -> list[str]:
    service, group, _ = subject
    (found,) = service.client.describe_user_groups(UserGroupId=group)["UserGroups"]
    return [*found["UserIds"]]


def refused(subject: Subject, **change: list[str]) -> str:
    service, group, _ = subject
    with pytest.raises(ClientError) as error:
        service.client.modify_user_group(UserGroupId=group, **change)
    return str(error.value.response["Error"]["Code"])


def test_user_is_changed_once_at_a_time(elasticache: Subject) -> None:
    service, _, (name, _) = elasticache
    change = {"UserId": name, "Passwords": ["q" * 32]}
    assert service.client.modify_user(**change)["Status"] == "modifying"
    with pytest.raises(ClientError) as error:
        service.client.modify_user(**change)
    assert error.value.response["Error"]["Code"] == "InvalidUserState"
    service.wait_until(lambda: user(elasticache)["Status"] == "active")


def test_user_has_as_many_passwords_as_were_given_last(elasticache: Subject) -> None:
    service, _, (name, _) = elasticache
    service.client.modify_user(UserId=name, Passwords=["q" * 32, "r" * 32])
    service.wait_until(lambda: user(elasticache)["Status"] == "active")
    assert user(elasticache)["Authentication"]["PasswordCount"] == 2


def test_group_is_changed_as_a_whole_or_not_at_all(elasticache: Subject) -> None:
    _, _, (member, other) = elasticache
    assert refused(elasticache, UserIdsToRemove=[member, other]) == "InvalidParameterValue"
    assert refused(elasticache, UserIdsToAdd=[member]) == "DuplicateUserName"
    assert refused(elasticache, UserIdsToAdd=["no-such-user"]) == "UserNotFound"
    assert members(elasticache) == [member]


def test_member_joins_and_leaves(elasticache: Subject) -> None:
    service, group, (member, other) = elasticache
    for change, then in (("UserIdsToAdd", {member, other}), ("UserIdsToRemove", {member})):
        service.client.modify_user_group(UserGroupId=group, **{change: [other]})
        service.wait_until(lambda then=then: set(members(elasticache)) == then)  # type: ignore[misc]


def test_password_of_fifteen_characters_is_refused(elasticache: Subject) -> None:
    service, _, (name, _) = elasticache
    with pytest.raises(ClientError) as error:
        service.client.modify_user(UserId=name, Passwords=["p" * 15])
    assert error.value.response["Error"]["Code"] == "InvalidParameterValue"
