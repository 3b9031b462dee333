"""Service deployments of ECS: the newest of each service, and how it is stopped.

ministack lists none, and has no StopServiceDeployment.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceDeployments.html
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopServiceDeployment.html
"""

from datetime import datetime
from typing import Any

from ministack.services import ecs

from sandbox.plugin.ecs import Record, Services, replace
from sandbox.plugin.responses import Action, Response, answer, error

_STATUS = {"IN_PROGRESS": "IN_PROGRESS", "COMPLETED": "SUCCESSFUL", "FAILED": "STOPPED"}


def install(services: Services) -> None:
    """Serve the actions of service deployments."""

    def list_them(original: Action, data: dict[str, Any]) -> Response:
        del original
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        name = data["service"].rpartition("/")[2]
        wanted = data.get("status")
        found = [
            each
            for each in _all()
            if each["serviceArn"].endswith(f"/{cluster}/{name}") and (not wanted or each["status"] in wanted)
        ]
        return answer({"serviceDeployments": found})

    def describe(original: Action, data: dict[str, Any]) -> Response:
        del original
        found = {each["serviceDeploymentArn"]: each for each in _all()}
        arns = data["serviceDeploymentArns"]
        return answer(
            {
                "serviceDeployments": [found[arn] for arn in arns if arn in found],
                "failures": [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in found],
            }
        )

    def stop(data: dict[str, Any]) -> Response:
        arn = data["serviceDeploymentArn"]
        for each in _all():
            if each["serviceDeploymentArn"] == arn:
                services.stop_deployment(each["serviceArn"])
                return answer({"serviceDeploymentArn": arn})
        return error("ServiceDeploymentNotFoundException", f"there is no service deployment {arn}")

    replace("ListServiceDeployments", "_list_service_deployments", list_them)
    replace("DescribeServiceDeployments", "_describe_service_deployments", describe)
    ecs._ACTION_MAP["StopServiceDeployment"] = stop


def _all() -> list[Record]:
    return [_described(service) for _, service in ecs._services.all_items() if service.get("deployments")]


def _described(service: Record) -> Record:
    primary, *others = service["deployments"]
    prefix = service["serviceArn"].replace(":service/", ":service-deployment/")
    status = _STATUS[primary["rolloutState"]]
    if "rolling back" in primary["rolloutStateReason"] and status == "IN_PROGRESS":
        status = "ROLLBACK_IN_PROGRESS"
    configuration = service.get("deploymentConfiguration") or {}
    shifts = configuration.get("strategy", "ROLLING") != "ROLLING"
    stage = {"lifecycleStage": primary["lifecycleStage"]} if shifts and status == "IN_PROGRESS" else {}
    revision = prefix.replace(":service-deployment/", ":service-revision/")
    return {
        "serviceDeploymentArn": f"{prefix}/{_number(primary)}",
        "serviceArn": service["serviceArn"],
        "clusterArn": service["clusterArn"],
        "createdAt": datetime.fromisoformat(primary["createdAt"]).timestamp(),
        "status": status,
        "statusReason": primary["rolloutStateReason"],
        "deploymentConfiguration": configuration,
        "sourceServiceRevisions": [{"arn": f"{revision}/{_number(each)}"} for each in others],
        "targetServiceRevision": {"arn": f"{revision}/{_number(primary)}"},
    } | stage


def _number(deployment: Record) -> str:
    return str(deployment["id"].rpartition("/")[2])
