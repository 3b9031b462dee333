"""The tasks that read a secret before it was last changed, and how they come to an end sooner."""

from datetime import datetime, timedelta

from ops.aws import Environment
from ops.console import err

# As lambdas/rotation/service.py compares the clocks of two services.
_MARGIN = timedelta(seconds=2)
# All traffic is with the new tasks; the old ones are kept for a way back ("Amazon ECS service deployments" in
# the ECS Developer Guide).
_AFTER_TRAFFIC = frozenset({"BAKE_TIME", "CLEAN_UP"})
_DESCRIBABLE = 100


class OldTasks:
    """Old tasks of a secret.

    Parameters
    ----------
    environment
        Whose service reads the secret.
    arn
        The secret's ARN.
    """

    def __init__(self, environment: Environment, arn: str) -> None:
        outputs = environment.outputs("compute")
        self._environment, self._arn = environment, arn
        self._cluster, self._service = outputs["ClusterName"], outputs["ServiceName"]
        self._printed: set[str] = set()

    def replace(self) -> None:
        """Begin a deployment of new tasks."""
        self._environment.ecs.update_service(
            cluster=self._cluster, service=self._service, forceNewDeployment=True
        )

    def hurry(self) -> None:
        """Stop old tasks that a deployment only keeps for a way back; name those that no deployment ends.

        A rolling deployment stops each old task as soon as a new one is healthy. What ECS starts in place of
        a task that is stopped here reads the current version.
        """
        group = f"service:{self._service}"
        changed = self._environment.secrets.describe_secret(SecretId=self._arn)["LastChangedDate"]
        old = self._old(changed)
        if self._traffic_has_moved(changed):
            for task in (task for task, its_group in old.items() if its_group == group):
                self._environment.ecs.stop_task(
                    cluster=self._cluster, task=task, reason="it holds a leaked credential"
                )
        for task in (task for task, its_group in old.items() if its_group != group):
            if task not in self._printed:
                self._printed.add(task)
                name = task.rpartition("/")[2]
                err.print(
                    f"  Task {name} is not the service's and holds the old",
                    "  credential. It is waited for; to stop it:",
                    f"  aws ecs stop-task --cluster {self._cluster} --task {name}",
                    sep="\n",
                    highlight=False,
                )

    def _old(self, changed: datetime) -> dict[str, str]:
        """Return the groups of old tasks that are not stopping yet, by their ARNs."""
        client = self._environment.ecs
        pages = client.get_paginator("list_tasks").paginate(cluster=self._cluster, desiredStatus="RUNNING")
        arns = [arn for page in pages for arn in page["taskArns"]]
        batches = [arns[start : start + _DESCRIBABLE] for start in range(0, len(arns), _DESCRIBABLE)]
        return {
            task["taskArn"]: task.get("group", "")
            for batch in batches
            for task in client.describe_tasks(cluster=self._cluster, tasks=batch)["tasks"]
            if "createdAt" in task and task["createdAt"] <= changed + _MARGIN
        }

    def _traffic_has_moved(self, changed: datetime) -> bool:
        """Return whether a deployment of new tasks serves; that of an earlier release has old ones alone."""
        client = self._environment.ecs
        briefs = client.list_service_deployments(
            cluster=self._cluster, service=self._service, status=["IN_PROGRESS"], maxResults=_DESCRIBABLE
        )["serviceDeployments"]
        if not briefs:
            return False
        arns = [each["serviceDeploymentArn"] for each in briefs]
        found = client.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
        return any(
            each.get("lifecycleStage") in _AFTER_TRAFFIC and each["createdAt"] >= changed for each in found
        )
