"""The service deployments of ECS: one, on its way."""

from datetime import datetime
from typing import Any

from tests.aws.ecs import CLUSTER, SERVICE
from tests.aws.transport import Answer

ARN = f"arn:aws:ecs:us-east-1:000000000000:service-deployment/{CLUSTER}/{SERVICE}/1"


class ServiceDeployments:
    """The one deployment of a service."""

    def __init__(self, created: datetime, **changes: object) -> None:
        self.deployment: dict[str, Any] = {
            "serviceDeploymentArn": ARN,
            "createdAt": created,
            "status": "IN_PROGRESS",
            "lifecycleStage": "SCALE_UP",
            "sourceServiceRevisions": [{"arn": "arn:aws:ecs:us-east-1:000000000000:service-revision/1"}],
            "deploymentConfiguration": {"strategy": "BLUE_GREEN"},
        } | changes

    def list_service_deployments(
        self, cluster: str, service: str, status: list[str], max_results: int
    ) -> Answer:
        assert (cluster, service) == (CLUSTER, SERVICE)
        assert max_results <= 100
        brief = {"serviceDeploymentArn": ARN, "status": self.deployment["status"]}
        return {"serviceDeployments": [brief] if self.deployment["status"] in status else []}

    def describe_service_deployments(self, service_deployment_arns: list[str]) -> Answer:
        assert service_deployment_arns == [ARN]
        return {"serviceDeployments": [self.deployment], "failures": []}

    def stop_service_deployment(self, service_deployment_arn: str, stop_type: str) -> Answer:
        assert stop_type == "ROLLBACK"
        self.deployment["status"] = "ROLLBACK_REQUESTED"
        return {"serviceDeploymentArn": service_deployment_arn}
