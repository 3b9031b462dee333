"""The containerised service: tasks, scaling, and deployments that roll themselves back."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from gantry.nag import acknowledge

_CONTAINER = "service"
_USER = "10001:10001"
HEALTH_PATH = "/healthz"


class WebService(Construct):
    """A Fargate service on Graviton, without root, on a read-only file system, in private subnets.

    Parameters
    ----------
    name
        Name of the cluster, the service and the task definition's family.
    vpc, security_group
        Where the tasks run.
    target_group
        Gets the tasks.
    image
        What the tasks run.
    port
        Where the container listens.
    environment, secrets
        Variables; each secret is injected whole, so that what belongs together is of one version.
    read_secrets
        What the execution role needs to read the secrets.
    log_group
        Gets what the tasks say.
    cpu, memory_mib, stop_timeout
        Of a task.
    min_capacity, max_capacity, cpu_target_utilization
        Scaling by the CPU percentage that tasks use on average.

    Attributes
    ----------
    cluster, service
        The cluster and the service.
    execution_role
        With which ECS reads secrets, pulls the image and writes logs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        target_group: elbv2.ApplicationTargetGroup,
        image: ecs.ContainerImage,
        port: int,
        environment: Mapping[str, str],
        secrets: Mapping[str, secretsmanager.ISecret],
        read_secrets: Sequence[iam.PolicyStatement],
        log_group: logs.ILogGroup,
        cpu: int,
        memory_mib: int,
        stop_timeout: Duration,
        min_capacity: int,
        max_capacity: int,
        cpu_target_utilization: int,
        deployment_alarms: Sequence[cloudwatch.Alarm],
    ) -> None:
        super().__init__(scope, construct_id)
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=name,
            vpc=vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        task_definition = ecs.FargateTaskDefinition(
            self,
            "TaskDefinition",
            family=name,
            cpu=cpu,
            memory_limit_mib=memory_mib,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        self.execution_role: iam.IRole = task_definition.obtain_execution_role()
        acknowledge(
            task_definition,
            "What stands in the environment is addresses and limits; secrets come from Secrets Manager.",
            "AwsSolutions-ECS2",
        )
        for statement in read_secrets:
            task_definition.add_to_execution_role_policy(statement)
        self._add_container(
            task_definition, image=image, port=port, environment=environment, secrets=secrets,
            log_group=log_group, stop_timeout=stop_timeout,
        )  # fmt: skip
        self.service = ecs.FargateService(
            self,
            "Service",
            service_name=name,
            cluster=self.cluster,
            task_definition=task_definition,
            desired_count=min_capacity,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[security_group],
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=[alarm.alarm_name for alarm in deployment_alarms],
                behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM,
            )
            if deployment_alarms
            else None,
            health_check_grace_period=Duration.seconds(60),
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        for alarm in deployment_alarms:
            self.service.node.add_dependency(alarm)  # ECS refuses alarms that do not exist
        self.service.attach_to_application_target_group(target_group)
        scaling = self.service.auto_scale_task_count(min_capacity=min_capacity, max_capacity=max_capacity)
        scaling.scale_on_cpu_utilization(
            "Cpu",
            target_utilization_percent=cpu_target_utilization,
            scale_in_cooldown=Duration.minutes(5),
            scale_out_cooldown=Duration.minutes(1),
        )

    def _add_container(
        self,
        task_definition: ecs.FargateTaskDefinition,
        *,
        image: ecs.ContainerImage,
        port: int,
        environment: Mapping[str, str],
        secrets: Mapping[str, secretsmanager.ISecret],
        log_group: logs.ILogGroup,
        stop_timeout: Duration,
    ) -> None:
        url = f"http://127.0.0.1:{port}{HEALTH_PATH}"
        check = f"import urllib.request; urllib.request.urlopen('{url}', timeout=4)"
        task_definition.add_container(
            _CONTAINER,
            container_name=_CONTAINER,
            image=image,
            user=_USER,
            readonly_root_filesystem=True,
            environment=dict(environment),
            secrets={name: ecs.Secret.from_secrets_manager(secret) for name, secret in secrets.items()},
            logging=ecs.LogDrivers.aws_logs(stream_prefix=_CONTAINER, log_group=log_group),
            port_mappings=[ecs.PortMapping(container_port=port)],
            stop_timeout=stop_timeout,
            health_check=ecs.HealthCheck(
                command=["CMD", "python", "-c", check],
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
                retries=3,
                start_period=Duration.seconds(30),
            ),
        )
