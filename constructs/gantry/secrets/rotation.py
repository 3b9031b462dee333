"""A secret's rotation: its function, its schedule, and the alarms on both."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from contract import log_groups
from contract import metrics as published
from gantry.functions.python_function import FunctionDefaults, PythonFunction
from gantry.monitoring import metrics
from gantry.monitoring.alarm import AlarmDefaults, NotifyingAlarm
from gantry.nag import acknowledge
from gantry.secrets.rotation_permissions import release_statements, secret_statements, service_statements

_ASSET = "rotation"
# Lambda's longest. A step of Valkey's rotation waits for ElastiCache up to ten minutes, everything else in
# lambdas/rotation for less; it fails so that it can be repeated, within the window.
_TIMEOUT = Duration.minutes(15)
_WINDOW = "3h"


@dataclass(frozen=True, kw_only=True)
class RotationSchedule:
    """When a secret rotates.

    Attributes
    ----------
    expression
        Secrets Manager's ``cron(…)``, in UTC, on the hour. A ``rate(…)`` may rotate once more when it changes
        (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-secretsmanager-rotationschedule-rotationrules.html).
    period
        The longest time between two rotations; a secret that is older than this and a fifth is overdue.
    """

    expression: str
    period: Duration


@dataclass(frozen=True, kw_only=True)
class RotationStrategy:
    """How one kind of secret is rotated.

    Attributes
    ----------
    name
        The strategy's name in ``lambdas/rotation/wiring.py``.
    security_group
        What its function may reach.
    environment
        The strategy's own variables.
    statements
        What its function may do besides rotating this secret and redeploying the service.
    """

    name: str
    security_group: ec2.ISecurityGroup
    environment: Mapping[str, str]
    statements: Sequence[iam.PolicyStatement] = ()


class RotatedSecret(Construct):
    """Rotates one secret, has the service's tasks replaced, and retires the old credential.

    One function does all of it: Secrets Manager calls it with the four steps, and a schedule and the
    service's own events have it reconcile the secret, which is when the old credential is retired. It may
    touch this secret, this service, and what its strategy names.

    Parameters
    ----------
    functions
        What the function has in common with others.
    secret, secret_name, secrets_key
        What is rotated, its name, and the key that encrypts it, imported by ARN.
    strategy, schedule
        How and when.
    release_time
        How long a release may take until traffic moves to its tasks; None where none moves.
    longest_deployment
        How long a deployment waits on purpose, with the tasks that read the earlier credential.
    service, cluster_name
        Whose tasks read the secret, and the name of the cluster that they run in.
    reconcile_rules
        Rules of EventBridge that have the function reconcile the secret.
    alarm_defaults
        Names, topic and runbook of the alarms.

    Attributes
    ----------
    function, log_group
        The function and its log group.
    alarms
        The alarms.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: FunctionDefaults,
        secret: secretsmanager.ISecret,
        secret_name: str,
        secrets_key: kms.IKey,
        strategy: RotationStrategy,
        schedule: RotationSchedule,
        longest_deployment: Duration,
        service: ecs.IBaseService,
        cluster_name: str,
        reconcile_rules: Sequence[events.Rule],
        alarm_defaults: AlarmDefaults,
        release_time: Duration | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._secret, self._secret_name = secret, secret_name
        dead_letters = self._dead_letter_queue()
        tasks = Stack.of(self).format_arn(service="ecs", resource="task", resource_name=f"{cluster_name}/*")
        # The service is named like its cluster.
        releases = Stack.of(self).format_arn(
            service="ecs",
            resource="service-deployment",
            resource_name=f"{cluster_name}/{cluster_name}/*",
        )
        limit = None if release_time is None else str(release_time.to_seconds())
        python = PythonFunction(
            self,
            "Function",
            defaults=functions,
            asset=_ASSET,
            name=log_groups.rotation(strategy.name),
            description=f"Rotates the secret {strategy.name} and retires what it replaced",
            security_group=strategy.security_group,
            environment={
                "STRATEGY": strategy.name,
                "SECRET_ARN": secret.secret_arn,
                "CLUSTER": cluster_name,
                "SERVICE": service.service_name,
                **({} if limit is None else {"RELEASE_SECONDS": limit}),
                **strategy.environment,
            },
            statements=[
                *secret_statements(self, secret, secrets_key),
                *service_statements(service, tasks),
                *([] if limit is None else release_statements(service, releases)),
                *strategy.statements,
            ],
            timeout=_TIMEOUT,
            memory_mib=256,
            traced=True,
            dead_letter_queue=dead_letters,
        )
        acknowledge(
            python.role,
            "DescribeTasks names tasks by ids that do not exist yet; the cluster is before the wildcard.",
            f"AwsSolutions-IAM5[Resource::{tasks}]",
        )
        if limit is not None:
            acknowledge(
                python.role,
                "Service deployments have ids that do not exist yet; the service comes before the wildcard.",
                f"AwsSolutions-IAM5[Resource::{releases}]",
            )
        self.function, self.log_group = python.function, python.log_group
        self._schedule(schedule)
        for rule in reconcile_rules:
            target = targets.LambdaFunction(self.function, retry_attempts=2, dead_letter_queue=dead_letters)
            rule.add_target(target)
        self.alarms = self._alarms(alarm_defaults, schedule.period, longest_deployment, dead_letters)

    def _dead_letter_queue(self) -> sqs.Queue:
        return sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )

    def _schedule(self, schedule: RotationSchedule) -> None:
        stack = Stack.of(self)
        permission = lambda_.CfnPermission(
            self,
            "SecretsManagerMayInvoke",
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="secretsmanager.amazonaws.com",
            source_account=stack.account,
            source_arn=self._secret.secret_arn,
        )
        # Not the L2: it would let the function make random passwords by a statement on every resource.
        rotation = secretsmanager.CfnRotationSchedule(
            self,
            "Schedule",
            secret_id=self._secret.secret_arn,
            rotation_lambda_arn=self.function.function_arn,
            # The first deployment has just generated the value; tasks are starting with it.
            rotate_immediately_on_update=False,
            rotation_rules=secretsmanager.CfnRotationSchedule.RotationRulesProperty(
                schedule_expression=schedule.expression, duration=_WINDOW
            ),
        )
        rotation.node.add_dependency(permission)
        # Secrets Manager tries the function while it makes the schedule.
        rotation.node.add_dependency(self.function.role or self.function)

    def _alarms(
        self,
        alarm_defaults: AlarmDefaults,
        period: Duration,
        longest_deployment: Duration,
        dead_letters: sqs.Queue,
    ) -> list[NotifyingAlarm]:
        overdue_days = period.to_days() * 1.2
        # From the new version's creation on: an hour for the steps, two of which may wait for ElastiCache,
        # and of the next one a minute for a deployment that waits for nothing.
        active_hours = 1 + math.ceil((59 + longest_deployment.to_minutes(integral=False)) / 60)
        hour = Duration.hours(1)
        letters = dead_letters.metric_approximate_number_of_messages_visible(period=Duration.minutes(5))
        alarm = partial(alarm_defaults.alarm, self)
        return [
            # The other alarms are silent about a function that nothing calls any more.
            alarm("overdue", self._metric(published.DAYS_SINCE_ROTATION, hour), overdue_days,
                        f"The secret was not rotated for more than {overdue_days:g} days, or, without data, "
                        "no one reconciles it.", missing=cloudwatch.TreatMissingData.MISSING),
            alarm("failed", self.function.metric_errors(period=Duration.minutes(5)), 0,
                        "A step of the rotation, or a reconciliation of the secret, failed."),
            alarm("previous-credential-active",
                        self._metric(published.HOURS_PREVIOUS_ACTIVE, Duration.minutes(15)), active_hours,
                        f"An earlier credential still logs in {active_hours} h after the current one was "
                        "made."),
            alarm("dead-letters", letters, 0, "The function could not be run, or failed three times."),
        ]  # fmt: skip

    def _metric(self, name: str, period: Duration) -> cloudwatch.Metric:
        return metrics.rotation(self._secret_name, name, period=period)


def reconcile_rules(scope: Construct, *, service: ecs.IBaseService) -> list[events.Rule]:
    """Return the rules that call a service's rotation functions: every few minutes, and when tasks stop.

    The events only make retirement prompt: AWS may send one late, twice or never.
    """
    cluster = service.cluster.cluster_arn
    return [
        events.Rule(
            scope,
            "EveryFewMinutes",
            description="Reconciles rotated secrets",
            schedule=events.Schedule.rate(Duration.minutes(5)),
        ),
        events.Rule(
            scope,
            "TaskStopped",
            description="Reconciles rotated secrets when a task has stopped",
            event_pattern=events.EventPattern(
                source=["aws.ecs"],
                detail_type=["ECS Task State Change"],
                detail={"clusterArn": [cluster], "lastStatus": ["STOPPED"]},
            ),
        ),
    ]
