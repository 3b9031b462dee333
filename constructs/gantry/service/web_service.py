"""The containerised service: tasks, scaling, and deployments that roll themselves back."""

from collections.abc import Mapping, Sequence
from typing import cast

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from contract import log_groups
from contract.service import CONTAINER, PORT, USER
from gantry.monitoring.log_groups import LogDefaults
from gantry.nag import acknowledge
from gantry.secrets.secret import read_statements
from gantry.security.trust import service_of_this_account
from gantry.service.container import health_check, linux_parameters, mount_volumes
from gantry.service.deployment import AlternateTarget, DeploymentPlan, TrafficShiftRole
from gantry.service.image import ServiceImage
from gantry.service.scaling import CAPACITY_PROVIDERS, Scaling, scale


class WebService(Construct):
    """A Fargate service, without root, on a read-only file system, in private subnets.

    Parameters
    ----------
    name
        Name of the cluster, the service and the task definition's family.
    vpc, security_group
        Where the tasks run.
    target_group, alternate
        Get the tasks; the alternate target is there for deployments that move the traffic.
    image
        What the tasks run, and on which processor.
    environment
        Variables of the container.
    secrets
        Secrets by the variable that holds them; each is injected whole, so that what belongs together is of
        one version.
    secrets_key
        Encrypts all of the secrets.
    log_defaults
        Of the log groups.
    cpu, memory_mib, stop_timeout
        Of a task.
    start_time
        How long a task may take until it is healthy; until then no failed health check counts.
    writable_paths
        Where the container has an empty volume of its own, of the task's ephemeral storage; the image must
        declare it, or it is root's.
    health_check_command
        What ECS runs inside the container to see whether it is healthy; nothing if empty, a line of Python if
        None. The load balancer asks by itself.
    labels
        Docker labels of the container.
    execute_command
        Whether ECS Exec is on. Every session is logged. Its agent writes, so that the root file system is no
        longer read-only.
    scaling
        How many tasks there are.
    deployment, deployment_alarms
        How a deployment replaces the tasks, and the alarms that roll it back.

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
        image: ServiceImage,
        environment: Mapping[str, str],
        secrets: Mapping[str, secretsmanager.ISecret],
        secrets_key: kms.IKey,
        log_defaults: LogDefaults,
        cpu: int,
        memory_mib: int,
        start_time: Duration,
        stop_timeout: Duration,
        scaling: Scaling,
        deployment: DeploymentPlan,
        deployment_alarms: Sequence[cloudwatch.Alarm],
        alternate: AlternateTarget | None = None,
        writable_paths: Sequence[str] = (),
        health_check_command: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        execute_command: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = log_defaults.group(self, name=log_groups.SERVICE)
        exec_log = log_defaults.group(self, "ExecLogGroup", name=log_groups.EXEC) if execute_command else None
        self.cluster = self._cluster(name, vpc, exec_log)
        task_definition = self._task_definition(name, cpu, memory_mib, image.cpu_architecture)
        execution_role = self._allow_start(task_definition, image, secrets, secrets_key)
        if exec_log is not None:
            self._acknowledge_sessions(task_definition, exec_log)
        container = task_definition.add_container(
            CONTAINER,
            container_name=CONTAINER,
            image=image.source,
            user=USER,
            docker_labels=dict(labels) if labels else None,
            readonly_root_filesystem=exec_log is None,
            linux_parameters=linux_parameters(self),
            environment=dict(environment),
            secrets={
                variable: ecs.Secret.from_secrets_manager(secret) for variable, secret in secrets.items()
            },
            logging=ecs.LogDrivers.aws_logs(stream_prefix=CONTAINER, log_group=self.log_group),
            port_mappings=[ecs.PortMapping(container_port=PORT)],
            stop_timeout=stop_timeout,
            health_check=health_check(health_check_command, start_time),
        )
        mount_volumes(task_definition, container, writable_paths)
        # No number of tasks: an update would go back to it, whatever the load has made of it.
        self.service = ecs.FargateService(
            self,
            "Service",
            service_name=name,
            cluster=self.cluster,
            task_definition=task_definition,
            capacity_provider_strategies=scaling.capacity,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[security_group],
            min_healthy_percent=100,
            max_healthy_percent=200,
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.ENABLED,
            deployment_strategy=deployment.native_strategy,
            bake_time=deployment.bake,
            canary_configuration=deployment.steps_of("canary"),
            linear_configuration=deployment.steps_of("linear"),
            circuit_breaker=deployment.circuit_breaker,
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=[alarm.alarm_name for alarm in deployment_alarms],
                behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM,
            ),
            health_check_grace_period=start_time,
            enable_execute_command=exec_log is not None,
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        # With its policy: the first task reads secrets and image with it.
        self.service.node.add_dependency(execution_role)
        self._offer_capacity(target_group)
        self._attach(target_group, alternate)
        scale(self.service, name=name, scaling=scaling, target_group=target_group)

    def _cluster(self, name: str, vpc: ec2.IVpc, exec_log: logs.ILogGroup | None) -> ecs.Cluster:
        execute_command = None
        if exec_log is not None:
            execute_command = ecs.ExecuteCommandConfiguration(
                logging=ecs.ExecuteCommandLogging.OVERRIDE,
                log_configuration=ecs.ExecuteCommandLogConfiguration(
                    cloud_watch_log_group=exec_log,
                    cloud_watch_encryption_enabled=True,
                ),
            )
        return ecs.Cluster(
            self,
            "Cluster",
            cluster_name=name,
            vpc=vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            execute_command_configuration=execute_command,
        )

    def _offer_capacity(self, target_group: elbv2.ApplicationTargetGroup) -> None:
        """Offer the cluster's capacity before the service uses it, and until it no longer does."""
        providers = ecs.CfnClusterCapacityProviderAssociations(
            self,
            "CapacityProviders",
            cluster=self.cluster.cluster_name,
            capacity_providers=list(CAPACITY_PROVIDERS),
            default_capacity_provider_strategy=[],
        )
        # The first cluster of an account makes ECS's service-linked role, which this needs and which takes a
        # moment to be known everywhere; a load balancer takes minutes, and the service waits for it anyway.
        providers.node.add_dependency(target_group.load_balancer_attached)
        self.service.node.add_dependency(providers)

    def _acknowledge_sessions(
        self, task_definition: ecs.FargateTaskDefinition, exec_log: logs.LogGroup
    ) -> None:
        stack = Stack.of(self)
        name = stack.get_logical_id(cast("logs.CfnLogGroup", exec_log.node.default_child))
        streams = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:<{name}>:*"
        acknowledge(
            task_definition.task_role,
            "ECS Exec is on: its agent opens channels and looks for its log group, neither of which knows a "
            "resource, and writes to the streams of that group: "
            "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#ecs-exec-required-iam-permissions",
            "AwsSolutions-IAM5[Resource::*]",
            f"AwsSolutions-IAM5[Resource::{streams}]",
        )

    def _attach(self, target_group: elbv2.ApplicationTargetGroup, alternate: AlternateTarget | None) -> None:
        if alternate is None:
            self.service.attach_to_application_target_group(target_group)
            return
        role = TrafficShiftRole(
            self,
            "TrafficShiftRole",
            target_groups=[target_group, alternate.target_group],
            rule=alternate.rule,
        )
        # With its policy: ECS uses it at once.
        self.service.node.add_dependency(role)
        self.service.load_balancer_target(
            container_name=CONTAINER,
            container_port=PORT,
            alternate_target=ecs.AlternateTarget(
                "AlternateTarget",
                alternate_target_group=alternate.target_group,
                production_listener=ecs.ListenerRuleConfiguration.application_listener_rule(alternate.rule),
                role=role,
            ),
        ).attach_to_application_target_group(target_group)

    def _task_definition(
        self, family: str, cpu: int, memory_mib: int, architecture: ecs.CpuArchitecture
    ) -> ecs.FargateTaskDefinition:
        task_definition = ecs.FargateTaskDefinition(
            self,
            "TaskDefinition",
            family=family,
            cpu=cpu,
            memory_limit_mib=memory_mib,
            task_role=self._task_role(),
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=architecture,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        acknowledge(
            task_definition,
            "The environment has addresses and limits alone; secrets come from Secrets Manager.",
            "AwsSolutions-ECS2",
        )
        return task_definition

    def _task_role(self) -> iam.Role:
        """Return a role that tasks of this account and region alone may assume."""
        stack = Stack.of(self)
        of_ecs = f"arn:{stack.partition}:ecs:{stack.region}:{stack.account}:*"
        principal = service_of_this_account(self, "ecs-tasks.amazonaws.com", of_ecs)
        return iam.Role(self, "TaskRole", assumed_by=principal)

    @staticmethod
    def _allow_start(
        task_definition: ecs.FargateTaskDefinition,
        image: ServiceImage,
        secrets: Mapping[str, secretsmanager.ISecret],
        secrets_key: kms.IKey,
    ) -> iam.IRole:
        execution_role = task_definition.obtain_execution_role()
        for statement in read_statements(task_definition, secrets_key, *secrets.values()):
            task_definition.add_to_execution_role_policy(statement)
        image.grant_pull(task_definition)
        if image.from_ecr:
            acknowledge(
                execution_role,
                "Pulling from ECR takes ecr:GetAuthorizationToken, which knows no resource: "
                "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html",
                "AwsSolutions-IAM5[Resource::*]",
            )
        return execution_role
