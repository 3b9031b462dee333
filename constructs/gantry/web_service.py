"""The containerised service: tasks, scaling, and deployments that roll themselves back."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from gantry.nag import acknowledge
from gantry.secrets import read_statements

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
    environment
        Variables of the container.
    secrets
        Secrets by the variable that holds them; each is injected whole, so that what belongs together is of
        one version.
    secrets_key
        Encrypts all of the secrets.
    log_group_name, logs_key, log_retention
        Where and how long what the tasks say is kept.
    cpu, memory_mib, stop_timeout
        Of a task.
    min_capacity, max_capacity, cpu_target_utilization
        Scaling by the CPU percentage that tasks use on average.
    deployment_alarms
        Alarms that roll a deployment back.

    Attributes
    ----------
    cluster, service
        The cluster and the service.
    log_group
        Gets what the tasks say.
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
        secrets_key: kms.IKey,
        log_group_name: str,
        logs_key: kms.IKey,
        log_retention: logs.RetentionDays,
        cpu: int,
        memory_mib: int,
        stop_timeout: Duration,
        min_capacity: int,
        max_capacity: int,
        cpu_target_utilization: int,
        deployment_alarms: Sequence[cloudwatch.Alarm],
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = logs.LogGroup(
            self,
            "LogGroup",
            log_group_name=log_group_name,
            encryption_key=logs_key,
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=name,
            vpc=vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        task_definition = self._task_definition(name, cpu, memory_mib)
        self._allow_start(task_definition, image, secrets, secrets_key)
        task_definition.add_container(
            _CONTAINER,
            container_name=_CONTAINER,
            image=image,
            user=_USER,
            readonly_root_filesystem=True,
            linux_parameters=self._linux_parameters(),
            environment=dict(environment),
            secrets={
                variable: ecs.Secret.from_secrets_manager(secret) for variable, secret in secrets.items()
            },
            logging=ecs.LogDrivers.aws_logs(stream_prefix=_CONTAINER, log_group=self.log_group),
            port_mappings=[ecs.PortMapping(container_port=port)],
            stop_timeout=stop_timeout,
            health_check=_health_check(port),
        )
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
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.ENABLED,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=[alarm.alarm_name for alarm in deployment_alarms],
                behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM,
            ),
            health_check_grace_period=Duration.minutes(1),
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        self.service.attach_to_application_target_group(target_group)
        scaling = self.service.auto_scale_task_count(min_capacity=min_capacity, max_capacity=max_capacity)
        scaling.scale_on_cpu_utilization(
            "Cpu",
            policy_name=f"{name}-cpu",
            target_utilization_percent=cpu_target_utilization,
            scale_in_cooldown=Duration.minutes(5),
            scale_out_cooldown=Duration.minutes(1),
        )

    def _task_definition(self, family: str, cpu: int, memory_mib: int) -> ecs.FargateTaskDefinition:
        task_definition = ecs.FargateTaskDefinition(
            self,
            "TaskDefinition",
            family=family,
            cpu=cpu,
            memory_limit_mib=memory_mib,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        acknowledge(
            task_definition,
            "What stands in the environment is addresses and limits; secrets come from Secrets Manager.",
            "AwsSolutions-ECS2",
        )
        return task_definition

    @staticmethod
    def _allow_start(
        task_definition: ecs.FargateTaskDefinition,
        image: ecs.ContainerImage,
        secrets: Mapping[str, secretsmanager.ISecret],
        secrets_key: kms.IKey,
    ) -> None:
        execution_role = task_definition.obtain_execution_role()
        for statement in read_statements(task_definition, secrets_key, *secrets.values()):
            task_definition.add_to_execution_role_policy(statement)
        if isinstance(image, (ecs.AssetImage, ecs.EcrImage)):
            acknowledge(
                execution_role,
                "Pulling from ECR takes ecr:GetAuthorizationToken, which knows no resource: "
                "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html",
                "AwsSolutions-IAM5[Resource::*]",
            )

    def _linux_parameters(self) -> ecs.LinuxParameters:
        # The init process hands signals on and reaps orphans, whatever the image starts.
        parameters = ecs.LinuxParameters(self, "Linux", init_process_enabled=True)
        parameters.drop_capabilities(ecs.Capability.ALL)
        return parameters


def _health_check(port: int) -> ecs.HealthCheck:
    url = f"http://127.0.0.1:{port}{HEALTH_PATH}"
    return ecs.HealthCheck(
        command=["CMD", "python", "-c", f"import urllib.request; urllib.request.urlopen('{url}', timeout=4)"],
        interval=Duration.seconds(10),
        timeout=Duration.seconds(5),
        retries=3,
        start_period=Duration.seconds(30),
    )
