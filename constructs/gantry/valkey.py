"""The serverless cache and its user."""

from collections.abc import Sequence

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

PORT = 6379
_ENGINE = "valkey"
# Everything that an application needs, on all keys; nothing that administers the server.
ACCESS_STRING = "on ~* &* +@all -@admin -@dangerous +info"


class ValkeyCache(Construct):
    """A serverless Valkey cache that one user with a password may enter, over TLS.

    The user is a custom resource because CloudFormation's own resends the password list on every update of
    any property, which would undo rotations; the function of this one sets a password only when it makes it.

    Parameters
    ----------
    name
        Name of the cache and its group, and the id of its user; unique in account and region.
    user_name
        Name with which the application logs in.
    user_secret
        Holds the user's first password.
    user_function
        Makes, changes and deletes the user.
    vpc, security_group
        Where it lives: in isolated subnets, behind this group alone.
    key
        Encrypts it at rest; imported by ARN.
    max_data_gb, max_ecpu_per_second
        Limits of what it may hold and do, and so of what it may cost.
    snapshot_retention_days
        How long daily snapshots are kept.

    Attributes
    ----------
    cache
        The cache.
    host, port
        Its endpoint.
    user_id
        Id of the user.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        user_name: str,
        user_secret: secretsmanager.ISecret,
        user_function: lambda_.IFunction,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        key: kms.IKey,
        max_data_gb: int,
        max_ecpu_per_second: int,
        snapshot_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        user = CustomResource(
            self,
            "User",
            resource_type="Custom::CacheUser",
            service_token=user_function.function_arn,
            service_timeout=Duration.minutes(15),
            properties={
                "UserId": name,
                "UserName": user_name,
                "AccessString": ACCESS_STRING,
                "SecretArn": user_secret.secret_arn,
            },
        )
        self.user_id: str = user.ref
        group = elasticache.CfnUserGroup(
            self, "UserGroup", engine=_ENGINE, user_group_id=name, user_ids=[self.user_id]
        )
        limits = elasticache.CfnServerlessCache.CacheUsageLimitsProperty(
            data_storage=elasticache.CfnServerlessCache.DataStorageProperty(unit="GB", maximum=max_data_gb),
            ecpu_per_second=elasticache.CfnServerlessCache.ECPUPerSecondProperty(maximum=max_ecpu_per_second),
        )
        self.cache = elasticache.CfnServerlessCache(
            self,
            "Cache",
            engine=_ENGINE,
            major_engine_version="8",
            serverless_cache_name=name,
            user_group_id=group.ref,
            subnet_ids=_subnets(vpc),
            security_group_ids=[security_group.security_group_id],
            kms_key_id=key.key_arn,
            cache_usage_limits=limits,
            snapshot_retention_limit=snapshot_retention_days,
        )
        self.host = self.cache.attr_endpoint_address
        self.port = self.cache.attr_endpoint_port


def _subnets(vpc: ec2.IVpc) -> Sequence[str]:
    # ElastiCache Serverless takes two or three subnets in different zones.
    return vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED).subnet_ids
