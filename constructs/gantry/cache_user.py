"""A user of an ElastiCache cache whose passwords CloudFormation leaves alone."""

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from gantry.custom_resource import FunctionResource
from gantry.python_function import FunctionDefaults
from gantry.secrets import read_statements


class CacheUser(FunctionResource):
    """A user with a password, made, changed and deleted by a function.

    CloudFormation's own resource resends the password list on every update of any property, which would undo
    rotations; the function sets a password only when it makes the user.

    Parameters
    ----------
    functions
        What the function has in common with others.
    security_group
        Lets the function reach AWS's API.
    user_id
        Unique in account and region.
    user_name
        Name with which the application logs in.
    access_string
        What the user may do, as Valkey's ACL writes it.
    secret
        Holds the user's first password.
    secrets_key
        Encrypts the secret.
    removal_policy
        That of the cache that the user logs in to.

    Attributes
    ----------
    user_id
        Id of the user, known once it is made.
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
        super().__init__(
            scope,
            construct_id,
            functions=functions,
            asset="cache_user",
            description="Makes the application's user of the cache",
            security_group=security_group,
            statements=[
                *read_statements(scope, secrets_key, secret),
                _administration(scope, user_id),
                _service_linked_role(scope),
            ],
            resource_type="Custom::CacheUser",
            properties={
                "UserId": user_id,
                "UserName": user_name,
                "AccessString": access_string,
                "SecretArn": secret.secret_arn,
            },
            removal_policy=removal_policy,
        )
        self.user_id: str = self.resource.ref


def _administration(scope: Construct, user_id: str) -> iam.PolicyStatement:
    user = Stack.of(scope).format_arn(
        service="elasticache",
        resource="user",
        resource_name=user_id,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(
        actions=[
            "elasticache:CreateUser",
            "elasticache:DeleteUser",
            "elasticache:DescribeUsers",
            "elasticache:ModifyUser",
        ],
        resources=[user],
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
