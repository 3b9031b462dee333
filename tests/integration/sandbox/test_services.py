"""ECS of the sandbox: what runs is the service's folder, started from the deployed task definition."""

import json
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from gantry_runtime.clock import Clock
from rotation.releases import Releases
from tests.integration.sandbox.emulator import Emulator, Template, template, wait_until

# The service says at its start which variables are missing, and ends.
INCOMPLETE = [{"Name": "ENVIRONMENT", "Value": "test"}]
BREAKER = {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}


def stack(*, desired_count: int, environment: list[dict[str, str]]) -> Template:
    container = {
        "Name": "web", "Image": "service", "Environment": environment,
        "PortMappings": [{"ContainerPort": 8080}],
        "Secrets": [{"Name": "DATABASE_SECRET", "ValueFrom": {"Ref": "Secret"}}], "StopTimeout": 5,
        "LogConfiguration": {
            "LogDriver": "awslogs",
            "Options": {"awslogs-group": {"Ref": "Logs"}, "awslogs-stream-prefix": "web"},
        },
    }  # fmt: skip
    resources: dict[str, Any] = {
        "Logs": {"Type": "AWS::Logs::LogGroup"},
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "{}"}},
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "cluster"}},
        "Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {
                "Family": "web", "ContainerDefinitions": [container], "Cpu": "256", "Memory": "512",
                "NetworkMode": "awsvpc", "RuntimePlatform": {"CpuArchitecture": "ARM64"},
            },
        },
        "Service": {
            "Type": "AWS::ECS::Service",
            "Properties": {
                "ServiceName": "web", "Cluster": {"Ref": "Cluster"}, "TaskDefinition": {"Ref": "Task"},
                "DesiredCount": desired_count, "LaunchType": "FARGATE", "DeploymentConfiguration": BREAKER,
            },
        },
    }  # fmt: skip
    return template(resources, Task={"Ref": "Task"}, Logs={"Ref": "Logs"})


def test_the_whole_definition_reaches_the_task(emulator: Emulator) -> None:
    with emulator.deployed("definition", stack(desired_count=0, environment=INCOMPLETE)) as outputs:
        ecs = emulator.client("ecs")
        definition = ecs.describe_task_definition(taskDefinition=outputs["Task"])["taskDefinition"]
        container = definition["containerDefinitions"][0]
        assert definition["runtimePlatform"] == {"cpuArchitecture": "ARM64"}
        assert container["secrets"][0]["name"] == "DATABASE_SECRET"
        assert container["logConfiguration"]["options"]["awslogs-group"] == outputs["Logs"]


def test_a_service_that_never_gets_healthy_fails_its_stack(emulator: Emulator) -> None:
    assert emulator.create("unhealthy", stack(desired_count=1, environment=INCOMPLETE)) == "ROLLBACK_COMPLETE"
    assert "ECS Deployment Circuit Breaker was triggered" in emulator.failures("unhealthy")
    ecs = emulator.client("ecs")
    assert ecs.list_tasks(cluster="cluster", serviceName="web")["taskArns"] == []
    emulator.delete("unhealthy")


def test_a_failing_update_is_rolled_back_and_leaves_the_old_definition(emulator: Emulator) -> None:
    with emulator.deployed("rolled-back", stack(desired_count=0, environment=INCOMPLETE)) as outputs:
        changed = stack(desired_count=1, environment=[{"Name": "ENVIRONMENT", "Value": "other"}])
        assert emulator.update("rolled-back", changed) == "UPDATE_ROLLBACK_COMPLETE"
        service = emulator.client("ecs").describe_services(cluster="cluster", services=["web"])["services"][0]
        assert service["taskDefinition"] == outputs["Task"]
        assert service["desiredCount"] == 0


