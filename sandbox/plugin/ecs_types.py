"""ECS in CloudFormation: whole task definitions, and services that are done when they are stable."""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import ecs
from ministack.services.cloudformation import provisioners

from sandbox.plugin.ecs import Services
from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import (
    Create,
    Delete,
    Properties,
    Provisioned,
    handlers,
    run_off_the_event_loop,
)
from sandbox.plugin.responses import failed, message

_SERVICE = "AWS::ECS::Service"
# Keys below these are the user's, not the API's.
_MAPS = frozenset({"dockerLabels", "options"})


def install(services: Services) -> None:
    """Correct what ministack does differently."""
    _keep_whole_definitions()
    _create_services(services)
    _update_services(services)
    run_off_the_event_loop(_SERVICE)


def _keep_whole_definitions() -> None:
    # ministack renames the keys of some nested structures only, and drops the platform.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-taskdefinition.html
    @wrap(provisioners, "_normalize_container_defs")
    def normalize(
        original: Callable[[list[Properties]], list[Properties]], cdefs: list[Properties]
    ) -> list[Properties]:
        del original
        return [_camel_case(each) for each in cdefs]

    @wrap(handlers("AWS::ECS::TaskDefinition"), "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        arn, attributes = original(logical_id, props, stack_name)
        definition = ecs._task_defs[ecs._resolve_td_key(arn)]
        definition["volumes"] = _camel_case(props.get("Volumes", []))
        definition["runtimePlatform"] = _camel_case(props.get("RuntimePlatform", {}))
        return arn, attributes


def _create_services(services: Services) -> None:
    def remove(arn: str) -> None:
        cluster = arn.split("/")[1]
        ecs._delete_service({"cluster": cluster, "service": arn, "force": True})
        services.delete(arn, wait=True)

    # ministack's handler leaves out some properties, such as the grace period, and does not wait until the
    # service is in a steady state.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-service.html
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-ecs-service-deploymentcircuitbreaker.html
    @wrap(handlers(_SERVICE), "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        del original
        request = {"serviceName": f"{stack_name}-{logical_id}"} | _camel_case(props)
        response = ecs._create_service(request)
        if failed(response):
            raise ValueError(f"{_SERVICE}: {message(response)}")
        service = json.loads(response[2])["service"]
        try:
            services.wait_until_stable(service["serviceArn"])
        except ValueError:
            remove(service["serviceArn"])
            raise
        return service["serviceArn"], {"ServiceArn": service["serviceArn"], "Name": service["serviceName"]}

    @wrap(handlers(_SERVICE), "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        del original, props
        remove(physical_id)


def _update_services(services: Services) -> None:
    @wrap(handlers(_SERVICE), "update")
    def update(
        original: Callable[..., Provisioned],
        physical_id: str,
        old_props: Properties,
        new_props: Properties,
        stack_name: str,
    ) -> Provisioned:
        provisioned = original(physical_id, old_props, new_props, stack_name)
        try:
            services.wait_until_stable(physical_id)
        except ValueError:
            # CloudFormation sends back what failed to update, too.
            original(physical_id, new_props, old_props, stack_name)
            services.wait_until_stable(physical_id)
            raise
        return provisioned


def _camel_case(value: Any) -> Any:  # noqa: ANN401 - any JSON value, and the same kind comes back
    if isinstance(value, list):
        return [_camel_case(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {key[:1].lower() + key[1:]: each for key, each in value.items()}
    return {key: each if key in _MAPS else _camel_case(each) for key, each in named.items()}
