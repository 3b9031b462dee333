"""The users of an ElastiCache cache that take turns, whose passwords CloudFormation leaves alone."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from gantry.functions.custom_resource import FunctionResource
from gantry.functions.python_function import FunctionDefaults
from gantry.secrets.secret import read_statements


class ICacheUsers(Protocol):
    """Users of a cache that take turns, as those who rotate their passwords see them."""

    @property
    def ids(self) -> Mapping[str, str]:
        """Their ids by their names, known once they are made."""

    @property
    def access_string(self) -> str:
        """What the user whose turn it is may do, as Valkey's ACL writes it."""


class CacheUsers(FunctionResource):
    """Two users that take turns, made, changed and deleted by a function.

    CloudFormation's own resource resends the password list on every update of any property, which would undo
    rotations; the function sets a password only when it makes a user, and changes a user only while it is on.

    Parameters
    ----------
    functions
        What the function has in common with others.
    security_group
        Lets the function reach AWS's API.
    user_id
        Id of the first user; it and the second one's, which ends in ``-b``, are unique in account and region.
    user_name
        Name with which the application logs in at first; the second one's ends in ``_b``.
    access_string
        What the user whose turn it is may do, as Valkey's ACL writes it.
    secret
        Names the user whose turn it is, and holds its password.
    secrets_key
        Encrypts the secret.
    removal_policy
        That of the cache that the users log in to.

    Attributes
    ----------
    ids, access_string
        See `ICacheUsers`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: FunctionDefaults,
        security_group: ec2.ISecurityGroup,
        user_id: str,
        user_name: str,
        access_string: str,
        secret: secretsmanager.ISecret,
        secrets_key: kms.IKey,
        removal_policy: RemovalPolicy,
    ) -> None:
        ids = {user_name: user_id, f"{user_name}_b": f"{user_id}-b"}
        first, second = (
            {
                "UserId": id_,
                "UserName": name,
                "AccessString": access_string,
                "SecretArn": secret.secret_arn,
            }
            for name, id_ in ids.items()
        )
        super().__init__(
            scope,
            construct_id,
            functions=functions,
            asset="cache_user",
            description="Makes the application's users of the cache",
            security_group=security_group,
            statements=[
                *read_statements(scope, secrets_key, secret),
                _administration(scope, ids.values()),
                _service_linked_role(scope),
            ],
            resource_type="Custom::CacheUser",
            properties=first,
            removal_policy=removal_policy,
        )
        resources = (self.resource, self._add("Second", second))
        self.ids: Mapping[str, str] = {
            name: resource.ref for name, resource in zip(ids, resources, strict=True)
        }
        self.access_string = access_string


def turn_statements(scope: Construct, users: ICacheUsers, group_id: str) -> list[iam.PolicyStatement]:
    """Return what it takes to have users take turns in the user group of a cache."""
    arns = [_arn(scope, "user", each) for each in users.ids.values()]
    group = _arn(scope, "usergroup", group_id)
    return [
        iam.PolicyStatement(actions=["elasticache:DescribeUsers", "elasticache:ModifyUser"], resources=arns),
        iam.PolicyStatement(actions=["elasticache:DescribeUserGroups"], resources=[group]),
        iam.PolicyStatement(actions=["elasticache:ModifyUserGroup"], resources=[group, *arns]),
    ]


def _arn(scope: Construct, resource: str, name: str) -> str:
    return Stack.of(scope).format_arn(
        service="elasticache",
        resource=resource,
        resource_name=name,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def _administration(scope: Construct, ids: Iterable[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=[
            "elasticache:CreateUser",
            "elasticache:DeleteUser",
            "elasticache:DescribeUsers",
            "elasticache:ModifyUser",
        ],
        resources=[_arn(scope, "user", each) for each in ids],
    )


def _service_linked_role(scope: Construct) -> iam.PolicyStatement:
    """Let the account's first call to ElastiCache, which is this function's, make the service's role.

    As in AWS's managed policy `AmazonElastiCacheFullAccess`; "Using Service-Linked Roles for Amazon
    ElastiCache" in its User Guide.
    """
    service = "elasticache.amazonaws.com"
    role = Stack.of(scope).format_arn(
        service="iam",
        region="",
        resource="role",
        resource_name=f"aws-service-role/{service}/AWSServiceRoleForElastiCache",
    )
    return iam.PolicyStatement(
        actions=["iam:CreateServiceLinkedRole"],
        resources=[role],
        conditions={"StringEquals": {"iam:AWSServiceName": service}},
    )
