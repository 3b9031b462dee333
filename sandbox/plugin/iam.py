"""IAM: what runs with a role may do what the role's policies allow, and nothing else.

ministack enforces policies when AUTH is set, but knows the resources of few actions. Those that the
platform's functions call are added here, as the Service Authorization Reference has them; a denial is written
to the log. The user's own key is the root user's and may do everything.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticache.html
"""

import json
import logging
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region

from sandbox.plugin.patching import wrap

Context = dict[str, Any]

_logger = logging.getLogger(__name__)

# The parameter of an ECS action that names a service or a task: a name, an ARN or a list of them.
_ECS_SERVICES = {
    "CreateService": "serviceName",
    "DeleteService": "service",
    "DescribeServices": "services",
    "UpdateService": "service",
}
_ECS_TASKS = {"DescribeTasks": "tasks", "StopTask": "task"}


def install() -> None:
    """Name resources and conditions of actions for which ministack has none or wrong ones."""

    @wrap(iam_actions, "extract_resource_arn")
    def resource_arn(original: Callable[..., str], service: str, *request: Any) -> str:  # noqa: ANN401 - as it came
        _, _, headers, body, parameters, *_ = request
        if service == "ecs":
            return _ecs_resource(headers.get("x-amz-target", "").rpartition(".")[2], json.loads(body or "{}"))
        if service == "elasticache":
            return _elasticache_resource(parameters)
        return original(service, *request)

    @wrap(iam_actions, "request_tag_context")
    def context(
        original: Callable[..., Context], service: str, iam_action: str, body: bytes, *rest: object
    ) -> Context:
        values = original(service, iam_action, body, *rest)
        return values | ({"ecs:cluster": _ecs_cluster(json.loads(body or "{}"))} if service == "ecs" else {})

    @wrap(iam_evaluator, "enforce")
    def enforce(
        original: Callable[..., object], access_key_id: str, iam_action: str, *rest: object, **more: object
    ) -> object:
        denial = original(access_key_id, iam_action, *rest, **more)
        if denial is not None:
            who = getattr(denial, "principal_arn", access_key_id)
            _logger.warning("%s may not %s on %s", who, iam_action, more.get("resource_arn", "*"))
        return denial


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"


def _ecs_cluster(data: dict[str, Any]) -> str:
    name = data.get("cluster", "default")
    return name if name.startswith("arn:") else _arn("ecs", f"cluster/{name}")


def _ecs_resource(action: str, data: dict[str, Any]) -> str:
    for kind, actions in (("service", _ECS_SERVICES), ("task", _ECS_TASKS)):
        named = data.get(actions.get(action, ""))
        first = named[0] if isinstance(named, list) else named
        if first:
            cluster = _ecs_cluster(data).rpartition("/")[2]
            return first if first.startswith("arn:") else _arn("ecs", f"{kind}/{cluster}/{first}")
    return "*" if action == "ListTasks" else _ecs_cluster(data)


def _elasticache_resource(parameters: dict[str, list[str]]) -> str:
    for name, kind in (
        ("UserId", "user"), ("UserGroupId", "usergroup"), ("ServerlessCacheName", "serverlesscache"),
    ):  # fmt: skip
        if parameters.get(name):
            return _arn("elasticache", f"{kind}:{parameters[name][0]}")
    return "*"
