"""The serverless cache."""

from collections.abc import Sequence
from typing import Protocol

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_kms as kms
from constructs import Construct

from gantry.network.vpc import lasting_subnet_ids

_ENGINE = "valkey"
# All keys and channels, and every command but those that administer the server or block it for others.
APPLICATION_ACCESS = "on ~* &* +@all -@admin -@dangerous +info"


class ICache(Protocol):
    """A cache, as those who use or watch it see it."""

    @property
    def name(self) -> str:
        """Its name, by which it is watched."""

    @property
    def host(self) -> str:
        """Where it is reached, by TLS."""

    @property
    def port(self) -> str:
        """The port, a token."""


class ValkeyCache(Construct):
    """A serverless Valkey cache that its users enter with a password, over TLS.

    Parameters
    ----------
    name
        Name of the cache and of its user group; unique in account and region.
    user_ids
        Who may enter.
    vpc, security_group
        Where it lives: in isolated subnets of two zones, behind this group alone.
    key
        Encrypts it at rest; imported by ARN when it belongs to another stack.
    max_data_gb, max_ecpu_per_second
        Limits of what it may hold and do, and so of what it may cost.
    snapshot_retention_days
        How long daily snapshots are kept; 0 makes none.
    removal_policy
        What becomes of the cache when its stack is deleted.

    Attributes
    ----------
    name, host, port
        See `ICache`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        user_ids: Sequence[str],
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        key: kms.IKey,
        max_data_gb: int,
        max_ecpu_per_second: int,
        snapshot_retention_days: int = 0,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    ) -> None:
        super().__init__(scope, construct_id)
        group = elasticache.CfnUserGroup(
            self, "UserGroup", engine=_ENGINE, user_group_id=name, user_ids=list(user_ids)
        )
        limits = elasticache.CfnServerlessCache.CacheUsageLimitsProperty(
            data_storage=elasticache.CfnServerlessCache.DataStorageProperty(unit="GB", maximum=max_data_gb),
            ecpu_per_second=elasticache.CfnServerlessCache.ECPUPerSecondProperty(maximum=max_ecpu_per_second),
        )
        cache = elasticache.CfnServerlessCache(
            self,
            "Cache",
            engine=_ENGINE,
            major_engine_version="8",
            serverless_cache_name=name,
            user_group_id=group.ref,
            subnet_ids=lasting_subnet_ids(vpc),
            security_group_ids=[security_group.security_group_id],
            kms_key_id=key.key_arn,
            cache_usage_limits=limits,
            daily_snapshot_time="04:00" if snapshot_retention_days else None,
            snapshot_retention_limit=snapshot_retention_days,
        )
        # No one could log in to a cache that stays when its users go.
        for resource in (cache, group):
            resource.apply_removal_policy(removal_policy)
        self.name, self.host, self.port = name, cache.attr_endpoint_address, cache.attr_endpoint_port
