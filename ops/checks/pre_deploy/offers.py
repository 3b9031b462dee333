"""Whether the region offers what the templates ask for: versions, runtimes, zones."""

from collections.abc import Iterator, Mapping
from typing import Any

from ops.assembly import Resource
from ops.checks.context import Deployment
from ops.checks.results import Result, failed, ok, unknown

# "Supported Regions for Amazon ECS on AWS Fargate": where Fargate runs in these zones alone.
_FARGATE_ZONES: Mapping[str, frozenset[str]] = {
    "us-west-1": frozenset({"usw1-az1", "usw1-az3"}),
    "ap-northeast-1": frozenset({"apne1-az1", "apne1-az2", "apne1-az4"}),
}
# Where there is no RDS Proxy ("Quotas and limitations for RDS Proxy").
_NO_PROXY = frozenset({"use1-az3"})


def _of_type(context: Deployment, *types: str) -> list[Resource]:
    return [each for each in context.assembly.resources if each.type in types]


def _zone_ids(context: Deployment) -> dict[str, str]:
    """Return the ids of the region's zones that can be used, by their names."""
    answer = context.client("ec2").describe_availability_zones()["AvailabilityZones"]
    return {each["ZoneName"]: each["ZoneId"] for each in answer if each["State"] == "available"}


def zones(context: Deployment) -> Iterator[Result]:
    """Yield whether the zones exist for this account and have what the platform needs."""
    ids, wanted = _zone_ids(context), context.settings.availability_zones
    known = ids | {identity: identity for identity in ids.values()}
    named = [f"{zone} ({known[zone]})" if zone in ids else zone for zone in wanted]
    usable = _FARGATE_ZONES.get(context.settings.region, frozenset(ids.values()))
    if context.settings.aurora.proxy:
        usable -= _NO_PROXY
    wrong = [
        f"{name}, which {'lacks Fargate or RDS Proxy' if zone in known else 'this account does not have'}"
        for zone, name in zip(wanted, named, strict=True)
        if known.get(zone) not in usable
    ]
    if wrong:
        yield failed(
            "zones",
            f"network.zones names {'; '.join(wrong)}.",
            f"Zones to choose from: {', '.join(sorted(z for z, i in ids.items() if i in usable))}.",
        )
    else:
        yield ok("zones", f"{', '.join(named)} can be used.")


def database_version(context: Deployment) -> Iterator[Result]:
    """Yield whether the database's version can be had, with its instance class, in all zones."""
    for cluster in _of_type(context, "AWS::RDS::DBCluster"):
        engine, version = cluster.get("Engine"), cluster.get("EngineVersion")
        pages = (
            context.client("rds")
            .get_paginator("describe_orderable_db_instance_options")
            .paginate(
                Engine=engine,
                EngineVersion=version,
                DBInstanceClass=_of_type(context, "AWS::RDS::DBInstance")[0].get("DBInstanceClass"),
            )
        )
        found = {
            zone["Name"]
            for page in pages
            for option in page["OrderableDBInstanceOptions"]
            for zone in option["AvailabilityZones"]
        }
        ids = _zone_ids(context)
        offered = found | {ids[name] for name in found if name in ids}
        missing = [zone for zone in context.settings.availability_zones if zone not in offered]
        if missing:
            versions = context.client("rds").describe_db_engine_versions(Engine=engine)["DBEngineVersions"]
            major = version.split(".")[0]
            others = [v["EngineVersion"] for v in versions if v["EngineVersion"].split(".")[0] == major]
            yield failed(
                "database version",
                f"{engine} {version} is not offered in {', '.join(missing)}.",
                f"Set aurora.engine_version to one of {', '.join(others) or 'another region'}.",
            )
        else:
            yield ok("database version", f"{engine} {version} is offered in all zones.")


def cache_version(context: Deployment) -> Iterator[Result]:
    """Yield whether the cache's version can be had."""
    for cache in _of_type(context, "AWS::ElastiCache::ServerlessCache"):
        engine, major = cache.get("Engine"), str(cache.get("MajorEngineVersion"))
        pages = (
            context.client("elasticache")
            .get_paginator("describe_cache_engine_versions")
            .paginate(Engine=engine)
        )
        versions = [each["EngineVersion"] for page in pages for each in page["CacheEngineVersions"]]
        evidence = f"{engine} {major} is asked for; offered: {', '.join(versions)}."
        if any(each.split(".")[0] == major for each in versions):
            yield ok("cache version", evidence)
        else:
            yield failed("cache version", evidence, "Choose another region.")


def runtimes(context: Deployment) -> Iterator[Result]:
    """Yield whether Lambda's API knows the functions' runtimes; no call lists those of a region."""
    known = set(context.client("lambda").meta.service_model.shape_for("Runtime").enum)
    wanted = {str(each.get("Runtime")) for each in _of_type(context, "AWS::Lambda::Function")}
    if missing := sorted(wanted - known):
        yield failed("function runtimes", f"Lambda does not know {', '.join(missing)}.", "Update Gantry.")
    else:
        listed = ", ".join(sorted(wanted))
        yield ok("function runtimes", f"{listed}: known to Lambda, which does not list them by region.")


def _canary_runtimes(context: Deployment) -> Iterator[Mapping[str, Any]]:
    """Yield the runtimes of canaries; Boto3 has no paginator for them."""
    token: dict[str, str] = {}
    while True:
        answer = context.client("synthetics").describe_runtime_versions(**token)
        yield from answer["RuntimeVersions"]
        if "NextToken" not in answer:
            return
        token = {"NextToken": answer["NextToken"]}


def canary_runtime(context: Deployment) -> Iterator[Result]:
    """Yield whether a canary can still be made with its runtime."""
    for canary in _of_type(context, "AWS::Synthetics::Canary"):
        wanted = canary.get("RuntimeVersion")
        found = {each["VersionName"]: each for each in _canary_runtimes(context)}
        deprecated = found.get(wanted, {}).get("DeprecationDate")
        if wanted in found and (deprecated is None or deprecated > context.now):
            yield ok("canary runtime", f"{wanted} is supported.")
        elif not found:
            yield unknown("canary runtime", "Synthetics lists no runtime.")
        else:
            since = f"deprecated since {deprecated:%Y-%m-%d}" if deprecated else "not offered"
            family = wanted.rsplit("-", 1)[0]
            others = [n for n, each in found.items() if family in n and "DeprecationDate" not in each]
            yield failed(
                "canary runtime",
                f"{wanted} is {since}.",
                f"Set canary.runtime to one of {', '.join(sorted(others))}.",
            )
