"""What earlier deployments left: stacks that cannot go on, names that are taken, keys on their way out."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from ops import leftovers
from ops.checks.context import Context, Deployment
from ops.checks.results import Result, failed, ok
from stacks.settings import Settings

# The property by which a template names a resource, of the types that can outlive their stack.
_NAMED_BY = {
    "AWS::Backup::BackupVault": "BackupVaultName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::ElastiCache::ServerlessCache": "ServerlessCacheName",
    "AWS::ElastiCache::UserGroup": "UserGroupId",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::RDS::DBCluster": "DBClusterIdentifier",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SecretsManager::Secret": "Name",
    "Custom::CacheUser": "UserId",
}
_SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a type
_KEY = "AWS::KMS::Key"
_STUCK = "docs/troubleshooting.md, `The stack is stuck`"


def stacks(context: Context) -> Iterator[Result]:
    """Yield whether every stack that there is can take a deployment."""
    statuses: dict[str, str] = {}
    for layer, region in context.settings.places.items():
        name = context.settings.stack_name(layer)
        try:
            answer = context.client("cloudformation", region).describe_stacks(StackName=name)
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            continue
        statuses[name] = answer["Stacks"][0]["StackStatus"]
    busy = [f"{name} is {status}" for name, status in statuses.items() if status.endswith("_IN_PROGRESS")]
    stuck = [f"{name} is {status}" for name, status in statuses.items() if _is_stuck(status)]
    if busy:
        yield failed("stacks", f"{'; '.join(busy)}.", "Wait until it has ended: `./gantry status`.")
    elif stuck:
        remedy = (
            f"{_clean_up(context.settings)} removes a failed creation; docs/troubleshooting.md has the rest."
        )
        yield failed("stacks", f"{'; '.join(stuck)}.", remedy)
    else:
        yield ok("stacks", f"{len(statuses)} of {len(context.settings.places)} stacks exist, all complete.")


def _is_stuck(status: str) -> bool:
    """Return whether no deployment can go on from a status."""
    return status.endswith("_FAILED") or status == "ROLLBACK_COMPLETE"


def _clean_up(settings: Settings) -> str:
    return f"`./gantry clean-up -e {settings.environment}`"


def taken(context: Deployment) -> Iterator[Result]:
    """Yield whether a name is free for each named resource that the deployment would make."""
    new = [
        (region, each.type, each.get(_NAMED_BY[each.type]))
        for region, each in context.new_resources()
        if isinstance(each.get(_NAMED_BY.get(each.type, "")), str)
    ]
    found = [
        f"{name} ({kind}{_until(context, region, kind, name)})"
        for region, kind, name in new
        if leftovers.created(context.region(region), kind, name) is not None
    ]
    if found:
        yield failed(
            "names",
            f"There is already {', '.join(found)}.",
            f"{_clean_up(context.settings)}, or with --leftovers after `cdk destroy`; what holds data can be "
            "imported (`cdk import`).",
        )
    elif new:
        yield ok("names", f"All {len(new)} names that the deployment would take are free.")
    else:
        yield ok("names", "The deployment would take no name.")


def _until(context: Context, region: str, kind: str, name: str) -> str:
    """Return that a secret is scheduled for deletion: it keeps its name until then."""
    if kind != _SECRET:
        return ""
    answer = context.client("secretsmanager", region).describe_secret(SecretId=name)
    return ", scheduled for deletion" if "DeletedDate" in answer else ""


def keys(context: Deployment) -> Iterator[Result]:
    """Yield whether the keys of the stacks that there are can be used."""
    found: dict[str, str] = {}
    deployed = context.deployed()
    for layer, region in context.settings.places.items():
        name = context.settings.stack_name(layer)
        if name not in deployed:
            continue
        pages = (
            context.client("cloudformation", region)
            .get_paginator("list_stack_resources")
            .paginate(StackName=name)
        )
        for page in pages:
            for each in page["StackResourceSummaries"]:
                if each["ResourceType"] == _KEY:
                    key = each["PhysicalResourceId"]
                    state = context.client("kms", region).describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
                    found[f"{each['LogicalResourceId']} {key}"] = state
    away = [f"{key} is {state}" for key, state in found.items() if state != "Enabled"]
    if away:
        remedy = "`aws kms cancel-key-deletion --key-id <key>`, then `aws kms enable-key --key-id <key>`"
        yield failed("keys", f"{'; '.join(away)}.", remedy)
    elif found:
        yield ok("keys", f"All {len(found)} keys are enabled.")
