"""A cache that is made with no more than it needs."""

from gantry.cache.valkey import ValkeyCache
from tests.unit.constructs.conftest import Parts


def make(parts: Parts, snapshot_retention_days: int = 0) -> ValkeyCache:
    return ValkeyCache(
        parts.stack,
        "Cache",
        name="t",
        user_ids=["a", "b"],
        vpc=parts.vpc,
        security_group=parts.security_group,
        key=parts.key,
        max_data_gb=1,
        max_ecpu_per_second=1000,
        snapshot_retention_days=snapshot_retention_days,
    )


def test_it_stays_when_its_stack_goes_and_so_do_those_who_may_log_in(parts: Parts) -> None:
    make(parts)
    for resource_type in ("AWS::ElastiCache::ServerlessCache", "AWS::ElastiCache::UserGroup"):
        assert parts.one(resource_type)["DeletionPolicy"] == "RetainExceptOnCreate"


def test_it_keeps_the_subnets_that_every_environment_has(parts: Parts) -> None:
    """They are create-only: a third zone, which may come later, would replace it."""
    make(parts)
    assert parts.one("AWS::ElastiCache::ServerlessCache")["Properties"]["SubnetIds"] == ["i-a", "i-b"]


def test_snapshots_have_a_time_only_where_there_are_any(parts: Parts) -> None:
    make(parts)
    assert "DailySnapshotTime" not in parts.one("AWS::ElastiCache::ServerlessCache")["Properties"]


def test_snapshots_are_daily(parts: Parts) -> None:
    make(parts, snapshot_retention_days=3)
    made = parts.one("AWS::ElastiCache::ServerlessCache")["Properties"]
    assert (made["DailySnapshotTime"], made["SnapshotRetentionLimit"]) == ("04:00", 3)
