"""AWS::ElastiCache::ServerlessCache, which ministack has in its API and not in CloudFormation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticache-serverlesscache.html
"""

import time
from typing import Any

from ministack.services import elasticache
from ministack.services.cloudformation import provisioners

from sandbox.plugin.resource_types import Properties, Provisioned, register, run_off_the_event_loop

_TYPE = "AWS::ElastiCache::ServerlessCache"
_REPLACES = (
    "ConnectionType", "KmsKeyId", "NetworkType", "ServerlessCacheName", "SnapshotArnsToRestore", "SubnetIds",
)  # fmt: skip
_AVAILABLE_SECONDS = 60.0


def install() -> None:
    """Teach CloudFormation the type."""
    register(_TYPE, create=_create, update=_update, delete=_delete, replaces=_REPLACES)
    run_off_the_event_loop(_TYPE)


def _create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    generated = provisioners._physical_name(stack_name, logical_id, lowercase=True, max_len=40)
    name = str(properties.get("ServerlessCacheName") or generated).lower()
    request = provisioners._ec_query(properties) | {"ServerlessCacheName": name}
    provisioners._ec_call(elasticache._create_serverless_cache, request, _TYPE, "create")
    cache = elasticache._serverless_caches[name]
    deadline = time.monotonic() + _AVAILABLE_SECONDS
    while cache["Status"] == "creating" and time.monotonic() < deadline:
        time.sleep(0.05)
    if cache["Status"] != "available":
        _delete(name, properties)
        raise ValueError(f"{_TYPE} {name}: {cache.get('_reason', 'is not available in time')}")
    return name, _attributes(name)


def _update(
    physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None
) -> Provisioned:
    del stack_name, logical_id
    changed = {key: value for key, value in new.items() if old.get(key) != value and key != "Tags"}
    if "UserGroupId" in old and "UserGroupId" not in new:
        changed["RemoveUserGroup"] = True
    if changed:
        request = provisioners._ec_query(changed) | {"ServerlessCacheName": physical_id}
        provisioners._ec_call(elasticache._modify_serverless_cache, request, _TYPE, "update")
    provisioners._ec_sync_tags(elasticache._arn_serverless_cache(physical_id), old, new, _TYPE)
    return physical_id, _attributes(physical_id)


def _delete(physical_id: str, properties: Properties) -> None:
    del properties
    elasticache._delete_serverless_cache({"ServerlessCacheName": physical_id})


def _attributes(name: str) -> dict[str, Any]:
    cache = elasticache._serverless_caches[name]
    return {
        "ARN": cache["ARN"],
        "CreateTime": str(cache["CreateTime"]),
        "Endpoint.Address": cache["Endpoint"]["Address"],
        "Endpoint.Port": str(cache["Endpoint"]["Port"]),
        "FullEngineVersion": cache["FullEngineVersion"],
        "ReaderEndpoint.Address": cache["ReaderEndpoint"]["Address"],
        "ReaderEndpoint.Port": str(cache["ReaderEndpoint"]["Port"]),
        "Status": cache["Status"],
    }