def test_a_single_task_runs_logs_and_is_described_with_its_times(emulator: Emulator) -> None:
    with emulator.deployed("single", stack(desired_count=0, environment=INCOMPLETE)) as outputs:
        ecs = emulator.client("ecs")
        (started,) = ecs.run_task(cluster="cluster", taskDefinition=outputs["Task"])["tasks"]

        def task() -> dict[str, Any]:
            tasks: list[dict[str, Any]] = ecs.describe_tasks(cluster="cluster", tasks=[started["taskArn"]])[
                "tasks"
            ]
            return tasks[0]

        wait_until(lambda: task()["lastStatus"] == "STOPPED")
        assert task()["stopCode"] == "EssentialContainerExited"
        assert task()["containers"][0]["exitCode"] != 0
        assert task()["createdAt"] < task()["startedAt"] < task()["stoppedAt"]
        logs = emulator.client("logs")
        stream = f"web/web/{started['taskArn'].rpartition('/')[2]}"

        def messages() -> str:
            events = logs.get_log_events(logGroupName=outputs["Logs"], logStreamName=stream)["events"]
            return "\n".join(each["message"] for each in events)

        wait_until(lambda: "DATABASE_HOST" in messages())


def test_a_task_of_an_unknown_definition_is_refused(emulator: Emulator) -> None:
    ecs = emulator.client("ecs")
    ecs.create_cluster(clusterName="empty")
    with pytest.raises(ecs.exceptions.ClientException, match="nothing"):
        ecs.run_task(cluster="empty", taskDefinition="nothing")


def test_events_of_a_task_reach_the_default_bus(emulator: Emulator) -> None:
    queues, events = emulator.client("sqs"), emulator.client("events")
    queue = queues.create_queue(QueueName="task-events")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"]}
    events.put_rule(Name="tasks", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="tasks", Targets=[{"Id": "queue", "Arn": arn}])
    states: list[str] = []

    def stopped() -> bool:
        for message in queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            states.append(json.loads(message["Body"])["detail"]["lastStatus"])
            queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return "STOPPED" in states

    with emulator.deployed("events", stack(desired_count=0, environment=INCOMPLETE)) as outputs:
        emulator.client("ecs").run_task(cluster="cluster", taskDefinition=outputs["Task"])
        wait_until(stopped)
    assert states[0] == "PROVISIONING"


class Later(Clock):
    """The time of an hour later."""

    def now(self) -> datetime:
        return super().now() + timedelta(hours=1)


def test_a_release_that_never_starts_is_stopped_without_a_circuit_breaker(emulator: Emulator) -> None:
    with emulator.deployed("release", stack(desired_count=0, environment=INCOMPLETE)) as outputs:
        ecs = emulator.client("ecs")

        def service() -> dict[str, Any]:
            found: dict[str, Any] = ecs.describe_services(cluster="cluster", services=["web"])["services"][0]
            return found

        container = ecs.describe_task_definition(taskDefinition=outputs["Task"])["taskDefinition"]
        broken = ecs.register_task_definition(
            family="web", containerDefinitions=container["containerDefinitions"], cpu="256", memory="512"
        )["taskDefinition"]["taskDefinitionArn"]
        ecs.update_service(
            cluster="cluster", service="web", desiredCount=1, taskDefinition=broken,
            deploymentConfiguration={
                "strategy": "BLUE_GREEN", "deploymentCircuitBreaker": {"enable": False, "rollback": False},
            },
        )  # fmt: skip
        # More often than the circuit breaker would allow, and still in progress.
        wait_until(lambda: service()["deployments"][0]["failedTasks"] > 3)
        assert service()["taskDefinition"] == broken
        releases = partial(
            Releases, ecs, cluster="cluster", service="web", limit=timedelta(minutes=18), logger=Logger()
        )
        assert releases(clock=Clock()).stop_overdue() == []
        (arn,) = releases(clock=Later()).stop_overdue()
        assert ":service-deployment/cluster/web/" in arn
        assert service()["taskDefinition"] == outputs["Task"]
        assert releases(clock=Later()).stop_overdue() == []
        (last,) = ecs.list_service_deployments(cluster="cluster", service="web")["serviceDeployments"]
        with pytest.raises(ecs.exceptions.ClientException, match="no deployment that can be rolled back"):
            ecs.stop_service_deployment(serviceDeploymentArn=last["serviceDeploymentArn"])
